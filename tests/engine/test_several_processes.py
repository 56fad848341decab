"""An engine of several processes gives what one process gives, and ends as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.program.engine.value_helpers import normal
from jaxtui.session.layers import (
    Apply,
    Grad,
    Jit,
    Jvp,
    Linearize,
    Map,
    Pmap,
    ShardMap,
    Vectorize,
    Vjp,
    Vmap,
)
from jaxtui.session.session import Argument, Collective, Devices, Program
from jaxtui.sharding.engine import requests as sharding_requests
from jaxtui.wire.base import Composition, Failed, Gone, Printed
from jaxtui.wire.benchmark import BenchPlanned
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.collectives import CollectiveRan, FindProvenance, ProvenanceFound, RunCollective
from jaxtui.wire.program import Inspect, Inspected, Ran, Run
from jaxtui.wire.results import CellFound, FindCell, ReadWindow, Summarize, WindowRead
from jaxtui.wire.sharding import (
    CompileSharding,
    SearchShardings,
    ShardingCompiled,
    ShardingsFound,
)
from tests.support.asking import Asker, exists

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

ROWS = "arange(16.0).reshape(8, 2)"


@pytest.fixture(scope="module")
def two() -> Iterator[Asker]:
    """An engine of two processes with four of the eight devices each."""
    engine = Asker(EngineSettings(platform="cpu", count=8, processes=2))
    yield engine
    engine.client.close()


def composition(body: str, value: str = ROWS, *layers: Any, sharding: str = "") -> Composition:
    source = "def f(x):\n" + "\n".join("    " + line for line in body.splitlines())
    argument = Argument(name="x", value=value, sharding=sharding)
    return Composition(program=Program(source=source, arguments=[argument], layers=list(layers)))


def run(engine: Asker, asked: Composition, values: int | None = 1000) -> Any:
    answer, _ = engine.ask(Run(id=engine.next_id(), composition=asked, values=values))
    return answer


def where(engine: Asker) -> dict[int, int]:
    """Map each device id to its index among all devices."""
    return {device.id: place for place, device in enumerate(engine.environment.devices)}


def assert_same(engine: Asker, answer: Any, expected: Any) -> None:
    """Compare values and shards of the outputs with `expected`, arrays on this process' devices."""
    assert isinstance(answer, Ran), answer
    leaves = jax.tree.leaves(expected)
    assert len(answer.report.outputs) == len(leaves)
    for output, leaf in zip(answer.report.outputs, leaves, strict=True):
        assert (output.shape, output.dtype) == (list(leaf.shape), str(leaf.dtype))
        np.testing.assert_allclose(np.array(output.values), np.asarray(leaf), rtol=1e-6)
        held = {where(engine)[shard.device]: shard.index for shard in output.shards}
        assert held == {
            shard.device.id: [
                [ends.start or 0, size if ends.stop is None else ends.stop]
                for ends, size in zip(shard.index, leaf.shape, strict=True)
            ]
            for shard in leaf.addressable_shards
        }


def test_each_process_has_its_share_of_the_devices(two: Asker) -> None:
    environment = two.environment
    assert (environment.process_count, environment.device_count) == (2, 8)
    assert [device.process for device in environment.devices] == [0] * 4 + [1] * 4
    assert environment.simulated


def mesh() -> Mesh:
    axis_types = (jax.sharding.AxisType.Auto,)
    return Mesh(np.array(jax.devices()), ("devices",), axis_types=axis_types)


def by_pmap(function: Callable[..., Any], **settings: Any) -> Any:
    return jax.pmap(function, **settings)(jnp.arange(16.0).reshape(8, 2))


def by_shard_map(function: Callable[..., Any], specs: Any) -> Any:
    mapped = jax.shard_map(function, mesh=mesh(), in_specs=P("devices"), out_specs=specs)
    return jax.jit(mapped)(jnp.arange(16.0).reshape(8, 2))


