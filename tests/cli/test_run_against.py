"""`jaxtui run --against`, as another program would call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from jaxtui.wire.report import RunReport
from tests.cli.test_run import jaxtui, objects, session

SOURCE = """
def doubled(x):
    return x * 2.0

def f(x):
    return x + x.at[1].set(5.0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("against")
    value = "arange(4.0)"
    (folder / "now.toml").write_text(session(SOURCE, value))
    (folder / "before.toml").write_text(session("def f(x): return x + x", value))
    (folder / "elsewhere.toml").write_text(
        session("def f(x): return x + x", value, devices="count = 2")
    )
    (folder / "wrong.toml").write_text(session("def f(x): return x +", value))
    return folder


def changes(folder: Path, *arguments: str) -> dict[str, Any]:
    (found,) = objects(jaxtui("run", "now.toml", *arguments, "--json", cwd=folder))
    assert found["ok"], found["error"]
    return found["changes"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "against"),
    [(("--against", "before.toml"), "before.toml"), (("--against-function", "doubled"), "doubled")],
)
def test_a_program_is_held_against_another(
    folder: Path, arguments: tuple[str, ...], against: str
) -> None:
    found = changes(folder, *arguments)
    assert found["against"] == against
    (leaf,) = found["outputs"]
    assert (leaf["verdict"], leaf["differing"], leaf["at"]) == ("differs", 1, [1])
    assert (leaf["value_before"], leaf["value_now"], leaf["distance"]) == (2.0, 6.0, 4.0)
    before, now = found["before"], found["now"]
    assert now["primitives"]["add"] == 1
    assert "scatter" in now["primitives"]
    assert "scatter" not in before["primitives"]
    assert found["seconds"] > 0
    fields = {change["field"] for change in found["fields"]}
    assert fields == {"program.source" if against == "before.toml" else "program.function"}


@pytest.mark.long
def test_the_report_as_text_ends_with_what_changed(folder: Path) -> None:
    ran = jaxtui("run", "now.toml", "--against", "before.toml", "--ascii", cwd=folder)
    assert ran.returncode == 0
    _, _, told = ran.stdout.partition("against before.toml\n")
    assert "out  f32[4] differs: 1 of 4, by up to 4 (200 %); at [1], 2 > 6" in told
    assert "one run each, compiling included, so no measurement" in told


@pytest.mark.long
def test_programs_on_other_devices_are_compared_but_for_their_values(folder: Path) -> None:
    found = changes(folder, "--against", "elsewhere.toml")
    assert "engines of their own" in found["values"]
    assert [leaf["verdict"] for leaf in found["outputs"]] == ["unknown"]
    assert found["before"]["primitives"]["add"] == 1


@pytest.mark.long
def test_a_failure_of_the_other_program_is_told_as_such(folder: Path) -> None:
    ran = jaxtui("run", "now.toml", "--against", "wrong.toml", "--json", cwd=folder)
    (found,) = objects(ran)
    assert ran.returncode == 1
    assert not found["ok"]
    assert found["error"]["message"].startswith("wrong.toml: ")
    assert found["program"]["outputs"]


def test_a_report_without_another_program_says_nothing_of_changes() -> None:
    report = RunReport(
        session="a", ok=True, environment=None, program=None, collective=None, error=None
    )
    assert "changes" not in msgspec.to_builtins(report)
