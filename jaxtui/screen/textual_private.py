"""The one place that reaches for names which Textual keeps private; each has a test."""

from __future__ import annotations

import codecs
import functools
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TextIO

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.segment import Segment, Segments
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, ScreenResume
from textual.geometry import Region
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from jaxtui.screen.taken_terminal import TakenTerminal
from jaxtui.screen.terminal_frame import Piece, TerminalFrame

PAINT_SECONDS = 0.001
_ALTERNATE_SCREEN = "\x1b[?1049h"


class PromptScreen(Screen[None]):
    """A screen whose changes are painted nearly at once.

    Textual paints at its next 60th of a second, and again 16 ms are gone after the answer to a
    key. What changes on these screens changes rarely.
    """

    _soon: Timer | None = None
    _has_been_left = False

    def on_screen_suspend(self) -> None:
        self._has_been_left = True

    def _on_screen_resume(self, event: ScreenResume) -> None:
        # What has just been mounted has its styles; Textual styles it again, twice.
        event.refresh_styles = self._has_been_left

    @property
    def _update_timer(self) -> Timer:
        if self._soon is None:
            self._soon = self.set_interval(
                PAINT_SECONDS, self._on_timer_update, name="screen_update", pause=True
            )
        return self._soon


class ThinBar(ScrollBarRender):
    """Draws a bar below a text as a line: a row of blocks would be the brightest thing around."""

    @classmethod
    def render_bar(cls, *args: Any, **options: Any) -> Segments:
        found = super().render_bar(*args, **options)
        if options.get("vertical", True):
            return found
        back = Style(bgcolor=options["back_color"])
        bar = back + Style(color=options["bar_color"])
        return Segments(
            [
                Segment("━", bar + Style(meta=style.meta))
                if style is not None and style.meta.get("@mouse.down") == "grab"
                else Segment(text, style and back + Style(meta=style.meta), control)
                for text, style, control in found.segments
            ]
        )


ScrollBar.renderer = ThinBar


class FrugalApp(App[None]):
    """An app that sends its terminal only the cells that differ from those it shows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._shown = TerminalFrame()

    def begin_with_shown(self, rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Take what the terminal shows for known: texts by row, with the codes of their styles."""
        self._shown.begin_with(rows)

    def forget_shown(self) -> None:
        """Take nothing that the terminal shows for known; what is painted next is sent whole."""
        self._shown.forget()

    def _handle_exception(self, error: Exception) -> None:
        """Take no notice of what fails once the app has been asked to exit.

        A screen that is just being mounted is taken apart then, and what comes next for it finds it
        gone.
        """
        if not self._exit:
            super()._handle_exception(error)

    def panic(self, *renderables: RenderableType) -> None:
        """End with these words and the status of a failure, so that what is unsaved is kept.

        Textual leaves the status at that of a user who quits.
        """
        if not self._exit:
            self.exit(None, 1)
        super().panic(*renderables)

    def _load_screen_css(self, screen: Screen[Any]) -> None:
        """Load the styles of a new screen; those that are loaded already are not parsed again.

        Textual parses all of them up to three times for it, and styles all widgets anew.
        """
        for path in screen.css_path:
            if not self.stylesheet.has_source(str(path), ""):
                self.stylesheet.read(path)
        super()._load_screen_css(screen)
        if screen._css_update_count < 0:  # a new one, whose widgets are styled as they are mounted
            screen._css_update_count = self._css_update_count

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            width, height = self.size
            renderable = FrugalUpdate(renderable, self._shown, width, height)
        elif renderable is not None:
            self.forget_shown()
        super()._display(screen, renderable)


class FrugalUpdate(CompositorUpdate):
    """An update of Textual's, of which only what differs from a frame is written."""

    def __init__(
        self, update: LayoutUpdate | ChopsUpdate, shown: TerminalFrame, width: int, height: int
    ) -> None:
        self._update, self._shown, self._size = update, shown, (width, height)

    def render_segments(self, console: Console) -> str:
        colours = console._color_system or ColorSystem.TRUECOLOR
        try:
            return self._shown.update(self._pieces(), *self._size, colours)
        except Exception:  # whatever it is, a screen that can be read comes first
            self._shown.forget()
            return self._update.render_segments(console)

    def _pieces(self) -> Iterator[Piece]:
        """Where Textual would write which strip, in that order."""
        update = self._update
        if isinstance(update, LayoutUpdate):
            for y, line in enumerate(update.strips, update.region.y):
                x = update.region.x
                for strip in line:
                    yield x, y, strip
                    x += strip.cell_length
            return
        for y, first, last in update.spans:
            for end, (x, part) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if part is not None and x <= last and end > first:
                    whole = first <= x < last and end <= last
                    yield x, y, part if whole else part.crop(0, min(end, last) - x)


class EditsAtOnce(Widget if TYPE_CHECKING else object):  # type: ignore[misc]  # see below
    """For a text field that acts itself on the keys that edit its text or move its cursor.

    Textual handles a character in the field, but lets the keys of a field's bindings travel up to
    the app first. It looks for a widget's styles in its first base only, if that is a widget.
    """

    def editing_action(self, key: str) -> str:
        """The action of the field's own that `key` has, "" if it has none."""
        actions = (b.action for b in self._bindings.key_to_bindings.get(key, ()))
        return next((a for a in actions if a != "submit" and "." not in a), "")

    async def on_key(self, event: Key) -> None:
        if action := self.editing_action(event.key):
            event.stop()
            event.prevent_default()
            await self.run_action(action)


