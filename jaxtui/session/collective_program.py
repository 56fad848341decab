"""A session's collective as an ordinary program.

The program is a function that calls the collective on each device's block, under one layer that
names the axis. So it runs, opens on the Map screen and exports like any other program.
"""

from __future__ import annotations

import ast
import difflib
import re

import msgspec

from jaxtui.session.collective_catalogue import OPERATIONS, Operation
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import COLLECTIVE, OPTIONS, FieldPath
from jaxtui.session.layers import AnyLayer, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Collective, FieldError, Program, Session

DEFAULT_AXIS = "devices"
VIAS = ("pmap", "shard_map", "vmap")
BOTH = "before_and_after"  # the name of the function that returns its input beside the result


class CollectiveError(FieldError):
    """A collective that cannot be turned into a program yet."""

    def __init__(self, message: str, field: FieldPath, fixes: list[Fix] | None = None) -> None:
        super().__init__(message, field)
        self.fixes = fixes or []


def operation_of(session: Session) -> Operation | None:
    """Return the collective that the session names, or None for a function of the user's.

    Raises CollectiveError at `collective.operation` if it is neither.
    """
    collective = _collective(session)
    name = collective.operation.strip()
    if name in own_functions(session.program.source):
        return None
    if name in OPERATIONS:
        return OPERATIONS[name]
    known = [*OPERATIONS, *own_functions(session.program.source)]
    field = COLLECTIVE / "operation"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    message = (
        f"{name!r} is no collective of jax.lax, and the source defines no such function"
        if name
        else "which collective? such as psum, all_gather or ppermute"
    )
    raise CollectiveError(message, field, [Fix(label=n, field=field, text=n) for n in near])


def own_functions(source: str) -> list[str]:
    """Return the names that a source binds at top level; [] if it is not valid Python."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
    return names


def axes_of(session: Session) -> tuple[str, ...]:
    """Return the axes that the collective runs over: the option axis_name, or all axes.

    Raises CollectiveError at `collective.options.axis_name`.
    """
    collective = _collective(session)
    axes, there = _typed_axes(collective), layer_axes(session)
    if not axes:
        return there
    missing = [name for name in axes if name not in there]
    field = OPTIONS / "axis_name"
    if collective.via != "shard_map" and len(axes) > 1:
        raise CollectiveError(
            f"{collective.via} maps one axis; several are the axes of a mesh",
            field,
            [Fix(label="shard_map", field=COLLECTIVE / "via", text="shard_map")],
        )
    if missing or len(set(axes)) < len(axes):
        what = f"no axis {missing[0]!r}" if missing else "an axis twice"
        fixes = [Fix(label=name, field=field, text=name) for name in there]
        raise CollectiveError(f"{what}: the mesh has {', '.join(there)}", field, fixes)
    return axes


def layer_axes(session: Session) -> tuple[str, ...]:
    """Return the axes of the layer: those of the mesh, or the one that pmap or vmap maps.

    Raises CollectiveError at `collective.options.axis_name`.
    """
    collective = _collective(session)
    if collective.via == "shard_map":
        return tuple(session.devices.mesh or {DEFAULT_AXIS: 0})
    return _typed_axes(collective)[:1] or (DEFAULT_AXIS,)


def _typed_axes(collective: Collective) -> tuple[str, ...]:
    """Parse the option axis_name: `x`, `"x"`, `x, y` or `("x", "y")`; () if it is not given."""
    text = collective.options.get("axis_name", "").strip()
    if not text or text == "None":
        return ()
    words = re.sub(r"[()\[\]\"',]", " ", text).split()
    if not words or not all(word.isidentifier() for word in words):
        raise CollectiveError(
            f"{text!r} is no axis name: a name, or a tuple of names",
            OPTIONS / "axis_name",
        )
    return tuple(words)


def _collective(session: Session) -> Collective:
    if session.collective is None:
        raise CollectiveError("the session has no collective", COLLECTIVE)
    return session.collective


def runs_program(session: Session) -> bool:
    """Whether the session has a program to run besides its collective.

    With a collective, a source without arguments and layers only defines what the collective uses.
    """
    program = session.program
    if program.empty:
        return False
    return session.collective is None or bool(program.arguments or program.layers)


def as_session(session: Session) -> Session:
    """Return the session with its collective as its program, to open in Map or to export.

    Raises CollectiveError.
    """
    return msgspec.structs.replace(session, program=as_program(session), collective=None)


def as_program(session: Session) -> Program:
    """Return the session's collective as an ordinary program. Raises CollectiveError."""
    return _Composed(session).program()


def with_input(session: Session) -> Program:
    """Return a program that gives (input, result), to show how both are placed.

    With several operands, the input is a dict of them by name. Raises CollectiveError.
    """
    return _Composed(session).program(both=True)


