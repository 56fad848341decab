"""The engine's process: prints stay out of the protocol, lanes keep out of each other's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxtui.engine_base.output import PRINT_LIMIT
from jaxtui.session.layers import Jit, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import (
    Cancel,
    Cancelled,
    Composition,
    Describe,
    Described,
    Failed,
    Printed,
    Ready,
    Stage,
)
from jaxtui.wire.framing import read_body
from jaxtui.wire.program import Ran, Run, Trace, Traced
from jaxtui.wire.protocol import AnyEvent, decode_event, frame
from jaxtui.wire.results import ReadWindow, Summarize, Summarized, WindowRead
from tests.support.asking import Asker


def composition(body: str, value: str = "arange(4.0)", layers: list | None = None) -> Composition:
    """A program of one argument `x` whose function has the lines `body`."""
    source = "def f(x):\n" + "\n".join("    " + line for line in body.splitlines())
    arguments = [Argument(name="x", value=value)]
    return Composition(program=Program(source=source, arguments=arguments, layers=layers or []))


class Gate:
    """A point at which programs wait until the test opens it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "open"
        self.wait = "import os, time\n"
        self.wait += f"while not os.path.exists({str(self._path)!r}): time.sleep(0.005)\nreturn x"

    @property
    def wait_on_device(self) -> str:
        lines = self.wait.replace("return x", "").splitlines()
        body = "\n".join("    " + line for line in lines)
        return f"def wait():\n{body}\njax.debug.callback(wait)\nreturn x"

    def open(self) -> None:
        self._path.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.open()  # release the engine, also when the test has failed


def run(engine: Asker, body: str, **rest: object) -> tuple[AnyEvent, list[AnyEvent]]:
    return engine.ask(Run(id=engine.next_id(), composition=composition(body, **rest), values=100))


def printed(events: list[AnyEvent], stream: str = "stdout") -> str:
    return "".join(
        event.text for event in events if isinstance(event, Printed) and event.stream == stream
    )


# ---------------------------------------------------------------------------------------- prints


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("print('hello', end=' ')\nprint('you')", "hello you\n"),
        ("import sys\nsys.stdout.write('no newline')", "no newline"),
        ("print('a\\ud800b')", "a\\ud800b\n"),
        ("jax.debug.print('x is {}', x.sum())", "x is 6.0\n"),
        ("jax.debug.callback(lambda v: print('v', v), x[3])", "v 3.0\n"),
        ("import sys\nsys.stdout.close()\nprint('still here')", "still here\n"),
    ],
)
def test_what_is_printed_belongs_to_the_request_and_comes_before_its_answer(engine, body, text):
    answer, before = run(engine, f"{body}\nreturn x", layers=[Jit()])
    assert isinstance(answer, Ran)
    assert text in printed(before)
    assert answer.report.outputs[0].values == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "body",
    [
        "import os\nos.write(1, b'raw words\\n')",
        "import subprocess\nsubprocess.run(['echo', 'raw words'])",
        "import os\nos.system('echo raw words')",
        "import sys\nsys.stdout.buffer.write(b'raw words\\n')",
        "import sys\nsys.__stdout__.write('raw words\\n')\nsys.__stdout__.flush()",
        "import os\npid = os.fork()\nif pid == 0:\n    print('raw words', flush=True)\n"
        "    os._exit(0)\nos.waitpid(pid, 0)",
    ],
)
def test_what_is_written_below_python_never_gets_into_the_protocol(engine, body):
    start = len(engine.heard.all)
    answer, _ = run(engine, f"{body}\nreturn x")
    assert isinstance(answer, Ran)

    def raw(_: AnyEvent | None = None) -> bool:
        return "raw words" in printed([e for e in engine.heard.all[start:] if e.id == 0])

    assert raw() or engine.heard.until(raw, 5)


def test_a_function_that_reads_its_input_finds_none(engine):
    answer, _ = run(engine, "import sys\nassert sys.stdin.read() == ''\nreturn x")
    assert isinstance(answer, Ran)


