"""The client delivers what an engine says, explains its end, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jaxtui.session.session import Program
from jaxtui.wire import endings, launch
from jaxtui.wire.base import (
    Cancel,
    Composition,
    Describe,
    Described,
    Failed,
    Gone,
    Log,
    Printed,
    Ready,
    Spoiled,
    Stage,
)
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.flood import EVENTS, FULL_WINDOWS, WINDOW_SECONDS, FloodGate
from jaxtui.wire.launch import StartedEngine
from jaxtui.wire.process import (
    LINE_CHARACTERS,
    LOG_LINES_PER_SECOND,
    TAIL_LINES,
    EngineProcess,
    LineLog,
)
from jaxtui.wire.program import Ran, Run, Trace, Traced
from jaxtui.wire.protocol import AnyEvent
from tests.support.asking import Heard, exists, no_children

SPEAK = """
import os, sys, time
from jaxtui.wire.framing import read_body
from jaxtui.wire.base import Cancelled, Printed
from jaxtui.wire.protocol import decode_request, frame
def say(event):
    data = frame(event)
    while data:
        data = data[os.write(1, data):]
def requests():
    while (body := read_body(lambda count: os.read(0, count))) is not None:
        yield decode_request(body)
"""

Start = Callable[..., tuple[EngineClient, Heard]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a client of a small script instead of the engine, and check that no process is left."""
    clients: list[EngineClient] = []
    threads = set(threading.enumerate())

    def started(script: str = "", *, settings: EngineSettings | None = None) -> object:
        path = tmp_path / "engine.py"
        path.write_text(SPEAK + script)
        client = EngineClient(settings or EngineSettings(command=(sys.executable, str(path))))
        clients.append(client)
        heard = Heard(client)
        client.start()
        return client, heard

    yield started  # type: ignore[misc]
    for client in clients:
        client.close()
        assert not client.running
    assert set(threading.enumerate()) <= threads
    assert no_children()


def alive(pid: int) -> bool:
    if not exists(pid):
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")")[-1].split()[0] != "Z"


def dead_soon(pid: int) -> bool:
    """Whether process `pid` ends soon; on a busy machine that takes longer."""
    end = time.monotonic() + 20
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


BAD_UTF8 = b"\x81\xa4type\xa1\xff"
DEEP = b"\x81\xa1a" * 5000 + b"\xc0"
SAY_PID = "say(Printed(stream='stdout', text=str(os.getpid())))\n"
ANSWER = "for request in requests():\n    say(Cancelled(id=request.id))\n"


def test_requests_are_answered_in_order(start):
    client, heard = start(ANSWER)
    ids = [client.next_id() for _ in range(100)]
    for number in ids:
        client.send(Describe(id=number))
    heard.until(lambda event: event.id == ids[-1])
    assert [event.id for event in heard.all] == ids


def test_a_late_listener_hears_first_what_was_said_before(start, tmp_path):
    (tmp_path / "engine.py").write_text(
        SPEAK + "for n in range(3): say(Printed(id=n, stream='stdout', text=''))\ntime.sleep(60)"
    )
    client = EngineClient(EngineSettings(command=(sys.executable, str(tmp_path / "engine.py"))))
    client.start()
    time.sleep(0.5)
    heard = Heard(client)
    heard.until(lambda event: event.id == 2)
    assert [event.id for event in heard.all] == [0, 1, 2]
    client.close()


def test_an_engine_that_ran_before_its_client_is_taken_over(tmp_path):
    (tmp_path / "engine.py").write_text(
        SPEAK + "say(Printed(stream='stdout', text=str(os.getpid())))\n"
        "for request in requests(): say(Printed(id=request.id, stream='stdout', text='here'))"
    )
    engine = StartedEngine(EngineSettings(command=(sys.executable, str(tmp_path / "engine.py"))))
    client = engine.client()
    assert engine.client() is client
    heard = Heard(client)
    pid = int(heard.next(Printed).text)
    client.send(Describe(id=7))
    heard.until(lambda event: event.id == 7)
    assert [event.text for event in heard.all if isinstance(event, Printed)] == [str(pid), "here"]
    engine.close()
    assert not alive(pid)
    assert no_children()


