"""Export a session as a Python script: the same computation in plain JAX, without jaxtui."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Container, Iterator, Sequence

from jaxtui.session import adapters, mesh_context
from jaxtui.session.collective_program import CollectiveError, as_session, runs_program
from jaxtui.session.field_path import ARGUMENTS, DEVICES, LAYERS, PROGRAM, SOURCE, FieldPath
from jaxtui.session.layers import AnyLayer, Field
from jaxtui.session.session import FieldError, Session

_IMPORTS = """\
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P
"""

_KNOWN = frozenset({"jax", "jnp", "np", "lax", "P", "devices", "mesh"})

_HELPERS = {
    "normal": """\
def normal(*shape, seed=0, dtype=float):
    return jax.random.normal(jax.random.key(seed), shape, dtype)
""",
    "uniform": """\
def uniform(*shape, seed=0, minval=0.0, maxval=1.0, dtype=float):
    return jax.random.uniform(jax.random.key(seed), shape, dtype, minval, maxval)
""",
    "randint": """\
def randint(*shape, seed=0, minval=0, maxval=10, dtype=int):
    return jax.random.randint(jax.random.key(seed), shape, minval, maxval, dtype)
""",
    "keys": """\
def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)
""",
    "load": """\
def load(file):
    return np.load(file)
