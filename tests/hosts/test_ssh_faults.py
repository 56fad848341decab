"""What keeps a host from taking part, or ends its part, is told with the host; nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from jaxtui import __version__
from jaxtui.session.field_path import DEVICES
from jaxtui.session.layers import Pmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition, Failed, Gone, Printed
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.process import Reach
from jaxtui.wire.program import Ran, Run
from tests.support.asking import Asker, Heard
from tests.support.processes import wait_for
from tests.support.ssh_hosts import MISSING, SshHosts, free_port

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]

SECONDS = 60.0  # in which a fault has to be told: 15 on a machine that does nothing else


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    hosts = SshHosts(tmp_path_factory.mktemp("ssh"), ["a", "b", "c"])
    yield hosts
    hosts.close()


@pytest.fixture
def hosts(server: SshHosts) -> Iterator[SshHosts]:
    """The hosts, as they are at first, of which nothing may be left running."""
    server.let_python("")
    server.settle("".join(map(server.entry, server.names)))
    yield server
    assert wait_for(lambda: not leftover(server), 10), leftover(server)


def leftover(hosts: SshHosts) -> list[int]:
    return [pid for name in hosts.names for pid in hosts.processes(name)]


def settings(hosts: SshHosts, *names: str, coordinator: str = "") -> EngineSettings:
    reach = Reach(command=hosts.command, python=str(hosts.python), coordinator=coordinator)
    names = names or ("a", "b")
    return EngineSettings(platform="cpu", count=2 * len(names), hosts=names, reach=reach)


def refusal(wanted: EngineSettings) -> str:
    """Why an engine does not start."""
    client = EngineClient(wanted)
    try:
        heard = Heard(client)
        began = time.monotonic()
        client.start()
        failed = heard.until(lambda event: isinstance(event, Failed), 30)
        assert time.monotonic() - began < SECONDS
        assert isinstance(failed, Failed)
        assert failed.diagnosis.field == DEVICES / "hosts"
        gone = heard_end(heard)
        assert gone.reason == failed.diagnosis.message
        return failed.diagnosis.message
    finally:
        client.close()


def heard_end(heard: Heard, seconds: float = 30.0) -> Gone:
    found: list[Gone] = []

    def ends(event: object) -> bool:
        if isinstance(event, Gone):
            found.append(event)
        return bool(found)

    heard.until(ends, seconds)
    return found[0]


# ----------------------------------------------------------------------- hosts that do not start

SPECIAL = {
    "no jaxtui": ("unset PYTHONPATH; cd /", "b: its Python has no jaxtui"),
    "status": ("echo 'the disk is on fire' >&2; exit 7", "status 7: the disk is on fire"),
    "old Python": ("echo 'Unknown option: -P' >&2; exit 2", "b: its Python is older than 3.11"),
    "no Python": ("exec /nowhere/python", "b: it has no such Python: name its Python with"),
}


@pytest.mark.parametrize("special", SPECIAL)
def test_a_host_without_what_is_needed_is_named(hosts: SshHosts, special: str) -> None:
    lines, words = SPECIAL[special]
    # The Python of a venv that has jaxtui installed would find it anyway.
    bare = sys.base_prefix + "/bin/python3" if special == "no jaxtui" else sys.executable
    hosts.let_python(f'if [ "$FAKE_HOST" = b ]; then {lines}; fi', bare)
    if special == "no jaxtui":
        hosts.let_python(f'if [ "$FAKE_HOST" = b ]; then {lines}; exec {bare} "$@"; fi')
    found = refusal(settings(hosts))
    assert words in found, found
    assert "a:" not in found


BROKEN = {
    "a broken JAX": ("raise ImportError('no kernel')", "", "ImportError: no kernel"),
    "collectives that lack a library": (
        "",
        "export JAX_CPU_COLLECTIVES_IMPLEMENTATION=mpi",
        "MPItrampoline",
    ),
    "an option that XLA does not know": (
        "",
        "export XLA_FLAGS=--xla_no_such_flag=1",
        "XLA does not know what XLA_FLAGS holds: --xla_no_such_flag",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_host_on_which_jax_cannot_start_is_named(
    hosts: SshHosts, tmp_path: Path, broken: str
) -> None:
    module, special, words = BROKEN[broken]
    if module:
        (tmp_path / "jax").mkdir()
        (tmp_path / "jax" / "__init__.py").write_text(module)
        special = f"export PYTHONPATH={tmp_path}:{Path(__file__).parents[2]}"
    hosts.let_python(f'[ "$FAKE_HOST" = b ] && {special}')
    client = EngineClient(settings(hosts))
    try:
        heard = Heard(client)
        began = time.monotonic()
        client.start()
        reason = heard_end(heard).reason
        assert reason.startswith("b: ")
        assert words in reason
        assert time.monotonic() - began < SECONDS
    finally:
        client.close()


def test_every_host_that_cannot_take_part_is_named(hosts: SshHosts) -> None:
    hosts.let_python('[ "$FAKE_HOST" = a ] || exec /nowhere/python')
    assert refusal(settings(hosts, "a", "b", "c")).startswith(("b, c: it has", "c, b: it has"))


def refuse_ssh(hosts: SshHosts) -> str:
    return hosts.entry("b").replace("Port ", "Port 1 #")


def want_password(hosts: SshHosts) -> str:
    other = hosts.folder / "other"
    if not other.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
        subprocess.run(command, check=True)
    return hosts.entry("b").replace("/b\n", "/other\n")


def not_know_key(hosts: SshHosts) -> str:
    return hosts.entry("b").replace("/known_hosts", "/unknown")


def not_resolve(hosts: SshHosts) -> str:
    return hosts.entry("b").replace("127.0.0.1", "no-such-host.invalid")


def not_answer(hosts: SshHosts) -> str:
    return hosts.entry("b").replace("Port ", f"Port {silent_port()} #")


_silent: list[socket.socket] = []


def silent_port() -> int:
    """A port that takes connections and never says a word."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    _silent.append(listening)
    return int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (refuse_ssh, "b: it refuses SSH"),
        (want_password, "b: it wants a password, or does not take your key"),
        (not_know_key, "b: its host key is not known here: run `ssh b` once"),
        (not_resolve, "b: no host of that name is known here"),
        (not_answer, "b: it does not answer SSH"),
    ],
)
def test_a_host_that_ssh_does_not_reach_is_named(
    hosts: SshHosts, entry: Callable[[SshHosts], str], words: str
) -> None:
    hosts.settle(hosts.entry("a") + entry(hosts))
    found = refusal(settings(hosts))
    assert found.startswith(words), found


