"""A jaxpr with its calls entered, and a mark of all its values at the end of each body.

A mark is an equation without results, so that it changes nothing for its operands; it says by their
numbers whose values they are. See `marks` for what becomes of it in the module.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import mlir

from jaxtui.sharding.engine import lines, marks, shardy
from jaxtui.wire.sharding import Scope

# Calls that only give a body a name: the body takes all operands, or the last of them.
_CALLS = frozenset(
    {
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "remat_call",
        "checkpoint",
        "remat2",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
    }
)
_LOOPS = frozenset({"scan", "while"})
_OWN_LABELS = frozenset({"jit", "pjit", "closed_call", "core_call"})


@dataclass(frozen=True)
class MarkedValue:
    """An output of an equation, which a mark holds under this value's place in the list.

    `scope` indexes the scopes, -1 outside all. `variable` is what holds it in the marked program:
    that of a call is also that of its body.
    """

    equation: Any
    output: int
    scope: int
    variable: Any

    @property
    def aval(self) -> Any:
        return self.equation.outvars[self.output].aval


@dataclass
class Marked:
    """The marked program, its values in the order in which they are made, and their scopes.

    `callers` are the equations whose bodies the scopes are.
    """

    closed: Any
    values: list[MarkedValue]
    scopes: list[Scope]
    callers: list[Any]


def marked(closed: Any) -> Marked:
    """Mark each value of a closed jaxpr."""
    return Marking().program(closed)


class Marking:
    """Enters the calls of a jaxpr, and puts the equations of `ending` at the end of each body."""

    def __init__(self) -> None:
        self.values: list[MarkedValue] = []
        self.scopes: list[Scope] = []
        self.callers: list[Any] = []
        self._made: set[Any] = set()

    def program(self, closed: Any) -> Marked:
        """A closed jaxpr, marked."""
        body = self.body(closed.jaxpr, scope=-1)
        return Marked(closed.replace(jaxpr=body), self.values, self.scopes, self.callers)

    def body(self, jaxpr: Any, scope: int) -> Any:
        """An open jaxpr, which stands in `scope`, with a mark of its values."""
        flat = Flat(self._made)
        self._enter(jaxpr, scope, flat)
        return jaxpr.replace(
            eqns=[*flat.equations, *self.ending(jaxpr, flat)],
            outvars=[flat.read(v) for v in jaxpr.outvars],
            effects=jaxpr.effects | self.effects(),
        )

    def ending(self, _jaxpr: Any, flat: Flat) -> list[Any]:
        """The equations at the end of a body: the mark of its values."""
        return [flat.mark()]

    def effects(self) -> Any:
        """The effects of what stands at the ends of bodies."""
        return effects()

    def _enter(self, jaxpr: Any, scope: int, flat: Flat) -> None:
        for equation in jaxpr.eqns:
            called = _called(equation)
            if called is None:
                made = self._with_marked_bodies(equation, scope)
                flat.add(equation, made)
            else:
                self._enter_call(equation, called, scope, flat)
            for output, variable in enumerate(equation.outvars):
                number = len(self.values)
                now = flat.read(variable)
                self.values.append(MarkedValue(equation, output, scope, now))
                if not isinstance(now, core.Literal) and _is_markable(variable.aval):
                    flat.marked.append((now, number))

    def _enter_call(self, equation: Any, called: Any, scope: int, flat: Flat) -> None:
        jaxpr, constants = getattr(called, "jaxpr", called), getattr(called, "consts", ())
        operands = [flat.read(v) for v in equation.invars]
        given = operands[len(operands) - len(jaxpr.invars) :]
        given = [
            flat.constrained(atom, sharding, equation)
            for atom, sharding in zip(given, _shardings(equation, "in_shardings"), strict=False)
        ] or given
        flat.bind(jaxpr.invars, given)
        flat.bind(
            jaxpr.constvars,
            [
                core.Literal(value, variable.aval)
                for variable, value in zip(jaxpr.constvars, constants, strict=True)
            ],
        )
        # A layer around the program is called from nowhere in the user's code.
        inner = scope if lines.place_of(equation) is None else self._scope(equation, scope)
        self._enter(jaxpr, inner, flat)
        results = [flat.read(v) for v in jaxpr.outvars]
        results = [
            flat.constrained(atom, sharding, equation)
            for atom, sharding in zip(results, _shardings(equation, "out_shardings"), strict=False)
        ] or results
        flat.bind(equation.outvars, results)

    def _with_marked_bodies(self, equation: Any, scope: int) -> Any:
        """The equation with marks in its bodies, such as those of a loop."""
        if equation.primitive.name not in _WITH_BODIES:
            return equation
        params = dict(equation.params)
        for key, value in params.items():
            if isinstance(value, tuple | list) and any(_is_jaxpr(v) for v in value):
                params[key] = type(value)(
                    self._marked_body(v, equation, scope) if _is_jaxpr(v) else v for v in value
                )
            elif _is_jaxpr(value):
                params[key] = self._marked_body(value, equation, scope)
        if all(params[key] is equation.params[key] for key in params):
            return equation
        return equation.replace(params=params, effects=equation.effects | self.effects())

    def _marked_body(self, body: Any, equation: Any, scope: int) -> Any:
        inner = self._scope(equation, scope)
        if isinstance(body, core.ClosedJaxpr):
            return body.replace(jaxpr=self.body(body.jaxpr, inner))
        return self.body(body, inner)

    def _scope(self, equation: Any, parent: int) -> int:
        name = equation.primitive.name
        turns: int | None = 1
        if name == "scan":
            turns = int(equation.params["length"])
        elif name == "while":
            turns = None
        scope = Scope(
            label=called(equation) or name, parent=parent, turns=turns, manual=name == "shard_map"
        )
        self.scopes.append(scope)
        self.callers.append(equation)
        return len(self.scopes) - 1


class Flat:
    """Equations in a row, of a body and all that it calls, with variables of their own.

    `made` are the variables that are taken in the whole program.
    """

    def __init__(self, made: set[Any]) -> None:
        self.equations: list[Any] = []
        self.marked: list[tuple[Any, int]] = []
        self._made = made
        self._now: dict[Any, Any] = {}

    def read(self, atom: Any) -> Any:
        return self._now.get(atom, atom) if isinstance(atom, core.Var) else atom

    def bind(self, variables: Sequence[Any], atoms: Sequence[Any]) -> None:
        self._now.update(zip(variables, atoms, strict=True))

    def add(self, original: Any, equation: Any) -> None:
        """Append an equation, in which a body that is called twice gets new variables."""
        read = [self.read(v) for v in original.invars]
        results = original.outvars
        if self._made.isdisjoint(results):
            self._made.update(results)
        else:
            results = [fresh(v) for v in results]
            self.bind(original.outvars, results)
        if results is not original.outvars or read != original.invars:
            equation = equation.replace(invars=read, outvars=results)
        self.equations.append(equation)

    def mark(self) -> Any:
        """The mark of all values that were made."""
        return _template().replace(
            primitive=_primitive(),
            invars=[variable for variable, _ in self.marked],
            outvars=[],
            params={"numbers": tuple(number for _, number in self.marked)},
        )

    def constrained(self, atom: Any, sharding: Any, equation: Any) -> Any:
        """`atom` under the sharding that a `jit` asks for its operand or result."""
        if not isinstance(sharding, jax.sharding.Sharding) or isinstance(atom, core.Literal):
            return atom
        made = _constraint(atom.aval, sharding)
        result = fresh(made.outvars[0])
        self.equations.append(
            made.replace(invars=[atom], outvars=[result], source_info=equation.source_info)
        )
        return result


# What runs a program over whole arrays or, in manual code, over blocks of them. Other bodies are of
# kernels, or say how two elements become one, as in a scatter.
_WITH_BODIES = frozenset({"scan", "while", "cond", "shard_map"})


def _called(equation: Any) -> Any:
    """The body of an equation that is a call and nothing more, else None."""
    if (platforms := equation.params.get("branches_platforms")) is not None:
        return _branch_for(jax.default_backend(), platforms, equation.params["branches"])
    if equation.primitive.name not in _CALLS:
        return None
    params = equation.params
    body = params.get("jaxpr", params.get("call_jaxpr", params.get("fun_jaxpr")))
    return body if _is_jaxpr(body) else None


def _branch_for(platform: str, platforms: Sequence[Any], branches: Sequence[Any]) -> Any:
    """The branch of `jax.lax.platform_dependent` that is lowered; None stands for any platform."""
    for served, branch in zip(platforms, branches, strict=True):
        if served is None or platform in served:
            return branch
    return None


def called(equation: Any) -> str:
    """The name of the function that an equation calls, as JAX knows it; "" if it has none."""
    if equation.primitive.name in _OWN_LABELS:
        return str(equation.params.get("name", ""))
    body = _called(equation)
    traced = getattr(getattr(body, "jaxpr", body), "debug_info", None)
    return str(getattr(traced, "func_name", ""))


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, core.Jaxpr | core.ClosedJaxpr)


def _is_markable(aval: Any) -> bool:
    """Whether a mark may read a value: an array that is not yet to be summed over axes.

    Shardy ends the process where an operation without results reads such a sum.
    """
    return hasattr(aval, "shape") and hasattr(aval, "dtype") and not shardy.by_type(aval).unreduced


def _shardings(equation: Any, name: str) -> Sequence[Any]:
    shardings = equation.params.get(name, ())
    return shardings if any(isinstance(s, jax.sharding.Sharding) for s in shardings) else ()


def _constraint(aval: Any, sharding: Any) -> Any:
    struct = jax.ShapeDtypeStruct(aval.shape, aval.dtype)
    closed = jax.make_jaxpr(lambda x: jax.lax.with_sharding_constraint(x, sharding))(struct)
    return closed.jaxpr.eqns[0]


def fresh(variable: Any) -> Any:
    """Another variable for values of the same type."""
    try:
        return core.Var(variable.aval)
    except TypeError:  # up to JAX 0.6
        return core.Var("", variable.aval)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------- marks


@functools.cache
def _template() -> Any:
    """An equation with an effect that JAX allows in loops, which keeps marks from being dropped.

    JAX makes such an effect for a foreign call with side effects.
    """
    call = jax.ffi.ffi_call(marks.TARGET, (), has_side_effect=True)
    return jax.make_jaxpr(call)(jax.ShapeDtypeStruct((), "float32")).jaxpr.eqns[0]


def effects() -> Any:
    """The effects of a mark, which every equation with marks in a body has too."""
    return _template().effects


@functools.cache
def _primitive() -> Any:
    primitive = core.Primitive("jaxtui_mark")
    primitive.multiple_results = True
    primitive.def_effectful_abstract_eval(lambda *_, numbers: ([], effects()))
    mlir.register_lowering(primitive, _lowered_mark)
    return primitive


def is_mark(equation: Any) -> bool:
    """Whether an equation is a mark."""
    return equation.primitive is _primitive()


def _lowered_mark(_context: Any, *operands: Any, numbers: tuple[int, ...]) -> list[Any]:
    pairs = [
        (value, number)
        for operand, number in zip(operands, numbers, strict=True)
        for value in (operand if isinstance(operand, tuple | list) else (operand,))
    ]
    marks.add([value for value, _ in pairs], [number for _, number in pairs])
    return []


def axes_of(equation: Any) -> tuple[str, ...]:
    """The axes of a collective of the user's."""
    axes = equation.params.get("axes", equation.params.get("axis_name", ()))
    axes = axes if isinstance(axes, tuple | list | frozenset | set) else (axes,)
    return tuple(str(axis) for axis in axes)