class _Composed:
    """The collective of a session, checked, to build programs from."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.collective = _collective(session)
        if self.collective.via not in VIAS:
            fixes = [Fix(label=via, field=COLLECTIVE / "via", text=via) for via in VIAS]
            message = f"{self.collective.via!r} carries no collective: {', '.join(VIAS)} do"
            raise CollectiveError(message, COLLECTIVE / "via", fixes)
        self.operation = operation_of(session)
        self.axes = axes_of(session)
        self.defined = own_functions(session.program.source)
        self._check_options()

    def program(self, *, both: bool = False) -> Program:
        """Build the program; with `both`, it returns (input, result)."""
        settings = [name for name in self.collective.options if name != "axis_name"]
        own = self.operation is None and self.collective.via != "shard_map" and not settings
        if own and not both:  # the layer can wrap the user's function as it is
            return Program(
                source=self.session.program.source,
                function=self.collective.operation.strip(),
                arguments=self._arguments(),
                layers=self._layers(),
            )
        name = self._free(f"{self.collective.operation.strip()}_over_{'_'.join(self.axes)}")
        parts = [self.session.program.source.strip("\n"), self._function(name)]
        if both:
            parts.append(self._both(name))
        return Program(
            source="\n\n\n".join(part for part in parts if part) + "\n",
            arguments=self._arguments(),
            layers=self._layers(),
        )

    @property
    def operands(self) -> tuple[str, ...]:
        return ("x", *(self.operation.names("operand") if self.operation else ()))

    def _check_options(self) -> None:
        if self.operation is None:
            for name in self.collective.options:
                if not name.isidentifier():
                    raise CollectiveError(f"{name!r} is no parameter's name", OPTIONS / name)
            return
        known = [option.name for option in self.operation.options]
        for name in self.collective.options:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f": it has {', '.join(known)}"
                message = f"{self.operation.name} has no option {name}{hint}"
                raise CollectiveError(message, OPTIONS / name)
        for option in self.operation.options:
            given = self.collective.options.get(option.name, "").strip()
            if option.default is None and not given:
                field = OPTIONS / option.name
                example = self.operation.given.get(option.name)
                fixes = [Fix(label=example, field=field, text=example)] if example else []
                message = f"{self.operation.name} needs {option.name}: {option.words}"
                raise CollectiveError(message, field, fixes)

    def _function(self, name: str) -> str:
        parameters = ", ".join(self.operands)
        if self.collective.via != "shard_map":
            return f"def {name}({parameters}):\n    return {self._call()}"
        lines = [f"def {name}({parameters}):"]
        lines.append("    # A block of shard_map keeps the divided dimension, with size 1.")
        if self.operation is None or self.operation.operand:
            lines += [f"    {x} = jax.tree.map(lambda block: block[0], {x})" for x in self.operands]
        lines.append(f"    result = {self._call()}")
        lines.append("    return jax.tree.map(lambda block: jnp.expand_dims(block, 0), result)")
        return "\n".join(lines)

    def _call(self) -> str:
        given = {name: _one_line(text) for name, text in self.collective.options.items()}
        given = {name: text for name, text in given.items() if text and name != "axis_name"}
        name = self.collective.operation.strip()
        if self.operation is None:
            return f"{name}({', '.join(['x', *(f'{k}={v}' for k, v in given.items())])})"
        axis = _axes_text(self.axes)
        others = self.operands[1:]
        arguments = [*(["x"] if self.operation.operand else []), *others]
        arguments.append(f"axis_name={axis}" if others else axis)
        arguments += [f"{key}={text}" for key, text in given.items() if key not in others]
        return f"lax.{name}({', '.join(arguments)})"

    def _both(self, name: str) -> str:
        parameters = ", ".join(self.operands)
        keywords = ", ".join(f"{name}={name}" for name in self.operands)
        given = "x" if len(self.operands) == 1 else f"dict({keywords})"
        return f"def {self._free(BOTH)}({parameters}):\n    return {given}, {name}({parameters})"

    def _free(self, name: str) -> str:
        while name in self.defined:
            name += "_"
        return name

    def _arguments(self) -> list[Argument]:
        value = self.collective.value
        if not value.strip() and self.operation is not None and not self.operation.operand:
            # It reads no data, but an argument has to give the axis its size.
            value = self.operation.value
        options = self.collective.options
        sharding = self._spec() if self._divided_before() else ""
        return [
            Argument(
                name=name, value=value if name == "x" else options.get(name, ""), sharding=sharding
            )
            for name in self.operands
        ]

    def _divided_before(self) -> bool:
        """Whether the operands must lie divided before the call: so shard_map wants it of explicit
        axes."""
        types = self.session.devices.axis_types or {}
        return self.collective.via == "shard_map" and "explicit" in types.values()

    def _spec(self) -> str:
        return f"P({_axes_text(layer_axes(self.session))})"

    def _layers(self) -> list[AnyLayer]:
        axes = layer_axes(self.session)
        if self.collective.via == "pmap":
            return [Pmap(axis_name=axes[0])]
        if self.collective.via == "vmap":
            return [Vmap(axis_name=axes[0])]
        spec = self._spec()
        # The type check of shard_map rejects a grouped sum, which runs without the check.
        groups = _one_line(self.collective.options.get("axis_index_groups", ""))
        grouped = groups not in ("", "None") or "axis_index_groups" in self.session.program.source
        layer = ShardMap(in_specs=spec, out_specs=spec, check_vma="False" if grouped else "")
        # Without jit, every call of a shard_map is traced again.
        return [layer, Jit()]


def _axes_text(names: tuple[str, ...]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return quoted if len(names) == 1 else f"({quoted})"


def _one_line(text: str) -> str:
    """Return an option's text in one line; unchanged if it is not valid Python."""
    try:
        return ast.unparse(ast.parse(text.strip(), mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text.strip()