def test_another_version_of_jaxtui_is_named(hosts: SshHosts, tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "jaxtui", tmp_path / "jaxtui")
    init = tmp_path / "jaxtui" / "__init__.py"
    init.write_text(init.read_text() + '\n__version__ = "9.9"\n')
    hosts.let_python(f'[ "$FAKE_HOST" = b ] && export PYTHONPATH={tmp_path}')
    assert f"b has jaxtui 9.9, and here it is {__version__}" in refusal(settings(hosts))


def test_another_version_of_jax_is_named_before_jax_is_imported(
    hosts: SshHosts, tmp_path: Path
) -> None:
    (tmp_path / "jax-0.6.1.dist-info").mkdir()
    (tmp_path / "jax-0.6.1.dist-info" / "METADATA").write_text("Name: jax\nVersion: 0.6.1\n")
    root = Path(__file__).parents[2]
    hosts.let_python(f'[ "$FAKE_HOST" = b ] && export PYTHONPATH={tmp_path}:{root}')
    found = refusal(settings(hosts))
    assert found.startswith("the hosts have different versions of JAX: a ")
    assert "b 0.6.1" in found, found


def test_a_port_in_use_is_named_with_its_host(hosts: SshHosts) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = refusal(settings(hosts, coordinator=f"127.0.0.1:{port}"))
    assert found.startswith(f"a: cannot listen at 127.0.0.1:{port}: the port is in use"), found


