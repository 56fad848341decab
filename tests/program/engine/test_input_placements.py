"""Where the arguments of a run lay: what bare JAX says of the same program, leaf by leaf."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import tree_util
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.program.engine import evaluation, input_placements
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.report import Input

COUNT = 8
GRID = {"x": 4, "y": 2}
Held = dict[int, list[list[int]]]  # the block of each device, by its id


@dataclass(frozen=True)
class Ran:
    """A program to run: its source is `def f(...)`, its arguments are texts by name."""

    source: str
    arguments: Mapping[str, str]
    layers: Sequence[AnyLayer] = ()
    mesh: Mapping[str, int] | None = None
    order: list[int] | None = None
    shardings: Mapping[str, str] = field(default_factory=dict)

    @property
    def composition(self) -> Composition:
        arguments = [
            Argument(name=name, value=value, sharding=self.shardings.get(name, ""))
            for name, value in self.arguments.items()
        ]
        program = Program(
            source=self.source, function="f", arguments=arguments, layers=list(self.layers)
        )
        mesh = dict(self.mesh) if self.mesh else None
        return Composition(program=program, devices=Devices(order=self.order, mesh=mesh))

    def inputs(self) -> dict[str, Input]:
        """What the run reports, by the leaf's path with its argument's name before it."""
        ran = evaluation.run(self.composition, lambda stage: None, lambda: False)
        return {leaf.name + leaf.path: leaf for leaf in ran.inputs}


def held_by(sharding: Any, shape: Sequence[int]) -> Held:
    """The block on each device, as JAX says it of a sharding."""
    return {
        device.id: [list(s.indices(n)[:2]) for s, n in zip(index, shape, strict=True)]
        for device, index in sharding.devices_indices_map(tuple(shape)).items()
    }


def held(leaf: Input) -> Held:
    return {shard.device: shard.index for shard in leaf.shards}


def mesh_of(axes: Mapping[str, int]) -> Mesh:
    devices = np.array(jax.devices()[: math.prod(axes.values())])
    return Mesh(devices.reshape(tuple(axes.values())), tuple(axes))


def named(axes: Mapping[str, int], spec: P, shape: Sequence[int]) -> Held:
    return held_by(NamedSharding(mesh_of(axes), spec), shape)


def whole(shape: Sequence[int], devices: Sequence[int] = (0,)) -> Held:
    return {device: [[0, n] for n in shape] for device in devices}


def rows(count: int, shape: Sequence[int], axis: int = 0) -> Held:
    """One block of size 1 along `axis` on each of `count` devices, as pmap gives them."""
    return {
        at: [[at, at + 1] if d == axis else [0, n] for d, n in enumerate(shape)]
        for at in range(count)
    }


ADD = "def f(x, y):\n    return x + y\n"
X = {"x": "arange(32.).reshape(8, 4)", "y": "ones(4)"}
LINE = {"devices": COUNT}

# fmt: off
CASES: dict[str, tuple[Ran, dict[str, tuple[str, Held]]]] = {
    "pmap": (Ran(ADD, X, [Pmap(in_axes="(0, None)")]),
        {"x": ("program", rows(8, (8, 4))), "y": ("program", whole((4,), range(8)))}),
    "pmap along another axis": (
        Ran("def f(x):\n    return x * 2\n", {"x": "ones((3, 4))"}, [Pmap(in_axes="1")]),
        {"x": ("program", rows(4, (3, 4), 1))}),
    "pmap over devices in another order": (
        Ran("def f(x):\n    return x * 2\n", {"x": "ones((2, 4))"}, [Pmap()], order=[5, 3]),
        {"x": ("program", {5: [[0, 1], [0, 4]], 3: [[1, 2], [0, 4]]})}),
    "pmap with a static argument": (
        Ran("def f(n, x):\n    return x * n\n", {"n": "3", "x": "ones((8, 2))"},
            [Pmap(static_broadcasted_argnums="0", in_axes="(None, 0)")]),
        {"n": ("static", {}), "x": ("program", rows(8, (8, 2)))}),
    "a vmap on one device": (Ran(ADD, X, [Vmap(in_axes="(0, None)")]),
        {"x": ("given", whole((8, 4))), "y": ("given", whole((4,)))}),
    "a number of Python's": (Ran(ADD, {"x": "ones(3)", "y": "2.0"}),
        {"x": ("given", whole((3,))), "y": ("host", {})}),
    "a number of Python's under jit": (Ran(ADD, {"x": "ones(3)", "y": "2.0"}, [Jit()]),
        {"x": ("program", whole((3,))), "y": ("program", whole(()))}),
    "an argument that is placed": (
        Ran(ADD, X, [Vmap(in_axes="(0, None)")], GRID, shardings={"x": "P('x')", "y": "P()"}),
        {"x": ("given", named(GRID, P("x"), (8, 4))), "y": ("given", named(GRID, P(), (4,)))}),
    "shard_map": (
        Ran("def f(a, b):\n    return a @ b\n", {"a": "ones((8, 4))", "b": "ones((4, 6))"},
            [ShardMap(in_specs="(P('x'), P(None, 'y'))", out_specs="P('x', 'y')")], GRID),
        {"a": ("program", named(GRID, P("x"), (8, 4))),
         "b": ("program", named(GRID, P(None, "y"), (4, 6)))}),
    "shard_map over two axes in one dimension": (
        Ran("def f(x):\n    return x\n", {"x": "arange(16)"},
            [ShardMap(in_specs="P(('y', 'x'))", out_specs="P(('y', 'x'))")], GRID),
        {"x": ("program", named(GRID, P(("y", "x")), (16,)))}),
    "shard_map in a vmap": (
        Ran("def f(x):\n    return x * 2\n", {"x": "ones((3, 8))"},
            [ShardMap(in_specs="P('devices')", out_specs="P('devices')"), Vmap()]),
        {"x": ("program", named(LINE, P(None, "devices"), (3, 8)))}),
    "shard_map of one tree": (
        Ran("def f(p):\n    return p['a'] + p['b']\n", {"p": "{'a': arange(8.), 'b': ones(1)}"},
            [ShardMap(in_specs="({'a': P('devices'), 'b': P()},)", out_specs="P('devices')")]),
        {"p['a']": ("program", named(LINE, P("devices"), (8,))),
         "p['b']": ("program", whole((1,), range(8)))}),
    "jit with in_shardings": (
        Ran("def f(x, y):\n    return x @ y\n", {"x": "ones((8, 4))", "y": "ones((4, 2))"},
            [Jit(in_shardings="(P('x'), P(None, 'y'))")], GRID),
        {"x": ("program", named(GRID, P("x"), (8, 4))),
         "y": ("program", named(GRID, P(None, "y"), (4, 2)))}),
    "what jit leaves out": (Ran("def f(x, y):\n    return x * 2\n", X, [Jit()]),
        {"x": ("program", whole((8, 4))), "y": ("unused", {})}),
    "what jit takes as static, by name": (
        Ran("def f(x, n):\n    return x * n\n", {"x": "ones(3)", "n": "2"},
            [Jit(static_argnames="'n'")]),
        {"x": ("program", whole((3,))), "n": ("static", {})}),
    "what jit takes as static, by number from the end": (
        Ran("def f(x, n):\n    return x * n\n", {"x": "ones(3)", "n": "2"},
            [Jit(static_argnums="-1")]),
        {"x": ("program", whole((3,))), "n": ("static", {})}),
    "arguments by keyword": (
        Ran("def f(x, *, b, a):\n    return x * b + a\n",
            {"x": "ones(8)", "b": "ones(8)", "a": "ones(1)"},
            [Jit(in_shardings="")], LINE, shardings={"b": "P('devices')", "x": "P('devices')"}),
        {"x": ("program", named(LINE, P("devices"), (8,))),
         "b": ("program", named(LINE, P("devices"), (8,))),
         "a": ("program", whole((1,), range(8)))}),
    "a function that is jitted itself": (
        Ran("@jax.jit\ndef f(x, y):\n    return x * y[0]\n", X, [], GRID,
            shardings={"x": "P('x')"}),
        {"x": ("program", named(GRID, P("x"), (8, 4))), "y": ("program", whole((4,), range(8)))}),
    "a shard_map of the source": (
        Ran("f = jax.shard_map(lambda x: x * 2, mesh=mesh, in_specs=P('y'), out_specs=P('y'))\n",
            {"x": "ones(4)"}, [], GRID),
        {"x": ("program", named(GRID, P("y"), (4,)))}),
    "keys": (
        Ran("def f(k):\n    return jax.random.normal(k[0], (2,))\n",
            {"k": "jax.random.split(jax.random.key(0), 8)"},
            [Jit(in_shardings="P('devices')")]),
        {"k": ("program", named(LINE, P("devices"), (8,)))}),
    "no elements": (Ran("def f(x):\n    return x * 2\n", {"x": "ones((8, 0))"}, [Pmap()]),
        {"x": ("program", rows(8, (8, 0)))}),
    "what only a run can tell": (
        Ran("def f(x):\n    return x * 2 if x[0] > 0 else x\n", {"x": "ones(3)"}),
        {"x": ("given", whole((3,)))}),
}
# fmt: on
SHORT = (
    "pmap",
    "a vmap on one device",
    "shard_map",
    "jit with in_shardings",
    "what jit leaves out",
)


def cases() -> Iterator[Any]:
    for name, (program, expected) in CASES.items():
        marks = () if name in SHORT else (pytest.mark.long,)
        yield pytest.param(program, expected, id=name, marks=marks)


@pytest.mark.parametrize(("program", "expected"), cases())
def test_the_arguments_of_a_run_lie_where_jax_has_them(
    program: Ran, expected: dict[str, tuple[str, Held]]
) -> None:
    found = {path: (leaf.placed, held(leaf)) for path, leaf in program.inputs().items()}
    assert found == expected


def line(f: Callable[..., Any], out: P) -> Any:
    mesh = Mesh(np.array(jax.devices()), ("devices",))
    return jax.jit(jax.shard_map(f, mesh=mesh, in_specs=P("devices"), out_specs=out))


def put(axes: Mapping[str, int], spec: P, x: Any) -> Any:
    return jax.device_put(x, NamedSharding(mesh_of(axes), spec))


def _tree(p: Any, x: Any) -> Any:
    return {"w": p["w"] @ x, "b": p["b"][0]}


# The program, what bare JAX makes of the same function, and its arguments there.
COMPILED: dict[str, tuple[Ran, Callable[[], tuple[Any, tuple[Any, ...], dict[str, Any]]]]] = {
    "what XLA divides because another argument is": (
        Ran(ADD, X, [Jit(donate_argnums="0")], GRID, shardings={"x": "P('x', 'y')"}),
        lambda: (
            jax.jit(lambda x, y: x + y, donate_argnums=0),
            (put(GRID, P("x", "y"), jnp.ones((8, 4))), jnp.ones(4)),
            {},
        ),
    ),
    "shard_map under jit": (
        Ran(
            "def f(x):\n    return lax.psum(x, 'devices')\n",
            {"x": "ones((8, 3))"},
            [ShardMap(in_specs="P('devices')", out_specs="P()"), Jit()],
        ),
        lambda: (line(lambda x: jax.lax.psum(x, "devices"), P()), (jnp.ones((8, 3)),), {}),
    ),
    "sizes that the mesh does not divide": (
        Ran(
            "def f(x):\n    return lax.with_sharding_constraint(x * 2, "
            "NamedSharding(mesh, P('devices')))\n",
            {"x": "ones((5, 8))"},
            [Jit()],
        ),
        lambda: (
            jax.jit(
                lambda x: jax.lax.with_sharding_constraint(
                    x * 2, NamedSharding(mesh_of(LINE), P("devices"))
                )
            ),
            (jnp.ones((5, 8)),),
            {},
        ),
    ),
    "trees, one leaf of which is placed and one not used": (
        Ran(
            "def f(p, x):\n    return {'w': p['w'] @ x, 'b': p['b'][0]}\n",
            {"p": "{'w': ones((8, 4)), 'b': [ones(8), zeros(2)]}", "x": "ones(4)"},
            [Jit()],
            GRID,
            shardings={"p": "{'w': P('x', 'y'), 'b': [P('x'), P()]}"},
        ),
        lambda: (
            jax.jit(_tree),
            (
                {
                    "w": put(GRID, P("x", "y"), jnp.ones((8, 4))),
                    "b": [put(GRID, P("x"), jnp.ones(8)), put(GRID, P(), jnp.zeros(2))],
                },
                jnp.ones(4),
            ),
            {},
        ),
    ),
    "a gradient": (
        Ran(
            "def f(w, x):\n    return (x @ w).sum()\n",
            {"w": "ones(4)", "x": "ones((8, 4))"},
            [Grad(), Jit(in_shardings="(P(), P('devices'))")],
        ),
        lambda: (
            jax.jit(
                jax.grad(lambda w, x: (x @ w).sum()),
                in_shardings=(
                    NamedSharding(mesh_of(LINE), P()),
                    NamedSharding(mesh_of(LINE), P("devices")),
                ),
            ),
            (jnp.ones(4), jnp.ones((8, 4))),
            {},
        ),
    ),
    "two arguments by keyword": (
        Ran(
            "def f(*, b, a):\n    return a * b\n",
            {"b": "ones(8)", "a": "ones((3, 8))"},
            [Jit()],
            GRID,
            shardings={"b": "P('x')"},
        ),
        lambda: (
            jax.jit(lambda *, b, a: a * b),
            (),
            {"b": put(GRID, P("x"), jnp.ones(8)), "a": jnp.ones((3, 8))},
        ),
    ),
}


@pytest.mark.parametrize(
    ("program", "bare"),
    [
        pytest.param(*both, id=name, marks=() if number < 1 else (pytest.mark.long,))
        for number, (name, both) in enumerate(COMPILED.items())
    ],
)
def test_what_is_compiled_takes_its_arguments_where_bare_jax_does(
    program: Ran, bare: Callable[[], tuple[Any, tuple[Any, ...], dict[str, Any]]]
) -> None:
    call, args, kwargs = bare()
    compiled = call.lower(*args, **kwargs).compile()
    places = compiled.in_tree.flatten_up_to(compiled.input_shardings)
    shapes = [leaf.shape for leaf in tree_util.tree_leaves((args, kwargs))]
    expected = [
        {} if place is None else held_by(place, shape)
        for place, shape in zip(places, shapes, strict=True)
    ]
    found = list(program.inputs().values())
    assert [held(leaf) for leaf in found] == expected
    assert [leaf.placed for leaf in found] == ["program" if e else "unused" for e in expected]


@st.composite
def _divided(draw: st.DrawFn) -> tuple[dict[str, int], list[tuple[list[int], list[list[str]]]]]:
    """A mesh over all devices, and arrays (shape, mesh axes of each dimension) that it divides."""
    sizes = draw(st.sampled_from([(8,), (4, 2), (2, 4), (2, 2, 2), (1, 8)]))
    axes = dict(zip("xyz", sizes, strict=False))
    arrays = []
    for _ in range(draw(st.integers(1, 3))):
        rank = draw(st.integers(0, 3))
        spec: list[list[str]] = [[] for _ in range(rank)]
        for axis in draw(st.permutations(list(axes))) if rank else ():
            at = draw(st.integers(-1, rank - 1))
            if at >= 0:
                spec[at].append(axis)
        shape = [
            math.prod(axes[axis] for axis in names) * draw(st.integers(0, 3)) for names in spec
        ]
        arrays.append((shape, spec))
    return axes, arrays


def _spec_text(spec: Sequence[Sequence[str]]) -> str:
    return f"P({', '.join(repr(tuple(names)) if names else 'None' for names in spec)})"


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(divided=_divided(), by=st.sampled_from(["shard_map", "jit", "sharding", "sharding, jit"]))
def test_any_mesh_divides_arguments_as_device_put_does(
    divided: tuple[dict[str, int], list[tuple[list[int], list[list[str]]]]], by: str
) -> None:
    axes, arrays = divided
    names = [f"a{number}" for number in range(len(arrays))]
    specs = [_spec_text(spec) for _, spec in arrays]
    together = f"({', '.join(specs)},)"
    layers: list[AnyLayer] = []
    if by == "shard_map":
        layers = [ShardMap(in_specs=together, out_specs=together)]
    elif by == "jit":
        layers = [Jit(in_shardings=together)]
    elif by == "sharding, jit":
        layers = [Jit()]
    program = Ran(
        f"def f({', '.join(names)}):\n    return ({', '.join(f'{name} + 1' for name in names)},)\n",
        {name: f"zeros({tuple(shape)})" for name, (shape, _) in zip(names, arrays, strict=True)},
        layers,
        axes,
        shardings=dict(zip(names, specs, strict=True)) if "sharding" in by else {},
    )
    for leaf, (shape, spec) in zip(program.inputs().values(), arrays, strict=True):
        laid = put(axes, P(*[tuple(n) if n else None for n in spec]), jnp.zeros(shape))
        expected = {
            shard.device.id: [
                list(s.indices(n)[:2]) for s, n in zip(shard.index, shape, strict=True)
            ]
            for shard in laid.addressable_shards
        }
        assert held(leaf) == expected
        assert leaf.placed == ("given" if by == "sharding" else "program")


def test_asking_where_arguments_lay_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **more: compiled.append(event) if "compile" in event else None
    )
    ask = input_placements.inputs_of

    def counted(*args: Any) -> list[Input]:
        before = len(compiled)
        found = ask(*args)
        asked.append(len(compiled) - before)
        return found

    monkeypatch.setattr(input_placements, "inputs_of", counted)
    for layer, value in ((Jit(), "ones((8, 5))"), (Jit(), "np.ones((8, 5))"), (Pmap(), "ones(8)")):
        program = Ran("def f(x):\n    return x * 2.5\n", {"x": value}, [layer])
        assert [leaf.placed for leaf in program.inputs().values()] == ["program"]
    assert asked == [0, 0, 0]
    assert compiled


@pytest.mark.long
def test_a_great_many_blocks_are_left_out_from_where_they_would_be_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(input_placements, "MOST_SHARDS", 20)
    trees = {"x": "[ones(8), ones(8), ones(8), 1.0]"}
    found = Ran("def f(x):\n    return x[0] + x[3]\n", trees, [Pmap(in_axes="([0, 0, 0, None],)")])
    leaves = list(found.inputs().values())
    assert [len(leaf.shards) for leaf in leaves[:3]] in ([8, 0, 0], [8, 8, 0])
    assert leaves[0].placed == "program"
    assert sum(len(leaf.shards) for leaf in leaves) <= 20


@pytest.mark.long
def test_a_functions_own_calls_are_not_repeated() -> None:
    source = "seen = []\ndef f(x):\n    seen.append(len(seen))\n    return x * (len(seen))\n"
    ran = evaluation.run(
        Ran(source, {"x": "ones(2)"}, [Jit()]).composition, lambda stage: None, lambda: False
    )
    assert [leaf.placed for leaf in ran.inputs] == ["program"]
    ((_, value),) = ran.leaves
    assert list(np.asarray(value)) == [1.0, 1.0]
