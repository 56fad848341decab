"""An explorer and its engine are as large after a thousand runs as after two hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxtui.session.layers import AnyLayer, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition, Printed
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Ran, Run, Trace, Traced
from tests.support.asking import Asker

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc"),
]

WARM, RUNS = 200, 1000
GROWTH = 0.05  # of what the engine takes once it is warm

LAYERS: dict[str, tuple[AnyLayer, ...]] = {
    "vmap": (Vmap(),),
    "jit": (Vmap(), Jit()),
    "pmap": (Pmap(axis_name="i"),),
    "shard_map": (ShardMap(in_specs="P('devices')", out_specs="P('devices')"), Jit()),
}


def composition(layers: tuple[AnyLayer, ...], number: int, what: str) -> Composition:
    factor, value = (number, 1) if what == "sources" else (1, number)
    program = Program(
        source=f"def f(x):\n    return jnp.sin(x) * {factor}\n",
        arguments=[Argument(name="x", value=f"arange(8000.).reshape(8, 1000) + {value}")],
        layers=list(layers),
    )
    return Composition(program=program, devices=Devices(count=8))


def process_of(asker: Asker) -> int:
    program = Program(source="import os\ndef f():\n    print(os.getpid())\n    return 0\n")
    run = Run(id=asker.next_id(), composition=Composition(program=program))
    _, others = asker.ask(run)
    return int("".join(event.text for event in others if isinstance(event, Printed)))


def bytes_of(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize("what", ["values", "sources"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS.keys())
def test_a_thousand_runs_take_no_more_memory_than_two_hundred(
    layers: tuple[AnyLayer, ...], what: str
) -> None:
    asker = Asker(EngineSettings(platform="cpu", count=8))
    try:
        pid, warm = process_of(asker), 0
        for number in range(RUNS):
            made = composition(layers, number, what)
            traced, _ = asker.ask(Trace(id=asker.next_id(), composition=made))
            assert isinstance(traced, Traced)
            assert traced.diagnosis is None
            ran, _ = asker.ask(Run(id=asker.next_id(), composition=made))
            assert isinstance(ran, Ran)
            if number == WARM:
                warm = bytes_of(pid)
        assert process_of(asker) == pid
        assert bytes_of(pid) < warm * (1 + GROWTH)
    finally:
        asker.client.close()
