"""What all tests share: eight CPU devices, a real engine to ask, pictures that fetch nothing."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from jaxtui.wire.client import EngineSettings
from tests.support.asking import Asker

DEVICES = 8

# Tests of the engine's modules import JAX, which counts its devices once.
if "jax" in sys.modules:
    raise RuntimeError("JAX was imported before the tests could give it eight devices")
os.environ["JAX_PLATFORMS"] = "cpu"
# The explorer takes another theme in a terminal with few colours, which a developer's may be.
os.environ["COLORTERM"] = "truecolor"
_others = [
    flag
    for flag in os.environ.get("XLA_FLAGS", "").split()
    if not flag.startswith("--xla_force_host_platform_device_count")
]
os.environ["XLA_FLAGS"] = " ".join([*_others, f"--xla_force_host_platform_device_count={DEVICES}"])


# How long an example takes, or drawing it, is a matter of how busy the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Python's own 700 has an explorer in a test spend four tenths of its time looking for garbage.
GARBAGE = 20_000


def pytest_configure() -> None:
    """Look for garbage less often, and let no process of a test begin with signals ignored.

    They are ignored under nohup, or behind a shell's &.
    """
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # known where pytest-xdist is
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a test of a screen waits a quarter of its time."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="module")
def engine() -> Iterator[Asker]:
    """A real engine with 8 virtual CPU devices, one for each test module."""
    asker = Asker(EngineSettings(platform="cpu", count=8))
    yield asker
    asker.client.close()


@pytest.fixture(autouse=True, scope="session")
def _styles_are_parsed_once() -> Iterator[None]:
    """Let all explorers of a test process share what their style sheets were parsed to.

    An explorer parses some 60 ms, which a session of tests would spend a thousand times.
    """
    from textual.css.stylesheet import Stylesheet

    parse = Stylesheet._parse_rules
    parsed: dict[tuple[Any, ...], Any] = {}

    def parse_once(sheet: Stylesheet, *texts: Any, **named: Any) -> Any:
        key = (texts, *named.items(), *sheet._variables.items())
        if key not in parsed:
            parsed[key] = parse(sheet, *texts, **named)
        return parsed[key]

    Stylesheet._parse_rules = parse_once  # type: ignore[method-assign]
    yield
    Stylesheet._parse_rules = parse  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def _fresh_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new folder each time, which whoever writes into it makes."""
    above = tmp_path_factory.mktemp("folders")
    return (above / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, _fresh_folders: Iterator[Path]) -> None:
    """No test sees, or leaves, the settings and unsaved work of whoever runs it."""
    folder = next(_fresh_folders)
    for name in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))


@pytest.fixture(autouse=True)
def _pictures_fetch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from textual.app import App

    from jaxtui.cli.screenshot import fetching_nothing

    original = App.export_screenshot

    def export_screenshot(self: App[Any], **options: Any) -> str:
        return fetching_nothing(original(self, **options))

    monkeypatch.setattr(App, "export_screenshot", export_screenshot)
