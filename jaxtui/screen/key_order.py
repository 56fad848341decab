"""Gives an app one key at a time, so that no key overtakes another.

Textual hands a character to the field in focus at once, while a key with a binding, such as
backspace or tab, travels up through the queues of all the field's ancestors before the app acts on
it. Keys that come in a burst, as over a slow line, would be handled in another order than they were
typed, or by a field that has lost the focus by then.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget

from jaxtui.screen.commands import WITH_PRIORITY
from jaxtui.screen.textual_private import EditsAtOnce

PATIENCE = 10.0  # seconds for which others wait for a key at most, should its end not be heard of


class KeyOrder:
    """The keys, pasted texts and mouse events that wait for what those before them set off.

    What a field takes as it comes needs no waiting among its like.
    """

    def __init__(self, app: App[None], handle: Callable[[events.Event], Awaitable[object]]) -> None:
        """`handle` is how the app acts on an event. Nothing is given to it until `begin`."""
        self._app, self._handle = app, handle
        self._waiting: deque[events.Event] = deque()
        self._free_at = float("inf")  # time.monotonic, seconds
        self._turn = 0  # counts what was waited for
        self._typed_into: Widget | None = None  # since it was last waited for
        self._reminded = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting and self._free

    @property
    def _free(self) -> bool:
        return time.monotonic() >= self._free_at

    async def take(self, event: events.Event) -> None:
        """Let the app act on `event` now if nothing is before it, else as soon as that is done."""
        self._waiting.append(event)
        await self._go_on()
        self._remind_later()

    def _remind_later(self) -> None:
        """Let what waits go on by itself should the end of what is before it not be heard of."""
        if self._waiting and not self._reminded:
            self._reminded = True
            self._app.set_timer(PATIENCE, self._remind)

    async def _remind(self) -> None:
        self._reminded = False
        await self._go_on()
        self._remind_later()

    def begin(self) -> None:
        """Give out what waits, once the screen that is shown now has been composed."""
        self._wait_for(self._app.screen)

    async def _go_on(self) -> None:
        while self._waiting and self._free:
            event, screen = self._waiting[0], self._app.screen
            target = self._app.focused or screen
            typed = _is_typed(event, target)
            if not typed and self._typed_into is not None:
                self._wait_for(self._typed_into)
                return
            await self._handle(self._waiting.popleft())
            if typed:
                self._typed_into = target
            elif isinstance(event, events.Key | events.Paste):
                self._wait_for(target, screen)

    def _wait_for(self, target: Widget, screen: Screen[object] | None = None) -> None:
        """Wait until all that was sent to `target` has been handled there and by its ancestors.

        After that, if the screen is not `screen` any longer, wait for the new one.
        """
        self._turn += 1
        self._typed_into = None
        self._free_at = time.monotonic() + PATIENCE
        # One that has just been removed has no ancestors any more.
        pumps = dict.fromkeys([*target.ancestors_with_self, self._app])
        # First behind the key itself, until the app has acted on it if nothing before did; then
        # twice through each queue, behind the messages that it posted and those that these post.
        way = [*pumps, *(pump for pump in pumps for _ in range(2))]
        _pass(way, partial(self._done, self._turn, screen))

    async def _done(self, turn: int, before: Screen[object] | None) -> None:
        if turn != self._turn:  # it took so long that others went ahead
            return
        if before is not None and self._app.screen is not before:
            self._wait_for(self._app.screen)
            return
        self._free_at = 0.0
        await self._go_on()


def _pass(pumps: Sequence[MessagePump], done: Callable[[], Awaitable[None]]) -> None:
    """Call `done` after passing through the queues of `pumps` in turn, skipping closed ones.

    It is called by the last of them.
    """
    steps = iter(pumps)

    async def step() -> None:
        if not go_on():
            await done()

    def go_on() -> bool:
        return any(pump.call_later(step) for pump in steps)

    go_on()


def _is_typed(event: events.Event, target: Widget) -> bool:
    """Whether `target` is a field that takes the event as it comes."""
    if isinstance(event, events.Paste):
        return types_text(target)
    if not isinstance(event, events.Key) or event.key in WITH_PRIORITY:
        return False
    edits = isinstance(target, EditsAtOnce) and bool(target.editing_action(event.key))
    return edits or (types_text(target) and target.check_consume_key(event.key, event.character))


def types_text(widget: Widget | None) -> bool:
    """Whether a widget takes the keys that type a character."""
    return widget is not None and widget.check_consume_key("x", "x")