def test_stderr_of_the_users_code_is_told_apart(engine):
    _, before = run(engine, "import sys\nprint('oh', file=sys.stderr)\nreturn x")
    assert "oh\n" in printed(before, "stderr")
    assert printed(before) == ""


def test_a_flood_of_prints_is_cut_and_says_by_how_much(engine):
    body = "if not isinstance(x, jax.core.Tracer):\n"
    body += "    for _ in range(20_000): print('0123456789' * 10)\nreturn x"
    answer, before = run(engine, body)
    assert isinstance(answer, Ran)
    text, notice = printed(before)[:PRINT_LIMIT], printed(before)[PRINT_LIMIT:]
    assert len(text) == PRINT_LIMIT
    assert notice == f"... {20_000 * 101 - PRINT_LIMIT} more characters were printed and left out\n"
    assert len([event for event in before if isinstance(event, Printed)]) < 1000


def test_a_flood_below_python_is_cut_too(engine):
    start = len(engine.heard.all)
    run(engine, "import os\nfor _ in range(2000): os.write(1, b'0123456789' * 100)\nreturn x")
    engine.heard.until(lambda event: isinstance(event, Printed) and "left out" in event.text, 10)
    raw = printed([event for event in engine.heard.all[start:] if event.id == 0])
    assert len(raw) < 10 * PRINT_LIMIT


def test_prints_of_a_trace_and_of_a_run_at_the_same_time_are_told_apart(engine, gate):
    running = engine.next_id()
    body = f"print('of the run')\n{gate.wait_on_device}"
    engine.client.send(Run(id=running, composition=composition(body, layers=[Jit()])))
    engine.heard.next(Stage, 10)
    start = len(engine.heard.all)
    trace = Trace(id=engine.next_id(), composition=composition("print('of the trace')\nreturn x"))
    _, before = engine.ask(trace)
    assert "of the trace" in printed(before)
    assert "of the run" not in printed(before)
    gate.open()
    engine.heard.until(lambda event: isinstance(event, Ran) and event.id == running)
    mine = [event for event in engine.heard.all[start:] if event.id == running]
    assert "of the trace" not in printed(mine)


# ----------------------------------------------------------------------------------------- lanes


def test_shapes_and_windows_are_answered_while_a_program_runs(engine, gate):
    kept, _ = run(engine, "return x")
    running = engine.next_id()
    engine.client.send(
        Run(id=running, composition=composition(gate.wait_on_device, layers=[Jit()]))
    )
    engine.heard.until(lambda e: isinstance(e, Stage) and e.stage in ("compiling", "running"))
    window = ReadWindow(
        id=engine.next_id(), result=kept.result, leaf=0, rows=0, columns=None, index=[[0, 4]]
    )
    assert isinstance(engine.ask(window)[0], WindowRead)
    assert isinstance(engine.ask(Describe(id=engine.next_id()))[0], Described)
    trace = Trace(id=engine.next_id(), composition=composition("return x", layers=[Vmap()]))
    assert isinstance(engine.ask(trace)[0], Traced)
    assert not any(isinstance(event, Ran) and event.id == running for event in engine.heard.all)
    gate.open()
    assert isinstance(
        engine.heard.until(lambda e: e.id == running and not isinstance(e, Stage)), Ran
    )


@pytest.mark.parametrize("kind", [Trace, Run])
def test_the_newest_of_waiting_requests_is_answered_and_the_others_are_cancelled(
    engine, gate, kind
):
    ids = [engine.next_id() for _ in range(20)]
    engine.client.send(kind(id=ids[0], composition=composition(gate.wait)))
    time.sleep(0.1)
    for number in ids[1:]:
        engine.client.send(kind(id=number, composition=composition("return x")))
    start = len(engine.heard.all)
    engine.heard.until(lambda event: event.id == ids[-2])
    gate.open()
    engine.heard.until(lambda event: event.id == ids[-1] and not isinstance(event, Stage))
    ends = {e.id: e for e in engine.heard.all[start:] if not isinstance(e, Stage | Printed)}
    assert isinstance(ends[ids[0]], Traced | Ran)
    assert isinstance(ends[ids[-1]], Traced | Ran)
    assert all(isinstance(ends[number], Cancelled) for number in ids[1:-1])


