"""What ARCHITECTURE.md and CONTRIBUTING.md name is there, and the floors are as they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATH = re.compile(r"`(?:jaxtui/)?((?:[\w.*]+/)+[\w.*]*|[\w.]+/[\w./*]+)(?::\w+)?`")
EXAMPLES = {"lessons/NAME.toml", "lessons/exercises/NAME.toml"}  # of a file to be written


def floors() -> list[set[str]]:
    """The floors from the top down, each the names that stand side by side on it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [set(layer.split(" | ")) for layer in layers]


def test_the_table_of_the_floors_is_that_of_the_contract() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text[text.index("| floor |") :].partition("\n\n")[0]
    named = [
        name.removesuffix("/").removesuffix(".py")
        for row in table.splitlines()[2:]
        for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert set(named) == set().union(*floors())
    heights = [next(i for i, floor in enumerate(floors()) if name in floor) for name in named]
    assert heights == sorted(heights)


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_that_is_named_is_there(document: str) -> None:
    paths = set(PATH.findall((ROOT / document).read_text())) - EXAMPLES
    assert len(paths) > 20
    missing = [
        path
        for path in sorted(paths)
        if not (any(ROOT.glob(path)) or any((ROOT / "jaxtui").glob(path)))
    ]
    assert missing == []
