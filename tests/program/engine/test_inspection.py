"""The views of a compiled program say what JAX and XLA say."""

from __future__ import annotations

from typing import Any

import pytest

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine.inspection import collectives, inspect
from jaxtui.session.layers import Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.program import ProgramView


def composition(source: str, value: str, *layers: Any) -> Composition:
    return Composition(
        program=Program(
            source=source, arguments=[Argument(name="x", value=value)], layers=list(layers)
        )
    )


SINE = composition("def f(x):\n    return jnp.sin(x)\n", "ones((4, 3))", Vmap())
SUM = composition(
    "def f(x):\n    return lax.psum(x, 'devices')\n",
    "ones((8, 2))",
    Pmap(axis_name="devices"),
)


@pytest.mark.parametrize(
    ("view", "word"),
    [("jaxpr", "sin"), ("stablehlo", "stablehlo.sine"), ("hlo", "sine("), ("cost", "arguments")],
)
def test_each_view_shows_the_operation_in_its_own_words(view: ProgramView, word: str) -> None:
    assert word in inspect(SINE, view)


def test_the_jaxpr_has_the_shapes_of_the_whole_batch() -> None:
    assert "f32[4,3]" in inspect(SINE, "jaxpr")


def test_cost_counts_the_collectives_that_xla_inserts() -> None:
    lines = inspect(SUM, "cost").splitlines()
    assert any(line.split() == ["all-reduce", "1"] for line in lines)


def test_cost_says_when_devices_do_not_speak() -> None:
    assert "no collectives" in inspect(SINE, "cost")


def test_a_shard_map_shows_its_collective_in_the_hlo() -> None:
    gathered = composition(
        "def f(x):\n    return lax.all_gather(x, 'devices', tiled=True)\n",
        "ones((8, 2))",
        ShardMap(in_specs="P('devices')", out_specs="P('devices')"),
    )
    assert collectives(inspect(gathered, "hlo")) == {"all-gather": 1}


def test_the_hlo_is_all_that_xla_writes() -> None:
    text = inspect(SUM, "hlo")
    assert "metadata={op_name=" in text
    assert "ENTRY" in text


def test_an_asynchronous_collective_counts_once() -> None:
    lines = [
        "  %s = (f32[2]{0}, f32[16]{0}) all-gather-start(%p), dimensions={0}",
        "  ROOT %d = f32[16]{0} all-gather-done(%s)",
        "  %r = f32[2]{0} all-reduce(%p), to_apply=%add",
    ]
    assert collectives("\n".join(lines)) == {"all-reduce": 1, "all-gather": 1}


def test_a_program_that_looks_at_values_says_so_at_its_source() -> None:
    looking = composition("def f(x):\n    return x if x > 0 else -x\n", "jnp.float32(-1)")
    with pytest.raises(Diagnosed) as raised:
        inspect(looking, "hlo")
    assert raised.value.diagnosis.field == "program.source"
