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
_CALLS = frozenset(
    {"jit", "pjit", "closed_call", "core_call", "remat_call", "checkpoint", "remat2"}
    | {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
)


@dataclass(frozen=True)
class ShardedCase:
    """A source with a function `f`, and for each argument its value and its sharding."""

    name: str
    source: str
    arguments: dict[str, tuple[str, str]]
    mesh: dict[str, int] = field(default_factory=lambda: dict(MESH))
    axis_types: dict[str, AxisTypeName] | None = None
    layers: tuple[AnyLayer, ...] = ()

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
            devices=Devices(mesh=self.mesh, axis_types=self.axis_types),
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
                spec = eval(sharding, {**helpers, **names})
                made = jax.device_put(made, NamedSharding(mesh, spec))
            given.append(made)
        return names["f"], given, mesh


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


def intermediates(
    function: Callable[..., Any], given: Sequence[Any], skipped: Collection[int] = ()
) -> dict[int, tuple[str, Any, Spec]]:
    """The primitive, shape and spec of each array outside loops, as XLA's compiler lays it out.

    Behind each equation stands a `jax.debug.inspect_array_sharding`, which is told at compile time,
    but for the `skipped` ones: it cannot tell of a part of an axis.
    """
    closed = jax.make_jaxpr(function)(*given)
    order: list[tuple[str, Any]] = []
    seen: dict[int, Spec] = {}

    def note(number: int, rank: int) -> Callable[[Any], None]:
        return lambda sharding: seen.__setitem__(number, spec_of(sharding, rank))

    def evaluated(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        known = dict(zip([*jaxpr.invars, *jaxpr.constvars], [*args, *consts], strict=True))

        def value(atom: Any) -> Any:
            return atom.val if isinstance(atom, core.Literal) else known[atom]

        for equation in jaxpr.eqns:
            params = equation.params
            inner = params.get("jaxpr", params.get("call_jaxpr", params.get("fun_jaxpr")))
            given = [value(v) for v in equation.invars]
            if equation.primitive.name in _CALLS and inner is not None:
                body, values = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
                outs = evaluated(body, values, given[len(given) - len(body.invars) :])
            else:
                outs = _bound(equation, given)
                outs = outs if equation.primitive.multiple_results else [outs]
                for out in outs:
                    number = len(order)
                    order.append((equation.primitive.name, out.shape))
                    if number not in skipped:
                        jax.debug.inspect_array_sharding(out, callback=note(number, out.ndim))
            known.update(zip(equation.outvars, outs, strict=True))
        return [value(v) for v in jaxpr.outvars]

    def watched(*args: Any) -> Any:
        return evaluated(closed.jaxpr, closed.consts, args)

    jax.jit(watched).lower(*given).compile()
    return {number: (*order[number], spec) for number, spec in sorted(seen.items())}


def _bound(equation: Any, given: list[Any]) -> Any:
    made = equation.primitive.get_bind_params(equation.params)
    if isinstance(made, tuple):  # up to JAX 0.9
        functions, settings = made
        return equation.primitive.bind(*functions, *given, **settings)
    return equation.primitive.bind(*given, **made)


def planned_intermediates(plan: ShardingPlan) -> list[tuple[str, Any, Spec]]:
    """What `intermediates` tells, from a plan."""
    calls = {n for n, scope in enumerate(plan.scope_list) if scope.turns == 1 and not scope.manual}

    def outside_loops(scope: int) -> bool:
        while scope >= 0:
            if scope not in calls or plan.scope_list[scope].label in ("cond",):
                return False
            scope = plan.scope_list[scope].parent
        return True

    return [
        (value.op, tuple(value.shape), value.spec)
        for value, scope in zip(plan.values, plan.scopes, strict=True)
        if value.op not in _CALLS and outside_loops(scope)
    ]


def in_part_of_an_axis(spec: Spec) -> bool:
    """Whether a spec divides a dimension by a part of an axis, which JAX has no words for."""
    return any(":" in axis for axes in spec for axis in axes)


def without_trailing(spec: Spec) -> Spec:
    """A spec without the undivided dimensions at its end."""
    while spec and not spec[-1]:
        spec = spec[:-1]
    return spec
