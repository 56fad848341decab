"""The palette: everything that there is to do, to open and to go to, a line each."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from textual import events
from textual.app import ComposeResult

from jaxtui import lessons
from jaxtui.app.recent import shown
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.command_table import Command
from jaxtui.screen.dialogs import Dialog, FilterLine
from jaxtui.screen.filter_list import Choice, FilterList
from jaxtui.screen.places import places
from jaxtui.screen.screens import BY_NAME, KEYED
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.field_path import FUNCTION, LAYERS
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.text.printable import visible

if TYPE_CHECKING:
    from jaxtui.app.shell_app import ShellApp

WIDTH = 76  # of the box, in cells
AROUND = 7  # cells for its border, padding and scroll bar


# What the tabs of the results show.
TABS = {
    "Result": "the values",
    "Remarks": "what may not be as one expects",
    "Changes": "what differs from another run",
    "Memory": "what takes it, line by line",
    "Shards": "what lies on which device",
    "Output": "what the function prints",
    "NaN": "which line makes them",
    "Equivalents": "the other ways to run it, and whether they agree",
    "Jaxpr": "what JAX traces",
    "StableHLO": "what JAX hands to the compiler",
    "HLO": "what XLA makes of it",
    "Cost": "operations, bytes and memory",
    "Python": "the program as a script",
    "Notes": "what the session says about itself",
    "Error": "the whole of what is wrong",
}


class Entry(NamedTuple):
    """A line of the palette, and what it does."""

    choice: Choice
    do: Callable[[], object]


class Palette(Dialog[int]):
    """Asks which of the entries is meant; answers its place."""

    TITLE = "Find anything"

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__()
        self._entries = entries

    def body(self) -> ComposeResult:
        room = min(WIDTH, int(self.app.size.width * 0.95)) - AROUND
        yield FilterLine()
        yield FilterList([entry.choice for entry in self._entries], filters=True, room=room)

    def on_filter_list_typed(self, event: FilterList.Typed) -> None:
        self.query_one(FilterLine).show(event.text, event.left)

    def on_option_list_option_selected(self, event: FilterList.OptionSelected) -> None:
        self.dismiss(FilterList.place_of(event.option))

    def on_key(self, event: events.Key) -> None:
        """Let the key that opened it close it."""
        if event.key == "ctrl+p":
            event.stop()
            self.dismiss(None)


def open_palette(app: ShellApp) -> None:
    """Show the palette over the present screen, and do what is chosen."""
    found = [*entries(app)]

    def chosen(place: int | None) -> None:
        if place is not None:
            done = found[place].do()
            if isinstance(done, Awaitable):
                app.call_later(_awaited, done)

    app.push_screen(Palette(found), chosen)


async def _awaited(done: Awaitable[object]) -> None:
    await done


def entries(app: ShellApp) -> Iterator[Entry]:
    """Everything, what is of the present screen first."""
    screen = app.screen
    name = screen.NAME if isinstance(screen, WorkScreen) else ""
    scopes = screen.scopes() if isinstance(screen, WorkScreen) else ("app",)
    own = dict.fromkeys([*scopes[:-1], *(("layers", "map") if name == "map" else ()), "app"])
    yield from _commands(screen, [*(("lesson",) if app.reads_lesson else ()), *own])
    if isinstance(screen, WorkScreen):
        for place in places(screen):
            yield Entry(
                Choice(visible(place.name), "Go to"), partial(screen.set_focus, place.widget)
            )
    yield from _of_map(app)
    for operation, about in OPERATIONS.items():
        choice = Choice(f"{operation}: each device gets {about.does}", "Collective")
        yield Entry(choice, partial(_collective, app, operation))
    for number, (lesson, title) in enumerate(_titles().items(), 1):
        choice = Choice(f"{number} {title}", "Lesson", words=lesson)
        yield Entry(choice, partial(_lesson, app, lesson))
    for path in app.recent.paths() if app.recent is not None else []:
        yield Entry(Choice(visible(shown(path)), "Open"), partial(_open, app, path))
    for other in KEYED:
        if other.name != name:
            yield from _commands_elsewhere(app, other.name)
    for theme in sorted(app.available_themes):
        yield Entry(Choice(theme, "Theme", words="colours"), partial(setattr, app, "theme", theme))


def _commands(screen: Any, scopes: list[str]) -> Iterator[Entry]:
    for command in commands.in_scopes(*scopes):
        if command.palette:
            kind = "Screen" if command.action.startswith("app.show_screen") else "Command"
            yield Entry(_choice(command, kind), partial(screen.run_action, command.action))


def _commands_elsewhere(app: ShellApp, screen: str) -> Iterator[Entry]:
    for command in commands.in_scopes(screen):
        if command.palette and command.action.startswith("screen."):
            choice = _choice(command, BY_NAME[screen].title)
            yield Entry(choice, partial(_elsewhere, app, screen, command.action))


def _choice(command: Command, kind: str) -> Choice:
    key = commands.shown_key(command, typing=False)
    return Choice(command.help, kind, key, f"{command.label} {command.action}")


def _elsewhere(app: ShellApp, screen: str, action: str) -> None:
    app.show_screen(screen)
    app.call_after_refresh(lambda: app.call_later(app.screen.run_action, action))


def _of_map(app: ShellApp) -> Iterator[Entry]:
    """The tabs of the results, the functions and the layers."""
    explorer = app.workbench
    with contextlib.suppress(KeyError, IndexError):  # a Map screen that was never shown
        for tab, _ in app.map_screen.results.tab_line.tabs:
            choice = Choice(f"{tab}: {TABS[tab]}" if tab in TABS else tab, "Result tab")
            yield Entry(choice, partial(_tab, app, tab))
    for function in explorer.work.choices:
        choice = Choice(visible(function), "Function")
        yield Entry(choice, partial(explorer.edit, FUNCTION, function))
    for transform, kind in LAYER_KINDS.items():
        choice = Choice(f"{transform}: {kind.about}", "Add layer")
        yield Entry(choice, partial(_layer, app, transform))


def _tab(app: ShellApp, tab: str) -> None:
    app.show_screen("map")
    app.map_screen.show_results(tab)
    app.workbench.show_work()


def _layer(app: ShellApp, transform: str) -> None:
    layers = app.workbench.work.session.program.layers
    app.workbench.edit(LAYERS, [*layers, LAYER_KINDS[transform]()])
    app.show_screen("map")


def _collective(app: ShellApp, operation: str) -> None:
    app.show_screen("collectives")
    app.call_after_refresh(lambda: app.collectives_screen.pick(operation))


def _lesson(app: ShellApp, name: str) -> None:
    app.open_lesson(name)


def _open(app: ShellApp, path: str) -> None:
    def go_on() -> None:
        app.open_file(path)
        app.show_session()

    app.workbench.files.unless_changed(go_on)


@cache
def _titles() -> dict[str, str]:
    """The titles of the lessons by name."""
    return {name: lessons.load(name).title for name in lessons.NAMES}
