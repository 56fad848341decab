"""Export a session as a Python script: the same computation in plain JAX, without jaxtui."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Container, Iterator

from jaxtui.session import mesh_context
from jaxtui.session.collective_program import CollectiveError, as_session, runs_program
from jaxtui.session.export_helpers import EVALUATED, HELPERS, PLACED
from jaxtui.session.field_path import ARGUMENTS, DEVICES, LAYERS, PROGRAM, SOURCE, FieldPath
from jaxtui.session.layers import AnyLayer, Field
from jaxtui.session.session import FieldError, Session
from jaxtui.session.short_dtypes import FULL_NAMES

_IMPORTS = """\
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P
"""

_KNOWN = frozenset({"jax", "jnp", "np", "lax", "P", "devices", "mesh"})

_SHARDINGS = (
    "jax.tree.map("
    "lambda x: jax.sharding.NamedSharding(mesh, x) if isinstance(x, P) else x, "
    "{text}, is_leaf=lambda x: isinstance(x, P))"
)
# JAX before 0.7 has no jax.set_mesh.
_SET_MESH = """\
set_mesh = jax.set_mesh if hasattr(jax, "set_mesh") else jax.sharding.set_mesh
set_mesh(mesh)"""


# Names that make arrays of which only shapes are given.
_MAKES_SHAPES = re.compile(r"\b(struct|ShapeDtypeStruct|eval_shape)\b")


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
        self.module = _module_of(self.program.function)
        self.bound |= {self.module.partition(".")[0]} - {""}
        self.helpers: dict[str, str] = {}
        self.mesh_when = mesh_context.when(session.devices, session.program)
        self.may_be_shapes = any(
            _MAKES_SHAPES.search(text)
            for text in (self.program.source, *(a.value for a in self.program.arguments))
        )

    def parts(self) -> Iterator[str]:
        """Yield the parts of the script in order."""
        inputs = self._inputs()  # first, since it finds the helper functions that are used
        if self.may_be_shapes:
            self.helpers["evaluated"] = EVALUATED
        yield self._heading()
        yield self._devices_and_imports()
        yield self._parameters()
        # Two blank lines around definitions, as in any script.
        yield from ("\n" + helper for helper in self.helpers.values())
        yield "\n" + self.program.source.strip("\n") + "\n\n" if self.program.source.strip() else ""
        yield self._imported()
        yield inputs
        yield self._calls()

    def _heading(self) -> str:
        title = self.session.title.strip().replace("\\", "\\\\").replace('"', '\\"')
        return f'"""{title}"""\n' if title else ""

    def _devices_and_imports(self) -> str:
        devices = self.session.devices
        lines = [_IMPORTS]
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
                put = "jax.device_put"
                if self.may_be_shapes:
                    put = "placed"
                    self.helpers[put] = PLACED
                text = f"{put}({text}, {sharding})"
            under = self.mesh_when != "call" or mesh_context.asks_for_mesh(argument.value)
            (under_mesh if under else before).append(f"{self.variable(argument.name)} = {text}")
        set_mesh = [_SET_MESH] if self.mesh_when in ("call", "values") else []
        return "\n".join([*before, *set_mesh, *under_mesh])

    def variable(self, name: str) -> str:
        """Return the script's name for an argument, changed if it has another meaning there."""
        plain = name if name.isidentifier() and not keyword.iskeyword(name) else "argument"
        return f"{plain}_" if plain in self.bound or hasattr(builtins, plain) else plain

    def _value(self, text: str, field: FieldPath) -> str:
        """Put `jnp.` before the names in `text` that only jaxtui resolves without it."""

        def home(name: str) -> str:
            if name in HELPERS:
                plain = name != "load" or self._loads_npy_only()
                self.helpers[name] = HELPERS[name if plain else "load_any"]
                return ""
            if full := FULL_NAMES.get(name):
                self.helpers[name] = f"{name} = jnp.{full}\n"
                return ""
            return "jnp"

        try:
            return _qualified(text, self.bound, home)
        except (SyntaxError, ValueError) as error:
            raise ExportError(f"no Python: {error}", field) from error

    def _loads_npy_only(self) -> bool:
        values = [a.value for a in self.program.arguments]
        return all(v.count("load(") == v.count(".npy") for v in values)

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
        call = f"{name}({arguments})"
        if self.may_be_shapes:
            call = f"evaluated({', '.join(filter(None, (name, arguments)))})"
        lines += [f"result = {call}", "print(result)"]
        return "\n".join(lines)

    def _function(self) -> tuple[str, list[str]]:
        """Return the function's name in the script, and the lines that it needs first."""
        reference = self.program.function.strip()
        if ":" not in reference:
            return reference or _last_function(self.program.source), []
        return f"{self.module}.{reference.rpartition(':')[2]}", []

    def _imported(self) -> str:
        """Return the lines that import the function's module."""
        place = self.program.function.strip().rpartition(":")[0]
        if not place.endswith(".py"):
            return f"import {place}" if place else ""
        return (
            "import runpy\n"
            "from types import SimpleNamespace\n\n"
            f"{self.module} = SimpleNamespace(**runpy.run_path({place!r}))"
        )

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
        settings += written_settings(index, layer, self.bound)
        return f"jax.{layer.transform}({', '.join(settings)})"


def _module_of(reference: str) -> str:
    """Return the name of the module in which a function lies, "" for one of the source."""
    place = reference.strip().rpartition(":")[0]
    if not place.endswith(".py"):
        return place
    stem = re.split(r"[/\\\\]", place)[-1].removesuffix(".py")
    return stem if stem.isidentifier() and not keyword.iskeyword(stem) else "_loaded"


def written_settings(index: int, layer: AnyLayer, bound: Container[str]) -> list[str]:
    """Return the settings of the layer at `index` as Python: `in_axes=0`, `axis_name='i'`.

    `bound` are the names that the source binds. Raises ExportError.
    """
    settings = []
    for name, text in layer.typed().items():
        try:
            settings.append(f"{name}={_written(layer.fields()[name], text, bound)}")
        except (SyntaxError, ValueError) as error:
            field = LAYERS / index / name
            raise ExportError(f"no Python: {error}", field) from error
    return settings


def _written(field: Field, text: str, bound: Container[str]) -> str:
    if field.is_word(text):
        return repr(text)
    if field.reads == "names":
        value = ast.parse(text, mode="eval").body
        return "{" + text + "}" if isinstance(value, ast.Constant) else f"set(({text}))"
    if field.reads == "shardings":
        ast.parse(text, mode="eval")
        return _SHARDINGS.format(text=text)
    return _qualified(text, bound, lambda name: field.home) if field.home else text


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
