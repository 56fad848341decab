"""Export a session as a Python script: the same computation in plain JAX, without jaxtui."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jaxtui.session import export_texts, mesh_context
from jaxtui.session.collective_program import CollectiveError, as_session, runs_program
from jaxtui.session.export_helpers import BY_PATH, EVALUATED, PLACED, loading_from
from jaxtui.session.export_modules import imports_of
from jaxtui.session.export_texts import ExportError, Texts, stores
from jaxtui.session.field_path import ARGUMENTS, DEVICES, PROGRAM, SOURCE, FieldPath
from jaxtui.session.layers import LAYER_KINDS, AnyLayer
from jaxtui.session.python_faults import fault_of
from jaxtui.session.references import reference_of
from jaxtui.session.session import Session

__all__ = ["Blocks", "ExportError", "blocks", "script"]

_IMPORTS = """\
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P
"""

# Known by their own names too, and imported where they are used.
_OF_SHARDINGS = ("Mesh", "NamedSharding", "PartitionSpec")
_KNOWN = frozenset({"jax", "jnp", "np", "lax", "P", "devices", "mesh", *_OF_SHARDINGS})

# JAX before 0.7 has no jax.set_mesh.
_SET_MESH = """\
set_mesh = jax.set_mesh if hasattr(jax, "set_mesh") else jax.sharding.set_mesh
set_mesh(mesh)"""


# Names that make arrays of which only shapes are given.
_LOADS = re.compile(r"\bload\(")
_MAKES_SHAPES = re.compile(r"\b(struct|ShapeDtypeStruct|eval_shape)\b")


def script(session: Session, folder: str = "", script_folder: str = "") -> str:
    """Return the program of `session` as a script that prints its result. Raises ExportError.

    If the session has a collective and no other program, the script runs the collective. The
    session lies in `folder`, and so does the script, unless a `script_folder` is given: the files
    that it imports are found from there.
    """
    parts = _exporter(session, folder, script_folder).parts()
    return "\n".join(part.rstrip() + "\n" for part in parts if part.strip())


def blocks(session: Session, folder: str = "", script_folder: str = "") -> Blocks:
    """Return the parts of the script of `session`, as for `script`. Raises ExportError."""
    return _exporter(session, folder, script_folder).blocks()


def _exporter(session: Session, folder: str, script_folder: str) -> _Exporter:
    if session.collective is not None and not runs_program(session):
        try:
            session = as_session(session)
        except CollectiveError as error:
            raise ExportError(error.message, error.field) from error
    if session.program.empty:
        raise ExportError("there is no function to export", PROGRAM)
    return _Exporter(session, folder, script_folder)


class Blocks(NamedTuple):
    """The parts of a script in order, "" for one that it does not need."""

    heading: str
    setup: str  # imports of JAX, and the devices
    paths: str
    parameters: str
    helpers: list[str]
    source: str
    imports: str
    inputs: str
    calls: str


class _Exporter:
    """Writes the parts of one script."""

    def __init__(self, session: Session, folder: str, script_folder: str) -> None:
        self.session = session
        self.program = session.program
        self.bound = _bound_by(self.program.source) | set(session.parameters) | _KNOWN
        values = [argument.value for argument in self.program.arguments]
        loads = "load" not in self.bound and any(_LOADS.search(value) for value in values)
        self.imports = imports_of(self.program, self.bound, folder, script_folder, loads=loads)
        self.bound |= {"here", "sys", "Path"} if self.imports.paths else set()
        self.bound |= {self.imports.module.partition(".")[0]} - {""}
        self.texts = Texts(
            self.bound,
            homes=dict.fromkeys(self.imports.names, self.imports.module),
            npy_only=self._loads_npy_only(),
        )
        self.helpers = self.texts.helpers
        self.mesh_when = mesh_context.when(session.devices, session.program)
        self.may_be_shapes = any(
            _MAKES_SHAPES.search(text)
            for text in (self.program.source, *(a.value for a in self.program.arguments))
        )

    def parts(self) -> Iterator[str]:
        """Yield the parts of the script in order."""
        found = self.blocks()
        yield from (found.heading, found.setup, found.paths, found.parameters)
        # Two blank lines around definitions, as in any script.
        yield from ("\n" + helper for helper in found.helpers)
        yield f"\n{found.source}\n\n" if found.source else ""
        yield from (found.imports, found.inputs, found.calls)

    def blocks(self) -> Blocks:
        # First, since they find the helper functions that are used.
        inputs = self._inputs()
        calls = self._calls()
        if self.may_be_shapes:
            self.helpers["evaluated"] = EVALUATED
        if "load" in self.helpers and self.imports.data:
            self.helpers["load"] = loading_from(self.imports.data, self.helpers["load"])
        setup = self._devices_and_imports()
        source = self.program.source.strip("\n") if self.program.source.strip() else ""
        return Blocks(
            heading=self._heading(),
            setup=setup,
            paths="\n".join(self.imports.paths),
            parameters=self._parameters(),
            helpers=list(self.helpers.values()),
            source=source,
            imports="\n".join(self.imports.lines),
            inputs=inputs,
            calls=calls,
        )

    def _heading(self) -> str:
        title = self.session.title.strip().replace("\\", "\\\\").replace('"', '\\"')
        return f'"""{title}"""\n' if title else ""

    def _devices_and_imports(self) -> str:
        devices = self.session.devices
        standard = self.helpers.pop("functools", "")
        lines = [f"{standard}\n{_IMPORTS}" if standard else _IMPORTS]
        source = _bound_by(self.program.source)
        named = [n for n in _OF_SHARDINGS if n not in source and self._uses(n, unqualified=True)]
        if named:
            lines[0] += f"from jax.sharding import {', '.join(named)}\n"
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

    def _uses(self, name: str, *, unqualified: bool = False) -> bool:
        texts = [self.program.source, *(a.value for a in self.program.arguments)]
        texts += [argument.sharding for argument in self.program.arguments]
        texts += [text for layer in self.program.layers for text in layer.typed().values()]
        before = r"(?<![\w.])" if unqualified else r"\b"
        return any(re.search(rf"{before}{name}\b", text) for text in texts)

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
                text = self._placed(text, argument.sharding.strip(), index)
            under = self.mesh_when != "call" or mesh_context.asks_for_mesh(argument.value)
            (under_mesh if under else before).append(f"{self.variable(argument.name)} = {text}")
        set_mesh = [_SET_MESH] if self.mesh_when in ("call", "values") else []
        return "\n".join([*before, *set_mesh, *under_mesh])

    def _placed(self, value: str, text: str, index: int) -> str:
        """Return the call that puts a value where the text of its sharding says."""
        sharding = export_texts.sharding(text, ARGUMENTS / index / "sharding")
        if "by_path" in self.bound or not re.search(r"\bby_path\b", text):
            put = "placed" if self.may_be_shapes else "jax.device_put"
            if self.may_be_shapes:
                self.helpers[put] = PLACED
            return f"{put}({value}, {sharding})"
        self.helpers["by_path"] = BY_PATH
        return f"put_by_path({value}, {text})"

    def variable(self, name: str) -> str:
        """Return the script's name for an argument, changed if it has another meaning there."""
        plain = name if name.isidentifier() and not keyword.iskeyword(name) else "argument"
        return f"{plain}_" if plain in self.bound or hasattr(builtins, plain) else plain

    def _value(self, text: str, field: FieldPath) -> str:
        """Return a value in which every name is qualified. Raises ExportError."""
        try:
            return self.texts.value(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ExportError(f"no Python: {fault_of(error)}", field) from error

    def _loads_npy_only(self) -> bool:
        values = [a.value for a in self.program.arguments]
        return all(v.count("load(") == v.count(".npy") for v in values)

    def _calls(self) -> str:
        name, lines = self._function(), []
        names = [argument.name for argument in self.program.arguments]
        text = self.imports.text or self.program.source
        by_name = _given_by_name(text, name.removeprefix(f"{self.imports.module}."), names)
        for index, layer in enumerate(self.program.layers):
            lines.append(f"program = {self._layer(index, layer, name)}")
            name = "program"
        arguments = ", ".join(
            f"{a.name}={self.variable(a.name)}" if a.name in by_name else self.variable(a.name)
            for a in self.program.arguments
        )
        call = f"{name}({arguments})"
        if self.may_be_shapes:
            call = f"evaluated({', '.join(filter(None, (name, arguments)))})"
        lines += [f"result = {call}", "print(result)"]
        return "\n".join(lines)

    def _function(self) -> str:
        """Return the function's name in the script."""
        reference = reference_of(self.program.function)
        if reference is None:
            return self.program.function.strip() or _last_function(self.program.source)
        return f"{self.imports.module}.{reference.name}"

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
        return self.texts.layer(index, layer, settings)


def _first_mapped(in_axes: str) -> tuple[int, int] | None:
    """Return the first argument that a literal in_axes maps, and its axis."""
    try:
        axes = ast.literal_eval(in_axes or "0")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
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


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExportError(f"no Python: {fault_of(error)}", SOURCE) from error


def _bound_by(source: str) -> set[str]:
    bound: set[str] = set()
    for statement in _statements(source):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and stores(node):
                bound.add(node.id)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).partition(".")[0])
    return bound


