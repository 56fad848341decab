"""Sharding plans made by hand: of a small network, of a stack of layers, of very many values."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.sharding import (
    CompiledMemory,
    CompiledSharding,
    FoundSharding,
    PlannedMemory,
    Scope,
    SentCollective,
    ShardedArray,
    ShardedValue,
    ShardingCompiled,
    ShardingPlan,
    ShardingPlanned,
    Spec,
)

SOURCE = """\
def mlp(x, w1, w2):
    h = jax.nn.relu(x @ w1)
    return h @ w2
"""
MESH = {"data": 4, "model": 2}
WAYS = ("P('model', None)", "P()", "P('data')", "P(None, 'model')")
SIZES = {"float32": 4, "bfloat16": 2, "int32": 4}


def session(**changes: Any) -> Session:
    """A network of two layers, its batch over `data` and its hidden layer over `model`."""
    program = Program(
        source=SOURCE,
        arguments=[
            Argument(name="x", value="ones((8, 16))", sharding="P('data', None)"),
            Argument(name="w1", value="ones((16, 32))", sharding="P(None, 'model')"),
            Argument(name="w2", value="ones((32, 16))", sharding="P('model', None)"),
        ],
    )
    devices = Devices(platform="cpu", count=8, mesh=MESH)
    return Session(**{"title": "MLP", "devices": devices, "program": program, **changes})


def per_device(shape: list[int], spec: Spec, mesh: dict[str, int]) -> list[int]:
    parts = [*spec, *([[]] * (len(shape) - len(spec)))]
    return [
        math.ceil(size / math.prod(mesh.get(axis, 1) for axis in axes))
        for size, axes in zip(shape, parts, strict=True)
    ]


def array(
    name: str,
    shape: list[int],
    spec: Spec,
    *,
    path: str = "",
    dtype: str = "float32",
    mesh: dict[str, int] | None = None,
) -> ShardedArray:
    block = per_device(shape, spec, mesh or MESH)
    return ShardedArray(
        name=name,
        path=path,
        shape=shape,
        dtype=dtype,
        spec=spec,
        per_device=block,
        bytes=math.prod(block) * SIZES[dtype],
    )


def value(
    name: str,
    op: str,
    line: int | None,
    shape: list[int],
    spec: Spec,
    *,
    times: int | None = 1,
    dtype: str = "float32",
    mesh: dict[str, int] | None = None,
    **more: Any,
) -> ShardedValue:
    block = per_device(shape, spec, mesh or MESH)
    return ShardedValue(
        name=name,
        op=op,
        line=line,
        shape=shape,
        dtype=dtype,
        spec=spec,
        per_device=block,
        bytes=math.prod(block) * SIZES[dtype],
        times=times,
        **more,
    )


def sent(kind: Any, axes: list[str], line: int | None, bytes: int, **more: Any) -> SentCollective:
    return SentCollective(
        **{
            "kind": kind,
            "axes": axes,
            "line": line,
            "bytes": bytes,
            "times": 1,
            "seconds": 1e-6 + bytes / 1e10,
            **more,
        }
    )


def lines_of(source: str) -> dict[str, dict[int, str]]:
    return {"": dict(enumerate(source.splitlines(), start=1))}


def mlp(*, mesh: dict[str, int] | None = None, here: bool = True, **changes: Any) -> ShardingPlan:
    """The plan of `session()`."""
    mesh = mesh or MESH
    data, model = list(mesh)
    options: dict[str, Any] = {"mesh": mesh}
    plan = ShardingPlan(
        mesh=mesh,
        axis_types=dict.fromkeys(mesh, "auto"),
        here=here,
        inputs=[
            array("x", [8, 16], [[data], []], **options),
            array("w1", [16, 32], [[], [model]], **options),
            array("w2", [32, 16], [[model], []], **options),
        ],
        values=[
            value("", "dot_general", 2, [8, 32], [[data], [model]], **options),
            value("", "max", 2, [8, 32], [[data], [model]], **options),
            value("h", "jit", 2, [8, 32], [[data], [model]], **options),
            value("", "dot_general", 3, [8, 16], [[data], []], **options),
        ],
        collectives=[sent("all_reduce", [model], 3, 128)],
        outputs=[array("", [8, 16], [[data], []], **options)],
        memory=PlannedMemory(arguments=2176, outputs=128, peak=2432),
        scopes=[-1, 0, -1, -1],
        scope_list=[Scope(label="relu", parent=-1, turns=1)],
        before=[4],
        lines=lines_of(SOURCE),
    )
    return _changed(plan, changes)


def whole_batch() -> ShardingPlan:
    """The plan of the same network whose batch is not divided."""
    plan = mlp()
    return _changed(
        plan,
        {
            "inputs": [array("x", [8, 16], [[], []]), *plan.inputs[1:]],
            "values": [
                value("", "dot_general", 2, [8, 32], [[], ["model"]]),
                value("", "max", 2, [8, 32], [[], ["model"]]),
                value("h", "jit", 2, [8, 32], [[], ["model"]]),
                value("", "dot_general", 3, [8, 16], [[], []]),
            ],
            "collectives": [sent("all_reduce", ["model"], 3, 512)],
            "outputs": [array("", [8, 16], [[], []])],
            "memory": PlannedMemory(arguments=2560, outputs=512, peak=3584),
        },
    )


LAYERS_SOURCE = """\
def model(params, x):
    def layer(x, w):
        a = attention(x, w["qkv"])
        x = x + a
        h = jax.nn.relu(x @ w["up"])
        return x + h @ w["down"], None

    x, _ = lax.scan(layer, x, params["layers"])
    return x @ params["head"]