@pytest.mark.parametrize(
    ("body", "layers", "expected"),
    [
        (
            "return lax.psum(x, 'i'), x * lax.axis_index('i')",
            [Pmap(axis_name="i")],
            lambda: by_pmap(lambda x: (lax.psum(x, "i"), x * lax.axis_index("i")), axis_name="i"),
        ),
        (
            "return lax.all_gather(x, 'i')",
            [Pmap(axis_name="i", out_axes="1")],
            lambda: by_pmap(lambda x: lax.all_gather(x, "i"), axis_name="i", out_axes=1),
        ),
        (
            "return lax.psum(x, 'i')",
            [Pmap(axis_name="i", out_axes="None")],
            lambda: by_pmap(lambda x: lax.psum(x, "i"), axis_name="i", out_axes=None),
        ),
        (
            "return (x ** 2).sum()",
            [Grad(), Pmap()],
            lambda: by_pmap(jax.grad(lambda x: (x**2).sum())),
        ),
        (
            "return lax.psum(x, 'devices'), x * 2",
            [ShardMap(in_specs="P('devices')", out_specs="(P(), P('devices'))")],
            lambda: by_shard_map(lambda x: (lax.psum(x, "devices"), x * 2), (P(), P("devices"))),
        ),
        (
            "return jnp.sin(x)",
            [Jvp(tangents="arange(2.)"), Pmap()],
            lambda: by_pmap(lambda x: jax.jvp(jnp.sin, (x,), (jnp.arange(2.0),))),
        ),
        (
            "return jnp.sin(x)",
            [Vjp(), Pmap()],
            lambda: by_pmap(
                lambda x: (lambda out, pull: (out, pull(jnp.ones(2))))(*jax.vjp(jnp.sin, x))
            ),
        ),
        (
            "return x * 2",
            [Linearize(), Map(), Apply(function="lambda g: lambda x: g(x)[1]"), Jit()],
            lambda: jnp.full((8, 2), 2.0),
        ),
        (
            "return x.sum()",
            [Vectorize(signature="(n)->()"), Jit()],
            lambda: jnp.arange(16.0).reshape(8, 2).sum(1),
        ),
        ("return x.sum(0)", [Jit()], lambda: jnp.arange(16.0).reshape(8, 2).sum(0)),
        ("return x * 3", [Vmap()], lambda: jnp.arange(16.0).reshape(8, 2) * 3),
    ],
)
def test_a_program_gives_what_it_gives_in_one_process(
    two: Asker, body: str, layers: list[Any], expected: Callable[[], Any]
) -> None:
    assert_same(two, run(two, composition(body, ROWS, *layers)), expected())


@pytest.mark.parametrize(
    ("layers", "sharding"),
    [
        ([Pmap()], ""),
        ([ShardMap(in_specs="P('devices')", out_specs="P('devices')")], ""),
        ([Jit(in_shardings="P('devices')")], ""),
        ([Jit()], "P('devices')"),
    ],
    ids=["pmap", "shard_map", "in_shardings", "placed"],
)
def test_arguments_are_told_on_the_devices_of_all_processes(
    two: Asker, layers: list[Any], sharding: str
) -> None:
    answer = run(two, composition("return x * 2", ROWS, *layers, sharding=sharding))
    assert isinstance(answer, Ran), answer
    (x,) = answer.report.inputs
    assert x.placed == "program"
    held = {where(two)[shard.device]: shard.index for shard in x.shards}
    assert held == {at: [[at, at + 1], [0, 2]] for at in range(8)}


def test_an_argument_with_a_sharding_lies_on_the_devices_of_all_processes(two: Asker) -> None:
    asked = composition("return x * 2", ROWS, Jit(), sharding="P('devices')")
    placed = jax.device_put(jnp.arange(16.0).reshape(8, 2), NamedSharding(mesh(), P("devices")))
    assert_same(two, run(two, asked), jax.jit(lambda x: x * 2)(placed))


def test_a_tree_sharded_by_path_lies_on_the_devices_of_all_processes(two: Asker) -> None:
    value = "{'a': {'w': arange(16.).reshape(8, 2)}, 'b': arange(4.)}"
    asked = composition("return x", value, Jit(), sharding="by_path({'**/w': 'devices', '*': P()})")
    bare = {"a": {"w": jnp.arange(16.0).reshape(8, 2)}, "b": jnp.arange(4.0)}
    specs = {"a": {"w": P("devices")}, "b": P()}
    shardings = jax.tree.map(
        lambda spec: NamedSharding(mesh(), spec), specs, is_leaf=lambda x: isinstance(x, P)
    )
    assert_same(two, run(two, asked), jax.jit(lambda x: x)(jax.device_put(bare, shardings)))


def test_fewer_devices_than_the_first_process_has_are_enough(two: Asker) -> None:
    answer = run(two, composition("return lax.psum(x, 'i')", "arange(3.0)", Pmap(axis_name="i")))
    assert answer.report.outputs[0].values == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("via", ["pmap", "shard_map", "vmap"])
