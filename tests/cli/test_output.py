"""Nothing untrusted that a command writes is obeyed by a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest

from jaxtui.cli.main import main
from jaxtui.cli.output import guarded, print_json
from jaxtui.session.session import Argument, Program, Session, save
from jaxtui.text.printable import visible

HOSTILE = "\x1b]0;PWN\x07\x1b[2J\x9b31m\x7f\u202e\u2066\u200b\ufeff\x00"
ALL = [chr(code) for code in range(sys.maxunicode + 1)]
BAD = {c for c in ALL if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def test_every_character_that_a_terminal_obeys_or_hides_is_a_sign_and_no_other_is() -> None:
    assert not BAD & set(visible("".join(ALL)))
    for kept in ("e\u0301", "naïve", "日本", "a b", "❤\ufe0f", "→"):
        assert visible(kept) == kept


def test_reports_messages_warnings_and_json_pass_one_gate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with guarded(), warnings.catch_warnings():
        warnings.simplefilter("always")
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        warnings.warn(HOSTILE, stacklevel=1)
        print_json(json.dumps({"a": HOSTILE + "\U000e0041"}, ensure_ascii=False).encode())
    out, err = capsys.readouterr()
    assert not (BAD - {"\n"}) & set(out + err)
    assert json.loads(out.splitlines()[-1]) == {"a": HOSTILE + "\U000e0041"}


@pytest.mark.parametrize(
    "arguments", [["run", HOSTILE[:-1]], ["--theme", "x", HOSTILE[:-1]], ["lessons", HOSTILE[:-1]]]
)
def test_a_hostile_name_on_the_command_line_is_shown(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main([*arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status
    out, err = capsys.readouterr()
    assert not (BAD - {"\n"}) & set(out + err)


def on_terminal(*arguments: str, cwd: Path) -> str:
    """What the command writes to a terminal, stdout and stderr in one."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxtui", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass  # the other end is closed
    finally:
        os.close(ours)
        process.wait(timeout=60)
    return seen.decode()


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_hostile_session_reaches_a_terminal_as_text(
    raises: bool, options: tuple[str, ...], tmp_path: Path
) -> None:
    text = HOSTILE.encode().hex()
    source = (
        f"bad = bytes.fromhex({text!r}).decode()\n"
        "class Odd(Exception):\n    pass\n"
        "Odd.__name__ = bad[:-1]\n"
        "def f(x):\n"
        "    import os\n"
        "    print(bad)\n"
        "    os.write(2, bad.encode() + b'\\n')\n"
        f"    {'raise Odd(bad)' if raises else 'return {bad: x}'}\n"
    )
    arguments = [Argument(name="x", value="1.0")]
    session = Session(title=HOSTILE, program=Program(source=source, arguments=arguments))
    save(session, tmp_path / "a.toml")
    seen = on_terminal("run", *options, "a.toml", cwd=tmp_path)
    assert "PWN" in seen
    assert not (BAD - {"\n", "\r", "\t"}) & set(seen)


def test_a_pipe_gets_a_script_as_it_is_and_a_terminal_gets_signs(tmp_path: Path) -> None:
    save(
        Session(title="\x1b]0;PWN\x07", program=Program(source="def f():\n    return 1\n")),
        tmp_path / "a.toml",
    )
    piped = subprocess.run(
        [sys.executable, "-m", "jaxtui", "export", "a.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        check=True,
    )
    assert b"\x1b]0;PWN\x07" in piped.stdout
    seen = on_terminal("export", "a.toml", cwd=tmp_path)
    assert "␛]0;PWN␇" in seen
    assert not (BAD - {"\n", "\r", "\t"}) & set(seen)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is full")
@pytest.mark.parametrize("arguments", [["lessons"], ["export", "{session}"]])
def test_an_output_that_takes_nothing_is_told_in_one_line(
    arguments: list[str], tmp_path: Path
) -> None:
    session = tmp_path / "s.toml"
    save(Session(program=Program(source="def f(x):\n    return x\n")), session)
    command = [word.format(session=session) for word in arguments]
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "jaxtui", *command],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert ran.returncode == 1
    assert ran.stderr.decode() == "jaxtui: standard output: No space left on device\n"


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_a_command_runs_without_its_streams(closed: tuple[int, ...], tmp_path: Path) -> None:
    # What is opened next would take their numbers, and be written to in their place.
    session, output = tmp_path / "s.toml", tmp_path / "s.py"
    save(Session(program=Program(source="def f(x):\n    return x\n")), session)
    words = f"{sys.executable} -m jaxtui export {session} -o {output} "
    words += " ".join(f"{number}>&-" for number in closed)
    ran = subprocess.run(words, check=False, shell=True, capture_output=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    assert output.read_text().startswith(("#", '"""', "import"))
