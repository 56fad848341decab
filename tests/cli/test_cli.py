"""The command line: words, guards, exit status, and the real explorer in a terminal."""

from __future__ import annotations

import argparse
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jaxtui import __version__, lessons
from jaxtui.cli import options
from jaxtui.lessons import book
from jaxtui.session.layers import Vmap
from jaxtui.session.session import (
    Argument,
    Benchmark,
    Devices,
    Program,
    Session,
    dumps,
    load,
    loads,
)
from jaxtui.wire.launch import Choice
from tests.support.terminal import EXPLORER as JAXTUI
from tests.support.terminal import Terminal


def jaxtui(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*JAXTUI, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )


# ------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        ([], None, []),
        (["a.toml"], None, ["a.toml"]),
        (["run", "a.toml", "--json"], "run", ["a.toml", "--json"]),
        (["--platform", "cpu", "run", "a"], "run", ["--platform", "cpu", "a"]),
        (["--platform=cpu", "run", "a"], "run", ["--platform=cpu", "a"]),
        (["--platform", "run", "a"], None, ["--platform", "run", "a"]),
        (["--processes", "2", "run", "a"], "run", ["--processes", "2", "a"]),
        (["--ascii", "devices"], "devices", ["--ascii"]),
        (["./run"], None, ["./run"]),
        (["--", "run"], None, ["--", "run"]),
        (["run", "run"], "run", ["run"]),
    ],
)
def test_the_first_word_that_is_no_option_may_name_a_command(
    words: list[str], command: str | None, rest: list[str]
) -> None:
    assert options.split_command(words) == (command, rest)


def test_help_names_every_command_and_the_exit_statuses() -> None:
    ran = jaxtui("-h")
    assert ran.returncode == 0
    for command in options.COMMANDS:
        assert f"jaxtui {command}" in ran.stdout
    assert "exit status: 0 done, 1 the program failed" in ran.stdout


@pytest.mark.parametrize("command", options.COMMANDS)
def test_every_command_has_help(command: str) -> None:
    ran = jaxtui(command, "-h")
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"usage: jaxtui {command}")


def test_the_version_is_printed() -> None:
    assert jaxtui("-V").stdout == f"jaxtui {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("run",),
        ("run", "--nonsense", "a"),
        ("--nonsense",),
        ("run", "--devices", "0", "a"),
        ("run", "--devices", "many", "a"),
        ("run", "--engine", "'unbalanced", "a"),
        ("run", "--engine", "", "a"),
        ("run", "--keep", "60", "a"),
        ("run", "--keep", "long", "--engine", "ssh host python -m jaxtui.engine", "a"),
        ("run", "--keep", "60", "--engine", "ssh host start-an-engine", "a"),
        ("lessons", "none-of-that-name"),
        ("run", "--mesh", "data", "a"),
        ("--mesh", "data=4,data=2"),
        ("lessons", "--mesh", "data=4"),
        ("screenshot",),
        ("screenshot", "--size", "120", "-o", "x.svg"),
        ("a", "b"),
    ],
)
def test_wrong_words_are_refused_with_status_2_and_one_reason(words: tuple[str, ...]) -> None:
    ran = jaxtui(*words)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert ran.stderr.strip().splitlines()[-1].startswith("jaxtui")