@pytest.mark.parametrize("operation", ["psum", "all_gather", "psum_scatter", "ppermute"])
def test_a_collective_is_checked_on_all_devices(two: Asker, operation: str, via: str) -> None:
    options = {"perm": "[(i, (i + 3) % 8) for i in range(8)]"} if operation == "ppermute" else {}
    collective = Collective(
        operation=operation, via=via, value="arange(64.0).reshape(8, 8)", options=options
    )
    request = RunCollective(
        id=two.next_id(),
        composition=Composition(program=Program()),
        collective=collective,
        values=64,
    )
    answer, _ = two.ask(request)
    assert isinstance(answer, CollectiveRan), answer
    assert answer.report.checked is True
    held = [shard.device for shard in answer.report.after[0].shards]
    devices = [device.id for device in two.environment.devices]
    assert held == (devices if via != "vmap" else devices[:1])


def test_what_another_process_holds_can_be_looked_at(two: Asker) -> None:
    large = composition("return x + 1", "arange(80_000.0).reshape(8, 10_000)", Pmap())
    answer = run(two, large, values=10)
    last = two.environment.devices[-1].id
    summary = answer.report.outputs[0].summary
    assert (summary.minimum, summary.maximum, summary.exact) == (1.0, 80_000.0, True)
    window = ReadWindow(
        id=two.next_id(),
        result=answer.result,
        leaf=0,
        rows=0,
        columns=1,
        index=[[7, 8], [9998, 10_000]],
    )
    found, _ = two.ask(window)
    assert isinstance(found, WindowRead)
    assert found.cells == [[79_999.0, 80_000.0]]
    own = ReadWindow(
        id=two.next_id(),
        result=answer.result,
        leaf=0,
        rows=0,
        columns=1,
        index=[[0, 1], [0, 2]],
        device=last,
    )
    found, _ = two.ask(own)
    assert found.cells == [[70_001.0, 70_002.0]]
    exact, _ = two.ask(Summarize(id=two.next_id(), result=answer.result, leaf=0, device=last))
    assert (exact.summary.minimum, exact.summary.maximum) == (70_001.0, 80_000.0)
    search = FindCell(
        id=two.next_id(), result=answer.result, leaf=0, wanted="> 79_999", after=[0, 0]
    )
    two.client.send(search)
    event = two.heard.until(lambda e: e.id == search.id and isinstance(e, CellFound))
    assert event.index == [7, 9999]


def test_keys_and_narrow_dtypes_come_over_whole(two: Asker) -> None:
    keys = run(two, composition("return jax.random.split(x, 2)", "keys(8)", Pmap()))
    words = jax.random.key_data(
        jax.vmap(lambda k: jax.random.split(k, 2))(jax.random.split(jax.random.key(0), 8))
    )
    assert keys.report.outputs[0].values == [
        [f"{int(a):08x}{int(b):08x}" for a, b in row] for row in np.asarray(words)
    ]
    narrow = run(two, composition("return x.astype(jnp.bfloat16), x > 3", "arange(8.0)", Pmap()))
    assert narrow.report.outputs[0].dtype == "bfloat16"
    assert narrow.report.outputs[0].values == list(map(float, range(8)))
    assert narrow.report.outputs[1].values == [False] * 4 + [True] * 4


def test_a_function_prints_once_and_every_device_for_itself(two: Asker) -> None:
    body = "print('traced')\njax.debug.print('row {}', x)\nreturn x"
    request = Run(id=two.next_id(), composition=composition(body, "arange(8)", Pmap()), values=10)
    _, before = two.ask(request)
    lines = "".join(e.text for e in before if isinstance(e, Printed)).splitlines()
    assert lines.count("traced") == 1
    assert sorted(line for line in lines if line != "traced") == [f"row {i}" for i in range(8)]
    local = composition("jax.debug.print('whole {}', x[0])\nreturn x", "arange(8)", Jit())
    _, before = two.ask(Run(id=two.next_id(), composition=local, values=10))
    assert "".join(e.text for e in before if isinstance(e, Printed)) == "whole 0\n"


def test_numpys_own_generator_gives_all_processes_the_same(two: Asker) -> None:
    answer = run(two, composition("return x - np.random.rand()", "np.random.rand(8)", Pmap()))
    assert isinstance(answer, Ran), answer
    again = run(two, composition("return x - np.random.rand()", "np.random.rand(8)", Pmap()))
    assert again.report.outputs[0].values != answer.report.outputs[0].values


def test_a_single_device_of_a_process_prints_too(engine: Asker) -> None:
    asked = composition("print('traced')\njax.debug.print('{}', x)\nreturn x", "arange(2)", Pmap())
    _, before = engine.ask(Run(id=engine.next_id(), composition=asked, values=10))
    lines = "".join(e.text for e in before if isinstance(e, Printed)).splitlines()
    assert sorted(lines) == ["0", "1", "traced"]