def test_an_engine_that_nothing_spoke_with_is_ended_too(tmp_path):
    (tmp_path / "engine.py").write_text(
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()) + '!')\n"
        "time.sleep(60)"
    )
    engine = StartedEngine(EngineSettings(command=(sys.executable, str(tmp_path / "engine.py"))))
    pid = tmp_path / "pid"
    end = time.monotonic() + 10
    while not (pid.exists() and pid.read_text().endswith("!")) and time.monotonic() < end:
        time.sleep(0.01)
    engine.close()
    assert not alive(int(pid.read_text()[:-1]))
    assert no_children()


def test_an_engine_that_cannot_start_says_why_through_its_client():
    engine = StartedEngine(EngineSettings(command=("no-such-program-here",)))
    gone = Heard(engine.client()).next(Gone)
    assert gone.reason == "cannot start no-such-program-here: No such file or directory"
    engine.close()


def test_a_command_that_does_not_exist_is_gone_with_the_reason(start):
    client, heard = start(settings=EngineSettings(command=("no-such-program-here",)))
    gone = heard.next(Gone)
    assert gone.status is None
    assert gone.reason == "cannot start no-such-program-here: No such file or directory"
    assert not client.running
    client.send(Describe(id=1))  # discarded


def test_an_engine_that_dies_at_its_start_is_explained_by_its_last_line(start):
    _, heard = start("sys.stderr.write('first\\nlast words\\n')\nsys.exit(7)")
    gone = heard.next(Gone)
    assert (gone.status, gone.wanted) == (7, False)
    assert gone.reason == "the engine ended with status 7: last words"
    assert gone.tail == ["first", "last words"]
    assert [event.line for event in heard.all if isinstance(event, Log)] == gone.tail


def test_what_an_engine_says_before_it_ends_is_its_reason(start):
    script = """
from jaxtui.wire.base import Failed
from jaxtui.wire.report import Diagnosis
say(Failed(diagnosis=Diagnosis(kind="devices", field="devices.platform", message="no tpu here")))
os._exit(3)
"""
    _, heard = start(script)
    assert heard.next(Gone).reason == "no tpu here"
    assert isinstance(heard.all[0], Failed)


def test_an_engine_that_dies_inside_a_frame_is_gone(start):
    script = "os.write(1, frame(Printed(stream='stdout', text='x' * 100))[:50]); os._exit(5)"
    _, heard = start(script)
    assert heard.next(Gone).status == 5
    assert len(heard.all) == 1


def test_an_engine_killed_by_a_signal_is_explained_by_its_name(start):
    client, heard = start(SAY_PID + ANSWER)
    os.kill(int(heard.next(Printed).text), signal.SIGSEGV)
    assert "SIGSEGV" in heard.next(Gone).reason
    client.restart()
    os.kill(int(heard.next(Printed).text), signal.SIGKILL)
    assert "memory" in heard.next(Gone).reason


def test_garbage_on_the_engines_output_ends_it_and_is_quoted(start):
    _, heard = start(SAY_PID + "os.write(1, b'Last login: Monday\\n'); time.sleep(60)")
    pid = int(heard.next(Printed).text)
    gone = heard.next(Gone)
    assert "not the protocol" in gone.reason
    assert "Last login" in gone.reason
    assert dead_soon(pid)


def test_a_frame_that_is_no_event_ends_the_engine(start):
    _, heard = start("os.write(1, b'\\0\\0\\0\\1\\xc0'); time.sleep(60)")
    assert "not the protocol" in heard.next(Gone).reason


