"""The user's settings and folders.

Settings are read from `config.toml` in the user's configuration folder (XDG on Linux), or from the
file that JAXTUI_CONFIG names. Each can also be set by a JAXTUI_* variable, which takes precedence
over the file; options of the command line take precedence over both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from jaxtui import bounded


class ConfigError(Exception):
    """Invalid settings; the message names the file or variable, and the key."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings. `theme` "" is the explorer's own; `engine` "" runs the engine on this host.

    `hosts_python` and `hosts_command` are as the options --hosts-python and --hosts-command.
    `keep` are the seconds for which an engine that `engine` starts lives without a line, None as
    suits the command.
    """

    theme: str = ""
    mouse: bool = True
    ascii: bool = False
    engine: str = ""
    hosts_python: str = ""
    hosts_command: str = ""
    keep: float | None = None


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The path of the settings file, which need not exist."""
    named = environ.get("JAXTUI_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("jaxtui", appauthor=False) / "config.toml"


def data_folder() -> Path:
    """The folder for the user's data, which need not exist."""
    import platformdirs

    return platformdirs.user_data_path("jaxtui", appauthor=False)


def state_folder() -> Path:
    """The folder for the user's state, such as benchmark runs, which need not exist."""
    import platformdirs

    return platformdirs.user_state_path("jaxtui", appauthor=False)


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings from the file and override them by variables. Raises ConfigError."""
    path = config_file(environ)
    settings = _from_file(path, required=bool(environ.get("JAXTUI_CONFIG")))
    for key in Config.__struct_fields__:
        variable = f"JAXTUI_{key.upper()}"
        text = environ.get(variable, "")
        if text:
            settings = msgspec.structs.replace(settings, **{key: _from_text(variable, key, text)})
    return settings


def _from_file(path: Path, *, required: bool) -> Config:
    try:
        return msgspec.convert(bounded.parse_toml(bounded.read_text(path)), Config)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not required:
            return Config()
        raise ConfigError(f"{path}: {error.strerror}") from error
    except bounded.Unreadable as error:
        raise ConfigError(f"{path}: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_plain(error)}") from error


def _from_text(variable: str, key: str, text: str) -> Any:
    """The value of `key` from a variable's `text`; msgspec reads true, false, 1 and 0 as bool."""
    try:
        return getattr(msgspec.convert({key: text}, Config, strict=False), key)
    except msgspec.ValidationError as error:
        kind = "a number of seconds" if key == "keep" else "true or false"
        raise ConfigError(f"{variable}={text}: expected {kind}") from error


def _plain(error: msgspec.ValidationError) -> str:
    """Put the key first in messages such as ``Expected `bool`, got `str` - at `$.mouse` ``."""
    message, _, place = str(error).partition(" - at `$.")
    message = message[:1].lower() + message[1:]
    return f"{place.rstrip('`')}: {message}" if place else message
