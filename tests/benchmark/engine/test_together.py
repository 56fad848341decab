"""What an engine of several processes tries and times is what one process does."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from jaxtui.benchmark.engine import equivalents
from jaxtui.session.layers import Pmap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition, Failed
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Inspect, Inspected, Ran, Run
from tests.support.asking import Asker

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

UNEVEN = "a pmap needs as many devices of each process, one process after the other"
DEVICES = Devices(platform="cpu", count=8)


@pytest.fixture(scope="module")
def two() -> Iterator[Asker]:
    """An engine of two processes with four of the eight devices each."""
    engine = Asker(EngineSettings(platform="cpu", count=8, processes=2))
    yield engine
    engine.client.close()


def composition(body: str, value: str, layer: Any = None) -> Composition:
    source = "def f(x):\n" + textwrap.indent(body, "    ") + "\n"
    program = Program(
        source=source,
        arguments=[Argument(name="x", value=value)],
        layers=[Vmap() if layer is None else layer],
    )
    return Composition(program=program, devices=DEVICES)


def asked(engine: Asker, request: Any, *kinds: type) -> Any:
    engine.client.send(request)
    return engine.heard.until(
        lambda e: e.id == request.id and isinstance(e, (*kinds, Failed)), seconds=120
    )


def text(engine: Asker, of: Composition) -> str:
    answer = asked(
        engine, Inspect(id=engine.next_id(), composition=of, view="equivalents"), Inspected
    )
    assert isinstance(answer, Inspected), answer
    return answer.text


def verdicts(listing: str) -> dict[str, str]:
    """Way -> what is said of it, without how far rounding goes."""
    rows = [re.split(r"\s{2,}", row, maxsplit=1) for row in listing.split("\n\n")[1].splitlines()]
    return {name: said.partition(", at most")[0] for name, said in rows}


# Of such numbers a sum is the same in any order, also over processes.
WHOLE = "arange(24.0).reshape(8, 3)"
PROGRAMS = {
    "a product": composition("return jnp.sin(x) @ jnp.ones((4, 4))", "normal(16, 4)"),
    "a tree": composition("return {'a': x * 2, 'b': (x.sum(), x > 3)}", "normal(8, 2)"),
    "another axis": composition("return x[::-1]", "normal(5, 24)", Vmap(in_axes="1")),
    "keys": composition("return jax.random.split(x)", "keys(16)"),
    "half floats": composition("return x * x", "arange(32).astype(bfloat16).reshape(8, 4)"),
    "four bits": composition("return x", "arange(16).astype('int4').reshape(8, 2)"),
    "scalars": composition("return x", "arange(8)"),
    "fewer devices": composition("return x + 1", "normal(6, 3)"),
    "the batch": composition("return x - lax.pmean(x, 'i')", WHOLE, Vmap(axis_name="i")),
    "a pmap": composition("return lax.psum(x, 'i')", WHOLE, Pmap(axis_name="i")),
    "rounding": composition("return jnp.floor(jnp.sin(x).sum() * 1e7)", "normal(16, 64)"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_other_ways_come_to_what_they_do_in_one_process(two: Asker, name: str) -> None:
    alone = equivalents.text(PROGRAMS[name], lambda stage: None, lambda: False)
    together = text(two, PROGRAMS[name])
    expected = verdicts(alone)
    if "pmap, 6 devices" in expected:
        expected["pmap, 6 devices"] = UNEVEN
    assert verdicts(together) == expected


SCRIPT = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_platforms", "cpu")
jax.distributed.initialize(
    sys.argv[1], 2, int(sys.argv[2]), cluster_detection_method="deactivate"
)
import jax.numpy as jnp, numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P
def f(x):
    return jnp.sin(x) @ jnp.ones((4, 4))
x = jnp.array(np.random.default_rng(0).normal(size=(16, 4)), jnp.float32)
wanted = np.asarray(jax.vmap(f)(x))
"""
CHECK = """
for shard in out.addressable_shards:
    given = np.asarray(shard.data).reshape(-1, 4)
    rows = np.arange(16).reshape(8, 2)[shard.device.process_index * 4:][:4].reshape(-1)
    part = wanted[shard.index] if out.shape[0] == 16 else wanted[rows][shard.index]
    np.testing.assert_allclose(given, part.reshape(given.shape), rtol=1e-6)
print("right")
"""


@pytest.mark.parametrize("way", ["pmap", "shard_map", "sharding"])
def test_the_python_of_a_way_runs_in_bare_processes(two: Asker, way: str) -> None:
    listing = text(two, PROGRAMS["a product"])
    python = listing.partition(f"\n# {way}, 8 devices")[2].partition("\n\n")[0]
    from jaxtui.engine.leader import _free_port

    script = SCRIPT + python.partition("\n")[2] + CHECK
    address = f"127.0.0.1:{_free_port()}"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, address, str(rank)], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    assert [process.communicate(timeout=60)[0].splitlines()[-1] for process in running] == [
        "right",
        "right",
    ]


def test_a_way_that_fails_in_one_process_leaves_the_engine_at_work(two: Asker) -> None:
    alone = composition(
        "assert 'jit' not in str(x) or not jax.process_index()\nreturn x", "normal(8, 3)"
    )
    other = composition("return x if jax.process_index() else x * 2", "normal(8, 3)")
    for one in (alone, other):
        answer = asked(
            two, Inspect(id=two.next_id(), composition=one, view="equivalents"), Inspected
        )
        assert isinstance(answer, Failed | Inspected)
    ran = asked(two, Run(id=two.next_id(), composition=PROGRAMS["a pmap"]), Ran)
    assert isinstance(ran, Ran)