@pytest.mark.parametrize("body", [BAD_UTF8, DEEP], ids=["bad UTF-8", "deep maps"])
def test_a_frame_that_cannot_be_read_ends_its_engine_and_the_next_one_starts(start, body):
    path = "sys.argv[0] + '.once'"
    script = SAY_PID + f"if not os.path.exists({path}):\n    open({path}, 'w').close()\n"
    script += f"    os.write(1, len({body!r}).to_bytes(4, 'big') + {body!r})\n    time.sleep(60)\n"
    client, heard = start(script + ANSWER)
    pid = int(heard.next(Printed).text)
    gone = heard.next(Gone)
    assert not gone.wanted
    assert "not the protocol" in gone.reason
    assert dead_soon(pid)
    client.restart()
    client.send(Describe(id=7))
    assert heard.until(lambda event: event.id == 7)


@pytest.mark.parametrize("method", ["write", "output_closed"])
def test_a_fault_of_the_client_itself_ends_that_engine_with_a_reason(start, monkeypatch, method):
    def fail(process: EngineProcess) -> bool:
        raise RuntimeError("no luck")

    client, heard = start(SAY_PID + "for request in requests(): os.close(1); time.sleep(60)")
    pid = int(heard.next(Printed).text)
    with monkeypatch.context() as patched:
        patched.setattr(EngineProcess, method, fail)
        client.send(Describe(id=1))
        gone = heard.next(Gone)
    assert not gone.wanted
    assert "RuntimeError: no luck" in gone.reason
    assert dead_soon(pid)
    client.restart()
    assert heard.next(Printed)


