"""The command that reaches a host, and what is made of the words of ssh and of the host's shell."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from jaxtui.hosts import addresses, commands, faults, messages


def test_ssh_gets_the_host_after_the_end_of_its_options() -> None:
    command = commands.reaching("me@a")
    assert command[0] == "ssh"
    assert "BatchMode=yes" in command
    assert command[-3:-1] == ["--", "me@a"]
    assert shlex.split(command[-1])[:2] == ["sh", "-c"]


@pytest.mark.parametrize(
    ("template", "before"),
    [
        ("kubectl exec -i {host} --", ["kubectl", "exec", "-i", "a", "--"]),
        ("docker exec -i {host}", ["docker", "exec", "-i", "a"]),
    ],
)
def test_another_command_takes_it_word_by_word(template: str, before: list[str]) -> None:
    command = commands.reaching("a", template, "python3")
    assert command[:-3] == before
    assert command[-3:-1] == ["sh", "-c"]


def test_a_command_may_say_where_the_text_belongs() -> None:
    template = "gcloud compute tpus tpu-vm ssh {host} --command={command}"
    command = commands.reaching("a", template, "python3")
    assert command[:-1] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "a"]
    inner = shlex.split(command[-1].removeprefix("--command="))
    assert inner[:2] == ["sh", "-c"]


def test_what_the_shell_runs_says_that_it_is_in_and_starts_that_python() -> None:
    ran = subprocess.run(
        commands.reaching("a", "env HOST={host}", "env X=1 echo"), capture_output=True, check=True
    )
    assert ran.stdout == messages.LOGIN + b"-P -m jaxtui.hosts --member\n"


# As OpenSSH 9.2, dash and Python wrote them.
SAID = [
    ("root@a: Permission denied (publickey,password).", 255, "log in with a key"),
    ("Host key verification failed.", 255, "host key is not known here"),
    ("@  WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @", 255, "another one than before"),
    ("ssh: connect to host a port 22: Connection refused", 255, "refuses SSH"),
    ("ssh: connect to host a port 22: Connection timed out", 255, "does not answer SSH"),
    ("ssh: connect to host a port 22: No route to host", 255, "no network route"),
    ("ssh: Could not resolve hostname a: Name or service not known", 255, "no host of that name"),
    ("Connection closed by 10.0.0.1 port 22", 255, "closes SSH connections"),
    ("sh: 1: exec: python3: not found", 127, "has no such Python"),
    ("/usr/bin/python3: Error while finding module specification for 'jaxtui.hosts' "
     "(ModuleNotFoundError: No module named 'jaxtui')", 1, "has no jaxtui"),
    ("/usr/bin/python3: No module named jaxtui", 1, "has no jaxtui"),
    ("ModuleNotFoundError: No module named 'msgspec'", 1, "lacks msgspec"),
    ("Unknown option: -P", 2, "older than 3.11"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "status", "words"), SAID)
def test_what_ssh_and_the_host_say_is_put_into_words(line: str, status: int, words: str) -> None:
    assert words in faults.before_hello("a", status < 255, status, ["Welcome!", line, ""])


def test_other_words_are_told_as_they_are() -> None:
    found = faults.before_hello("a", False, 255, ["kex_error: \x1b[1mbad\x1b[0m packet"])
    assert found == "the way to it ended with status 255: kex_error:  [1mbad [0m packet"


def hello(**versions: str) -> messages.Hello:
    same = {"jaxtui": "1", "jax": "0.10.2", "jaxlib": "0.10.2", "python": "3.11.4"}
    return messages.Hello(executable="/usr/bin/python3", **{**same, **versions})


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"jaxtui": "2"}, "b has jaxtui 2, and here it is 1"),
        ({"jax": ""}, "b has no jax in /usr/bin/python3"),
        ({"jax": "0.6.1"}, "different versions of JAX: b 0.6.1, the others 0.10.2"),
        ({"jaxlib": "0.6.1"}, "different versions of jaxlib: b 0.6.1"),
        ({"python": "3.12.1"}, "different versions of Python: b 3.12, the others 3.11"),
    ],
)
def test_a_host_with_another_version_is_named(versions: dict[str, str], words: str) -> None:
    hellos = {"a": hello(), "b": hello(**versions), "c": hello()}
    assert words in faults.differences(hellos, "1")


def test_the_same_everywhere_is_no_difference() -> None:
    assert faults.differences({"a": hello(), "b": hello(python="3.11.9")}, "1") == ""


def test_an_address_has_its_port_at_the_end() -> None:
    assert addresses.parts("10.0.0.1:80") == ("10.0.0.1", 80)
    assert addresses.parts("gpu-1") == ("gpu-1", 0)
    assert addresses.parts("[fe80::1]:80") == ("fe80::1", 80)
    assert addresses.parts("fe80::1") == ("fe80::1", 0)
    for wrong in ("a:", ":80", "a:x", "a:70000", ""):
        with pytest.raises(ValueError, match="is no ADDRESS:PORT"):
            addresses.parts(wrong)


def test_the_first_host_is_reached_as_ssh_reached_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 5000 10.0.0.1 22")
    assert addresses.chosen(["10.0.0.2"]) == "10.0.0.1"
    # By loopback from the same host, which the others cannot do: the way to them is taken.
    monkeypatch.setenv("SSH_CONNECTION", "127.0.0.1 5000 127.0.0.1 22")
    assert addresses.chosen(["127.0.0.1"]) == "127.0.0.1"


def test_ports_beside_another_are_ports() -> None:
    assert addresses.beside(4000, 1) == 4001
    assert addresses.beside(65_535, 1) == 65_534
    assert addresses.for_lobby(65_535) == 25_535
    assert addresses.for_lobby(8482) == 8484
