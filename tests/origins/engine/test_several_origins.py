"""Where NaN and infinities come from is found over several processes as in one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from jaxtui.origins.engine import report
from jaxtui.session.layers import Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition, Failed
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Inspect, Inspected
from tests.support.asking import Asker

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def two() -> Iterator[Asker]:
    engine = Asker(EngineSettings(platform="cpu", count=8, processes=2))
    yield engine
    engine.client.close()


def composition(body: str, *layers: Any, value: str = "", sharding: str = "") -> Composition:
    # The only number below zero lies on a device of the second process.
    given = value or "arange(16.0, 0.0, -1.0).reshape(8, 2).at[6, 1].set(-3)"
    program = Program(
        source=f"def f(x):\n    return {body}\n",
        arguments=[Argument(name="x", value=given, sharding=sharding)],
        layers=list(layers),
    )
    return Composition(program=program, devices=Devices(platform="cpu", count=8))


BLOCKS = ShardMap(in_specs="P('devices')", out_specs="P('devices')")


@pytest.mark.parametrize(
    "asked",
    [
        composition("jnp.log(x)", Vmap()),
        composition("lax.psum(jnp.log(x), 'i')", Pmap(axis_name="i")),
        composition("jnp.sqrt(x).sum()", Jit(), sharding="P('devices')"),
        composition("1 / (x + 3)", BLOCKS, Jit()),
        composition("lax.scan(lambda c, v: (c * v, jnp.log(v)), 1.0, x)", value="arange(8.0)"),
        composition("x", Pmap(), value="arange(16.0).reshape(8, 2).at[7, 0].set(jnp.nan)"),
        composition("x", Pmap()),
    ],
)
def test_what_makes_nan_is_found_wherever_it_is_made(two: Asker, asked: Composition) -> None:
    expected = report.text(asked, lambda stage: None, lambda: False)
    sent = Inspect(id=two.next_id(), composition=asked, view="origins")
    two.client.send(sent)
    answer = two.heard.until(lambda e: e.id == sent.id and isinstance(e, Inspected | Failed))
    assert isinstance(answer, Inspected), answer
    assert answer.text == expected


def test_devices_of_one_process_alone_are_looked_into(two: Asker) -> None:
    mine = [device.id for device in two.environment.devices if not device.process]
    asked = composition("jnp.log(x).sum()", Jit(), sharding="P('devices')")
    devices = Devices(platform="cpu", count=8, order=mine)
    sent = Inspect(id=two.next_id(), composition=replace(asked, devices=devices), view="origins")
    two.client.send(sent)
    answer = two.heard.until(lambda e: e.id == sent.id and isinstance(e, Inspected | Failed))
    assert isinstance(answer, Inspected), answer
    assert "log: 1 NaN of 16 elements; the first at [6, 1]: log(-3) is nan" in answer.text
