"""The bytes that the real program writes to its terminal are its own, whatever it shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from jaxtui.session.session import Session, save
from tests.support import made_events as made
from tests.support.made_any import poisoned
from tests.support.terminal import DOWN, ENTER, ESCAPE, F5, explorer

MARK = "PWN"
HOSTILE = (
    f"\x1b]0;{MARK}\x07\x1b]52;c;UA==\x1b\\\x1bPq\x1b\\\x1b[2J\x1b[6n\x9b5n\x9d52;c;UA==\x9c\x90q\x9c"
    "\x85\x7f\r\u202e\u200b"
)
HARMLESS = f"{MARK} and nothing else, at about the same length as the other"

# Answers every request; the texts are poisoned with what stands in the environment.
ENGINE = """
import os
from jaxtui.wire.base import Described, Log, Printed, Spoiled
from jaxtui.wire.framing import read_body
from jaxtui.wire.program import Inspect, Inspected, Run, Trace
from jaxtui.wire.protocol import decode_request, frame
from tests.support import made_events as made
from tests.support.made_any import poisoned

text = os.environ["POISON"]

def say(event):
    data = frame(poisoned(event, text))
    while data:
        data = data[os.write(1, data):]

os.write(2, text.encode() + b"\\n")
say(made.ready())
while (body := read_body(lambda count: os.read(0, count))) is not None:
    request = decode_request(body)
    os.write(2, text.encode() + b"\\n")
    say(Printed(id=request.id, stream="stdout", text=text))
    if isinstance(request, Trace):
        say(made.traced(request.id))
    elif isinstance(request, Run):
        say(made.ran(request.id))
    elif isinstance(request, Inspect):
        say(Inspected(id=request.id, text=text))
"""

SCREENS = {  # and a pane of each
    "2": "─Sharding",
    "3": "What each device holds",
    "4": "─Benchmark",
    "5": "─Lessons",
    "6": "─Device set",
    "1": "─Results",
}

# What ECMA-48 calls a control sequence, and the other ways to make a terminal listen.
SEQUENCE = re.compile(rb"\x1b\[([0-?]*)([ -/]*)([@-~])")
STRINGS = re.compile(rb"\x1b[\]PX^_].*?(?:\x07|\x1b\\)|\x07", re.DOTALL)


POINTER = b"\x1b]22;default\x07"


def written(folder: Path, text: str) -> bytes:
    """All that the program writes while it shows `text` wherever a file or an engine has any."""
    folder.mkdir()
    session: Session = poisoned(made.session(), text)
    name = text.replace("/", "").replace("\r", "")[:60] + ".toml"
    save(session, folder / name)
    (folder / "engine.py").write_text(ENGINE)
    root = str(Path(__file__).resolve().parents[2])
    command = f"{sys.executable} {folder / 'engine.py'}"
    terminal = explorer(
        folder, "--engine", command, name, POISON=text, PYTHONPATH=root, PYTHONUTF8="1"
    )
    try:
        terminal.wait("Leave it")
        assert MARK in terminal.text
        terminal.press(ESCAPE)
        terminal.wait("not run: not trusted yet")
        for key, pane in SCREENS.items():
            terminal.press(key)
            terminal.wait(pane)
        terminal.press(F5)
        terminal.wait("Leave it")
        terminal.press(DOWN, ENTER)
        terminal.wait(lambda shown: "not trusted" not in shown and MARK in shown)
        for key, pane in SCREENS.items():
            terminal.press(key)
            terminal.wait(pane)
        terminal.press("?")
        terminal.wait("esc close")
    finally:
        terminal.close()
    return bytes(terminal.raw)


@pytest.mark.long
def test_a_terminal_is_told_nothing_by_a_hostile_file_or_engine(tmp_path: Path) -> None:
    harmless = written(tmp_path / "harmless", HARMLESS)
    hostile = written(tmp_path / "hostile", HOSTILE)
    assert hostile.count(MARK.encode()) > 10
    shown = hostile.decode()  # no half of a character either
    assert not re.search("[\x80-\x9f\x7f\x00\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]", shown)
    # Textual's own: the shape of the mouse pointer.
    assert set(STRINGS.findall(hostile)) <= set(STRINGS.findall(harmless)) <= {POINTER}
    finals = [{found[3] for found in SEQUENCE.finditer(all_)} for all_ in (harmless, hostile)]
    assert finals[1] <= finals[0]
    escapes = [set(re.findall(rb"\x1b[^\[]", all_)) for all_ in (harmless, hostile)]
    assert escapes[1] <= escapes[0]
    # Requests of reports and the erasing of the whole screen, which are jaxtui's only at its start.
    for asked in (rb"\x1b\[6n", rb"\x1b\[5n", rb"\x1b\[2J"):
        assert len(re.findall(asked, hostile)) <= len(re.findall(asked, harmless))
