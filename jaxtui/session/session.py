"""What a user composes: the session, its TOML file, and edits addressed by field path.

A session is immutable, plain data. Fields that hold Python code (values, axes, sources) keep the
text as typed, so that unfinished input can be saved and sent to the engine. A field is addressed by
its path from the session, such as `program.layers.0.in_axes`; diagnoses refer to this path and
`with_field` edits by it.
"""

from __future__ import annotations

import keyword
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from jaxtui import bounded
from jaxtui.session import host_names
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import (
    ARGUMENTS,
    COLLECTIVE,
    DEVICES,
    LAYERS,
    NO_FIELD,
    PARAMETERS,
    SHARDING,
    FieldPath,
)
from jaxtui.session.layers import LAYER_KINDS, AnyLayer
from jaxtui.session.part import Part
from jaxtui.session.references import reference_of

MOST = 64  # arguments, layers, parameters, ...; each of them is a line on the screen
LONGEST = 500  # characters of a message, which may quote the file
RESERVED_PARAMETERS = frozenset({"devices", "jax", "jnp", "np", "lax", "P"})
AxisTypeName = Literal["auto", "explicit"]


# What makes a function at the top of a source, as far as that can be told from its text.
_MADE = re.compile(
    r"^def\s+(\w+)|^(\w+)\s*=\s*(?:lambda\b|(?:\w+\.)*"
    r"(?:jit|vmap|pmap|shard_map|grad|value_and_grad|hessian|jacfwd|jacrev|checkpoint|vectorize)\()",
    re.MULTILINE,
)


class FieldError(Exception):
    """An error in a session; `field` is the field at fault, "" for the whole file."""

    def __init__(self, message: str, field: FieldPath = NO_FIELD) -> None:
        shown = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
        super().__init__(shown)
        self.message = shown
        self.field = field


class SessionError(FieldError):
    """A session that cannot be read."""


class Devices(Part):
    """The device set.

    With `platform` "" JAX chooses; `count` asks for that many virtual devices, on CPU only. `order`
    lists the ids of the devices to use; `mesh` maps axis names to sizes for shard_map, by default
    one axis, "devices", over the whole set. `axis_types` has the type of each axis of the mesh,
    "auto" where it is left out. `hosts` are those whose devices make up the set, by default this
    one alone.
    """

    platform: str = ""
    count: int | None = None
    order: list[int] | None = None
    mesh: dict[str, int] | None = None
    axis_types: dict[str, AxisTypeName] | None = None
    hosts: list[str] | None = None


class Sharding(Part):
    """A mesh to plan the program on, whose devices need not be there; by default the device set's.

    `memory` is that of one device, such as "95 GB". `bandwidth` (per device, one way, such as
    "50 GB/s") and `latency` (such as "1 us") are one text for all axes, or one for each axis.
    `machine` names a preset for all three.
    """

    mesh: dict[str, int] | None = None
    axis_types: dict[str, AxisTypeName] | None = None
    machine: str = ""
    memory: str = ""
    bandwidth: str | dict[str, str] = ""
    latency: str | dict[str, str] = ""


class Argument(Part):
    """An argument of the function: its name, its value as typed, and where it lies.

    `sharding` is a PartitionSpec, or a tree of them that is a prefix of the argument's tree; what
    has None instead of one stays where it is.
    """

    name: str
    value: str = ""
    sharding: str = ""


class Program(Part):
    """A function, from `source` or by reference in `function`, and the layers around it.

    `layers[0]` wraps the function itself, and each further layer wraps the one before.
    """

    source: str = ""
    function: str = ""
    arguments: list[Argument] = []
    layers: list[AnyLayer] = []

    @property
    def empty(self) -> bool:
        return not self.source.strip() and not self.function.strip()

    @property
    def function_name(self) -> str:
        """The function's name as far as the text shows it, else ""; only the engine knows."""
        if self.function:
            reference = reference_of(self.function)
            return reference.name if reference is not None else self.function.strip()
        names = [made[1] or made[2] for made in _MADE.finditer(self.source)]
        return names[-1] if names else ""


class Collective(Part):
    """A lax collective, the transformation that gives it its axis, and its per-device input."""

    operation: str
    via: str = "pmap"
    value: str = ""
    options: dict[str, str] = {}


