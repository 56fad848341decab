"""Programs next to the same computation in bare JAX, and how the two are compared."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine_base.arrays import dtype_name
from jaxtui.program.engine import evaluation
from jaxtui.session.export import script
from jaxtui.session.layers import LAYER_KINDS, AnyLayer
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Traced
from jaxtui.wire.report import Level
from tests.support.scripts import names_of

# Those that return a function; what is called with its arguments is spied on by `level`.
TRANSFORMATIONS = tuple(
    name for name, kind in LAYER_KINDS.items() if kind.home == "jax" and not kind.adapter
)
Shapes = list[tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Case:
    """A program and `bare`, the call that does the same in bare JAX.

    `given` has a line `name = value` for each argument. `sizes` are the axis sizes of the layers,
    outermost first. In `bare` the source's function, the arguments, `jax` and `mesh` are known, and
    `level`, around a function that stands for a layer which is none of JAX's transformations.
    """

    name: str
    source: str
    given: str
    layers: tuple[AnyLayer, ...]
    bare: str
    sizes: tuple[int | None, ...]
    function: str = "f"
    order: list[int] | None = None
    mesh: dict[str, int] | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    shardings: dict[str, str] = field(default_factory=dict)

    @property
    def composition(self) -> Composition:
        arguments = [
            Argument(name=name, value=value, sharding=self.shardings.get(name, ""))
            for name, value in self.arguments
        ]
        return Composition(
            program=Program(source=self.source, arguments=arguments, layers=list(self.layers)),
            parameters=self.parameters,
            devices=Devices(order=self.order, mesh=self.mesh),
        )

    @property
    def session(self) -> Session:
        made = self.composition
        return Session(program=made.program, parameters=made.parameters, devices=made.devices)

    @property
    def arguments(self) -> list[tuple[str, str]]:
        lines = [line.strip() for line in self.given.strip().splitlines()]
        pairs = [line.partition(" = ") for line in lines if line]
        return [(name, value) for name, _, value in pairs]


def case(
    name: str,
    source: str,
    given: str,
    layers: AnyLayer | tuple[AnyLayer, ...],
    bare: str,
    sizes: tuple[int | None, ...] | int | None = (),
    **more: Any,
) -> Any:
    """A pytest parameter; a source of one line is the body of a lambda: `x, y: x + y`."""
    import pytest

    marks = more.pop("marks", ())
    if "\n" not in source and not source.startswith(("def ", "f = ", "@")):
        source = f"f = lambda {source}"
    return pytest.param(
        Case(
            name=name,
            source=source,
            given=given,
            layers=layers if isinstance(layers, tuple) else (layers,),
            bare=bare,
            sizes=sizes if isinstance(sizes, tuple) else (sizes,),
            **more,
        ),
        id=name,
        marks=marks,
    )


# --------------------------------------------------------------------------------------- bare JAX


class Spied:
    """Bare JAX that records shapes at the function and at every transformed function."""

    def __init__(self) -> None:
        self.seen: list[tuple[Shapes, Shapes]] = []

    def spy(self, function: Callable[..., Any]) -> Callable[..., Any]:
        place = len(self.seen)
        self.seen.append(([], []))

        @functools.wraps(function)
        def spied(*args: Any, **kwargs: Any) -> Any:
            first = not self.seen[place][0] and not self.seen[place][1]
            inputs = shapes((args, kwargs))
            output = function(*args, **kwargs)
            if first:
                self.seen[place] = (inputs, shapes(output))
            return output

        return spied

    def jax(self) -> types.SimpleNamespace:
        names = dict(vars(jax))
        for name in TRANSFORMATIONS:
            if hasattr(jax, name):
                names[name] = self._transformation(getattr(jax, name))
        return types.SimpleNamespace(**names)

    def _transformation(self, transform: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.spy(transform(*args, **kwargs))


def shapes(tree: Any) -> Shapes:
    """Return shape and dtype of each leaf; a type's name for a leaf that is not an array."""
    return [
        (tuple(np.shape(x)), dtype_name(x.dtype)) if hasattr(x, "dtype") else ((), type(x).__name__)
        for x in tree_util.tree_leaves(tree)
    ]


