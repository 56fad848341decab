"""Where bare JAX lays out every array of a program, to hold a plan against."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Argument, AxisTypeName, Devices, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import ShardingPlan, Spec

MESH = {"data": 4, "model": 2}
CALLS = frozenset(
    {"jit", "pjit", "closed_call", "core_call", "remat_call", "checkpoint", "remat2"}
    | {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
)


LOOPS = frozenset({"scan", "while", "cond"})


@dataclass(frozen=True)
class ShardedCase:
    """A source with a function `f`, and for each argument its value and its sharding.

    `bare_layers` is what the `layers` are in bare JAX, an expression of `f`. A program `in_context`
    needs the mesh in JAX's context. `since` is the first JAX that can run it.
    """

    name: str
    source: str
    arguments: dict[str, tuple[str, str]]
    mesh: dict[str, int] = field(default_factory=lambda: dict(MESH))
    axis_types: dict[str, AxisTypeName] | None = None
    layers: tuple[AnyLayer, ...] = ()
    bare_layers: str = "f"
    in_context: bool = False
    since: tuple[int, int] = (0, 6)

    @property
    def is_explicit(self) -> bool:
        """Whether every axis of the mesh is part of types."""
        types = (self.axis_types or {}).values()
        return len(types) == len(self.mesh) and set(types) == {"explicit"}

    @property
    def composition(self) -> Composition:
        arguments = [
            Argument(name=name, value=value, sharding=sharding)
            for name, (value, sharding) in self.arguments.items()
        ]
        return Composition(
            program=Program(
                source=f"from jax.sharding import NamedSharding\n{self.source}",
                function="f",
                arguments=arguments,
                layers=list(self.layers),
            ),
            devices=Devices(
                order=list(range(math.prod(self.mesh.values()))),
                mesh=self.mesh,
                axis_types=self.axis_types,
            ),
        )

    def bare(self) -> tuple[Callable[..., Any], list[Any], Mesh]:
        """The function, its placed arguments and the mesh in bare JAX."""
        kinds = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}
        types = tuple(kinds[(self.axis_types or {}).get(axis, "auto")] for axis in self.mesh)
        grid = np.array(jax.devices()[: math.prod(self.mesh.values())])
        mesh = Mesh(grid.reshape(tuple(self.mesh.values())), tuple(self.mesh), axis_types=types)
        names: dict[str, Any] = {"jax": jax, "jnp": jnp, "lax": lax, "np": np, "mesh": mesh}
        names |= {"P": PartitionSpec, "NamedSharding": NamedSharding}
        exec(compile(self.source, "<bare>", "exec"), names)
        helpers = {n: v for n, v in vars(jnp).items() if not n.startswith("_")}
        given = []
        for value, sharding in self.arguments.values():
            made = eval(value, {**helpers, **names})
            if sharding:
                made = _placed(made, eval(sharding, {**helpers, **names}), mesh)
            given.append(made)
        return eval(self.bare_layers, names), given, mesh

    def context(self, mesh: Mesh) -> Any:
        """The context to trace the bare function in."""
        return in_context(mesh) if self.in_context else contextlib.nullcontext()


def _placed(tree: Any, specs: Any, mesh: Mesh) -> Any:
    """`tree` on the mesh by a tree of specs that is a prefix of it."""

    def put(spec: PartitionSpec, part: Any) -> Any:
        return jax.device_put(part, NamedSharding(mesh, spec))

    return jax.tree.map(put, specs, tree, is_leaf=lambda spec: isinstance(spec, PartitionSpec))


def in_context(mesh: Mesh) -> Any:
    """The mesh as JAX's context, by whichever name this version has for it."""
    return jax.set_mesh(mesh) if hasattr(jax, "set_mesh") else jax.sharding.use_mesh(mesh)


@contextlib.contextmanager
def partitioned_by_shardy() -> Iterator[None]:
    """Let JAX use Shardy, as it does by itself from 0.7 on."""
    before = jax.config.values.get("jax_use_shardy_partitioner", True)
    if before:
        yield
        return
    jax.config.update("jax_use_shardy_partitioner", True)
    try:
        yield
    finally:
        jax.config.update("jax_use_shardy_partitioner", before)