def test_a_fault_of_the_client_at_an_engines_start_or_end_is_told_too(start, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no luck")

    client, heard = start(SAY_PID + ANSWER)
    old = int(heard.next(Printed).text)
    with monkeypatch.context() as patched:
        patched.setattr(EngineProcess, "dispose", fail)
        os.kill(old, signal.SIGKILL)
        assert "RuntimeError: no luck" in heard.next(Gone).reason
    with monkeypatch.context() as patched:
        patched.setattr(EngineProcess, "__init__", fail)
        client.restart()
        assert "RuntimeError: no luck" in heard.next(Gone).reason
        assert not client.running
    client.restart()
    assert heard.next(Printed)


@pytest.mark.parametrize("more", ["", ", 'environment': 'of another shape'"])
def test_an_engine_of_another_version_is_told_by_both_versions(start, more):
    message = "dict(msgspec.to_builtins(made.ready()), type='Ready', protocol=7)"
    script = "import msgspec\nfrom tests.support import made_events as made\n"
    script += f"body = msgspec.msgpack.encode({{**{message}{more}}})\n"
    script += "os.write(1, len(body).to_bytes(4, 'big') + body)\ntime.sleep(60)"
    _, heard = start("sys.path.insert(0, os.getcwd())\n" + script)
    reason = heard.next(Gone).reason
    assert reason.startswith(
        "the engine speaks version 7 of the protocol, and this jaxtui version 1"
    )
    assert not any(isinstance(event, Ready) for event in heard.all)


def test_an_engine_starts_in_a_folder_that_is_gone(start, tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    assert launch.folder_of("a.toml") == os.environ["PWD"]
    client, heard = start(settings=EngineSettings(platform="cpu", count=1))
    heard.next(Ready)
    program = Program(source="def f(): return 3")
    composition = Composition(program=program, folder=launch.folder_of("a.toml"))
    client.send(Run(id=client.next_id(), composition=composition))
    heard.next(Ran)


def test_an_engine_that_closes_its_output_and_lives_on_is_ended(start):
    _, heard = start(SAY_PID + "os.close(1); time.sleep(60)")
    pid = int(heard.next(Printed).text)
    assert "closed its output" in heard.next(Gone, seconds=10).reason
    assert dead_soon(pid)


def test_a_flood_on_stderr_does_not_swamp_the_listener(start):
    _, heard = start("for n in range(50_000): os.write(2, b'line %d\\n' % n)\nos._exit(1)")
    gone = heard.next(Gone)
    logged = [event.line for event in heard.all if isinstance(event, Log)]
    assert gone.tail == [f"line {number}" for number in range(49_800, 50_000)]
    assert len(logged) < 10_000
    left_out = [int(line.split()[1]) for line in logged if line.startswith("...")]
    assert len(logged) - len(left_out) + sum(left_out) == 50_000


def test_a_flood_of_events_arrives_whole(start):
    script = "for n in range(5000): say(Printed(id=n, stream='stdout', text='x' * 1000))\n"
    _, heard = start(script + "time.sleep(60)")
    heard.until(lambda event: event.id == 4999)
    assert [event.id for event in heard.all] == list(range(5000))


def test_an_engine_that_never_reads_holds_nobody_up(start):
    client, heard = start(SAY_PID + "time.sleep(60)")
    pid = int(heard.next(Printed).text)
    program = Program(source="x" * 1_000_000)
    for _ in range(20):
        client.send(Trace(id=client.next_id(), composition=Composition(program=program)))
    assert alive(pid)  # nothing was read, and nobody has waited for it
    client.kill()
    assert heard.next(Gone).wanted


def test_requests_of_many_megabytes_arrive_whole(start):
    script = """
for request in requests():
    text = str(len(request.composition.program.source))
    say(Printed(id=request.id, stream='stdout', text=text))
"""
    client, heard = start(script)
    program = Program(source="x" * 5_000_000)
    client.send(Trace(id=1, composition=Composition(program=program)))
    assert heard.next(Printed).text == "5000000"


def test_what_no_frame_can_hold_is_answered_and_not_raised(start):
    client, heard = start(ANSWER)
    for number, parameters in ((1, {"n": 10**30}), (2, {"\ud800": 1})):
        composition = Composition(program=Program(), parameters=parameters)
        client.send(Trace(id=number, composition=composition))
        failed = heard.next(Failed)
        assert failed.id == number
        assert "cannot be sent" in failed.diagnosis.message


def test_kill_ends_the_engine_and_says_that_it_was_wanted(start):
    client, heard = start(SAY_PID + "while True: pass")
    pid = int(heard.next(Printed).text)
    assert client.running
    client.kill()
    gone = heard.next(Gone)
    assert gone.wanted
    assert gone.status == -signal.SIGKILL
    assert not client.running
    assert dead_soon(pid)
    client.kill()
    assert heard.nothing_for(0.1) == []


def test_of_an_old_engine_only_its_end_is_heard_after_a_restart(start):
    script = SAY_PID + "while True: say(Printed(id=1, stream='stderr', text=str(os.getpid())))"
    client, heard = start(script)
    old = heard.next(Printed).text
    client.restart()
    assert client.running
    assert heard.next(Gone).wanted
    ends = len(heard.all)
    new = heard.next(Printed).text
    heard.nothing_for(0.05)
    assert {event.text for event in heard.all[ends:]} == {new} != {old}
    assert dead_soon(int(old))


def test_a_request_sent_right_after_a_restart_reaches_the_new_engine(start):
    client, heard = start(SAY_PID + ANSWER)
    for _ in range(5):
        heard.until(lambda event: isinstance(event, Printed))
        client.restart()
        number = client.next_id()
        client.send(Describe(id=number))
        heard.until(lambda event, number=number: event.id == number)
        assert sum(event.id == number for event in heard.all) == 1
        client.restart()


def test_of_many_restarts_at_once_the_last_one_counts(start, tmp_path):
    client, heard = start(SAY_PID + ANSWER)
    heard.next(Printed)
    for count in range(1, 6):
        client.restart(EngineSettings(count=count, command=client.settings.command))
    path = tmp_path / "engine.py"
    path.write_text(SPEAK + "say(Printed(id=9, stream='stdout', text=sys.argv[1]))\n" + ANSWER)
    heard.until(lambda event: event.id == 9)
    assert heard.all[-1].text == "--devices=5"
    assert client.settings.count == 5


def test_start_leaves_a_running_engine_alone_and_brings_back_a_dead_one(start):
    client, heard = start(SAY_PID + "for request in requests(): os._exit(1)")
    heard.next(Printed)
    client.start()
    assert heard.nothing_for(0.2) == []
    client.send(Describe(id=1))
    heard.next(Gone)
    client.start()
    heard.next(Printed)


def test_what_the_engine_left_behind_ends_with_it(start):
    script = """
import subprocess
child = subprocess.Popen(["sleep", "60"])
say(Printed(stream="stdout", text=str(child.pid)))
time.sleep(0.2)
os._exit(0)
"""
    _, heard = start(script)
    child = int(heard.next(Printed).text)
    heard.next(Gone)
    assert dead_soon(child)


def test_a_child_outside_its_session_does_not_hide_that_the_engine_ended(start):
    # The child holds the engine's pipes open, so that they do not end.
    script = """
if os.fork() == 0:
    os.setsid()
    say(Printed(stream="stdout", text=str(os.getpid())))
    time.sleep(60)
    os._exit(0)
time.sleep(0.3)
os._exit(4)
"""
    client, heard = start(script)
    child = int(heard.next(Printed).text)
    try:
        assert heard.next(Gone, seconds=5).status == 4
        client.close()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_listener_that_fails_does_not_end_the_client(start, monkeypatch):
    client, _ = start(ANSWER)
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    client.listen(lambda event: 1 / 0)
    client.send(Describe(id=1))
    end = time.monotonic() + 5
    while not failures and time.monotonic() < end:
        time.sleep(0.01)
    heard = Heard(client)
    client.send(Describe(id=2))
    assert heard.until(lambda event: event.id == 2)
    assert len(failures) == 1


def test_closing_in_the_listener_or_twice_or_before_the_start_does_no_harm(start):
    EngineClient(EngineSettings()).close()
    client, heard = start(SAY_PID + "time.sleep(60)")
    pid = int(heard.next(Printed).text)
    client.listen(lambda event: client.close())
    client.kill()
    assert dead_soon(pid)
    client.close()
    client.close()
    client.start()
    client.send(Describe(id=1))
    assert not client.running


def test_a_listener_that_never_returns_does_not_keep_the_engine_alive(tmp_path):
    path = tmp_path / "engine.py"
    path.write_text(SPEAK + SAY_PID + "time.sleep(60)")
    client = EngineClient(EngineSettings(command=(sys.executable, str(path))))
    pids: list[int] = []
    release = threading.Event()

    def listen(event: AnyEvent) -> None:
        if isinstance(event, Printed):
            pids.append(int(event.text))
            release.wait(30)

    client.listen(listen)
    client.start()
    while not pids:
        time.sleep(0.01)
    client.close()
    assert dead_soon(pids[0])
    release.set()
    client._loop._thread.join(5)


# ---------------------------------------------------------------------------- the real engine


def test_the_real_engine_starts_describes_itself_and_ends(start):
    client, heard = start(settings=EngineSettings(platform="cpu", count=3))
    environment = heard.next(Ready).environment
    assert (environment.platform, environment.device_count) == ("cpu", 3)
    client.restart(EngineSettings(platform="cpu", count=2))
    assert heard.next(Ready).environment.device_count == 2
    number = client.next_id()
    client.send(Describe(id=number))
    assert len(heard.next(Described).environment.devices) == 2


@pytest.mark.long
def test_an_infinite_loop_is_ended_by_a_restart_and_the_next_request_is_answered(start):
    client, heard = start(settings=EngineSettings(platform="cpu", count=1))
    heard.next(Ready)
    loop = Program(source="def f():\n    while True:\n        pass")
    composition = Composition(program=loop)
    client.send(Trace(id=client.next_id(), composition=composition))
    client.send(Run(id=client.next_id(), composition=composition))
    heard.next(Stage, 10)
    client.send(Cancel(id=client.next_id(), target=2))
    assert heard.nothing_for(0.3) == []
    client.restart()
    number = client.next_id()
    client.send(Describe(id=number))
    assert heard.next(Gone, seconds=5).wanted
    heard.until(lambda event: event.id == number)


def test_a_platform_that_does_not_exist_is_the_reason(start):
    _, heard = start(settings=EngineSettings(platform="nonsense"))
    gone = heard.next(Gone)
    failed = next(event for event in heard.all if isinstance(event, Failed))
    assert failed.diagnosis.field == "devices.platform"
    assert gone.status == 3
    assert gone.reason == failed.diagnosis.message
    assert "cpu" in gone.reason


def test_a_flag_that_xla_does_not_know_is_the_reason(start, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_no_such_flag=1")
    _, heard = start(settings=EngineSettings(platform="cpu"))
    reason = heard.next(Gone).reason
    assert reason == "XLA does not know what XLA_FLAGS holds: --xla_no_such_flag=1"


def test_a_crash_in_the_users_function_is_explained_with_its_line(start):
    client, heard = start(settings=EngineSettings(platform="cpu"))
    heard.next(Ready)
    crash = Program(source="import os\ndef f():\n    os.abort()")
    client.send(Run(id=client.next_id(), composition=Composition(program=crash)))
    gone = heard.next(Gone)
    assert gone.reason.startswith("the engine died of SIGABRT (Aborted) in line 3 of the program")


def test_user_code_that_writes_to_the_protocols_pipe_ends_its_engine_only(start):
    client, heard = start(settings=EngineSettings(platform="cpu", count=1))
    heard.next(Ready)
    body = f"    data = {BAD_UTF8!r}\n    data = len(data).to_bytes(4, 'big') + data\n"
    body += "    for number in range(3, 21):\n        try: os.write(number, data)\n"
    body += "        except OSError: pass\n"
    writes = Program(source=f"import os\ndef f():\n{body}    time.sleep(60)")
    client.send(Trace(id=client.next_id(), composition=Composition(program=writes)))
    assert "not the protocol" in heard.next(Gone).reason
    client.restart()
    heard.next(Ready)


@pytest.mark.parametrize(
    ("spoils", "what"),
    [
        ("jax.vmap = None", "your code has replaced jax.vmap"),
        ("import sys; sys.modules.clear()", "your code has removed the module"),
        ("import builtins; builtins.hex = abs", "your code has replaced builtins.hex"),
        ("jax.my_own = 3", ""),
    ],
)
def test_user_code_that_spoils_the_engine_is_noticed(start, spoils, what):
    client, heard = start(settings=EngineSettings(platform="cpu", count=1))
    heard.next(Ready)
    program = Program(source=f"def f():\n    {spoils}\n    return 3")
    client.send(Trace(id=client.next_id(), composition=Composition(program=program)))
    heard.until(lambda event: isinstance(event, Traced | Failed))
    spoiled = [event.what for event in heard.all if isinstance(event, Spoiled)]
    assert [words.startswith(what) for words in spoiled] == ([True] if what else [])


def test_files_of_the_working_folder_do_not_take_the_place_of_modules(start, tmp_path, monkeypatch):
    for name in ("random.py", "jax.py", "token.py"):
        (tmp_path / name).write_text("raise RuntimeError('the wrong module')")
    (tmp_path / "mine.py").write_text("def f():\n    return 3")
    monkeypatch.chdir(tmp_path)
    _, heard = start(settings=EngineSettings(platform="cpu"))
    heard.next(Ready)


# --------------------------------------------------------------------------------- the parts


def test_a_platform_from_a_file_is_one_word_to_a_remote_shell():
    settings = EngineSettings(platform="cpu; rm -rf ~", command=("ssh", "host", "engine"))
    assert settings.arguments() == ["ssh", "host", "engine", "'--platform=cpu; rm -rf ~'"]


@pytest.mark.parametrize(
    ("status", "tail", "words"),
    [
        (-6, ["E1122 rendezvous.cc:31] Rendezvous stuck", "Fatal Python error: Aborted"], "branch"),
        (134, ["termination by rendezvous"], "collective"),
        (137, [], "memory"),
        (1, ["python: No module named jaxtui"], "has no jaxtui"),
        (1, ["python: No module named jaxtui.line"], "install the same jaxtui on both sides"),
        (1, ["ssh: x", "jaxtui.line: the engine was ended on far"], "the engine was ended on far"),
        (255, ["ssh: connect to host h: refused"], "status 255: ssh: connect to host h: refused"),
        (1, ["F1122 08:33:40.158398    5692 file.cc:234] The cause"], "status 1: The cause"),
        (-64, [], "signal 64|SIGRTMAX"),
        (0, [], "the engine ended with status 0"),
        (1, ["Try --help."], "status 1: Try --help$"),
        (5, ["jaxtui.engine: process 1 ended with status -9"], "^process 1 of the engine was kill"),
        (
            5,
            ["termination by rendezvous", "jaxtui.engine: process 1 ended with status -6", "late"],
            "collective",
        ),
        (5, ["the cause", "jaxtui.engine: process 2 ended with status 1"], "2 .* 1: the cause"),
        (5, ["jaxtui.engine: the processes of the engine are out of step: x"], "of step: x$"),
    ],
)
def test_endings_are_put_into_words(status, tail, words):
    import re

    assert re.search(words, endings.reason(status, tail))


def test_the_line_log_keeps_the_last_lines_cuts_long_ones_and_counts_what_it_leaves_out():
    log = LineLog()
    assert log.feed(b"one\ntw") == ["one"]
    assert log.feed(b"o\r\n\xff\n") == ["two", "\ufffd"]
    (cut,) = log.feed(b"x" * 1_000_000 + b"\n")
    assert len(cut) == LINE_CHARACTERS
    for _ in range(100):
        log.feed(b"y" * 100_000)
    assert len(log._rest) <= 4 * LINE_CHARACTERS
    passed = log.feed(b"\n" + b"line\n" * 1000)
    assert len(passed) <= LOG_LINES_PER_SECOND
    assert list(log.tail) == ["line"] * TAIL_LINES
    assert log.end()[-1].startswith("... ")


FLOODS = {
    "Printed": "Printed(stream='stdout', text='x')",
    "Ready": "made.ready()",
    "Cancelled": "Cancelled(id=1)",
    "WindowRead": "WindowRead(result=1, leaf=0, device=None, rows=0, columns=1, index=[], "
    "cells=[[1.5] * 100] * 3000)",
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=[pytest.mark.long] if n else []) for n, k in enumerate(FLOODS)],
)
def test_an_endless_flood_of_valid_events_is_named_and_ended(start, kind):
    imports = "from jaxtui.wire.results import WindowRead\n"
    imports += "from tests.support import made_events as made\n"
    script = f"{imports}data = frame({FLOODS[kind]})\n{SAY_PID}while True: os.write(1, data)"
    _, heard = start("sys.path.insert(0, os.getcwd())\n" + script)
    pid = int(heard.next(Printed).text)
    gone = heard.next(Gone, seconds=60)
    assert gone.reason == f"it sent {kind} without end for 3 s, and was ended"
    assert not gone.wanted
    assert dead_soon(pid)
    assert len(heard.all) < 500_000  # the faster the machine, the more come in 3 s


def test_a_burst_of_events_is_no_flood_however_large():
    gate, now = FloodGate(), 100.0
    for _ in range(20):
        for _ in range((FULL_WINDOWS - 1) * EVENTS):
            if not gate.passes("Printed", 10, 0.0, now):
                now = gate.opens_at()
        now += 2 * WINDOW_SECONDS
    assert gate.flood == ""
