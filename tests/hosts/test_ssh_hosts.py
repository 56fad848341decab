"""Engines on several hosts, reached by ssh: the values are those of one process, and all end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtui.session.layers import Jit, Pmap
from jaxtui.session.session import Argument, Collective, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.collectives import CollectiveRan, RunCollective
from jaxtui.wire.process import Reach
from jaxtui.wire.program import Ran, Run
from jaxtui.wire.results import ReadWindow, WindowRead
from tests.support.asking import Asker
from tests.support.ssh_hosts import MISSING, SshHosts
from tests.support.terminal import explorer

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    hosts = SshHosts(tmp_path_factory.mktemp("ssh"), ["a", "b", "c", "d"])
    yield hosts
    hosts.close()


def settings(hosts: SshHosts, *names: str, count: int | None = 8) -> EngineSettings:
    reach = Reach(command=hosts.command, python=str(hosts.python))
    return EngineSettings(platform="cpu", count=count, hosts=names, reach=reach)


@pytest.fixture(scope="module", params=[2, 4])
def several(hosts: SshHosts, request: pytest.FixtureRequest) -> Iterator[Asker]:
    """An engine on two hosts, and on four, with eight devices in all."""
    engine = Asker(settings(hosts, *hosts.names[: request.param]))
    yield engine
    engine.client.close()


def composition(body: str, value: str, *layers: Any, sharding: str = "") -> Composition:
    source = "def f(x):\n" + "\n".join("    " + line for line in body.splitlines())
    argument = Argument(name="x", value=value, sharding=sharding)
    return Composition(program=Program(source=source, arguments=[argument], layers=list(layers)))


def run(engine: Asker, asked: Composition, values: int = 1000) -> Ran:
    answer, _ = engine.ask(Run(id=engine.next_id(), composition=asked, values=values))
    assert isinstance(answer, Ran), answer
    return answer


def test_each_host_has_its_share_of_the_devices(several: Asker) -> None:
    count = several.environment.process_count
    shares = [device.process for device in several.environment.devices]
    assert shares == [process for process in range(count) for _ in range(8 // count)]


def test_values_are_those_of_one_process(several: Asker) -> None:
    rows = "arange(16.0).reshape(8, 2)"
    given = jnp.arange(16.0).reshape(8, 2)
    asked = composition(
        "return lax.psum(x, 'i'), x * lax.axis_index('i')", rows, Pmap(axis_name="i")
    )
    bare = jax.pmap(lambda x: (lax.psum(x, "i"), x * lax.axis_index("i")), axis_name="i")(given)
    for output, leaf in zip(run(several, asked).report.outputs, bare, strict=True):
        np.testing.assert_array_equal(np.array(output.values), np.asarray(leaf))
    laid = run(several, composition("return x @ x.T", rows, Jit(), sharding="P('devices')"))
    np.testing.assert_array_equal(np.array(laid.report.outputs[0].values), given @ given.T)


def test_what_the_last_host_holds_can_be_looked_at(several: Asker) -> None:
    large = composition("return x + 1", "arange(80_000.0).reshape(8, 10_000)", Pmap())
    answer = run(several, large, values=10)
    window = ReadWindow(
        id=several.next_id(),
        result=answer.result,
        leaf=0,
        rows=0,
        columns=1,
        index=[[7, 8], [9998, 10_000]],
    )
    found, _ = several.ask(window)
    assert isinstance(found, WindowRead)
    assert found.cells == [[79_999.0, 80_000.0]]


def test_a_collective_is_checked_over_all_hosts(several: Asker) -> None:
    collective = Collective(operation="psum", via="pmap", value="arange(64.0).reshape(8, 8)")
    request = RunCollective(
        id=several.next_id(),
        composition=Composition(program=Program()),
        collective=collective,
        values=64,
    )
    answer, _ = several.ask(request)
    assert isinstance(answer, CollectiveRan), answer
    assert answer.report.checked is True


def test_what_is_asked_before_the_hosts_are_there_is_answered(
    hosts: SshHosts, tmp_path: Path
) -> None:
    """As the explorer asks: the moment it is there, which is long before the hosts have met."""
    with explorer(tmp_path, "--hosts=a,b", "--devices=8", *hosts.options) as terminal:
        terminal.wait("53.")
        terminal.press("6")
        terminal.wait("1 b")