def spec_of(sharding: Any, rank: int) -> Spec:
    """A sharding of JAX's as a Spec."""
    entries = tuple(getattr(sharding, "spec", ()))
    spec = [
        [] if entry is None else list(entry) if isinstance(entry, tuple) else [entry]
        for entry in entries
    ]
    return spec + [[] for _ in range(rank - len(spec))]


Told = tuple[str, tuple[int, ...], Spec]
"""An array as an oracle tells of it: the primitive that made it, its shape and spec."""


def intermediates(
    function: Callable[..., Any], given: Sequence[Any], skipped: Collection[int]
) -> tuple[dict[int, Told], set[int]]:
    """Each array outside manual code, loops and branches included, as XLA's compiler lays it out.

    Behind each equation stands a `jax.debug.inspect_array_sharding`, which is told at compile time,
    but for the `skipped` ones. The second result has the numbers of those that were asked about: up
    to JAX 0.7 each user of a constant, an inspection too, has a copy of its own.
    """
    leaves, tree = jax.tree.flatten(given)
    closed = jax.make_jaxpr(lambda *leaves: function(*tree.unflatten(leaves)))(*leaves)
    watch = _Watch(skipped, of_constants=jax.__version_info__ >= (0, 8))
    varies = [True] * len(leaves)
    watched = jax.jit(lambda *given: watch.evaluated(closed.jaxpr, closed.consts, given, varies)[0])
    watched.lower(*leaves).compile()
    told = {number: (*watch.order[number], spec) for number, spec in sorted(watch.seen.items())}
    return told, watch.asked


class _Watch:
    """Evaluates a jaxpr with an inspection behind each equation."""

    def __init__(self, skipped: Collection[int], *, of_constants: bool) -> None:
        self.skipped = skipped
        self.of_constants = of_constants
        self.order: list[tuple[str, tuple[int, ...]]] = []
        self.asked: set[int] = set()
        self.seen: dict[int, Spec] = {}

    def evaluated(
        self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], varies: Sequence[bool]
    ) -> tuple[list[Any], list[bool]]:
        """The results of `jaxpr`, and which of them depend on an argument that `varies`."""
        known = dict(zip([*jaxpr.invars, *jaxpr.constvars], [*args, *consts], strict=True))
        varying = {v for v, flag in zip(jaxpr.invars, varies, strict=True) if flag}

        def value(atom: Any) -> Any:
            return atom.val if isinstance(atom, core.Literal) else known[atom]

        def is_varying(atom: Any) -> bool:
            return not isinstance(atom, core.Literal) and atom in varying

        for equation in jaxpr.eqns:
            name = equation.primitive.name
            given, flags = map(value, equation.invars), map(is_varying, equation.invars)
            outs, depend = self._made(equation, list(given), list(flags))
            if name not in CALLS:
                self._inspect(name, outs, depend)
            known.update(zip(equation.outvars, outs, strict=True))
            varying |= {v for v, flag in zip(equation.outvars, depend, strict=True) if flag}
        return [value(v) for v in jaxpr.outvars], [is_varying(v) for v in jaxpr.outvars]

    def _made(
        self, equation: Any, given: list[Any], flags: list[bool]
    ) -> tuple[list[Any], list[bool]]:
        inner = _called(equation)
        if inner is None:
            outs = _bound(self._with_watched_bodies(equation), given)
            outs = outs if equation.primitive.multiple_results else [outs]
            return outs, [any(flags)] * len(outs)
        body, values = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
        first = len(given) - len(body.invars)
        given = _laid(given[first:], equation.params.get("in_shardings", ()))
        outs, depend = self.evaluated(body, values, given, flags[first:])
        return _laid(outs, equation.params.get("out_shardings", ())), depend

    def _inspect(self, primitive: str, outs: Sequence[Any], varies: Sequence[bool]) -> None:
        for out, flag in zip(outs, varies, strict=True):
            number = len(self.order)
            self.order.append((primitive, out.shape))
            if number not in self.skipped and (flag or self.of_constants):
                self.asked.add(number)
                jax.debug.inspect_array_sharding(out, callback=self._note(number, out.ndim))

    def _note(self, number: int, rank: int) -> Callable[[Any], None]:
        return lambda sharding: self.seen.__setitem__(number, spec_of(sharding, rank))

    def _with_watched_bodies(self, equation: Any) -> Any:
        if equation.primitive.name not in LOOPS:
            return equation
        params = dict(equation.params)
        for key, value in params.items():
            if isinstance(value, core.ClosedJaxpr):
                params[key] = self._watched(value)
            elif key == "branches":
                params[key] = tuple(map(self._watched, value))
        bodies = [*params.get("branches", ()), *params.values()]
        effects = [b.effects for b in bodies if isinstance(b, core.ClosedJaxpr)]
        return equation.replace(params=params, effects=equation.effects.union(*effects))

    def _watched(self, closed: Any) -> Any:
        """A body with inspections."""
        structs = [_struct(aval) for aval in closed.in_avals]
        varies = [True] * len(structs)
        return jax.make_jaxpr(
            lambda *given: self.evaluated(closed.jaxpr, closed.consts, given, varies)[0]
        )(*structs)