class SteadyInput(EditsAtOnce, Input):
    """An input that needs no new layout when its text changes, since its size is fixed.

    Textual lays out the whole screen with every key.
    """

    _value_changes = False

    def _watch_value(self, value: str) -> None:
        self._value_changes = True
        try:
            super()._watch_value(value)
        finally:
            self._value_changes = False

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        layout = layout and not self._value_changes
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class LosableTerminal:
    """A terminal to write to, which may vanish: what is written then is dropped.

    Textual's thread for output would end with an error, and the app hang once the queue is full.
    """

    _HELD = 64 * 1024  # characters held back until the next flush

    def __init__(self, file: TextIO, lost: Callable[[], object]) -> None:
        """`lost` is called, on the thread for output, when the terminal is gone."""
        self._descriptor = file.fileno()
        self._encoding, self._errors = file.encoding, file.errors or "strict"
        self._lost: Callable[[], object] | None = lost
        self._pieces: list[str] = []
        self._length = 0

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)
        if self._length > self._HELD:
            self.flush()

    def flush(self) -> None:
        data = memoryview("".join(self._pieces).encode(self._encoding, self._errors))
        self._pieces, self._length = [], 0
        while data and self._lost is not None:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process has set the terminal so
                select.select([], [self._descriptor], [])
            except OSError:
                lost, self._lost = self._lost, None
                lost()


def own_actions(widget: Widget | None) -> dict[str, str]:
    """The actions that a widget itself has bound, by key; without those of what is around it."""
    if widget is None:
        return {}
    return {key: bound[0].action for key, bound in widget._bindings.key_to_bindings.items()}


class EscapeParser(XTermParser):
    """Takes escape and a key that arrive together for what they are: two keys.

    Over a slow line they do. A terminal sends the same for alt and a key, for which Textual takes
    it: it would lose the escape, and type another character for a digit. Alt and a key has a
    meaning in text fields only, where it goes or deletes by words: there it keeps it.
    """

    _BEGIN_MORE = frozenset("\x1b[O]P^_X")  # what begins a longer sequence behind an escape
    _BY_WORDS = frozenset("bf\x7f\b")

    def __init__(self, debug: bool, in_field: Callable[[], bool]) -> None:
        """`in_field` tells whether keys are typed into a text field; it is called on any thread."""
        super().__init__(debug)
        self._in_field = in_field

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterator[Key]:
        escape, key = sequence[:1], sequence[1:]
        two = escape == "\x1b" and len(key) == 1 and key not in self._BEGIN_MORE
        if two and not (key in self._BY_WORDS and self._in_field()):
            yield Key("escape", escape)
            sequence = key
        yield from super()._sequence_to_key_events(sequence, alt)


def _tolerant_decoder(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    """Like `codecs.getincrementaldecoder`, of decoders that show what is no text by a sign.

    A terminal passes on whatever is pasted or sent to it, and one that is set so a byte of its own
    for alt and a key.
    """
    return functools.partial(codecs.getincrementaldecoder(encoding), errors="replace")


class TerminalDriver(LinuxDriver):
    """A driver that says when its terminal is gone, by calling the `terminal_lost` of its app.

    It asks its app's `in_field` whether keys are typed into a text field. It goes on with a
    terminal that is on its alternate screen already, if `take_terminal` of its app returns one.
    """

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        assert sys.__stderr__ is not None
        self._terminal_lost: Callable[[], object] = app.terminal_lost
        self._file: Any = LosableTerminal(sys.__stderr__, self._terminal_lost)
        self._forget_shown: Callable[[], object] = app.forget_shown
        self._in_field: Callable[[], bool] = app.in_field
        self._take_terminal: Callable[[], TakenTerminal | None] = app.take_terminal
        self._begin_with_shown = app.begin_with_shown
        self._entered = False  # whether the alternate screen is shown already

    def write(self, data: str) -> None:
        # Entered again, it would be cleared.
        if not (self._entered and data == _ALTERNATE_SCREEN):
            super().write(data)

    def start_application_mode(self) -> None:
        # What the terminal shows after another program had it is not what was sent to it.
        self._forget_shown()
        taken = self._take_terminal()
        self._entered = taken is not None
        super().start_application_mode()  # type: ignore[no-untyped-call]  # in Textual
        self._entered = False
        if taken is not None:
            self.attrs_before = taken.modes
            self._begin_with_shown(taken.rows)

    def run_input_thread(self) -> None:
        parser = functools.partial(EscapeParser, in_field=self._in_field)
        # Textual's thread for input looks its parser and its decoder up by these names.
        vars(linux_driver)["XTermParser"] = parser
        vars(linux_driver)["getincrementaldecoder"] = _tolerant_decoder
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except OSError:
                self._terminal_lost()
                return
            except Exception:
                # A sequence that the parser failed at, such as a window of no size, is dropped with
                # what came together with it. Textual would end the app.
                continue


@functools.cache
def page_only_what_is_laid_out() -> None:
    """Let page up and down do nothing in a list that has no room, as in the tiniest terminals.

    Textual looks the highlighted option's line up, which raises KeyError before a layout with room.
    """
    from textual.widgets import OptionList

    move = OptionList._move_page

    def move_page(options: OptionList, direction: Any) -> None:
        if (options.highlighted or 0) in options._index_to_line:
            move(options, direction)

    OptionList._move_page = move_page  # type: ignore[method-assign, assignment]
