"""No text that a session gives as a host can be an option of ssh, or a command."""

from __future__ import annotations

import pytest

from jaxtui.session import host_names
from jaxtui.session.session import Devices, Session, SessionError, dumps, loads
from jaxtui.wire.launch import Choice


@pytest.mark.parametrize(
    "name",
    [
        "-oProxyCommand=touch /tmp/x",
        "--",
        "-",
        "",
        "a b",
        "a;reboot",
        "$(reboot)",
        "`reboot`",
        "a|b",
        "a\nb",
        "me@-oProxyCommand=x",
        "-l@a",
        "@a",
        "a/b",
        "a'b",
        "a%h",
        "é",
        "a" * 300,
    ],
)
def test_what_is_no_name_of_a_host_is_refused(name: str) -> None:
    assert "is not the name of a host" in host_names.fault(["a", name])
    quoted = name.replace("\n", "\\n")
    with pytest.raises(SessionError) as caught:
        loads(f'[devices]\nhosts = ["a", "{quoted}"]')
    assert caught.value.field == "devices.hosts"


@pytest.mark.parametrize(
    "name", ["a", "gpu-1.example.org", "me@10.0.0.1", "fe80::1", "node_7", "j.doe@x", "10.1.2.3"]
)
def test_names_aliases_and_addresses_are_hosts(name: str) -> None:
    assert host_names.fault([name]) == ""


def test_a_host_is_named_once() -> None:
    assert host_names.fault(["a", "b", "a"]) == "a is named twice"
    assert "1,025 hosts" in host_names.fault([f"h{i}" for i in range(1025)])


def test_hosts_survive_being_written_and_read() -> None:
    session = Session(devices=Devices(hosts=["a", "b"]))
    assert loads(dumps(session)) == session


def test_the_hosts_of_a_session_are_reached_only_once_it_is_trusted() -> None:
    session = Session(devices=Devices(hosts=["a", "b"]))
    assert Choice().settings_for(session).hosts == ("a", "b")
    assert Choice().settings_for(session, trusted=False).hosts == ()
    given = Choice(hosts=("c", "d"))
    assert given.settings_for(given.applied_to(session), trusted=False).hosts == ("c", "d")
    assert given.settings_for(session, trusted=False).hosts == ()
    assert Choice(hosts=()).settings_for(session).hosts == ()