def _called(equation: Any) -> Any:
    """The body that an equation calls, for this platform if there are several; else None."""
    params = equation.params
    if params.get("branches_platforms") is not None:
        platforms = params["branches_platforms"]
        [number] = [n for n, served in enumerate(platforms) if served is None or "cpu" in served]
        return params["branches"][number]
    if equation.primitive.name not in CALLS:
        return None
    return params.get("jaxpr", params.get("call_jaxpr", params.get("fun_jaxpr")))


def _laid(values: Sequence[Any], shardings: Sequence[Any]) -> list[Any]:
    """Values as a jit's `in_shardings` or `out_shardings` ask for."""
    asked = [*shardings, *[None] * (len(values) - len(shardings))]
    return [
        jax.lax.with_sharding_constraint(value, sharding)
        if isinstance(sharding, NamedSharding)
        else value
        for value, sharding in zip(values, asked, strict=True)
    ]


def _struct(aval: Any) -> Any:
    sharding = getattr(aval, "sharding", None)
    typed = sharding is not None and any(sharding.spec)
    return jax.ShapeDtypeStruct(
        aval.shape, aval.dtype, weak_type=aval.weak_type, sharding=sharding if typed else None
    )


def _bound(equation: Any, given: list[Any]) -> Any:
    made = equation.primitive.get_bind_params(equation.params)
    if isinstance(made, tuple):  # up to JAX 0.9
        functions, settings = made
        return equation.primitive.bind(*functions, *given, **settings)
    return equation.primitive.bind(*given, **made)


def typed(function: Callable[..., Any], given: Sequence[Any]) -> list[Told]:
    """Each array outside manual code by the sharding that is part of its type, as traced."""
    found: list[Told] = []

    def read(jaxpr: Any) -> None:
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            if name in CALLS or name in LOOPS:
                for body in _bodies(equation):
                    read(body)
            if name not in CALLS:
                found.extend(
                    (name, v.aval.shape, spec_of(v.aval.sharding, v.aval.ndim))
                    for v in equation.outvars
                )

    read(jax.make_jaxpr(function)(*given).jaxpr)
    return found


def _bodies(equation: Any) -> Iterator[Any]:
    if (called := _called(equation)) is not None:
        yield getattr(called, "jaxpr", called)
        return
    for value in [*equation.params.get("branches", ()), *equation.params.values()]:
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr


def planned_intermediates(plan: ShardingPlan) -> list[Told]:
    """What `intermediates` tells, from a plan."""

    def outside_manual_code(scope: int) -> bool:
        while scope >= 0:
            if plan.scope_list[scope].manual:
                return False
            scope = plan.scope_list[scope].parent
        return True

    return [
        (value.op, tuple(value.shape), value.spec)
        for value, scope in zip(plan.values, plan.scopes, strict=True)
        if value.op not in CALLS and outside_manual_code(scope)
    ]


def in_part_of_an_axis(spec: Spec) -> bool:
    """Whether a spec divides a dimension by a part of an axis, which JAX has no words for."""
    return any(":" in axis for axes in spec for axis in axes)


def untold(array: Told) -> bool:
    """Whether JAX cannot tell of an array: it has no words for parts of an axis, and XLA drops
    arrays without elements."""
    _, shape, spec = array
    return in_part_of_an_axis(spec) or 0 in shape


def without_trailing(spec: Spec) -> Spec:
    """A spec without the undivided dimensions at its end."""
    while spec and not spec[-1]:
        spec = spec[:-1]
    return spec