def test_a_running_program_that_is_cancelled_ends_at_its_next_stage(engine, gate):
    number = engine.next_id()
    engine.client.send(Run(id=number, composition=composition(gate.wait, layers=[Jit()])))
    engine.heard.next(Stage, 10)
    engine.client.send(Cancel(id=engine.next_id(), target=number))
    time.sleep(0.1)
    gate.open()
    end = engine.heard.until(lambda e: e.id == number and not isinstance(e, Stage | Printed))
    assert isinstance(end, Cancelled)
    assert isinstance(run(engine, "return x")[0], Ran)


def test_waiting_requests_of_every_lane_can_be_cancelled(engine, gate):
    slow = composition(gate.wait)
    quick = composition("return x")
    kept, _ = run(engine, "return x")
    first, second, ids = engine.next_id(), engine.next_id(), [engine.next_id() for _ in range(3)]
    engine.client.send(Trace(id=first, composition=slow))
    engine.client.send(Run(id=second, composition=slow))
    engine.heard.next(Stage, 10)
    engine.client.send(Trace(id=ids[0], composition=quick))
    engine.client.send(Run(id=ids[1], composition=quick))
    engine.client.send(Summarize(id=ids[2], result=kept.result, leaf=0))
    start = len(engine.heard.all)
    for target in (*ids, 10**9):
        engine.client.send(Cancel(id=engine.next_id(), target=target))
    engine.heard.until(lambda event: event.id == ids[-1])
    gate.open()
    engine.heard.until(lambda event: isinstance(event, Ran) and event.id == second)
    ends = [e for e in engine.heard.all[start:] if e.id in ids]
    assert sorted(e.id for e in ends) == ids
    assert all(isinstance(event, Cancelled) for event in ends)


def test_a_run_does_not_wait_for_the_statistics_of_a_large_array(engine):
    large, _ = engine.ask(
        Run(
            id=engine.next_id(),
            composition=composition("return x", value="zeros((300_000_000,), 'int8')"),
        )
    )
    assert isinstance(large, Ran)
    summary, quick = engine.next_id(), engine.next_id()
    engine.client.send(Summarize(id=summary, result=large.result, leaf=0))
    engine.heard.next(Summarized)
    engine.client.send(Run(id=quick, composition=composition("return x")))
    engine.heard.until(lambda event: isinstance(event, Ran) and event.id == quick)
    exact = [e for e in engine.heard.all if isinstance(e, Summarized) and e.summary.exact]
    assert summary not in [event.id for event in exact]
    engine.heard.until(lambda e: isinstance(e, Summarized) and e.summary.exact)


# -------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError('no')",
        "exit()",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
        "raise Exception('\\ud800')",
        "raise type('\\ud800', (Exception,), {})",
        "def g(n): return g(n + 1)\ng(0)",
    ],
)
def test_whatever_a_function_raises_the_engine_goes_on(engine, body):
    assert isinstance(run(engine, body)[0], Failed)
    trace = Trace(id=engine.next_id(), composition=composition(body))
    answer, _ = engine.ask(trace)
    assert isinstance(answer, Traced | Failed)
    assert isinstance(run(engine, "return x")[0], Ran)


def test_a_request_that_makes_no_sense_is_answered(engine):
    window = ReadWindow(
        id=engine.next_id(), result=123456, leaf=9, rows=None, columns=None, index=[]
    )
    assert isinstance(engine.ask(window)[0], Failed)
    summarize = Summarize(id=engine.next_id(), result=123456, leaf=9)
    assert isinstance(engine.ask(summarize)[0], Failed)


# ------------------------------------------------------------------------------- start and end