"""


def layers(count: int = 24) -> ShardingPlan:
    """A stack of layers in a `scan`, with an all-reduce in each, on a mesh that is not there."""
    mesh = {"data": 256, "model": 16}
    hidden: Spec = [["data"], [], []]
    options: dict[str, Any] = {"mesh": mesh, "dtype": "bfloat16"}

    def inner(name: str, op: str, line: int, width: int, spec: Spec) -> ShardedValue:
        return value(name, op, line, [1024, 2048, width], spec, times=count, **options)

    wide: Spec = [["data"], [], ["model"]]
    return ShardingPlan(
        mesh=mesh,
        axis_types={"data": "auto", "model": "explicit"},
        here=False,
        inputs=[
            array("params", [count, 4096, 12288], [[], [], ["model"]], path="['qkv']", **options),
            array("params", [count, 4096, 16384], [[], [], ["model"]], path="['up']", **options),
            array("params", [count, 16384, 4096], [[], ["model"], []], path="['down']", **options),
            array("params", [4096, 32000], [[], ["model"]], path="['head']", **options),
            array("x", [1024, 2048, 4096], hidden, **options),
        ],
        values=[
            inner("", "dot_general", 3, 12288, wide),
            inner("", "exp", 3, 2048, wide),
            inner("a", "dot_general", 3, 4096, hidden),
            inner("x", "add", 4, 4096, hidden),
            inner("", "dot_general", 5, 16384, wide),
            inner("", "max", 5, 16384, wide),
            inner("h", "jit", 5, 16384, wide),
            inner("", "dot_general", 6, 4096, hidden),
            inner("", "add", 6, 4096, hidden),
            value("x", "scan", 8, [1024, 2048, 4096], hidden, **options),
            value("", "dot_general", 9, [1024, 2048, 32000], wide, **options),
        ],
        collectives=[
            sent("all_reduce", ["model"], 3, 2**26, times=count, seconds=1.4e-3),
            sent("all_reduce", ["model"], 6, 2**26, times=count, seconds=1.4e-3),
        ],
        outputs=[array("", [1024, 2048, 32000], wide, **options)],
        memory=PlannedMemory(arguments=3 * 2**30, outputs=2**29, peak=11 * 2**30),
        scopes=[0, 1, 0, 0, 0, 2, 0, 0, 0, -1, -1],
        scope_list=[
            Scope(label="scan", parent=-1, turns=count),
            Scope(label="attention", parent=0, turns=1),
            Scope(label="relu", parent=0, turns=1),
        ],
        before=[3, 8],
        lines=lines_of(LAYERS_SOURCE),
    )


def tree(count: int, *, outputs: bool = False) -> ShardingPlan:
    """A plan of parameters in `count` layers, which are given back with `outputs`."""
    parts = {"bias": ([64], [["model"]]), "kernel": ([64, 64], [[], ["model"]])}
    given = [
        array("params", shape, spec, path=f"['layers'][{layer}][{name!r}]")
        for layer in range(count)
        for name, (shape, spec) in parts.items()
    ]
    given.append(array("params", [64, 8], [[], []], path="['head']"))
    made = [msgspec.structs.replace(one, name="") for one in given]
    return mlp(
        inputs=given,
        values=[],
        scopes=[],
        collectives=[],
        before=[],
        outputs=made if outputs else [array("", [8], [[]])],
    )


def many(count: int = 10_000) -> ShardingPlan:
    """A plan of `count` values on as many lines, a collective behind every hundredth."""
    source = "".join(f"    v{i} = v{i - 1} + 1\n" for i in range(1, count + 1))
    numbers = range(0, count, 100)
    return ShardingPlan(
        mesh=MESH,
        axis_types=dict.fromkeys(MESH, "auto"),
        here=False,
        inputs=[array("v0", [1024, 1024], [["data"], ["model"]])],
        values=[
            value(f"v{i}", "add", i, [1024, 1024], [["data"], ["model"] if i % 2 else []])
            for i in range(1, count + 1)
        ],
        collectives=[sent("all_gather", ["model"], i + 1, 4096) for i in numbers],
        outputs=[array("", [1024, 1024], [["data"], []])],
        memory=PlannedMemory(arguments=2**19, outputs=2**20, peak=2**22),
        scopes=[-1] * count,
        scope_list=[],
        before=list(numbers),
        lines=lines_of(source),
    )


def compiled(**changes: Any) -> CompiledSharding:
    """What XLA made of `mlp`: as planned, and a permutation that was not."""
    made = CompiledSharding(
        collectives=[
            sent("all_reduce", ["model"], 3, 128),
            sent("collective_permute", ["data"], 2, 64),
        ],
        memory=CompiledMemory(arguments=2176, outputs=128, temporaries=256),
    )
    return _changed(made, changes)


def found(count: int = 4) -> list[FoundSharding]:
    """Ways to shard the arguments of `session()`, the cheapest first."""
    return [
        FoundSharding(
            specs={"x": "P('data')", "w1": "P(None, 'model')", "w2": WAYS[i % len(WAYS)]},
            sent=128 * (i + 1),
            seconds=1.1e-6 * (i + 1),
            memory=2432 - 128 * i if i % 2 else 4096,
            best=i in (0, 1),
            fits=i != 3,
        )
        for i in range(count)
    ]


def planned(id: int, plan: ShardingPlan | None = None, diagnosis: Any = None) -> ShardingPlanned:
    shown = mlp() if plan is None and diagnosis is None else plan
    return ShardingPlanned(id=id, plan=shown, diagnosis=diagnosis, seconds=0.01)


def was_compiled(id: int, **changes: Any) -> ShardingCompiled:
    return ShardingCompiled(id=id, compiled=compiled(**changes))


def _changed(made: Any, changes: dict[str, Any]) -> Any:
    return msgspec.structs.replace(made, **changes)