# ------------------------------------------------------------------------------------ what fails


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        (composition("raise ValueError('no')", ROWS, Pmap()), "program.source", "ValueError: no"),
        (composition("return x", "nonsense(3)", Pmap()), "program.arguments.0.value", "nonsense"),
        (composition("return x", "arange(9.0)", Pmap()), "program.layers.0.in_axes", "9"),
        (
            composition("return x", ROWS, Pmap(out_axes="-1")),
            "program.layers.0.out_axes",
            "negative",
        ),
        (composition("return x", ROWS, Pmap(in_axes="[0]")), "program.layers.0.in_axes", "tuple"),
        (
            composition("return x", "arange(9.0)", sharding="P('devices')"),
            "program.arguments.0.sharding",
            "9",
        ),
        (composition("return x", ROWS, Pmap(out_axes="None")), "program.layers.0.out_axes", "hold"),
        (
            composition("return x", "np.random.default_rng().random(8)", Pmap()),
            "program.arguments",
            "process 1",
        ),
        (
            composition("return x * 2 if jax.process_index() else x + 1", ROWS, Pmap()),
            "program",
            "process 1",
        ),
        (
            composition("assert not jax.process_index()\nreturn x", ROWS, Pmap()),
            "program",
            "process 1",
        ),
    ],
)
def test_a_failure_is_told_and_the_engine_goes_on(
    two: Asker, asked: Composition, field: str, words: str
) -> None:
    answer = run(two, asked)
    assert isinstance(answer, Failed), answer
    assert answer.diagnosis.field == field
    assert words in answer.diagnosis.message
    assert isinstance(
        run(two, composition("return lax.psum(x, 'i')", ROWS, Pmap(axis_name="i"))), Ran
    )


def test_copies_that_differ_only_between_processes_are_refused() -> None:
    engine = Asker(EngineSettings(platform="cpu", count=2, processes=2))
    try:
        answer = run(engine, composition("return x", "arange(2.0)", Pmap(out_axes="None")))
        assert isinstance(answer, Failed)
        assert answer.diagnosis.field == "program.layers.0.out_axes"
    finally:
        engine.client.close()


SHARDED = "P('devices')"


@pytest.mark.parametrize("several", [1, 4, 6])
def test_a_program_runs_on_some_of_the_devices(two: Asker, several: int) -> None:
    asked = composition("return (x * 2).sum(0)", "normal(12, 2)", Jit(), sharding=SHARDED)
    order = [device.id for device in two.environment.devices][:several]
    devices = Devices(platform="cpu", count=8, order=order)
    answer = run(two, Composition(program=asked.program, devices=devices))
    assert isinstance(answer, Ran), answer
    expected = np.asarray(normal(12, 2)).sum(0) * 2
    np.testing.assert_allclose(np.array(answer.report.outputs[0].values), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "asked",
    [
        composition("return (x * 2).sum(0)", ROWS, Jit(), sharding=SHARDED),
        composition("return lax.psum(x, 'i')", ROWS, Pmap(axis_name="i")),
        composition("return x @ x.T", ROWS, Jit(), sharding=SHARDED),
        composition(
            "return lax.psum(x.sum(), 'devices')",
            ROWS,
            ShardMap(in_specs=SHARDED, out_specs="P()"),
        ),
    ],
)
def test_what_the_first_process_compiles_is_what_one_alone_does(
    two: Asker, asked: Composition
) -> None:
    """Where arrays lie and what is sent needs no other process: the program is the same."""
    compiles = CompileSharding(id=two.next_id(), composition=asked)
    alone = sharding_requests.worked(compiles, lambda: False, lambda event: None)
    assert isinstance(alone, ShardingCompiled)
    two.client.send(compiles)
    answer = two.heard.next(ShardingCompiled)
    assert answer.compiled == alone.compiled
    searches = SearchShardings(id=two.next_id(), composition=asked, fixed=[], limit=5)
    alone = sharding_requests.worked(searches, lambda: False, lambda event: None)
    assert isinstance(alone, ShardingsFound)
    two.client.send(searches)
    found = two.heard.until(lambda e: isinstance(e, ShardingsFound) and e.done)
    assert isinstance(found, ShardingsFound)
    assert (found.tried, found.refused) == (alone.tried, alone.refused)


