"""Answers of the engine, made by hand and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.base import Ready
from jaxtui.wire.program import Ran, Traced
from jaxtui.wire.report import (
    DeviceInfo,
    Environment,
    Flow,
    FlowLeaf,
    Input,
    Level,
    Output,
    Parameter,
    ProgramReport,
    Shard,
    Summary,
)

SOURCE = "def matrix_vector_product(matrix, vector):\n    return jnp.dot(matrix, vector)\n"
PARAMETERS = [Parameter(name=name, kind="positional") for name in ("matrix", "vector")]


def session(**changes: Any) -> Session:
    """The batched matrix-vector product."""
    program = Program(
        source=SOURCE,
        arguments=[
            Argument(name="matrix", value="arange(1, 9).reshape(2, 2, 2)"),
            Argument(name="vector", value="arange(1.0, 5.0).reshape(2, 2)"),
        ],
        layers=[Vmap(in_axes="(0, 0)", axis_name="batch")],
    )
    return Session(
        **{
            "title": "Batched matrix-vector product",
            "devices": Devices(platform="cpu", count=8),
            "program": program,
            **changes,
        }
    )


def environment(count: int = 8) -> Environment:
    return Environment(
        jax="0.10.2",
        jaxlib="0.10.2",
        numpy="2.4.0",
        python="3.11.7",
        platform="cpu",
        device_count=count,
        process_count=1,
        simulated=True,
        devices=[DeviceInfo(id=i, kind="cpu", platform="cpu", process=0) for i in range(count)],
        host="host",
        cpu="a CPU",
        cores=4,
        memory_available=8 * 2**30,
        xla_flags="",
        config={"jax_enable_x64": "False"},
        engine_memory=400 * 2**20,
        host_memory=16 * 2**30,
        host_free=8 * 2**30,
    )


def ready(count: int = 8) -> Ready:
    return Ready(environment=environment(count))


def flow() -> Flow:
    return Flow(
        function="matrix_vector_product",
        levels=[
            Level(
                layer=-1,
                transform="",
                label="given",
                size=None,
                inputs=[
                    FlowLeaf(path="matrix", shape=[2, 2, 2], dtype="int32", marks=[0]),
                    FlowLeaf(path="vector", shape=[2, 2], dtype="float32", marks=[0]),
                ],
                outputs=[FlowLeaf(path="", shape=[2, 2], dtype="float32", marks=[0])],
            ),
            Level(
                layer=0,
                transform="vmap",
                label="vmap batch·2",
                size=2,
                inputs=[
                    FlowLeaf(path="matrix", shape=[2, 2], dtype="int32"),
                    FlowLeaf(path="vector", shape=[2], dtype="float32"),
                ],
                outputs=[FlowLeaf(path="", shape=[2], dtype="float32")],
            ),
        ],
    )


def traced(
    id: int,
    *,
    signature: Sequence[Parameter] | None = tuple(PARAMETERS),
    diagnosis: Diagnosis | None = None,
    cost: int | None = 24,
    deferred: bool = False,
    choices: Sequence[str] = (),
) -> Traced:
    return Traced(
        id=id,
        function="matrix_vector_product",
        signature=list(signature) if signature is not None else None,
        flow=flow() if diagnosis is None else None,
        diagnosis=diagnosis,
        cost=cost,
        deferred=deferred,
        choices=list(choices),
    )


def output(path: str = "") -> Output:
    return Output(
        path=path,
        shape=[2, 2],
        dtype="float32",
        values=None,
        summary=Summary(minimum=5.0, maximum=53.0, mean=27.0, std=19.75, non_finite=0, count=4),
        shards=[Shard(device=0, index=[[0, 2], [0, 2]])],
    )


def ran(id: int, *, paths: Sequence[str] = ("",), inputs: Sequence[Input] = ()) -> Ran:
    outputs = [output(path) for path in paths]
    return Ran(
        id=id,
        result=id,
        report=ProgramReport(inputs=list(inputs), layers=[], outputs=outputs),
        flow=flow(),
        seconds=0.0004,
    )
