"""Two hosts, each of which is this one, reached by a command that is no SSH: the whole way."""

from __future__ import annotations

import pytest

from jaxtui.session.field_path import DEVICES
from jaxtui.session.layers import Pmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition, Describe, Described, Failed, Gone
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.process import Reach
from jaxtui.wire.program import Ran, Run
from tests.support.asking import Asker, Heard

HERE = Reach(command="env FAKE_HOST={host}")


@pytest.mark.timeout(60)
def test_two_hosts_compute_what_one_computes() -> None:
    engine = Asker(EngineSettings(platform="cpu", count=4, hosts=("a", "b"), reach=HERE))
    try:
        environment = engine.environment
        assert (environment.hosts, environment.process_count) == (["a", "b"], 2)
        program = Program(
            source="def f(x):\n    return lax.psum(x, 'i')",
            arguments=[Argument(name="x", value="arange(4.0)")],
            layers=[Pmap(axis_name="i")],
        )
        request = Run(id=engine.next_id(), composition=Composition(program=program), values=10)
        answer, _ = engine.ask(request)
        assert isinstance(answer, Ran), answer
        assert answer.report.outputs[0].values == [6.0] * 4
    finally:
        engine.client.close()


@pytest.mark.long
def test_what_is_asked_before_the_hosts_have_met_is_answered() -> None:
    client = EngineClient(EngineSettings(platform="cpu", count=2, hosts=("a", "b"), reach=HERE))
    try:
        client.start()
        client.send(Describe(id=7))
        answer = Heard(client).until(lambda event: event.id == 7)
        assert isinstance(answer, Described)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        (
            EngineSettings(count=5, hosts=("a", "b"), reach=HERE),
            "count",
            "5 devices cannot be shared out among 2 hosts",
        ),
        (
            EngineSettings(hosts=("a", "-oProxyCommand=touch x"), reach=HERE),
            "hosts",
            "'-oProxyCommand=touch x' is not the name of a host",
        ),
        (
            EngineSettings(hosts=("a",), reach=Reach(command="/nowhere/ssh {host}")),
            "hosts",
            "cannot start /nowhere/ssh: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_started_is_told_at_its_field(
    settings: EngineSettings, field: str, words: str
) -> None:
    client = EngineClient(settings)
    try:
        heard = Heard(client)
        client.start()
        failed = heard.next(Failed)
        assert failed.diagnosis.field == DEVICES / field
        assert words in failed.diagnosis.message
        assert heard.next(Gone).reason == failed.diagnosis.message
    finally:
        client.close()