@pytest.mark.parametrize("command", ["run", "devices"])
def test_settings_that_cannot_be_used_are_refused(command: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("ascii = 3")
    ran = jaxtui(command, *(["a"] if command == "run" else []), JAXTUI_CONFIG=str(path))
    assert ran.returncode == 2
    assert ran.stderr == f"jaxtui: {path}: ascii: expected `bool`, got `int`\n"


# ----------------------------------------------------------------------------------- lessons


@pytest.mark.parametrize(
    ("text", "mesh", "types"),
    [
        ("data=4", {"data": 4}, {}),
        ("data = 4096, model=16:explicit", {"data": 4096, "model": 16}, {"model": "explicit"}),
        ("y=1:auto,x=2", {"y": 1, "x": 2}, {"y": "auto"}),
    ],
)
def test_a_mesh_is_read_from_a_word(text: str, mesh: dict[str, int], types: dict[str, str]) -> None:
    read = options.parse_mesh(text)
    assert read == (mesh, types)
    assert list(read[0]) == list(mesh)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no axis such as"),
        ("data", "no axis such as"),
        ("data=0", "no axis such as"),
        ("data=-4", "no axis such as"),
        ("4=4", "no axis such as"),
        ("data=4,", "no axis such as"),
        ("data=4,data=2", "given twice"),
        ("data=4:manual", "auto or explicit"),
    ],
)
def test_what_is_no_mesh_is_refused(text: str, words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        options.parse_mesh(text)


def test_lessons_are_listed_in_order_with_their_titles() -> None:
    lines = jaxtui("lessons").stdout.splitlines()
    listed = [line for line in lines if line.startswith("  ")]
    assert [line for line in lines if line not in listed] == [
        f"{number} {chapter.title}" for number, chapter in enumerate(lessons.CHAPTERS, 1)
    ]
    assert [line.split()[0] for line in listed] == list(book.ORDER)
    for line, name in zip(listed, book.ORDER, strict=True):
        assert line.endswith(lessons.load(name).title)


def test_a_lesson_is_printed_as_a_session_file() -> None:
    printed = jaxtui("lessons", "pmap").stdout
    assert loads(printed) == lessons.load("pmap")


# ------------------------------------------------------------------------------------ ASCII

PLAIN = Session(
    title="größe · α",
    program=Program(
        source="def scaled(x):\n    return 2 * x\n",
        arguments=[Argument(name="x", value="length * jnp.ones((2, 3))")],
        layers=[Vmap(axis_name="batch")],
    ),
    parameters={"length": 2},
    benchmark=Benchmark(strategies=["jit(vmap)", "loop"], rounds=2),
)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["run"], "vmap.2"),
        pytest.param(["bench"], "+-99 %", marks=pytest.mark.long),
        (["devices"], "cpu x "),
        (["lessons"], "matrix-vector"),
    ],
)
def test_all_that_is_ours_is_plain_where_that_is_asked_for(
    command: list[str], shown: str, tmp_path: Path
) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(dumps(PLAIN), encoding="utf-8")
    where = [str(path)] if command[0] in ("run", "bench") else []
    kept = {"XDG_DATA_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    done = jaxtui(*command, *where, JAXTUI_ASCII="1", JAX_PLATFORMS="cpu", **kept)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
    assert (PLAIN.title in done.stdout) == bool(where)
    assert done.stdout.replace(PLAIN.title, "").isascii()
    assert done.stderr.isascii()


def test_of_a_failure_what_would_help_is_plain_and_a_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    wrong = msgspec.structs.replace(PLAIN, parameters={"lengthα": 2})
    path.write_text(dumps(wrong), encoding="utf-8")
    done = jaxtui("--ascii", "run", str(path))
    assert done.returncode == 1
    assert "fix: length > lengthα (" in done.stderr
    assert "→" not in done.stderr


# ------------------------------------------------------------------------------------ export


def test_an_exported_lesson_is_a_script_that_prints_its_result(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(lessons.text("matrix-vector"))
    script = tmp_path / "a.py"
    assert jaxtui("export", str(tmp_path / "a.toml"), "-o", str(script)).returncode == 0
    assert jaxtui("export", str(tmp_path / "a.toml")).stdout == script.read_text()
    assert "jaxtui" not in script.read_text()
    command = [sys.executable, str(script)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "[[ 5. 11.]\n [39. 53.]]" in printed


def test_a_session_that_cannot_be_exported_is_status_1_and_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("title = 'nothing to run'")
    ran = jaxtui("export", str(path))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"{path}: program: ")


# ---------------------------------------------------------------------------------- device set


@pytest.mark.parametrize(
    ("choice", "given", "expected"),
    [
        (Choice(), Devices(platform="cpu", count=8), Devices(platform="cpu", count=8)),
        (Choice(count=4), Devices(platform="cpu", count=8), Devices(platform="cpu", count=4)),
        (Choice(platform="gpu"), Devices(platform="cpu", count=8), Devices(platform="gpu")),
        (
            Choice(mesh={"x": 4}, axis_types={}),
            Devices(count=4, mesh={"a": 2, "b": 2}, axis_types={"a": "explicit"}),
            Devices(count=4, mesh={"x": 4}),
        ),
        (
            Choice(mesh={"x": 4}, axis_types={"x": "explicit"}),
            Devices(count=4),
            Devices(count=4, mesh={"x": 4}, axis_types={"x": "explicit"}),
        ),
        (
            Choice(platform="cpu"),
            Devices(platform="cpu", count=8, order=[1, 0]),
            Devices(platform="cpu", count=8, order=[1, 0]),
        ),
        (Choice(platform="cpu", count=2), Devices(), Devices(platform="cpu", count=2)),
    ],
)
def test_the_command_line_wins_over_the_sessions_device_set(
    choice: Choice, given: Devices, expected: Devices
) -> None:
    session = choice.applied_to(Session(title="kept", devices=given))
    assert session == Session(title="kept", devices=expected)
    settings = choice.settings_for(session)
    assert (settings.platform, settings.count) == (expected.platform, expected.count)


@pytest.mark.long
def test_a_mesh_of_the_command_line_is_laid_over_the_devices(tmp_path: Path) -> None:
    path = tmp_path / "meshed.toml"
    source = "def f(x):\n    return lax.with_sharding_constraint(x, P('data', 'model'))\n"
    arguments = [Argument(name="x", value="ones((8, 4))")]
    meshed = Session(
        devices=Devices(platform="cpu", count=8),
        program=Program(source=source, arguments=arguments),
    )
    path.write_text(dumps(meshed))
    done = jaxtui("--mesh", "data=4,model=2", "run", "--json", str(path))
    (output,) = json.loads(done.stdout)["program"]["outputs"]
    assert output["shards"][3]["index"] == [[2, 4], [2, 4]]
    script = jaxtui("export", "--mesh", "data=4,model=2:explicit", str(path)).stdout
    assert "AxisType.Explicit" in script
    refused = jaxtui("run", "--mesh", "data=3", str(path))
    assert refused.returncode == 1
    assert "data 3 takes 3 devices" in refused.stderr


def test_the_devices_are_listed_with_the_mesh_asked_for() -> None:
    done = jaxtui("devices", "--devices", "8", "--mesh", "data=4,model=2:explicit")
    assert done.returncode == 0
    assert "mesh data 4 × model 2 (explicit)" in done.stdout
    refused = jaxtui("devices", "--devices", "4", "--mesh", "data=4,model=2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "jaxtui: --mesh: data 4 x model 2 takes 8 devices; JAX has 4 devices\n"


def test_the_number_of_processes_goes_to_the_engine() -> None:
    choice = Choice(platform="cpu", count=8, processes=2)
    settings = choice.settings_for(choice.applied_to(Session()))
    assert settings.arguments()[-3:] == ["--platform=cpu", "--devices=8", "--processes=2"]
    assert Choice(count=8).settings_for(Session()).arguments()[-1] == "jaxtui.engine"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("devices", "--processes", "0"), "'0' is no number of processes"),
        (("devices", "--processes", "two"), "'two' is no number of processes"),
        (("run", "a", "--devices", "8", "--processes", "3"), "cannot be shared out among 3"),
        (("export", "a", "--processes", "2"), "one process"),
    ],
)
def test_processes_that_cannot_be_are_a_usage_error(words: tuple[str, ...], reason: str) -> None:
    ran = jaxtui(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert reason in ran.stderr


@pytest.mark.long
def test_devices_of_several_processes_are_listed_with_theirs() -> None:
    command = ("devices", "--json", "--platform", "cpu", "--devices", "4", "--processes", "2")
    ran = jaxtui(*command)
    assert (ran.returncode, ran.stderr) == (0, "")
    seen = json.loads(ran.stdout)
    assert seen["process_count"] == 2
    assert [device["process"] for device in seen["devices"]] == [0, 0, 1, 1]


@pytest.mark.long
def test_devices_that_have_no_equal_share_are_status_3() -> None:
    ran = jaxtui("devices", "--platform", "cpu", "--processes", "2", XLA_FLAGS="")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "1 device cannot be shared out among 2 processes" in ran.stderr


# ----------------------------------------------------------------------------------- terminal


def test_without_a_terminal_the_explorer_says_so_in_one_line() -> None:
    ran = jaxtui()
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "jaxtui: the explorer needs a terminal, and standard input is not one "
        "(< or | redirects it); see `jaxtui run -h`\n"
    )


