"""The Devices screen: the devices that JAX sees, the device set in use, and the engine's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from jaxtui.app import device_pictures
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands, fields
from jaxtui.screen.base import STYLES, WorkScreen
from jaxtui.screen.field import FieldInput, FieldMessage
from jaxtui.screen.titles import set_title
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import DEVICES
from jaxtui.session.session import Devices, SessionError
from jaxtui.text import plain, quantities
from jaxtui.wire.report import DeviceInfo, Environment

FIELDS = ("platform", "count", "order", "mesh", "axis_types", "hosts")
LABELS = {"axis_types": "types"}
PLACEHOLDERS = {
    "platform": "JAX chooses: cpu, gpu, tpu, …",
    "count": "all there are; on a CPU, virtual ones",
    "order": "all, in JAX's order; or ids: 3, 2, 1, 0",
    "mesh": "one axis over all; or x = 4, y = 2",
    "axis_types": "auto, all of them; or y = explicit",
    "hosts": "this one; or by ssh: gpu-1, gpu-2",
}
READ: dict[str, Callable[[str], Any]] = {
    "platform": str.strip,
    "count": fields.count,
    "order": fields.order,
    "mesh": fields.mesh,
    "axis_types": fields.axis_types,
    "hosts": fields.hosts,
}
APPLIED = (
    "F5 or enter applies it. Another platform, count or host restarts the "
    "engine; nothing composed is lost."
)
LOG_SHOWN = 200  # lines
EVERY = 2.0  # seconds between looks at the memory, only while this screen is shown


class DevicesScreen(WorkScreen[ProgramWork]):
    """A form for the device set, and panes about devices, environment and engine."""

    NAME = "devices"
    CSS_PATH = STYLES
    BINDINGS = commands.bindings("devices")

    def __init__(self) -> None:
        super().__init__()
        self._inputs: dict[str, FieldInput] = {}
        self._messages: dict[str, FieldMessage] = {}
        self._wrong: dict[str, Diagnosis] = {}
        self._table = Static("", markup=False)
        self._mesh = Static("", markup=False)
        self._memory = Static("", markup=False)
        self._environment = Static("", markup=False)
        self._log = Static("", markup=False)
        self._shown: dict[Static, str | Content] = {}
        self._looking: Timer | None = None

    def body(self) -> ComposeResult:
        texts = field_texts(self.explorer.work.session.devices)
        with VerticalScroll(id="devices-screen", can_focus=False):
            with Vertical(id="device-set", classes="pane") as pane:
                pane.border_title = "Device set"
                for name in FIELDS:
                    self._inputs[name] = FieldInput(texts[name], placeholder=PLACEHOLDERS[name])
                    self._messages[name] = FieldMessage()
                    with Horizontal(classes="form-line"):
                        yield Static(LABELS.get(name, name), classes="label")
                        yield self._inputs[name]
                    yield self._messages[name]
                yield Static(APPLIED, classes="hint")
            yield from self._pane("What JAX sees", self._table, "device-table")
            yield from self._pane("Mesh", self._mesh, "device-mesh")
            yield from self._pane("Memory in use", self._memory, "device-memory")
            yield from self._pane("Environment", self._environment, "environment")
            yield from self._pane("The engine's log, newest last", self._log, "engine-log")

    def _pane(self, title: str, content: Static, id: str) -> ComposeResult:
        with VerticalScroll(id=id, classes="pane", can_focus=True) as pane:
            set_title(pane, title)
            yield content

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.explorer.describe()
        if self._looking is None:
            self._looking = self.set_interval(EVERY, self._look)

    def on_screen_suspend(self) -> None:
        if self._looking is not None:
            self._looking.stop()
            self._looking = None

    def _look(self) -> None:
        """Ask how much memory is in use, unless the engine has something to do."""
        work = self.explorer.work
        if not (work.busy or self.explorer.open_session.meanwhile):
            self.explorer.describe()

    def show_work(self, work: ProgramWork, now: float) -> None:
        super().show_work(work, now)
        texts = field_texts(work.session.devices)
        diagnosis = work.diagnosis
        for name in FIELDS:
            self._inputs[name].follow(texts[name])
            at = diagnosis is not None and diagnosis.field == DEVICES / name
            wrong = self._wrong.get(name) or (diagnosis if at else None)
            self._messages[name].show(wrong)
            self._inputs[name].set_class(wrong is not None, "-faulty")
        environment = work.environment
        self._put(self._table, _seen(work, environment))
        if environment is not None and work.phase == "ready":
            width = max(40, self.size.width - 4)
            self._put(self._mesh, device_pictures.mesh(environment, work.session.devices, width))
            self._put(self._memory, device_pictures.memory(environment, width))
        self._put(self._environment, environment_text(environment) if environment else "")
        self._put_log("\n".join(list(self.explorer.open_session.log)[-LOG_SHOWN:]))
        self.show_keys()

    def _put(self, place: Static, text: str | Content) -> bool:
        if self._shown.get(place) == text:
            return False
        self._shown[place] = text
        place.update(text)
        return True

    def _put_log(self, text: str) -> None:
        """Show the log, scrolled to its end unless the user has scrolled back."""
        pane = self._log.parent
        if not isinstance(pane, VerticalScroll):
            return  # the screen is being taken down
        at_end = pane.is_vertical_scroll_end
        if self._put(self._log, text or "It has said nothing.") and at_end:
            pane.scroll_end(animate=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        for name, field in self._inputs.items():
            if field is event.input:
                self._wrong.pop(name, None)
                self._messages[name].show(None)

    @property
    def unread(self) -> list[str]:
        return [name for name, field in self._inputs.items() if field.pending]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_apply_devices()

    def action_apply_devices(self) -> None:
        values: dict[str, Any] = {}
        self._wrong = {}
        for name in FIELDS:
            try:
                values[name] = READ[name](self._inputs[name].value)
            except SessionError as error:
                self._wrong[name] = Diagnosis(
                    kind="devices", field=DEVICES / name, message=error.message
                )
        if not self._wrong:
            for field in self._inputs.values():
                field.take()
            before = self.explorer.work.session.devices
            asked = Devices(**values)
            if asked == before:
                self.say("these are the devices in use")
            self.explorer.edit(DEVICES, asked)
        self.explorer.show_work()

    def diagnosis(self, work: ProgramWork) -> Diagnosis | None:
        found = work.diagnosis
        if found is not None and found.field.under(DEVICES) is not None:
            return found
        return next(iter(self._wrong.values()), None)

    def text_to_copy(self) -> str:
        places = (self._table, self._mesh, self._memory, self._environment)
        return "\n".join(str(text) for text in map(self._shown.get, places) if text)


def field_texts(devices: Devices) -> dict[str, str]:
    """Return the text of each field for a device set."""
    return {
        "platform": devices.platform,
        "count": "" if devices.count is None else str(devices.count),
        "order": ", ".join(map(str, devices.order or ())),
        "mesh": fields.pairs_text(devices.mesh),
        "axis_types": fields.types_text(devices.axis_types),
        "hosts": ", ".join(devices.hosts or ()),
    }


def device_table(environment: Environment) -> str:
    """Return an aligned table with a line for each device."""
    header = ["id", "platform", "kind", "process", "memory in use", "of"]
    told = any(device.memory_used is not None for device in environment.devices)
    shown = len(header) if told else header.index("memory in use")
    rows = [
        header[:shown],
        *(_device_row(device, environment)[:shown] for device in environment.devices),
    ]
    right = {0, 4, 5} if environment.hosts else {0, 3, 4, 5}
    lines = [plain.aligned(rows, right=frozenset(right))]
    if environment.simulated and environment.hosts:
        lines.append("Virtual devices: those of a host share its cores.")
    elif environment.simulated:
        lines.append(
            f"Virtual devices: {environment.device_count} share {environment.cores} cores."
        )
    return "\n".join(lines)


def _device_row(device: DeviceInfo, environment: Environment) -> list[str]:
    return [
        str(device.id),
        device.platform,
        device.kind,
        plain.process(environment, device.process),
        _memory(device.memory_used),
        _memory(device.memory_limit),
    ]


def _memory(size: int | None) -> str:
    """Format a size in bytes; None stands for a backend that does not report it."""
    return "not told" if size is None else quantities.size(size)


def environment_text(environment: Environment) -> str:
    """Return versions, host and settings, a line each."""
    lines = {
        "JAX": f"{environment.jax}, jaxlib {environment.jaxlib}, NumPy {environment.numpy}",
        "Python": environment.python,
        "host": f"{environment.host}, {environment.cores} cores, {environment.cpu}",
        "memory": f"{_memory(environment.memory_available)} available to the engine",
        "processes": str(environment.process_count),
        **({"hosts": plain.hosts(environment)} if environment.hosts else {}),
        "XLA_FLAGS": environment.xla_flags or "not set",
        **environment.config,
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:{width}}  {text}" for name, text in lines.items())


def _line(work: ProgramWork) -> str:
    """What there is to know of a lost line to the engine, "" while there is one."""
    line = work.open_session.line
    if not line.lost:
        return ""
    return f"The line to the engine is lost: {line.reason or 'nothing comes'}."


def _seen(work: ProgramWork, environment: Environment | None) -> str:
    """Return the devices that JAX sees, or that it saw before its engine ended."""
    if work.phase == "ready" and environment is not None:
        lost = f"{line}\n" if (line := _line(work)) else ""
        return lost + device_table(environment)
    why = "JAX is starting."
    if work.phase == "gone" and work.gone is not None:
        why = f"There is no engine: {work.gone.reason}"
    if environment is None:
        return why
    return f"{why}\nThe engine before saw:\n{device_table(environment)}"
