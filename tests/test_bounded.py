"""Files and TOML that may be anything are read in bounds, or refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jaxtui import bounded, config
from jaxtui.app import trust
from jaxtui.benchmark import kept_runs
from jaxtui.bounded import Unreadable
from jaxtui.session.session import MOST, SessionError, load, loads
from jaxtui.wire import launch

HOSTILE = {
    "arrays": "a=" + "[" * 5000 + "]" * 5000,
    "arrays without an end": "a=" + "[" * 100_000,
    "tables": "a=" + "{a=" * 5000 + "1" + "}" * 5000,
    "behind four quotes": 'a=["""a"""", ' + "[" * 5000 + "]" * 5000 + "]",
    "behind five quotes": "a=['''a''''', " + "[" * 5000 + "]" * 5000 + "]",
    "a long key": "a" + ".a" * 60_000 + "=1",
    "a long quoted key": '"a"' + '."a"' * 30_000 + "=1",
    "a long heading": "[" + "a." * 60_000 + "a]",
    "digits": "a=" + "9" * 5000,
    "hexadecimal digits": "a=0x" + "f" * 100_000,
    "a long name": "a" * 5000 + "=1",
    "quotes in quotes": '"""' + '\\"""\n' * 9_000,
    "lines": "\n" * 100_000,
    "characters": "#" * 2_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_refused_in_words(text: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        bounded.parse_toml(text)
    with pytest.raises(SessionError) as refused:
        loads(text)
    assert 0 < len(refused.value.message) < 600
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(config.ConfigError):
        config.load({"JAXTUI_CONFIG": str(path)})


@pytest.mark.parametrize("kind", ["arguments", "layers"])
def test_a_session_of_thousands_of_parts_is_refused_at_its_field(kind: str) -> None:
    item = 'name = "x"\n' if kind == "arguments" else 'transform = "vmap"\n'
    with pytest.raises(SessionError, match=f"the most is {MOST}") as refused:
        loads(f"[[program.{kind}]]\n{item}" * (MOST + 1))
    assert refused.value.field == f"program.{kind}"
    loads(f"[[program.{kind}]]\n{item}" * MOST)


def test_a_bracket_or_dot_in_a_string_or_comment_is_no_depth() -> None:
    dots, open_ = "." * 500, "[" * 500
    text = f"a = \"{open_}{dots}\" # {open_}{dots}\nb = '''\n{open_}{dots}'''\n"
    assert bounded.parse_toml(text)["b"] == open_ + dots


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "large"])
def test_what_is_no_file_of_text_is_refused_at_once(what: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    if what == "pipe":
        os.mkfifo(path)  # opening it for reading waits for a writer that never comes
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"#" * 50_000_000)
    for read in (launch.read, load):
        with pytest.raises(SessionError):
            read(path)
    with pytest.raises(config.ConfigError):
        config.load({"JAXTUI_CONFIG": str(path)})


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"title": "\xff"}', b'{"points":' * 50_000, b"\x00" * 10]
)
def test_a_hostile_recording_is_left_out_and_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    assert kept_runs.kept(tmp_path) == []
    with pytest.raises(kept_runs.RunError):
        kept_runs.read(path)


def test_a_pipe_among_the_recordings_or_as_the_trust_store_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "a.json")
    assert kept_runs.kept(tmp_path) == []
    monkeypatch.setattr(config, "data_folder", lambda: tmp_path)
    for name in ("trust.key", "trusted"):
        os.mkfifo(tmp_path / name)
    assert not trust.is_trusted("a text")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "marked.toml"
    file.write_bytes(b"\xef\xbb\xbftitle = 'marked'\r\n")
    assert bounded.read_text(file) == "title = 'marked'\n"