@pytest.mark.parametrize("via", ["pmap", "shard_map", "vmap"])
@pytest.mark.parametrize(
    ("operation", "value", "element", "sources"),
    [
        ("psum", "arange(16.0).reshape(8, 2)", [6, 1], list(range(1, 16, 2))),
        ("all_gather", "arange(16.0).reshape(8, 2)", [6, 1, 0], [2]),
        ("ppermute", "keys(8)", [6], [3]),
    ],
)
def test_what_an_element_is_made_from_is_found_in_all_processes(
    two: Asker, operation: str, value: str, element: list[int], sources: list[int], via: str
) -> None:
    if value == "keys(8)" and via == "vmap":
        pytest.skip("releases of JAX before 0.7 permute no keys under vmap")
    options = {"perm": "[(i, (i + 3) % 8) for i in range(8)]"} if operation == "ppermute" else {}
    collective = Collective(operation=operation, via=via, value=value, options=options)
    empty = Composition(program=Program())
    ran, _ = two.ask(RunCollective(id=two.next_id(), composition=empty, collective=collective))
    for _ in range(2):
        found, _ = two.ask(
            FindProvenance(id=two.next_id(), result=ran.result, leaf=0, element=element)
        )
        assert isinstance(found, ProvenanceFound), found
        assert found.sources == [sources]


@pytest.mark.parametrize("view", ["jaxpr", "stablehlo", "hlo", "cost"])
def test_a_program_over_all_devices_can_be_inspected(two: Asker, view: Any) -> None:
    asked = composition("return lax.psum(x, 'i')", ROWS, Pmap(axis_name="i"))
    answer, _ = _until(two, Inspect(id=two.next_id(), composition=asked, view=view))
    assert isinstance(answer, Inspected), answer
    assert answer.text


def _until(engine: Asker, request: Any) -> Any:
    engine.client.send(request)
    kinds = (BenchPlanned, Failed, Inspected)
    event = engine.heard.until(lambda e: e.id == request.id and isinstance(e, kinds))
    return event, None


def test_another_number_of_devices_than_it_was_started_with_is_refused(two: Asker) -> None:
    asked = composition("return x", ROWS)
    program = asked.program
    answer = run(two, Composition(program=program, devices=Devices(platform="cpu", count=4)))
    assert isinstance(answer, Failed)
    assert answer.diagnosis.field == "devices.count"
    same = Composition(program=program, devices=Devices(platform="cpu", count=8))
    assert isinstance(run(two, same), Ran)


# -------------------------------------------------------------------------------------- its end


def processes_of(engine: Asker) -> list[int]:
    """The ids of the engine's processes, the leader first."""
    leader = engine.client._loop._process._popen.pid
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    # Its guard is started by a process that has ended, and is no child of anyone's.
    rows = [line.split(maxsplit=2) for line in listed if "jaxtui.engine" in line]
    return [leader, *(int(pid) for pid, parent, _ in rows if int(parent) == leader)]


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(exists(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def engine() -> Iterator[Asker]:
    engine = Asker(EngineSettings(platform="cpu", count=2, processes=2))
    yield engine
    engine.client.close()


@pytest.mark.parametrize("busy", [False, True])
def test_the_end_of_one_process_ends_the_engine_with_the_reason(engine: Asker, busy: bool) -> None:
    pids = processes_of(engine)
    assert len(pids) == 2
    if busy:
        body = (
            "import time\njax.debug.callback(lambda v: time.sleep(60), x)\nreturn lax.psum(x, 'i')"
        )
        asked = composition(body, "arange(2.0)", Pmap(axis_name="i"))
        engine.client.send(Run(id=engine.next_id(), composition=asked))
        engine.heard.until(lambda e: getattr(e, "stage", "") == "compiling")
        time.sleep(2.0)  # until the devices are computing
    os.kill(pids[1], signal.SIGKILL)
    event = engine.heard.until(lambda e: isinstance(e, Gone))
    assert not event.wanted
    assert event.reason.startswith("process 1 of the engine was killed")
    assert gone(pids)


def test_nothing_outlives_the_leader(engine: Asker) -> None:
    pids = processes_of(engine)
    assert len(pids) == 2
    os.kill(pids[0], signal.SIGKILL)
    engine.heard.until(lambda e: isinstance(e, Gone))
    assert gone(pids)


def test_nothing_outlives_a_closed_engine(engine: Asker) -> None:
    pids = processes_of(engine)
    assert len(pids) == 2
    asked = composition("while True: pass", "arange(2.0)", Pmap())
    engine.client.send(Run(id=engine.next_id(), composition=asked))
    engine.client.close()
    assert gone(pids)
