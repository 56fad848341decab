"""The dialog that runs a script up to a call, and answers what was captured."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable

from msgspec import Struct
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from jaxtui.capture.request import Capture, CaptureError, CaptureReport, capture_of
from jaxtui.capture.running import Running, why_not
from jaxtui.screen.dialogs import ESC, Dialog, Keys
from jaxtui.screen.field import TypedInput
from jaxtui.screen.path_dialog import PathSuggester
from jaxtui.text.printable import visible

KEPT_CHARACTERS = 20_000  # of what the script prints
SHOWN_LINES = 3
TICK = 0.2
TARGET = "capture-target"  # the field whose text is completed


class Typed(Struct):
    """What stands in the fields of the dialog."""

    target: str = ""
    arguments: str = ""
    call: str = ""
    values: str = ""


class Captured(Struct, frozen=True):
    """A call that was captured."""

    capture: Capture
    report: CaptureReport


FIELDS = (
    ("target", "function", "script.py:function"),
    ("arguments", "arguments", "of the script: --steps 5"),
    ("call", "call", "1, or which one"),
    ("values", "elements", "none: only shapes; or a file, such as values.npz"),
)


class CaptureDialog(Dialog[Captured]):
    """Asks for a script and a function, and stays open until a call of it is captured."""

    TITLE = "Capture the arguments of a call"
    KEYS = (("enter", "run the script"), ESC)
    DEFAULT_CSS = """
    CaptureDialog .dialog Horizontal { height: 1; }
    CaptureDialog .dialog Horizontal Static { width: 11; }
    CaptureDialog .dialog Horizontal Input { width: 1fr; }
    CaptureDialog #capture-message { margin-top: 1; }
    """

    def __init__(self, typed: Typed, free: Callable[[str], str]) -> None:
        """`typed` is filled with what is typed; `free` gives the name of a file that is not there.

        It is called with the name that a session would have.
        """
        super().__init__()
        self._typed = typed
        self._free = free
        self._script: Running | None = None
        self._began = 0.0
        self._printed = ""
        self._timer: Timer | None = None

    def body(self) -> ComposeResult:
        for name, label, placeholder in FIELDS:
            with Horizontal():
                yield Static(label, markup=False)
                yield TypedInput(
                    getattr(self._typed, name),
                    placeholder=placeholder,
                    compact=True,
                    id=f"capture-{name}",
                    suggester=PathSuggester() if f"capture-{name}" == TARGET else None,
                )
        yield Static("", markup=False, id="capture-message")

    def keys(self, focused: Widget | None) -> Keys:
        if self._script is not None:
            return (("ctrl+c", "end it"), ESC)
        completes = (("→", "complete"),) if focused is not None and focused.id == TARGET else ()
        return (*completes, ("tab", "next field"), *self.KEYS)

    def on_input_changed(self, event: Input.Changed) -> None:
        for name, _, _ in FIELDS:
            if event.input.id == f"capture-{name}":
                setattr(self._typed, name, event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._script is not None:
            return
        try:
            self._start(self._asked())
        except (CaptureError, OSError) as error:
            self._say(f"! {error}")

    def _asked(self) -> Capture:
        typed = self._typed
        if typed.call.strip() and not typed.call.strip().isdecimal():
            raise CaptureError("which call: a number, from 1")
        try:
            arguments = shlex.split(typed.arguments)
        except ValueError as error:
            raise CaptureError(f"the arguments of the script: {error}") from error
        asked = capture_of(
            typed.target.strip(),
            call=int(typed.call.strip() or 1),
            values=typed.values.strip(),
            arguments=arguments,
        )
        return capture_of(
            typed.target.strip(),
            call=asked.call,
            values=asked.values,
            arguments=arguments,
            output=self._free(asked.output),
        )

    def _start(self, asked: Capture) -> None:
        self._printed = ""
        self._began = time.monotonic()
        self._script = running = Running(asked, self._heard)
        app = self.app  # which a screen that was left does not know

        def wait() -> None:
            with running:
                report = running.report()
            app.call_later(self._ended, running, Captured(asked, report))

        threading.Thread(target=wait, daemon=True).start()
        self._timer = self.set_interval(TICK, self._show_progress)
        self._show_progress()
        self.show_keys()

    def _heard(self, text: str) -> None:
        self._printed = (self._printed + text)[-KEPT_CHARACTERS:]

    def _show_progress(self) -> None:
        if self._script is None:
            return
        seconds = time.monotonic() - self._began
        self._say("\n".join([*self._last(), f"running {seconds:.0f} s · ctrl+c ends it"]))

    def _last(self) -> list[str]:
        lines = [line for line in self._printed.splitlines() if line.strip()]
        return [visible(line) for line in lines[-SHOWN_LINES:]]

    def _ended(self, running: Running, captured: Captured) -> None:
        if self._script is not running:
            return
        self._rest()
        if not (words := why_not(captured.capture, captured.report)):
            self.dismiss(captured)
            return
        self._say("\n".join([*self._last(), f"! {words}"]))

    def _rest(self) -> None:
        self._script = None
        if self._timer is not None:
            self._timer.stop()
        self.show_keys()

    def _say(self, text: str) -> None:
        if self.is_mounted:
            self.query_one("#capture-message", Static).update(text)

    def stop_work(self) -> bool:
        running = self._script
        if running is None:
            return False
        self._rest()
        running.kill()
        self._say("\n".join([*self._last(), "ended by you"]))
        return True

    def action_refuse(self) -> None:
        self.stop_work()
        super().action_refuse()

    def on_unmount(self) -> None:
        if self._script is not None:
            self._script.kill()
