"""Finds transformations that a source applies itself, so that they can be taken as layers.

Lines that were pasted from a tutorial or a script say `jax.vmap(f, in_axes=(0, None))(xs, y)`, or
have `@jax.jit` over a function. They are read as syntax; nothing of them runs.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from jaxtui.program.source_lines import Lines, bound_names, dotted_names, one_line, parsed
from jaxtui.session.layer_kind import Field
from jaxtui.session.layers import LAYER_KINDS, AnyLayer, Apply
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.text.syntax import unparsed

# The parameters behind the function that JAX takes by position, too.
_BY_POSITION: dict[str, tuple[str, ...]] = {
    "vmap": ("in_axes", "out_axes", "axis_name", "axis_size"),
    "pmap": ("axis_name",),
    "shard_map": ("mesh", "in_specs", "out_specs"),
    **dict.fromkeys(("grad", "value_and_grad", "jacfwd", "jacrev", "hessian"), ("argnums",)),
}
# What jax.<name> was called elsewhere. `map` is Python's own where nothing imports another.
_ELSEWHERE = {"jax.experimental.shard_map.shard_map": "jax.shard_map"}
_PARTIAL = ("functools.partial", "partial", "jax.tree_util.Partial")
_FUNCTION = "function"  # the name that a lambda gets

FunctionNode = ast.FunctionDef | ast.Lambda


class Written(Struct, frozen=True):
    """What the lines would be as a program of layers.

    `layers` and `values` are those taken, `left_out` what the lines say and no field can.
    """

    program: Program
    devices: Devices
    layers: tuple[AnyLayer, ...]
    values: tuple[str, ...]
    left_out: tuple[str, ...]


def written(program: Program, devices: Devices) -> Written | None:
    """Return what `program` would be if its source left the transformations to layers.

    None if the source applies none to a function of its own, or cannot be read.
    """
    tree = None if ":" in program.function else parsed(program.source)
    if tree is None:
        return None
    return _Reader(program, devices, tree).read()


class _Applied(Struct):
    """A function under transformations, innermost first; `name` is "" for one without a name."""

    function: FunctionNode
    name: str = ""
    layers: list[AnyLayer] = []
    decorators: list[ast.expr] = []  # those that were taken
    aliases: list[ast.stmt] = []  # statements that gave parts of it a name
    left_out: list[str] = []
    mesh: dict[str, int] | None = None


class _Reader:
    def __init__(self, program: Program, devices: Devices, tree: ast.Module) -> None:
        self._program, self._devices, self._tree = program, devices, tree
        self._lines = Lines(program.source)
        self._dotted = dotted_names(tree)
        self._defined: dict[str, ast.FunctionDef] = {}
        self._assigned: dict[str, ast.Assign] = {}
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef):
                self._defined[statement.name] = statement
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self._assigned[statement.targets[0].id] = statement

    def read(self) -> Written | None:
        found = self._last_call()
        if found is not None:
            applied, call, statement = found
            arguments, values, unknown = self._arguments(applied.function, call)
            applied.left_out += unknown
        else:
            last = self._last_made()
            if last is None:
                return None
            applied, statement = last, None
            arguments, values = list(self._program.arguments), []
        source, name = self._without(applied, statement)
        if parsed(source) is None:
            return None  # two statements in one line
        program = Program(source=source, arguments=arguments, layers=applied.layers)
        if program.function_name != name:
            program = msgspec.structs.replace(program, function=name)
        devices = self._devices
        if applied.mesh is not None:
            devices = msgspec.structs.replace(devices, mesh=applied.mesh)
        return Written(
            program, devices, tuple(applied.layers), tuple(values), tuple(applied.left_out)
        )

    # ------------------------------------------------------------------------- finding it

    def _last_call(self) -> tuple[_Applied, ast.Call, ast.stmt] | None:
        """The last call of a function under transformations, and its statement."""
        for statement in reversed(self._tree.body):
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                return None  # what was called before is not what these lines end in
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and _plain(node):
                    applied = self._applied(node.func)
                    if applied is not None and applied.layers:
                        return applied, node, statement
        return None

    def _last_made(self) -> _Applied | None:
        """The program's function, if it is under transformations and not called."""
        name = self._program.function_name
        applied = self._applied(ast.Name(name)) if name else None
        return applied if applied is not None and applied.layers else None

    def _applied(self, node: ast.expr, depth: int = 0) -> _Applied | None:
        """What `node` is, if that is a function of these lines."""
        if depth > len(LAYER_KINDS):
            return None
        if isinstance(node, ast.Lambda):
            return _Applied(node)
        if isinstance(node, ast.Name):
            return self._named(node.id, depth)
        if not isinstance(node, ast.Call) or not node.args:
            return None
        kind = self._kind(node.func)
        inner = self._applied(node.args[0], depth + 1) if kind is not None else None
        if kind is None or inner is None:
            return None
        self._put(inner, kind, node.args[1:], node.keywords)
        return inner

    def _named(self, name: str, depth: int) -> _Applied | None:
        if name in self._defined:
            return self._decorated(self._defined[name])
        if name in self._assigned:
            statement = self._assigned[name]
            inner = self._applied(statement.value, depth + 1)
            if isinstance(statement.value, ast.Lambda):
                return _Applied(statement.value, name)
            if inner is not None:
                inner.aliases.append(statement)
            return inner
        return None

    def _decorated(self, function: ast.FunctionDef) -> _Applied:
        """The function with the transformations that stand over it."""
        found = _Applied(function, function.name)
        for decorator in reversed(function.decorator_list):
            made, keywords = decorator, []
            if isinstance(decorator, ast.Call):
                made, more, keywords = decorator.func, decorator.args, decorator.keywords
                if self._name_of(made) in _PARTIAL and more:
                    made, more = more[0], more[1:]
                if more:
                    break
            if (kind := self._kind(made)) is None:
                break  # what is above it is of what that one returns
            self._put(found, kind, [], keywords)
            found.decorators.append(decorator)
        # One that stays in the source would be applied first, so that nothing below it can go.
        whole = len(found.decorators) == len(function.decorator_list)
        return found if whole else _Applied(function, function.name)

    # ------------------------------------------------------------------------- reading it

    def _name_of(self, node: ast.expr) -> str:
        """The dotted name of an expression, from where it was imported; "" if it is none."""
        try:
            text = unparsed(node)
        except RecursionError:
            return ""
        if not all(part.isidentifier() for part in text.split(".")):
            return ""
        first, _, rest = text.partition(".")
        whole = (
            f"{self._dotted.get(first, first)}.{rest}" if rest else self._dotted.get(first, first)
        )
        return _ELSEWHERE.get(whole, whole)

    def _kind(self, node: ast.expr) -> type[AnyLayer] | None:
        """The kind of layer that an expression names."""
        name = self._name_of(node)
        if not name or name in self._defined or name in self._assigned:
            return None
        for tag, kind in LAYER_KINDS.items():
            bare = name == tag and tag != "map"
            if not kind.adapter and kind is not Apply and (name == kind.jax_name() or bare):
                return kind
        return None

    def _put(
        self,
        applied: _Applied,
        kind: type[AnyLayer],
        more: Sequence[ast.expr],
        keywords: Sequence[ast.keyword],
    ) -> None:
        """Put a layer around it, with the settings that its fields can hold."""
        tag = str(kind.__struct_config__.tag)
        names = _BY_POSITION.get(tag, ())
        given: list[tuple[str | None, ast.expr]] = [
            *zip((*names, *[None] * len(more)), more, strict=False)
        ]
        given += [(keyword.arg, keyword.value) for keyword in keywords]
        fields = kind.fields()
        texts: dict[str, str] = {}
        for name, node in given:
            value = self._meant(node)
            if name == "mesh" and (mesh := self._mesh(value)) is not None:
                applied.mesh = mesh
            elif name is not None and name in fields:
                texts[name] = self._setting(fields[name], value)
            else:
                text = self._lines.text(node)
                applied.left_out.append(f"{name}={text}" if name else text)
        applied.layers.append(kind(**texts))

    def _meant(self, node: ast.expr) -> ast.expr:
        """What a name stands for, which layers do not know."""
        if isinstance(node, ast.Name) and node.id in self._assigned:
            return self._assigned[node.id].value
        return node

    def _setting(self, field: Field, value: ast.expr) -> str:
        """The text of a setting; a word needs no quotes."""
        if field.reads in ("word", "signature"):
            match value:
                case ast.Constant(value=str(word)):
                    return word
        return self._lines.text(value)

    def _mesh(self, node: ast.expr) -> dict[str, int] | None:
        """The axes of a mesh that is made of numbers and names, or of all devices."""
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            return None
        made = self._name_of(node.func).rpartition(".")[2]
        try:
            names = ast.literal_eval(node.args[1])
            names = (names,) if isinstance(names, str) else tuple(names)
            if made == "make_mesh":
                sizes = tuple(ast.literal_eval(node.args[0]))
            elif made == "Mesh" and len(names) == 1 and self._devices.count:
                sizes = (self._devices.count,)
            else:
                return None
        except (ValueError, TypeError, SyntaxError, RecursionError):
            return None
        fits = len(sizes) == len(names) and all(type(s) is int and s > 0 for s in sizes)
        return dict(zip(map(str, names), sizes, strict=True)) if fits else None

    def _arguments(
        self, function: FunctionNode, call: ast.Call
    ) -> tuple[list[Argument], list[str], list[str]]:
        """The arguments of a call, the values taken, and the names that nothing defines."""
        before = {argument.name: argument for argument in self._program.arguments}
        known = bound_names(self._tree)
        places = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        more = function.args.vararg.arg if function.args.vararg is not None else "argument"
        places += [f"{more}_{number}" for number in range(len(call.args))]
        given = [*zip(places, call.args, strict=False)]
        given += [(keyword.arg or "", keyword.value) for keyword in call.keywords]
        arguments, values, unknown = [], [], []
        for name, node in given:
            text = self._lines.text(node)
            lost = isinstance(node, ast.Name) and node.id not in known
            old = before.get(name)
            if lost and old is not None and old.value.strip():
                unknown.append(f"{text}, which no line defines")
                arguments.append(old)
            else:
                values.append(text)
                sharding = old.sharding if old is not None else ""
                arguments.append(Argument(name=name, value=text, sharding=sharding))
        return arguments, values, unknown

    # ------------------------------------------------------------------------- the rest

    def _without(self, applied: _Applied, statement: ast.stmt | None) -> tuple[str, str]:
        """The source without what was taken, and the name of the function in it."""
        lines, name, gone = self._lines, applied.name, list(applied.aliases)
        for decorator in applied.decorators:
            lines.cut(decorator.lineno, decorator.end_lineno)
        if statement is not None and isinstance(statement, ast.Expr | ast.Assign | ast.With):
            gone.append(statement)
        new = ""
        if not name:
            taken = {*self._defined, *self._assigned}
            name = next(
                n for n in (_FUNCTION, *map("function_{}".format, range(99))) if n not in taken
            )
            new = f"{name} = {one_line(applied.function)}"
        for one in [*gone, *self._depending(gone)]:
            lines.cut(one.lineno, one.end_lineno)
        return lines.left(new), name

    def _depending(self, gone: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements that use what is gone, and only show or name it."""
        lost: set[str] = set()
        found: list[ast.stmt] = []
        for statement in self._tree.body:
            if statement in gone:
                lost |= bound_names(statement)
            elif isinstance(statement, ast.Expr | ast.Assign) and lost & _loaded(statement):
                found.append(statement)
                lost |= bound_names(statement)
        return found


def _plain(call: ast.Call) -> bool:
    """Whether a call names each of its arguments."""
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    return not starred and all(keyword.arg for keyword in call.keywords)


def _loaded(node: ast.AST) -> set[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}