def test_an_address_that_the_first_host_does_not_have_is_named(hosts: SshHosts) -> None:
    found = refusal(settings(hosts, coordinator="192.0.2.1:4000"))
    assert found.startswith("a: has no address 192.0.2.1"), found


# ------------------------------------------------------------------------------ hosts that do


def test_greetings_and_clocks_do_not_matter(hosts: SshHosts, tmp_path: Path) -> None:
    """A host prints before the first frame, and its clock is five hours behind."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n_now, _ns = time.time, time.time_ns\n"
        "time.time = lambda: _now() - 18_000\ntime.time_ns = lambda: _ns() - 18_000 * 10**9\n"
    )
    root = Path(__file__).parents[2]
    hosts.let_python(
        f'if [ "$FAKE_HOST" = b ]; then export PYTHONPATH={tmp_path}:{root}; '
        'echo "Welcome to b!"; echo "3 updates"; fi'
    )
    engine = Asker(settings(hosts, coordinator=f"127.0.0.1:{free_port()}"))
    try:
        assert engine.environment.device_count == 4
        assert engine.environment.hosts == ["a", "b"]
        assert {"[b] Welcome to b!", "[b] 3 updates"} <= set(engine.logged())
        assert answered(engine, "return lax.psum(x, 'i')") == [6.0] * 4
    finally:
        engine.client.close()


def asked(engine: Asker, body: str) -> Run:
    program = Program(
        source="def f(x):\n" + "\n".join("    " + line for line in body.splitlines()),
        arguments=[Argument(name="x", value="arange(4.0)")],
        layers=[Pmap(axis_name="i")],
    )
    return Run(id=engine.next_id(), composition=Composition(program=program), values=100)


def answered(engine: Asker, body: str, seconds: float = 30.0) -> object:
    answer, _ = engine.ask(asked(engine, body), seconds)
    assert isinstance(answer, Ran), answer
    return answer.report.outputs[0].values


ENDS: dict[str, tuple[Callable[[SshHosts], None], str]] = {
    "the engine's process on b is killed": (
        lambda hosts: os.kill(hosts.engine("b"), signal.SIGKILL),
        "b: the engine was killed",
    ),
    "the engine's process on a is killed": (
        lambda hosts: os.kill(hosts.engine("a"), signal.SIGKILL),
        "a: the engine was killed",
    ),
    "the engine's process on b crashes": (
        lambda hosts: os.kill(hosts.engine("b"), signal.SIGSEGV),
        "b: the engine died of SIGSEGV",
    ),
    "the engine's process on b is stopped": (
        lambda hosts: os.kill(hosts.engine("b"), signal.SIGSTOP),
        "its part of the engine, is stopped",
    ),
    "the engine's process on a is stopped": (
        lambda hosts: os.kill(hosts.engine("a"), signal.SIGSTOP),
        "its part of the engine, is stopped",
    ),
    "the keeper on b is stopped, as is all of a host that hangs": (
        lambda hosts: os.kill(hosts.keeper("b"), signal.SIGSTOP),
        "b: nothing has come from it for",
    ),
    "the keeper on b is killed": (
        lambda hosts: os.kill(hosts.keeper("b"), signal.SIGKILL),
        "b: its process of jaxtui has ended, or the line to it is cut",
    ),
    "the line to b is cut": (lambda hosts: end_ssh(hosts, "b"), "b: its process of jaxtui has"),
}


def end_ssh(hosts: SshHosts, host: str) -> None:
    """End the client of SSH that reaches a host."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            if words[:3] == ["ssh", "-F", str(hosts.folder / "client")] and host in words:
                os.kill(int(folder.name), signal.SIGKILL)


