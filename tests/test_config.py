"""The settings' file and environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jaxtui import config
from jaxtui.config import Config, ConfigError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "config.toml"
    path.write_text('theme = "nord"\nmouse = false\n')
    return {"JAXTUI_CONFIG": str(path)}


def test_the_file_is_read_and_what_it_leaves_out_has_defaults(environ: dict[str, str]) -> None:
    assert config.load(environ) == Config(theme="nord", mouse=False, ascii=False, engine="")


def test_a_variable_wins_over_the_file(environ: dict[str, str]) -> None:
    settings = config.load(environ | {"JAXTUI_MOUSE": "true", "JAXTUI_ASCII": "1"})
    assert settings == Config(theme="nord", mouse=True, ascii=True)


def test_an_empty_variable_counts_as_not_given(environ: dict[str, str]) -> None:
    assert config.load(environ | {"JAXTUI_THEME": ""}).theme == "nord"


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.load({}) == Config()


@pytest.mark.skipif(sys.platform != "linux", reason="XDG folders")
def test_the_file_is_looked_up_in_the_xdg_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.config_file({}) == tmp_path / "jaxtui" / "config.toml"


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match="No such file") as caught:
        config.load({"JAXTUI_CONFIG": str(missing)})
    assert str(missing) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'mouse = "yes"', "mouse: expected `bool`, got `str`"),
        (b"mose = true", "unknown field `mose`"),
        (b"theme = ", "not TOML: "),
        (b"theme = '\xff'", "not UTF-8 text"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong_in_it(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config.load({"JAXTUI_CONFIG": str(path)})
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_bad_variable_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="JAXTUI_ASCII=maybe: expected true or false"):
        config.load(environ | {"JAXTUI_ASCII": "maybe"})


def test_importing_the_settings_is_cheap() -> None:
    code = (
        "import sys, jaxtui.config; print('platformdirs' in sys.modules, 'tomllib' in sys.modules)"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["False", "False"]