@pytest.fixture
def bare():
    """An engine's process without a client; it must have exited by the end of the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxtui.engine", "--platform=cpu", "--devices=2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    body = read_body(process.stdout.read)
    assert body is not None
    assert isinstance(decode_event(body), Ready)
    yield process
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_the_end_of_its_input_ends_the_engine_even_in_a_loop(bare):
    loop = composition("while True: pass")
    bare.stdin.write(frame(Trace(id=1, composition=loop)) + frame(Run(id=2, composition=loop)))
    time.sleep(0.2)
    bare.stdin.close()
    assert bare.wait(timeout=5) == 0


def test_sigterm_ends_the_engine(bare):
    bare.send_signal(signal.SIGTERM)
    assert bare.wait(timeout=5) == -signal.SIGTERM


def test_sigint_is_not_for_the_engine(bare):
    bare.send_signal(signal.SIGINT)
    bare.stdin.write(frame(Describe(id=5)))
    assert isinstance(decode_event(read_body(bare.stdout.read)), Described)


def test_input_that_is_no_frames_ends_the_engine_with_the_reason(bare):
    bare.stdin.write(b"hello there")
    assert bare.wait(timeout=5) == 4
    assert b"no frames" in bare.stderr.read()


def test_a_frame_that_is_no_request_is_answered_and_the_engine_goes_on(bare):
    bare.stdin.write(b"\0\0\0\1\xc0" + frame(Describe(id=5)))
    failed = decode_event(read_body(bare.stdout.read))
    assert isinstance(failed, Failed)
    assert "not a request" in failed.diagnosis.message
    assert isinstance(decode_event(read_body(bare.stdout.read)), Described)


def test_answers_to_a_reader_that_has_gone_end_the_engine(bare):
    bare.stdout.close()
    bare.stdin.write(frame(Describe(id=5)))
    assert bare.wait(timeout=5) == 0


def test_the_protocols_descriptors_are_not_inherited(bare):
    body = "import subprocess\nprint(subprocess.run(['ls', '-l', '/proc/self/fd'], "
    body += "capture_output=True, text=True).stdout)\nreturn x"
    bare.stdin.write(frame(Trace(id=1, composition=composition(body))))
    event = decode_event(read_body(bare.stdout.read))
    assert isinstance(event, Printed)
    links = [line.split(" -> ")[1] for line in event.text.splitlines() if " -> " in line]
    assert links[0] == "/dev/null"
    theirs = {os.readlink(f"/proc/self/fd/{pipe.fileno()}") for pipe in (bare.stdin, bare.stdout)}
    assert not theirs & set(links)


def test_without_jax_the_engine_says_so_and_exits_with_status_3(tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('No module named jax')")
    result = subprocess.run(
        [sys.executable, "-m", "jaxtui.engine"],
        input=b"",
        capture_output=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert result.returncode == 3
    failed = decode_event(result.stdout[4:])
    assert isinstance(failed, Failed)
    assert failed.id == 0
    assert failed.diagnosis.kind == "engine"
    assert "No module named jax" in failed.diagnosis.message


def test_started_by_hand_the_engine_says_what_it_is():
    leader, follower = os.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "jaxtui.engine"],
        stdin=follower,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(leader)
    os.close(follower)
    assert result.returncode == 2
    assert "run `jaxtui`" in result.stderr


def test_a_program_prints_once_whether_it_runs_or_fails(engine: Asker) -> None:
    source = "print('source')\ndef f(x):\n    print('called')\n    return {}\n"
    argument = Argument(name="x", value="ones((4, 2))")
    for returned in ("x", "x @ x @ ones(3)"):
        program = Program(
            source=source.format(returned), arguments=[argument], layers=[Vmap(in_axes="1")]
        )
        request = Run(id=engine.client.next_id(), composition=Composition(program=program))
        _, before = engine.ask(request)
        text = "".join(event.text for event in before if isinstance(event, Printed))
        assert text == "source\ncalled\n"