@pytest.mark.parametrize("busy", [False, True], ids=["at rest", "at work"])
@pytest.mark.parametrize("name", ENDS)
def test_what_ends_on_one_host_ends_on_all_and_is_named(
    hosts: SshHosts, name: str, busy: bool
) -> None:
    end, words = ENDS[name]
    engine = Asker(settings(hosts))
    try:
        if busy:
            body = (
                "x = lax.fori_loop(0, 10**9, lambda i, y: jnp.sin(y), x)\n"
                "jax.debug.print('going')\nreturn lax.psum(x, 'i')"
            )
            engine.client.send(asked(engine, "jax.debug.print('go {}', x)\n" + body))
            engine.heard.next(Printed)
        stopped = [hosts.keeper("b"), hosts.engine("b")]
        began = time.monotonic()
        end(hosts)
        gone = heard_end(engine.heard)
        assert time.monotonic() - began < SECONDS
        assert words in gone.reason, gone
        assert gone.reason.startswith(("a: ", "b: "))
    finally:
        engine.client.close()
        if "stopped" in name:
            # What is stopped cannot see that its line has ended; the kernel keeps that for it.
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def little_memory() -> Iterator[str]:
    """A line of the shell that leaves a gigabyte to what runs after it."""
    for group in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        own = group / f"jaxtui-{os.getpid()}"
        try:
            own.mkdir()
        except OSError:
            continue
        for name in ("memory.limit_in_bytes", "memory.max"):
            with suppress(OSError):
                if (own / name).exists():
                    (own / name).write_text(str(10**9))
        if (own / "memory.limit_in_bytes").exists() or (own / "memory.max").exists():
            yield f"echo $$ > {own}/cgroup.procs"
            assert wait_for(partial(removed, own), 20)
            return
        own.rmdir()
    pytest.skip("no control group can be made here")


def removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def test_memory_that_runs_out_is_told_as_such(hosts: SshHosts, little_memory: str) -> None:
    hosts.let_python(f'[ "$FAKE_HOST" = b ] && {little_memory}')
    engine = Asker(settings(hosts))
    try:
        began = time.monotonic()
        held = "held = np.ones(10**9, np.uint8)\nreturn lax.psum(x, 'i')"
        answer, _ = engine.ask(asked(engine, held))
        assert isinstance(answer, Failed)
        assert answer.diagnosis.message.startswith("in process 1 on b: MemoryError: ")
        # What goes beyond the limit that an engine sets itself is left to the system.
        body = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\n{held}"
        engine.client.send(asked(engine, body))
        gone = heard_end(engine.heard)
        assert time.monotonic() - began < SECONDS
        words = "b: the system killed the engine there because memory ran out: give it less"
        assert gone.reason == words
    finally:
        engine.client.close()


def test_a_host_that_computes_without_letting_go_is_not_taken_for_lost(hosts: SshHosts) -> None:
    engine = Asker(settings(hosts))
    try:
        # One pattern that takes some 14 s, in which no other thread of the process runs.
        body = (
            "import re, time\nbegan = time.monotonic()\n"
            "if jax.process_index() == 1:\n"
            "    while time.monotonic() - began < 14: re.match('(a+)+$', 'a' * 24 + 'b')\n"
            "return lax.psum(x, 'i')"
        )
        assert answered(engine, body, seconds=60) == [6.0] * 4
        late = [line for line in engine.logged() if "process 1 on b" in line]
        assert late, engine.logged()
    finally:
        engine.client.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_on_any_host_when_the_starter_ends(
    hosts: SshHosts, number: signal.Signals
) -> None:
    wanted = settings(hosts)
    starter = subprocess.Popen(
        wanted.arguments(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert wait_for(lambda: len(leftover(hosts)) >= 4, 30)
    finally:
        starter.send_signal(number)
        starter.wait()
    for pipe in (starter.stdin, starter.stdout):
        assert pipe is not None
        pipe.close()


def test_a_keeper_that_hears_nothing_more_ends_its_engine(hosts: SshHosts) -> None:
    """As when the network is cut, of which neither the host nor its SSH server learns."""
    wanted = settings(hosts)
    starter = subprocess.Popen(
        wanted.arguments(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert wait_for(lambda: len(leftover(hosts)) >= 4, 30)
        starter.send_signal(signal.SIGSTOP)
        assert wait_for(lambda: not leftover(hosts), 45)
    finally:
        os.killpg(starter.pid, signal.SIGKILL)
        starter.wait()
        for pipe in (starter.stdin, starter.stdout):
            assert pipe is not None
            pipe.close()