class Benchmark(Part):
    """Which strategies to time, and over which values of the parameters.

    Without `strategies`, all are timed. `devices` are the device counts for strategies that divide
    the batch; by default 1, 2, 4, ... up to all. `rounds` is exact; without it there are at least
    25 rounds (10 with `quick`), and more until `budget` seconds have passed or every interval is
    narrow. `mode` is "latency" (wait for every call) or "throughput" (wait for the last call of a
    sample). `pad` repeats the last example if the devices do not divide the batch. `baseline` is
    the strategy that all others are compared with; "" stands for `jit(vmap)`, the fastest one that
    JAX's guides name.

    For a collective, only message sizes can be swept: `{"bytes": [4096, "64K", "1M..16M"]}`, where
    a range doubles at each step. Each size gets 25 timings (10 with `quick`) or as many as fit into
    `budget` seconds (by default 2), or exactly `rounds`.
    """

    strategies: list[str] = []
    sweep: dict[str, list[int | float | str]] = {}
    rounds: int | None = None
    devices: list[int] = []
    baseline: str = ""
    mode: Literal["latency", "throughput"] = "latency"
    quick: bool = False
    budget: float | None = None
    pad: bool = False
    seed: int | None = None


class Session(Part):
    """Everything that a user has composed."""

    title: str = ""
    notes: str = ""
    devices: Devices = Devices()
    parameters: dict[str, int] = {}
    program: Program = Program()
    collective: Collective | None = None
    benchmark: Benchmark | None = None
    sharding: Sharding | None = None


def loads(text: str) -> Session:
    """Parse a session from TOML. Raises SessionError with the field at fault."""
    try:
        return from_builtins(bounded.parse_toml(text))
    except bounded.Unreadable as error:
        raise SessionError(str(error)) from error


def from_builtins(data: dict[str, Any]) -> Session:
    """Convert plain `data`, as parsed from TOML, to a session. Raises SessionError."""
    try:
        session = msgspec.convert(_with_typed_text(data), Session)
    except msgspec.ValidationError as error:
        raise _session_error(error, data) from error
    check_parameters(session.parameters)
    _check_counts(session)
    if fault := host_names.fault(session.devices.hosts or ()):
        raise SessionError(fault, DEVICES / "hosts")
    return session


def load(path: str | os.PathLike[str]) -> Session:
    """Read a session from a file. Raises SessionError, also if the file cannot be read."""
    try:
        text = bounded.read_text(path)
    except (OSError, bounded.Unreadable) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SessionError(f"cannot read {os.fspath(path)}: {reason}") from error
    return loads(text)


def dumps(session: Session) -> str:
    """Write a session as TOML; `loads(dumps(session)) == session`."""
    import tomli_w

    data = msgspec.to_builtins(session)
    # TOML readers may turn \r\n into \n in a string over several lines.
    multiline = r"\r\n" not in repr(data)

    def written(part: dict[str, Any]) -> str:
        return tomli_w.dumps(part, multiline_strings=multiline) if part else ""

    program = data.pop("program", {})
    after = {key: data.pop(key) for key in ("collective", "benchmark", "sharding") if key in data}
    tables = [
        f"[[program.{key}]]\n{written(item)}"
        for key in ("arguments", "layers")
        for item in program.pop(key, [])
    ]
    parts = [written(data), written({"program": program} if program else {}), *tables]
    return "\n".join(part for part in [*parts, written(after)] if part)


def save(session: Session, path: str | os.PathLike[str]) -> str:
    """Write a session to `path` atomically, and return the text written."""
    text = dumps(session)
    target = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes private files; a session gets the permissions of any new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, target.stat().st_mode if target.exists() else 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return text


def check_parameters(parameters: dict[str, int]) -> None:
    """Raise SessionError unless every parameter is a usable name and a 64-bit integer."""
    for name in parameters:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise SessionError(f"{name!r} cannot be a name", PARAMETERS / name)
        if name in RESERVED_PARAMETERS:
            raise SessionError(f"{name!r} has its own meaning in values", PARAMETERS / name)
        if not -(2**63) <= parameters[name] < 2**63:
            raise SessionError("more than an integer of 64 bits holds", PARAMETERS / name)


def _check_counts(session: Session) -> None:
    """Raise SessionError for more of something than can be shown and traced."""
    program, collective = session.program, session.collective
    counted: list[tuple[FieldPath, int]] = [
        (ARGUMENTS, len(program.arguments)),
        (LAYERS, len(program.layers)),
        (PARAMETERS, len(session.parameters)),
        (DEVICES / "mesh", len(session.devices.mesh or ())),
        (SHARDING / "mesh", len((session.sharding and session.sharding.mesh) or ())),
        (COLLECTIVE / "options", len(collective.options) if collective is not None else 0),
    ]
    for field, count in counted:
        if count > MOST:
            raise SessionError(f"{count:,} of them; the most is {MOST}", field)


