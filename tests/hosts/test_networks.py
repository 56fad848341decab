"""Hosts with networks of their own: what a firewall or a cut between them does is told."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.process import Reach
from tests.hosts.test_ssh_faults import SECONDS, answered, heard_end, leftover, refusal
from tests.support.asking import Asker, Heard
from tests.support.network import Network, missing
from tests.support.processes import wait_for
from tests.support.ssh_hosts import MISSING, SshHosts

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    network = Network(["na", "nb", "nc"])
    yield network
    network.close()


@pytest.fixture(scope="module")
def server(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    hosts = SshHosts(tmp_path_factory.mktemp("ssh"), network.names, network)
    yield hosts
    hosts.close()


@pytest.fixture
def hosts(server: SshHosts, network: Network) -> Iterator[SshHosts]:
    yield server
    network.mend()
    # A host that was cut off ends its part by itself.
    assert wait_for(lambda: not leftover(server), 45), leftover(server)


def settings(hosts: SshHosts, *names: str) -> EngineSettings:
    reach = Reach(command=hosts.command, python=str(hosts.python))
    return EngineSettings(platform="cpu", count=2 * len(names), hosts=names, reach=reach)


def test_hosts_with_addresses_of_their_own_compute_together(hosts: SshHosts) -> None:
    engine = Asker(settings(hosts, "na", "nb"))
    try:
        assert engine.environment.host == "na"
        assert answered(engine, "return lax.psum(x, 'i')") == [6.0] * 4
        [said] = [line for line in engine.logged() if "coordinates" in line]
        assert said.startswith(f"hosts: na coordinates at {hosts.address('na')}:")
    finally:
        engine.client.close()


def test_the_address_of_a_hosts_own_name_does_not_matter(hosts: SshHosts, network: Network) -> None:
    """Debian has it 127.0.1.1, at which no other host reaches the CPU's devices."""
    for name in ("na", "nb"):
        network.let_name(name, "127.0.1.1")
    try:
        engine = Asker(settings(hosts, "na", "nb"))
        try:
            assert answered(engine, "return lax.psum(x, 'i')") == [6.0] * 4
        finally:
            engine.client.close()
    finally:
        for name in ("na", "nb"):
            network.let_name(name, network.address(name))


def test_a_firewall_between_two_hosts_is_told_before_jax_waits(
    hosts: SshHosts, network: Network
) -> None:
    network.drop(at="na", to="nc")
    found = refusal(settings(hosts, "na", "nb", "nc"))
    place = hosts.address("na")
    assert found.startswith(f"nc: does not reach na at {place}:"), found
    assert found.endswith("does a firewall drop it?")


def test_a_cut_between_two_hosts_is_told(hosts: SshHosts, network: Network) -> None:
    engine = Asker(settings(hosts, "na", "nb"))
    try:
        assert answered(engine, "return lax.psum(x, 'i')") == [6.0] * 4
        began = time.monotonic()
        network.drop(at="na", to="nb")
        gone = heard_end(engine.heard)
        assert time.monotonic() - began < SECONDS
        assert "the processes of the engine have lost each other" in gone.reason, gone
        assert "process 1 on nb is cut off" in gone.reason or "process 0 on na" in gone.reason
    finally:
        engine.client.close()


def test_a_cut_between_a_host_and_the_screen_is_told(hosts: SshHosts, network: Network) -> None:
    engine = Asker(settings(hosts, "na", "nb"))
    try:
        began = time.monotonic()
        network.drop(at="", to="nb")
        gone = heard_end(engine.heard)
        assert time.monotonic() - began < SECONDS
        assert gone.reason.startswith("nb: "), gone
        # The host learns of it by nothing but that nothing comes.
        assert wait_for(lambda: not leftover(hosts), 45)
    finally:
        engine.client.close()


def test_a_host_that_is_not_there_is_told(hosts: SshHosts, network: Network) -> None:
    network.drop(at="", to="nc")
    client = EngineClient(settings(hosts, "na", "nc"))
    try:
        heard = Heard(client)
        client.start()
        assert heard_end(heard).reason.startswith("nc: ")
    finally:
        client.close()
