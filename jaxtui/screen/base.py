"""What every screen of the explorer has: the header, the key line, and a way to show the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from textual.app import ComposeResult
from textual.widget import Widget

from jaxtui.screen import commands
from jaxtui.screen.command_table import Command
from jaxtui.screen.header import HeaderLine, KeyLine
from jaxtui.screen.key_order import types_text
from jaxtui.screen.screens import BY_NAME, KEYED
from jaxtui.screen.textual_private import PromptScreen, own_actions
from jaxtui.screen.titles import pane_of
from jaxtui.screen.widths import NARROW
from jaxtui.text.printable import visible

if TYPE_CHECKING:
    from textual.css.scalar import Scalar

    from jaxtui.screen.shell import Shell, ShownWork, Workbench
    from jaxtui.session.diagnosis import Diagnosis, Fix

W = TypeVar("W", bound="ShownWork")

# The styles of every screen but the first, which must not wait for them.
STYLES = str(Path(__file__).with_name("jaxtui.tcss"))
BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
SHORT = 18  # rows below which what is not needed gives its lines away
ROW_BREAKPOINTS = [(0, "-short"), (SHORT, "-tall")]
LONGEST_PLACE = 24  # characters of the name of what has the focus
LOW = 34  # rows below which two panes take turns, on the screens that need both
LEAST_COLUMNS = 30  # of either side of a split
LOW_BREAKPOINTS = [(0, "-low"), (LOW, "-tall")]


class WorkScreen(PromptScreen, Generic[W]):
    """A screen that shows the work `W` on the session; all else it asks of the shell."""

    NAME: ClassVar[str] = ""
    FLIPPED: ClassVar[tuple[str, str]] = ("", "")  # class of the other page, and the way back
    AUTO_FOCUS = ""
    ALLOW_IN_MAXIMIZED_VIEW = "HeaderLine, KeyLine"
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS
    VERTICAL_BREAKPOINTS = ROW_BREAKPOINTS

    def __init__(self) -> None:
        super().__init__()
        entry = BY_NAME[self.NAME]
        names = [(screen.name, screen.key, screen.title) for screen in KEYED]
        self.header_line = HeaderLine(names, entry.over or entry.name)
        self.key_line = KeyLine()
        self.composed = False
        self._height: Scalar | None = None  # of its own, of the pane that fills the screen
        self.left: Widget | None = None  # the field that was left last; Tab returns to it

    @property
    def shell(self) -> Shell[W]:
        return cast("Shell[W]", self.app)

    @property
    def explorer(self) -> Workbench[W]:
        return self.shell.explorer

    @property
    def unread(self) -> list[str]:
        """The names of fields whose text is in no session, since it cannot be read yet."""
        return []

    def body(self) -> ComposeResult:
        """The widgets between the header and the key line."""
        yield from ()

    def compose(self) -> ComposeResult:
        self._fit_classes()
        yield self.header_line
        yield from self.body()
        yield self.key_line

    def _fit_classes(self) -> None:
        """Take the classes of this size before there are widgets: Textual does after a layout."""
        width, height = self.app.size
        for size, breakpoints in (
            (width, self.HORIZONTAL_BREAKPOINTS),
            (height, self.VERTICAL_BREAKPOINTS),
        ):
            reached = [name for least, name in sorted(breakpoints) if size >= least]
            self.add_class(*reached[-1:])

    def on_mount(self) -> None:
        self.open()

    def open(self) -> None:
        self.composed = True
        self.show_work(self.explorer.work, self.explorer.now())
        self.watch(self, "focused", self.show_keys)

    def on_screen_resume(self) -> None:
        if self.composed:  # also what stands beside it, such as a lesson
            self.explorer.show_work()

    def show_work(self, work: W, now: float) -> None:
        """Show the state of the work; called after every change."""
        self.show_status(work, now)

    def show_status(self, work: W, now: float) -> None:
        environment = work.environment
        line = self.header_line
        line.where = (
            f"{environment.platform} × {_how_many(work)} · JAX {environment.jax}"
            if environment is not None and work.phase == "ready"
            else ""
        )
        line.doing = work.status(now)
        lost = self.explorer.open_session.line.lost
        line.alert = lost or work.phase == "gone" or "ctrl+c" in line.doing

    def scopes(self) -> tuple[str, ...]:
        """The scopes whose keys work now, nearest first."""
        return (self.NAME, "app")

    def show_keys(self) -> None:
        focused = self.focused
        if self.maximized is not None and pane_of(focused) not in (None, self.maximized):
            self.minimize()  # the focus went to a pane that is behind the one that fills the screen
        self.key_line.keys = self.keys(focused)
        if focused is None:
            self.key_line.place = ""
        else:
            from jaxtui.screen.places import name_of

            self.key_line.place = visible(name_of(focused))[:LONGEST_PLACE]

    def keys(self, focused: Widget | None) -> tuple[tuple[str, str], ...]:
        """The (key, label) pairs of the key line while `focused` has the focus."""
        own: tuple[tuple[str, str], ...] = getattr(focused, "HINTS", ())
        if getattr(focused, "takes_all_keys", False):
            return own
        typing = types_text(focused)
        # While a lesson is open, its keys come first.
        scopes = (*(("lesson",) if self.has_class("-lesson") else ()), *self.scopes())
        found = [
            command
            for scope in scopes
            for command in commands.in_scopes(scope)
            if command.hint and self.offers(command)
        ]
        # In a field, whose keys are few, what is done with the text comes first.
        found.sort(
            key=lambda c: (
                c.scope != "lesson",
                c.scope == "app" != self.scopes()[0],
                typing and c.action != "screen.run",
                c.hint,
            )
        )
        hints = list(own)
        actions = own_actions(focused)
        for command in found:
            # A key that means something else in the pane is not named for what it means around it.
            taken = [
                key
                for key, action in actions.items()
                if action != command.action and key not in commands.WITH_PRIORITY
            ]
            key = commands.shown_key(command, typing=typing, taken=taken)
            if key and all(key != other for other, _ in hints):
                hints.append((key, self.label_of(command)))
        if self.maximized is not None:
            hints[:0] = [("esc" if typing else "z", "all panes")]
        if focused is None:
            hints[1:1] = [("tab", "fields")]
        if typing:
            leave = [] if self.maximized is not None else [("esc", "leave")]
            hints[1:1] = [("tab", "next field"), *leave]
        return tuple(hints)

    def label_of(self, command: Command) -> str:
        """A command's label in the key line; that of the flip key names the other page."""
        turned, back = self.FLIPPED
        if command.action == "screen.flip" and turned and self.has_class(turned):
            return back
        if command.action == "app.turn_lesson" and self.has_class("-reading"):
            return "hide text" if self.has_class("-beside") else "program"
        return command.label

    def offers(self, command: Command) -> bool:
        """Whether a command applies now; applying a fix does when there is one."""
        if command.action == "app.apply_fix":
            found = self.diagnosis(self.explorer.work)
            return found is not None and bool(found.fixes)
        return True

    def diagnosis(self, work: W) -> Diagnosis | None:
        """The error in what is typed on this screen."""
        return work.diagnosis

    def apply(self, fix: Fix) -> None:
        self.explorer.fix(fix)

    def text_to_copy(self) -> str:
        return ""

    def leave_field(self) -> None:
        self.left = self.focused
        self.set_focus(None)

    def return_to_field(self) -> bool:
        """Focus the field that was left last. Return whether there was one."""
        left, self.left = self.left, None
        if left is None or not left.is_attached or not left.focusable:
            return False
        self.set_focus(left)
        return True

    # ----------------------------------------------------------------------------- the panes

    @property
    def main_pane(self) -> Widget | None:
        """The pane to zoom while none has the focus."""
        return None

    @property
    def left_column(self) -> Widget | None:
        """What stands left of all else, if its width can be chosen now."""
        return None

    def zoom(self) -> None:
        """Let the pane in focus, or left last, fill the screen, or give it its place again."""
        if self.maximized is not None:
            self.minimize()
            return
        pane = pane_of(self.focused or self.left) or self.main_pane
        if pane is None:
            self.say("tab goes to a pane; then z lets it fill the screen")
        else:
            self.maximized = pane

    def watch_maximized(self, before: Widget | None, now: Widget | None) -> None:
        """A height that fits what a pane shows gives way while the pane fills the screen."""
        if before is not None:
            before.styles.height = self._height
        if now is not None:
            own = now.styles.inline
            self._height = own.height if own.has_rule("height") else None
            now.styles.height = "1fr"
        if self.composed:
            self.show_keys()

    def move_split(self, columns: int) -> None:
        """Make the left column wider by so many columns, as far as both sides stay usable."""
        column = self.left_column
        if column is None:
            self.say("no column of this screen has another beside it")
            return
        most = self.size.width - LEAST_COLUMNS
        column.styles.width = max(LEAST_COLUMNS, min(most, column.outer_size.width + columns))

    def say(self, text: str) -> None:
        self.key_line.say(text)


def _how_many(work: ShownWork) -> str:
    """The number of devices in use, "2 of 8" when some are left out."""
    assert work.environment is not None
    count, order = work.environment.device_count, work.session.devices.order
    return f"{len(order)} of {count}" if order and len(order) < count else str(count)