""",
}


_SHARDINGS = (
    "jax.tree.map("
    "lambda x: jax.sharding.NamedSharding(mesh, x) if isinstance(x, P) else x, "
    "{text}, is_leaf=lambda x: isinstance(x, P))"
)
# JAX before 0.7 has no jax.set_mesh.
_SET_MESH = """\
set_mesh = jax.set_mesh if hasattr(jax, "set_mesh") else jax.sharding.set_mesh
set_mesh(mesh)"""


class ExportError(FieldError):
    """A session with a field that is missing or not valid Python."""


def script(session: Session) -> str:
    """Return the program of `session` as a script that prints its result. Raises ExportError.

    If the session has a collective and no other program, the script runs the collective.
    """
    if session.collective is not None and not runs_program(session):
        try:
            session = as_session(session)
        except CollectiveError as error:
            raise ExportError(error.message, error.field) from error
    if session.program.empty:
        raise ExportError("there is no function to export", PROGRAM)
    exporter = _Exporter(session)
    return "\n".join(part.rstrip() + "\n" for part in exporter.parts() if part.strip())


class _Exporter:
    """Writes the parts of one script."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.program = session.program
        self.bound = _bound_by(self.program.source) | set(session.parameters) | _KNOWN
        self.helpers: dict[str, str] = {}
        self.mesh_when = mesh_context.when(session.devices, session.program)

    def parts(self) -> Iterator[str]:
        """Yield the parts of the script in order."""
        # First, since they find the helper functions that are used.
        inputs = self._inputs()
        calls = self._calls()
        yield self._heading()
        yield self._devices_and_imports()
        yield self._parameters()
        # Two blank lines around definitions, as in any script.
        yield from ("\n" + helper for helper in self.helpers.values())
        yield "\n" + self.program.source.strip("\n") + "\n\n" if self.program.source.strip() else ""
        yield inputs
        yield calls

    def _heading(self) -> str:
        title = self.session.title.strip().replace("\\", "\\\\").replace('"', '\\"')
        return f'"""{title}"""\n' if title else ""

    def _devices_and_imports(self) -> str:
        devices = self.session.devices
        standard = self.helpers.pop("functools", "")
        lines = [f"{standard}\n{_IMPORTS}" if standard else _IMPORTS]
        if devices.platform.strip():
            lines.append(f'jax.config.update("jax_platforms", {devices.platform.strip()!r})')
        if devices.count is not None:
            lines.append(f'jax.config.update("jax_num_cpu_devices", {devices.count})')
        return "\n".join(lines)

    def _parameters(self) -> str:
        order = self.session.devices.order
        lines = [f"{name} = {value}" for name, value in self.session.parameters.items()]
        mesh = self._uses_mesh()
        if order is not None:
            lines.append("by_id = {device.id: device for device in jax.devices()}")
            lines.append(f"chosen_devices = [by_id[i] for i in {order}]")
            lines.append('jax.config.update("jax_default_device", chosen_devices[0])')
            lines.append("devices = len(chosen_devices)")
        elif self._uses("devices") or (mesh and self.session.devices.mesh is None):
            lines.append("devices = jax.device_count()")
        if mesh:
            lines.append(self._mesh())
        if self.mesh_when == "source":
            lines.append(_SET_MESH)
        return "\n".join(lines)

    def _uses(self, name: str) -> bool:
        texts = [self.program.source, *(a.value for a in self.program.arguments)]
        texts += [text for layer in self.program.layers for text in layer.typed().values()]
        return any(re.search(rf"\b{name}\b", text) for text in texts)

    def _uses_mesh(self) -> bool:
        if self.mesh_when != "never":
            return True
        if any(argument.sharding.strip() for argument in self.program.arguments):
            return True
        fields = [layer.fields()[name] for layer in self.program.layers for name in layer.typed()]
        shardings = any(field.reads == "shardings" for field in fields)
        return (
            shardings or any(layer.divides for layer in self.program.layers) or self._uses("mesh")
        )

    def _mesh(self) -> str:
        mesh = self.session.devices.mesh
        sizes = "(devices,)" if mesh is None else f"{tuple(mesh.values())}"
        names = tuple(mesh) if mesh is not None else ("devices",)
        laid = "chosen_devices" if self.session.devices.order is not None else "jax.devices()"
        return (
            "mesh = jax.sharding.Mesh(\n"
            f"    np.asarray({laid}).reshape({sizes}), {names}, axis_types={self._types(names)}\n"
            ")"
        )

    def _types(self, axes: tuple[str, ...]) -> str:
        given = self.session.devices.axis_types or {}
        if unknown := [axis for axis in given if axis not in axes]:
            message = f"the mesh has no axis {', '.join(map(repr, unknown))}"
            raise ExportError(message, DEVICES / "axis_types")
        # Auto unless it is said, so that shard_map takes arrays that are not sharded yet.
        types = [f"jax.sharding.AxisType.{given.get(axis, 'auto').title()}" for axis in axes]
        same = len(set(types)) == 1
        return f"({types[0]},) * {len(axes)}" if same else f"({', '.join(types)})"

    def _inputs(self) -> str:
        before: list[str] = []
        under_mesh: list[str] = []
        for index, argument in enumerate(self.program.arguments):
            field = ARGUMENTS / index / "value"
            text = self._value(argument.value, field)
            if argument.sharding.strip():
                sharding = _sharding(argument.sharding.strip(), ARGUMENTS / index / "sharding")
                text = f"jax.device_put({text}, {sharding})"
            under = self.mesh_when != "call" or mesh_context.asks_for_mesh(argument.value)
            (under_mesh if under else before).append(f"{self.variable(argument.name)} = {text}")
        set_mesh = [_SET_MESH] if self.mesh_when in ("call", "values") else []
        return "\n".join([*before, *set_mesh, *under_mesh])

    def variable(self, name: str) -> str:
        """Return the script's name for an argument, changed if it has another meaning there."""
        plain = name if name.isidentifier() and not keyword.iskeyword(name) else "argument"
        return f"{plain}_" if plain in self.bound or hasattr(builtins, plain) else plain

    def _value(self, text: str, field: FieldPath) -> str:
        try:
            return _value(text, self.bound, self.helpers)
        except (SyntaxError, ValueError) as error:
            raise ExportError(f"no Python: {error}", field) from error

    def _calls(self) -> str:
        name, lines = self._function()
        for index, layer in enumerate(self.program.layers):
            lines.append(f"program = {self._layer(index, layer, name)}")
            name = "program"
        names = [argument.name for argument in self.program.arguments]
        by_name = _given_by_name(self.program.source, self._function()[0], names)
        arguments = ", ".join(
            f"{a.name}={self.variable(a.name)}" if a.name in by_name else self.variable(a.name)
            for a in self.program.arguments
        )
        lines += [f"result = {name}({arguments})", "print(result)"]
        return "\n".join(lines)

    def _function(self) -> tuple[str, list[str]]:
        """Return the function's name in the script, and the lines that it needs first."""
        reference = self.program.function.strip()
        if ":" not in reference:
            return reference or _last_function(self.program.source), []
        place, _, name = reference.rpartition(":")
        if place.endswith(".py"):
            return f"_loaded.{name}", [
                "import runpy",
                "from types import SimpleNamespace",
                "",
                f"_loaded = SimpleNamespace(**runpy.run_path({place!r}))",
            ]
        return f"{place}.{name}", [f"import {place}", ""]

    def _device_slice(self, index: int, layer: AnyLayer) -> str:
        """Return a slice of the chosen devices: pmap needs exactly as many as its axis is long."""
        mapped = _first_mapped(getattr(layer, layer.input_field))
        if mapped is None or index != len(self.program.layers) - 1:
            return ""
        position, axis = mapped
        name = self.variable(self.program.arguments[position].name)
        return f"[: jax.tree.leaves({name})[0].shape[{axis}]]"

    def _layer(self, index: int, layer: AnyLayer, function: str) -> str:
        settings = [function]
        if layer.divides and not layer.in_mesh:
            settings.append("mesh=mesh")
        if layer.maps_over_devices and self.session.devices.order is not None:
            settings.append(f"devices=chosen_devices{self._device_slice(index, layer)}")
        return written_layer(index, layer, settings, self.bound, self.helpers)


