"""Delays actions that read typed text until the keys before them have been handled.

The app acts on a key with priority at once, while the characters typed right before it are still
in the queue of their field, and the messages that these post in the queues of its ancestors.
"""

from __future__ import annotations

from collections.abc import Callable

from textual import actions
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget

WAITING = frozenset(
    {
        "apply_devices",
        "apply_fix",
        "open_session",
        "quit",
        "run",
        "save_session",
        "save_session_as",
    }
)
ROUNDS = 2  # through each queue: behind the keys, then behind the messages that these post


def waits(action: object) -> bool:
    """Whether an action reads what was typed."""
    return isinstance(action, str) and actions.parse(action)[1] in WAITING


def after_typing(screen: Screen[object], act: Callable[[], object]) -> None:
    """Call `act` once all text fields of `screen` have handled the keys sent to them so far."""
    # The focus may have moved since, so every field counts; one more keeps the count above zero
    # until all have been started.
    left = 1

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            act()

    for field in screen.walk_children(Widget):
        if types_text(field):
            left += 1
            _pass([pump for pump in field.ancestors_with_self if pump is not screen.app], done)
    done()


def _pass(pumps: list[MessagePump], done: Callable[[], None]) -> None:
    """Call `done` after passing through the queues of `pumps` in turn, skipping closed ones."""
    steps = iter([pump for pump in pumps for _ in range(ROUNDS)])

    def step() -> None:
        for pump in steps:
            if pump.call_later(step):
                return
        done()

    step()


def types_text(widget: Widget | None) -> bool:
    """Whether a widget takes the keys that type a character."""
    return widget is not None and widget.check_consume_key("x", "x")