@pytest.mark.parametrize("missing", ["stdin", "stdout", "stderr"])
def test_each_stream_has_to_be_the_terminal(missing: str) -> None:
    """Textual reads from stdin and paints on stderr; a redirected stdout is a script's."""
    controller, terminal = pty.openpty()
    streams: dict[str, int] = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    streams[missing] = subprocess.DEVNULL if missing == "stdin" else subprocess.PIPE
    with subprocess.Popen(JAXTUI, text=True, **streams) as process:  # type: ignore[call-overload]
        assert process.wait(20) == 2
        said = process.stderr.read() if missing == "stderr" else os.read(controller, 1000).decode()
    os.close(terminal)
    os.close(controller)
    name = {"stdin": "input", "stdout": "output", "stderr": "error"}[missing]
    assert f"standard {name} is not one (" in said


def in_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """The status and all output of a short command with a terminal."""
    with Terminal([*JAXTUI, *arguments], environment=environment) as terminal:
        return terminal.status(), terminal.raw.decode()


def test_a_terminal_that_cannot_place_text_is_refused() -> None:
    status, output = in_terminal(TERM="dumb")
    assert status == 2
    assert output.strip() == (
        "jaxtui: the explorer needs a terminal that can place text, and TERM is dumb"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("[program]\nsauce = 1", "program: "),
        ("title = ", "not TOML: "),
    ],
)
def test_a_session_that_cannot_be_read_is_one_line_and_status_2(
    text: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    if text is not None:
        path.write_text(text)
    status, output = in_terminal(str(path))
    assert status == 2
    assert output.startswith(f"jaxtui: {path}: ")
    assert said in output
    assert len(output.splitlines()) == 1


# ------------------------------------------------------------------------------------- imports


def python(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_the_command_line_imports_neither_jax_nor_textual() -> None:
    code = (
        "import sys, jaxtui.cli, jaxtui.cli.run, jaxtui.app.trust, jaxtui.lessons\n"
        "print([n for n in ('jax', 'numpy', 'textual', 'rich', 'asyncio') if n in sys.modules])"
    )
    assert python(code) == "[]"


def test_the_engine_starts_before_all_else_and_has_its_settings_before_textual_is_there() -> None:
    code = (
        "import sys\n"
        "from jaxtui.cli import explore, main as cli\nfrom jaxtui.wire import early\n"
        "begin = early.started\n"
        "def started(arguments):\n"
        "    print('jaxtui.session.session' in sys.modules)\n"
        "    return begin([sys.executable, '-S', '-c', 'import sys; sys.stdin.read()'])\n"
        "early.started = started\n"
        "def told(options):\n"
        "    print(options, 'textual' in sys.modules)\n"
        "    raise KeyboardInterrupt\n"
        "early.told = told\n"
        "explore._require_terminal = lambda: None\n"
        "try: cli.main(['--devices', '3'])\n"
        "except KeyboardInterrupt: pass\n"
    )
    assert python(code) == "False\n['--platform=cpu', '--devices=3'] False"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--engine", "true"], {}), (["--processes", "2"], {}), ([], {"JAXTUI_ENGINE": "true"})],
)
def test_no_engine_starts_early_where_another_is_asked_for(
    arguments: list[str], environment: dict[str, str]
) -> None:
    code = (
        "import os\n"
        "from jaxtui.cli import explore, main as cli\nfrom jaxtui.wire import early, launch\n"
        f"os.environ |= {environment!r}\n"
        "def start(settings, started):\n"
        "    print(started)\n"
        "    raise KeyboardInterrupt\n"
        "launch.EngineProcess = start\n"
        "explore._require_terminal = lambda: None\n"
        f"try: cli.main({arguments!r})\n"
        "except KeyboardInterrupt: pass\n"
    )
    assert python(code) == "None"


def test_the_first_frame_waits_for_nothing_that_speaks_with_the_engine() -> None:
    code = (
        "import sys, jaxtui.app.app, jaxtui.wire.launch\n"
        "late = ('jaxtui.wire.client', 'jaxtui.wire.protocol', 'jaxtui.screen.work',"
        "        'jaxtui.program.screen.work', 'jaxtui.program.screen.screen')\n"
        "print([name for name in late if name in sys.modules])"
    )
    assert python(code) == "[]"


# ------------------------------------------------------------------------------ the real thing


def begun(*arguments: str, **environment: str) -> Terminal:
    """The explorer in a terminal."""
    return Terminal([*JAXTUI, *arguments], environment=environment)


def engine_of(explorer: Terminal) -> int:
    """The process id of its engine."""
    command = ["ps", "-A", "-o", "pid=,ppid="]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    pairs = [tuple(map(int, row.split())) for row in rows if row.strip()]
    (running,) = (pid for pid, parent in pairs if parent == explorer.pid)
    return running


LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_the_explorer_cleanly(number: signal.Signals) -> None:
    with begun() as explorer:
        explorer.wait("53.")
        engine = engine_of(explorer)
        os.kill(explorer.pid, number)
        assert explorer.status() == 128 + number
        assert LEAVE_ALTERNATE_SCREEN in explorer.raw
        assert b"\x1b[?25h" in explorer.raw
        assert b"Traceback" not in explorer.raw
        with pytest.raises(ProcessLookupError):
            os.kill(engine, 0)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGHUP]
)
def test_what_is_in_no_file_is_kept_when_a_signal_ends_the_explorer(
    number: signal.Signals, tmp_path: Path
) -> None:
    with begun(XDG_STATE_HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "data")) as explorer:
        explorer.wait("53.")
        explorer.type(8 * "\t" + "x")  # to the list of layers, and the layer away
        explorer.wait("i32[2, 2, 2]")
        os.kill(explorer.pid, number)
        assert explorer.status() == 128 + number
        [kept] = (tmp_path / "jaxtui").glob("unsaved-*.toml")
        assert load(kept).program.layers == []
        assert f"in no file is kept in {kept}".encode() in explorer.raw.replace(b"\r\n", b"")


@pytest.mark.long
def test_nothing_is_kept_of_a_session_without_changes(tmp_path: Path) -> None:
    with begun(XDG_STATE_HOME=str(tmp_path)) as explorer:
        explorer.wait("53.")
        os.kill(explorer.pid, signal.SIGTERM)
        assert explorer.status() == 128 + signal.SIGTERM
        assert not list(tmp_path.rglob("unsaved-*"))


def test_the_explorer_opens_on_an_example_with_its_result_and_q_ends_it() -> None:
    with begun("--ascii", "--no-mouse") as explorer:
        explorer.wait("53.")
        explorer.type("q")
        assert explorer.status() == 0
        assert LEAVE_ALTERNATE_SCREEN in explorer.raw
        assert b"\x1b[?1000h" not in explorer.raw


def test_a_theme_that_there_is_not_is_refused() -> None:
    with begun("--theme", "no-such-theme") as explorer:
        assert explorer.status() == 2
        assert b"no theme 'no-such-theme'; there are " in explorer.raw