def _with_typed_text(data: dict[str, Any]) -> dict[str, Any]:
    """Replace bare TOML scalars in text fields (`in_axes = 0`) by the text one would type."""
    collective = data.get("collective")
    if isinstance(collective, dict):
        collective = _item_as_text(collective, ("value",))
        if "options" in collective:
            collective["options"] = _item_as_text(collective["options"], None)
        data = {**data, "collective": collective}
    program = data.get("program")
    if not isinstance(program, dict):
        return data
    program = dict(program)
    for key, parts in (("arguments", ("value",)), ("layers", None)):
        items = program.get(key)
        if isinstance(items, list):
            program[key] = [_item_as_text(item, parts) for item in items]
    return {**data, "program": program}


def _item_as_text(item: Any, keys: tuple[str, ...] | None) -> Any:
    if not isinstance(item, dict):
        return item
    return {
        key: repr(value)
        if (keys is None or key in keys) and isinstance(value, bool | int | float | list)
        else value
        for key, value in item.items()
    }


def _session_error(error: msgspec.DecodeError, data: Any = None) -> SessionError:
    """Convert msgspec's message, `... - at `$.program.layers[0].in_axes``, to a dotted path.

    With `data`, which was to be a Session, an unknown field is told with those that there are.
    """
    message, _, path = str(error).partition(" - at `$")
    path = path.partition("[...]")[0]  # msgspec does not say which key of a dict it was
    field = FieldPath(path.rstrip("`").replace("[", ".").replace("]", "").lstrip("."))
    if field.name == "transform":
        message += f"; there is {', '.join(LAYER_KINDS)}"
    elif "unknown field" in message and (part := _part_at(data, field)) is not None:
        message += f"; there is {', '.join(part.__struct_fields__)}"
    return SessionError(message[:1].lower() + message[1:], field)


def _part_at(data: Any, field: FieldPath) -> type[Struct] | None:
    """The class of the part of a session at `field`, which for a layer depends on `data`."""
    kind: Any = Session
    for key in field.keys:
        data = data[int(key)] if isinstance(data, list) else data[key]
        if key.isdigit():
            layer = isinstance(data, dict) and LAYER_KINDS.get(str(data.get("transform")))
            kind = layer or get_args(kind)[0]
        else:
            kind = next(f.type for f in msgspec.structs.fields(kind) if f.name == key)
    parts = [t for t in (kind, *get_args(kind)) if isinstance(t, type) and issubclass(t, Struct)]
    return parts[0] if parts else None


def with_field(session: Session, field: FieldPath, value: Any) -> Session:
    """Return `session` with `value` at `field`.

    Text is converted where a number is expected, and read as JSON where a list or a mapping is.
    Raises KeyError if there is no such field, and SessionError if the value does not fit.
    """
    try:
        changed: Session = _replaced(session, field.keys, value)
        return changed
    except (AttributeError, IndexError, ValueError, TypeError) as error:
        if isinstance(error, msgspec.DecodeError):
            raise SessionError(_session_error(error).message, field) from error
        raise KeyError(field) from error


def with_fix(session: Session, fix: Fix) -> Session:
    """Return `session` with every edit of `fix`. Raises as `with_field` does."""
    for edit in fix.edits:
        session = with_field(session, edit.field, edit.text)
    return session


def _replaced(holder: Any, keys: tuple[str, ...], value: Any) -> Any:
    key, rest = keys[0], keys[1:]
    if isinstance(holder, list):
        index = int(key)
        new = _replaced(holder[index], rest, value) if rest else value
        return [*holder[:index], new, *holder[index + 1 :]]
    if isinstance(holder, dict):
        return {**holder, key: _replaced(holder[key], rest, value) if rest else value}
    old = getattr(holder, key)
    new = _replaced(old, rest, value) if rest else value
    if not rest or (len(rest) == 1 and isinstance(old, dict | list)):
        kind = next(f.type for f in msgspec.structs.fields(holder) if f.name == key)
        if isinstance(new, str) and new[:1] in ("{", "[") and str not in (kind, *get_args(kind)):
            new = msgspec.json.decode(new)
        new = msgspec.convert(new, kind, strict=False)
    return msgspec.structs.replace(holder, **{key: new})