def bare_result(case: Case) -> tuple[Any, list[tuple[Shapes, Shapes]]]:
    """Return the result of `case` in bare JAX, and the shapes at each level, outermost first."""
    devices = [jax.devices()[i] for i in case.order] if case.order else jax.devices()
    sizes = case.mesh or {"devices": len(devices)}
    grid = np.array(devices).reshape(tuple(sizes.values()))
    mesh = jax.sharding.Mesh(grid, tuple(sizes))
    plain = {"jax": jax, "jnp": jnp, "np": np, "lax": lax, "P": PartitionSpec}
    module: dict[str, Any] = {**plain, "devices": len(devices), **case.parameters}
    exec(case.source, module)
    spied = Spied()
    with jax.default_device(devices[0] if case.order else None):
        known = {**{k: v for k, v in vars(jnp).items() if not k.startswith("_")}, **module}
        for builtin in ("int", "float", "bool", "complex", "abs", "sum", "tuple", "min", "max"):
            known.pop(builtin, None)
        arguments = {name: eval(value, dict(known)) for name, value in case.arguments}
        for name, spec in case.shardings.items():
            sharding = jax.sharding.NamedSharding(mesh, eval(spec, dict(module)))
            arguments[name] = jax.device_put(arguments[name], sharding)
        extra = {"jax": spied.jax(), "mesh": mesh, "order": devices, "level": spied.spy}
        function = {case.function: spied.spy(module[case.function])}
        result = eval(case.bare, {**module, **arguments, **extra, **function})
    return result, spied.seen[::-1]


# --------------------------------------------------------------------------------------- agreement


def check(case: Case) -> None:
    """Check that the engine traces `case`, runs it and runs it again as bare JAX does."""
    expected, levels = bare_result(case)
    traced = evaluation.trace(case.composition)
    assert traced.diagnosis is None, traced.diagnosis
    for _ in range(2):
        ran = evaluation.run(case.composition, lambda stage: None, lambda: False)
        assert_same_leaves(ran.leaves, expected)
        assert len(ran.flow.levels) == len(levels)
        for level, seen in zip(ran.flow.levels, levels, strict=True):
            assert level_shapes(level) == seen, f"{level.label} differs from what bare JAX sees"
        assert tuple(level.size for level in ran.flow.levels[1:]) == case.sizes
        assert [layer.axis_size for layer in ran.layers] == list(case.sizes[::-1])
        assert_trace_foretold(traced, ran.flow.levels)


def check_script(case: Case) -> None:
    """Check that the script of `case` gives what bare JAX gives."""
    result = names_of(script(case.session))["result"]
    leaves = [(tree_util.keystr(p), x) for p, x in tree_util.tree_flatten_with_path(result)[0]]
    assert_same_leaves(leaves, bare_result(case)[0])


def assert_same_leaves(leaves: list[tuple[str, Any]], expected: Any) -> None:
    wanted = [(tree_util.keystr(p), x) for p, x in tree_util.tree_flatten_with_path(expected)[0]]
    assert [path for path, _ in leaves] == [path for path, _ in wanted]
    for (path, ours), (_, theirs) in zip(leaves, wanted, strict=True):
        assert isinstance(ours, jax.Array) == isinstance(theirs, jax.Array), path
        if hasattr(theirs, "dtype"):
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), path
            assert elements(ours) == elements(theirs), f"{path}: {ours} is not {theirs}"
        else:
            assert type(ours) is type(theirs), path
            assert ours == theirs, path


def elements(array: Any) -> bytes:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    # NumPy cannot assemble an empty array over several devices.
    return np.asarray(array).tobytes() if array.size else b""


def level_shapes(level: Level) -> tuple[Shapes, Shapes]:
    assert level.inputs is not None
    assert level.outputs is not None
    return (
        [(tuple(leaf.shape), leaf.dtype) for leaf in level.inputs],
        [(tuple(leaf.shape), leaf.dtype) for leaf in level.outputs],
    )


def assert_trace_foretold(traced: Traced, ran: list[Level]) -> None:
    """The trace has the shapes of the run, unless it was deferred to the run."""
    if traced.deferred:
        return
    assert traced.flow is not None
    for before, after in zip(traced.flow.levels, ran, strict=True):
        assert level_shapes(before) == level_shapes(after)
        assert (before.size, before.label) == (after.size, after.label)
