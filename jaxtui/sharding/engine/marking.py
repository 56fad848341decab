"""A jaxpr with its calls entered, and a mark behind each value that survives lowering.

Which MLIR value an equation became cannot be told from lowered text: one equation gives several
operations, or none. A mark is an operation without results, so that it changes nothing for its
operand; it says by its number whose value the operand is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import mlir
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from jaxtui.sharding.engine import lines
from jaxtui.wire.sharding import Scope

TARGET = "jaxtui_mark"

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
    """An output of an equation, whose mark has this value's place in the list as its number.

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
    marking = _Marking()
    body = marking.body(closed.jaxpr, scope=-1)
    return Marked(closed.replace(jaxpr=body), marking.values, marking.scopes, marking.callers)


class _Marking:
    def __init__(self) -> None:
        self.values: list[MarkedValue] = []
        self.scopes: list[Scope] = []
        self.callers: list[Any] = []

    def body(self, jaxpr: Any, scope: int) -> Any:
        """An open jaxpr, which stands in `scope`, with marks."""
        flat = _Flat()
        self._enter(jaxpr, scope, flat)
        return jaxpr.replace(
            eqns=flat.equations,
            outvars=[flat.read(v) for v in jaxpr.outvars],
            effects=jaxpr.effects | effects(),
        )

    def _enter(self, jaxpr: Any, scope: int, flat: _Flat) -> None:
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
                if not isinstance(now, core.Literal) and _is_array(variable.aval):
                    flat.equations.append(_mark(now, number, equation))

    def _enter_call(self, equation: Any, called: Any, scope: int, flat: _Flat) -> None:
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
        return equation.replace(params=params, effects=equation.effects | effects())

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


class _Flat:
    """Equations in a row, of a body and all that it calls, with variables of their own."""

    def __init__(self) -> None:
        self.equations: list[Any] = []
        self._now: dict[Any, Any] = {}

    def read(self, atom: Any) -> Any:
        return self._now.get(atom, atom) if isinstance(atom, core.Var) else atom

    def bind(self, variables: Sequence[Any], atoms: Sequence[Any]) -> None:
        self._now.update(zip(variables, atoms, strict=True))

    def add(self, original: Any, equation: Any) -> None:
        """Append an equation, in which a body that is called twice gets new variables."""
        fresh = [_fresh(v) for v in original.outvars]
        read = [self.read(v) for v in original.invars]
        self.equations.append(equation.replace(invars=read, outvars=fresh))
        self.bind(original.outvars, fresh)

    def constrained(self, atom: Any, sharding: Any, equation: Any) -> Any:
        """`atom` under the sharding that a `jit` asks for its operand or result."""
        if not isinstance(sharding, jax.sharding.Sharding) or isinstance(atom, core.Literal):
            return atom
        made = _constraint(atom.aval, sharding)
        fresh = _fresh(made.outvars[0])
        self.equations.append(
            made.replace(invars=[atom], outvars=[fresh], source_info=equation.source_info)
        )
        return fresh


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


def _is_array(aval: Any) -> bool:
    return hasattr(aval, "shape") and hasattr(aval, "dtype")


def _shardings(equation: Any, name: str) -> Sequence[Any]:
    shardings = equation.params.get(name, ())
    return shardings if any(isinstance(s, jax.sharding.Sharding) for s in shardings) else ()


def _constraint(aval: Any, sharding: Any) -> Any:
    struct = jax.ShapeDtypeStruct(aval.shape, aval.dtype)
    closed = jax.make_jaxpr(lambda x: jax.lax.with_sharding_constraint(x, sharding))(struct)
    return closed.jaxpr.eqns[0]


def _fresh(variable: Any) -> Any:
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
    call = jax.ffi.ffi_call(TARGET, (), has_side_effect=True)
    return jax.make_jaxpr(call)(jax.ShapeDtypeStruct((), "float32")).jaxpr.eqns[0]


def effects() -> Any:
    """The effects of a mark, which every equation with marks in a body has too."""
    return _template().effects


@functools.cache
def _primitive() -> Any:
    primitive = core.Primitive("jaxtui_mark")
    primitive.multiple_results = True
    primitive.def_effectful_abstract_eval(lambda _, *, number: ([], effects()))
    mlir.register_lowering(primitive, _lowered_mark)
    return primitive


def _mark(atom: Any, number: int, equation: Any) -> Any:
    return _template().replace(
        primitive=_primitive(),
        invars=[atom],
        outvars=[],
        params={"number": number},
        source_info=equation.source_info,
    )


def _lowered_mark(_context: Any, operand: Any, *, number: int) -> list[Any]:
    for value in operand if isinstance(operand, tuple | list) else (operand,):
        stablehlo.CustomCallOp(
            [],
            [value],
            call_target_name=ir.StringAttr.get(TARGET),
            has_side_effect=ir.BoolAttr.get(True),
            backend_config=ir.StringAttr.get(str(number)),
        )
    return []


def number_of(operation: Any) -> int | None:
    """The number of a mark; None for any other operation."""
    if operation.name != "stablehlo.custom_call":
        return None
    if ir.StringAttr(operation.attributes["call_target_name"]).value != TARGET:
        return None
    return int(ir.StringAttr(operation.attributes["backend_config"]).value)


def axes_of(equation: Any) -> tuple[str, ...]:
    """The axes of a collective of the user's."""
    axes = equation.params.get("axes", equation.params.get("axis_name", ()))
    axes = axes if isinstance(axes, tuple | list | frozenset | set) else (axes,)
    return tuple(str(axis) for axis in axes)


def turns(scopes: Sequence[Scope], scope: int) -> int | None:
    """How often what stands in `scope` runs; None if a loop around it is of unknown length."""
    times: int | None = 1
    for around in enclosing(scopes, scope):
        if times is not None:
            times = None if around.turns is None else times * around.turns
    return times


def enclosing(scopes: Sequence[Scope], scope: int) -> Iterator[Scope]:
    """The scopes around a value, the innermost first."""
    while scope >= 0:
        yield scopes[scope]
        scope = scopes[scope].parent