def written_layer(
    index: int,
    layer: AnyLayer,
    first: Sequence[str],
    bound: Container[str],
    helpers: dict[str, str],
) -> str:
    """Return the layer at `index` as Python, with `first` before its own settings:
    `jax.vmap(f, in_axes=0)`, `functools.partial(jax.vmap, in_axes=0)(f)`.

    `bound` are the names that the source binds; helper functions that are used are put into
    `helpers`. Raises ExportError.
    """
    settings = {}
    for name, text in layer.typed().items():
        try:
            settings[name] = _written(layer.fields()[name], text, bound, helpers)
        except (SyntaxError, ValueError) as error:
            field = LAYERS / index / name
            raise ExportError(f"no Python: {error}", field) from error
    helpers |= adapters.definitions(layer.adapter)
    if not layer.home:
        if layer.needs not in settings:
            message = f"{layer.transform} needs {layer.needs}"
            raise ExportError(message, LAYERS / index / layer.needs)
        return f"({settings[layer.needs]})({', '.join(first)})"
    call = layer.adapter or layer.jax_name()
    return f"{call}({', '.join([*first, *(f'{k}={v}' for k, v in settings.items())])})"


def _written(field: Field, text: str, bound: Container[str], helpers: dict[str, str]) -> str:
    if field.is_word(text):
        return repr(text)
    if field.reads in ("names", "places"):
        value = ast.parse(text, mode="eval").body
        return "{" + text + "}" if isinstance(value, ast.Constant) else f"set(({text}))"
    if field.reads == "shardings":
        ast.parse(text, mode="eval")
        return _SHARDINGS.format(text=text)
    if field.reads == "arrays":
        return _value(text, bound, helpers)
    if field.reads == "function" and "functools" not in bound and "functools" in text:
        helpers["functools"] = "import functools\n"
    return _qualified(text, bound, lambda name: field.home) if field.home else text


def _value(text: str, bound: Container[str], helpers: dict[str, str]) -> str:
    """Put `jnp.` before the names in `text` that only jaxtui resolves without it.

    The helper functions that it uses are put into `helpers`.
    """

    def home(name: str) -> str:
        if name in _HELPERS:
            helpers[name] = _HELPERS[name]
            return ""
        return "jnp"

    return _qualified(text, bound, home)


def _sharding(text: str, field: FieldPath) -> str:
    """The shardings over the mesh of an argument's spec or tree of specs. Raises ExportError."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ExportError(f"no Python: {error}", field) from error
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "P":
        return f"jax.sharding.NamedSharding(mesh, {text})"
    names = [node] if isinstance(node, ast.Constant) else getattr(node, "elts", [])
    if names and all(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in names):
        return f"jax.sharding.NamedSharding(mesh, P({text}))"
    return _SHARDINGS.format(text=text)


def _qualified(text: str, bound: Container[str], home: Callable[[str], str]) -> str:
    """Put the module `home(name)` before each name in `text` that is not defined without it.

    Defined are the names in `bound`, those that `text` itself binds, and builtins.
    """
    text = text.strip()
    tree = ast.parse(text, mode="eval")
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _stores(n)}
    lines = [line.encode() for line in text.split("\n")]
    loads = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and not _stores(n)]
    for node in sorted(loads, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        if node.id in own or node.id in bound or hasattr(builtins, node.id):
            continue
        if module := home(node.id):
            line, at = lines[node.lineno - 1], node.col_offset
            lines[node.lineno - 1] = line[:at] + f"{module}.".encode() + line[at:]
    changed = b"\n".join(lines).decode()
    return f"({changed})" if len(lines) > 1 else changed


def _first_mapped(in_axes: str) -> tuple[int, int] | None:
    """Return the first argument that a literal in_axes maps, and its axis."""
    try:
        axes = ast.literal_eval(in_axes or "0")
    except (ValueError, SyntaxError):
        return None
    for position, axis in enumerate(axes if isinstance(axes, tuple) else (axes,)):
        if isinstance(axis, int):
            return position, axis
    return None


def _given_by_name(source: str, function: str, names: list[str]) -> set[str]:
    """Return which of the arguments `names` the function only takes by keyword."""
    found: set[str] = set()
    for statement in _statements(source):
        if isinstance(statement, ast.FunctionDef) and statement.name == function:
            takes = statement.args
            found = {parameter.arg for parameter in takes.kwonlyargs}
            if takes.kwarg and not takes.vararg:
                places = [parameter.arg for parameter in (*takes.posonlyargs, *takes.args)]
                by_position = [name for name in names if name not in found]
                found |= {n for n in by_position[len(places) :] if n not in places}
    return found


def _stores(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise ExportError(f"no Python: {error}", SOURCE) from error


def _bound_by(source: str) -> set[str]:
    bound: set[str] = set()
    for statement in _statements(source):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and _stores(node):
                bound.add(node.id)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).partition(".")[0])
    return bound


def _last_function(source: str) -> str:
    statements = _statements(source)
    names = [s.name for s in statements if isinstance(s, ast.FunctionDef)]
    if not names:
        targets = [t for s in statements if isinstance(s, ast.Assign) for t in s.targets]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
    if not names:
        raise ExportError("the source defines no function", SOURCE)
    return names[-1]
