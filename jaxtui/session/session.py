"""What a user composes: the session, its TOML file, and edits addressed by field path.

A session is plain, frozen data. Fields that hold Python (values, axes, sources) are the text that
was typed, so that a half-typed field survives in the file and on the wire. A field is named by its
path from the session, such as `program.layers.0.in_axes`: diagnoses point with it and
`with_field` edits with it.
"""

from __future__ import annotations

import keyword
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Literal

import msgspec

from jaxtui.session.layers import LAYERS, AnyLayer, Part

RESERVED_PARAMETERS = frozenset({"devices", "jax", "jnp", "np", "lax", "P"})


class SessionError(Exception):
    """A session that cannot be read. `field` is the path of the part at fault, "" for the file."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Devices(Part):
    """The device set: `platform` "" lets JAX choose; `count` virtual devices exist on CPU only.

    `order` lists device ids, a subset or another order; `mesh` maps axis names to sizes for
    shard_map and defaults to one axis, "devices", over the whole set.
    """

    platform: str = ""
    count: int | None = None
    order: list[int] | None = None
    mesh: dict[str, int] | None = None


class Argument(Part):
    """One parameter of the function: a name, the text of its value, optionally a PartitionSpec."""

    name: str
    value: str = ""
    sharding: str = ""


class Program(Part):
    """A function (from `source`, or by reference in `function`) and the layers around it.

    `layers[0]` wraps the function itself and each next layer wraps the one before.
    """

    source: str = ""
    function: str = ""
    arguments: list[Argument] = []
    layers: list[AnyLayer] = []

    @property
    def empty(self) -> bool:
        """Whether there is no function to run."""
        return not self.source.strip() and not self.function.strip()

    @property
    def function_name(self) -> str:
        """The function's name as far as the text tells it, else ""."""
        if self.function:
            return self.function.rpartition(":")[2]
        names = re.findall(r"^def\s+(\w+)", self.source, re.MULTILINE)
        return names[-1] if names else ""


class Collective(Part):
    """One lax collective, the transformation that carries it, and its per-device input."""

    operation: str
    via: str = "pmap"
    value: str = ""
    options: dict[str, str] = {}


class Benchmark(Part):
    """Which strategies to time over which values of the parameters.

    No `strategies` are all of them. `devices` are the numbers of devices that those which divide
    the batch are timed on; none given are 1, 2, 4, ... up to all. `rounds` is exact; without it at
    least 25 (10 with `quick`) and more until `budget` seconds are over or every interval is narrow.
    `mode` is "latency" (every call is waited for) or "throughput" (the last of a sample). `pad`
    repeats the last example where the devices do not divide the batch. `baseline` is the strategy
    that all others are compared with, "" the fastest way that JAX's guides name, `jit(vmap)`.

    Of a collective only message sizes are swept: `{"bytes": [4096, "64K", "1M..16M"]}`, where a
    range doubles. Each size gets 25 timings (10 with `quick`), or as many as `budget` seconds
    (2 of them unless given) allow, `rounds` exactly if given.
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
    """All that a user composed."""

    title: str = ""
    notes: str = ""
    devices: Devices = Devices()
    parameters: dict[str, int] = {}
    program: Program = Program()
    collective: Collective | None = None
    benchmark: Benchmark | None = None


# ---------------------------------------------------------------------------- reading and writing


def loads(text: str) -> Session:
    """The session in TOML `text`. Raises SessionError with the field at fault."""
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SessionError(f"not TOML: {error}") from error
    return from_builtins(data)


def from_builtins(data: dict[str, Any]) -> Session:
    """The session in plain `data` (as parsed from TOML). Raises SessionError."""
    try:
        session = msgspec.convert(_with_typed_text(data), Session)
    except msgspec.ValidationError as error:
        raise _session_error(error) from error
    check_parameters(session.parameters)
    return session


def load(path: str | os.PathLike[str]) -> Session:
    """The session in the file at `path`. Raises SessionError, also when it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SessionError(f"cannot read {os.fspath(path)}: {reason}") from error
    return loads(text)


def dumps(session: Session) -> str:
    """The session as TOML; `loads(dumps(session)) == session`."""
    import tomli_w

    data = msgspec.to_builtins(session)
    # In a string over several lines a reader may take \r\n for \n.
    multiline = r"\r\n" not in repr(data)

    def written(part: dict[str, Any]) -> str:
        return tomli_w.dumps(part, multiline_strings=multiline) if part else ""

    program = data.pop("program", {})
    after = {key: data.pop(key) for key in ("collective", "benchmark") if key in data}
    tables = [
        f"[[program.{key}]]\n{written(item)}"
        for key in ("arguments", "layers")
        for item in program.pop(key, [])
    ]
    parts = [written(data), written({"program": program} if program else {}), *tables]
    return "\n".join(part for part in [*parts, written(after)] if part)


def save(session: Session, path: str | os.PathLike[str]) -> str:
    """Write the session to `path` as a whole or not at all; returns the text written."""
    text = dumps(session)
    target = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes private files; a session is as readable as any file the user makes.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, target.stat().st_mode if target.exists() else 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return text


def check_parameters(parameters: dict[str, int]) -> None:
    """Raise SessionError unless every parameter can be a name in a value."""
    for name in parameters:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise SessionError(f"{name!r} cannot be a name", f"parameters.{name}")
        if name in RESERVED_PARAMETERS:
            raise SessionError(f"{name!r} has its own meaning in values", f"parameters.{name}")
        if not -(2**63) <= parameters[name] < 2**63:
            raise SessionError("more than an integer of 64 bits holds", f"parameters.{name}")


def _with_typed_text(data: dict[str, Any]) -> dict[str, Any]:
    """`data` with bare TOML scalars in text fields (`in_axes = 0`) as one would type them."""
    collective = data.get("collective")
    if isinstance(collective, dict):
        collective = _item_as_text(collective, ("value",))
        options = collective.get("options")
        if isinstance(options, dict):
            collective = {**collective, "options": _item_as_text(options, None)}
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


def _session_error(error: msgspec.ValidationError) -> SessionError:
    """msgspec says `... - at `$.program.layers[0].in_axes``; the field is that path with dots."""
    message, _, path = str(error).partition(" - at `$")
    path = path.partition("[...]")[0]  # msgspec does not say which key of a dict it was
    field = path.rstrip("`").replace("[", ".").replace("]", "").lstrip(".")
    if field.endswith(".transform"):
        message += f"; there is {', '.join(LAYERS)}"
    return SessionError(message[:1].lower() + message[1:], field)


# --------------------------------------------------------------------------------- field by field


def get_field(session: Session, field: str) -> Any:
    """The value at `field`. Raises KeyError when there is no such field."""
    value: Any = session
    for key in field.split("."):
        try:
            if isinstance(value, list):
                value = value[int(key)]
            elif isinstance(value, dict):
                value = value[key]
            else:
                value = getattr(value, key)
        except (AttributeError, IndexError, ValueError, KeyError) as error:
            raise KeyError(field) from error
    return value


def with_field(session: Session, field: str, value: Any) -> Session:
    """`session` with `value` at `field`; text is read as TOML would be where a number is due.

    Raises KeyError when there is no such field and SessionError when the value does not fit.
    """
    try:
        changed: Session = _replaced(session, field.split("."), value)
        return changed
    except (AttributeError, IndexError, ValueError, TypeError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise SessionError(_session_error(error).message, field) from error
        raise KeyError(field) from error


def _replaced(holder: Any, keys: list[str], value: Any) -> Any:
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
        new = msgspec.convert(new, kind, strict=False)
    return msgspec.structs.replace(holder, **{key: new})