def _last_function(source: str) -> str:
    """The name of the function that the source makes last, as far as its text tells."""
    statements = _statements(source)
    defined = {s.name: s for s in statements if isinstance(s, ast.FunctionDef)}
    made: list[str] = []
    assigned: list[str] = []
    for statement in statements:
        if isinstance(statement, ast.FunctionDef):
            made.append(statement.name)
        elif isinstance(statement, ast.Assign):
            names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
            assigned += names
            made += names if _makes_function(statement.value, defined) else []
    if not made and not assigned:
        raise ExportError("the source defines no function", SOURCE)
    return (made or assigned)[-1]


# What JAX calls with a function alone, to get a function.
_MAKERS = {name for name, kind in LAYER_KINDS.items() if kind.home and not kind.adapter}
_MAKERS |= {"partial", "custom_jvp", "custom_vjp", "Partial"}


def _makes_function(value: ast.expr, defined: Mapping[str, ast.FunctionDef]) -> bool:
    """Whether an expression makes a function: `lambda`, `jax.jit(f)`, `make_step()`, `f`."""
    if isinstance(value, ast.Name):
        return value.id in defined
    if not isinstance(value, ast.Call):
        return isinstance(value, ast.Lambda)
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if name == "partial" and value.args and _is_maker(value.args[0]):
        return False
    if isinstance(called, ast.Name) and name in defined:
        inner = (ast.FunctionDef, ast.Lambda)
        return any(isinstance(n, inner) for s in defined[name].body for n in ast.walk(s))
    return name in _MAKERS


def _is_maker(node: ast.expr) -> bool:
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) in _MAKERS
