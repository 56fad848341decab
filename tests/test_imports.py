"""Who imports whom, as seen in a fresh interpreter: the screen's side never loads JAX or NumPy.

What imports JAX lies in a folder `engine` or `engine_base`; what imports Textual lies in a folder
`screen`, in `app` or in `cli`. Everything else is known by both sides and loads neither.
"""

from __future__ import annotations

import pkgutil
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from grimp import build_graph

import jaxtui

PROGRAM = """
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(*sys.modules)
"""
HEAVY = {"jax", "jaxlib", "numpy"}
TEXTUAL = {"textual", "rich"}


def side(module: str) -> str:
    """The side of the wall that a module is on: engine, screen or both."""
    places = set(module.split(".")[1:])
    if places & {"engine", "engine_base"}:
        return "engine"
    return "screen" if places & {"screen", "app", "cli"} else "both"


def loaded(modules: list[str]) -> set[str]:
    """What a fresh interpreter has loaded after importing `modules`."""
    program = PROGRAM.format(modules=modules)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def modules_of(*sides: str) -> list[str]:
    found = pkgutil.walk_packages(jaxtui.__path__, "jaxtui.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    return [name for name in names if side(name) in sides]


def of_side(name: str, modules: set[str]) -> set[str]:
    return {m for m in modules if m.startswith("jaxtui.") and side(m) == name}


def test_no_module_of_the_screens_side_loads_jax_numpy_or_the_engine():
    after = loaded(modules_of("screen", "both"))
    assert "textual" in after
    assert not after & HEAVY
    assert not of_side("engine", after)


def test_no_module_of_the_engine_loads_the_screens_side():
    after = loaded(modules_of("engine", "both"))
    assert "jax" in after
    assert not after & TEXTUAL
    assert not of_side("screen", after)


def test_what_both_sides_know_loads_neither():
    after = loaded(modules_of("both"))
    assert "msgspec" in after
    assert not after & (HEAVY | TEXTUAL)
    assert not of_side("engine", after) | of_side("screen", after)


def test_the_client_loads_little():
    heavier = {"asyncio", "multiprocessing", "http", "urllib.request", "ssl", "argparse"}
    assert not loaded(["jaxtui.wire.client"]) & (HEAVY | TEXTUAL | heavier)


def test_a_line_loads_nothing_but_python_and_an_engine_at_home_no_line():
    line = [name for name in modules_of("both") if name.startswith("jaxtui.line")]
    after = loaded(line)
    assert "jaxtui.line.kept_program" in after
    assert not {name for name in after if name.startswith("jaxtui.")} - {*line, "jaxtui.line"}
    assert not after & {"msgspec", "platformdirs", "asyncio"}
    assert not {name for name in loaded(["jaxtui.wire.client"]) if name.startswith("jaxtui.line")}


def test_a_bare_import_of_the_package_loads_nothing():
    assert "msgspec" not in loaded(["jaxtui"])


# ------------------------------------------------------------------- a new module on the wrong side

CHECK = "from importlinter.cli import lint_imports_command; lint_imports_command()"
ROOT = Path(__file__).parents[1]


def broken(folder: Path, where: str, text: str) -> list[str]:
    """The contracts that a copy of the package breaks with `text` in a new module at `where`."""
    shutil.copytree(
        ROOT / "jaxtui", folder / "jaxtui", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "jaxtui" / where).write_text(text)
    ran = subprocess.run(
        [sys.executable, "-c", CHECK, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert "Contracts:" in ran.stdout, ran.stdout + ran.stderr
    found = [line for line in ran.stdout.splitlines() if line.endswith((" KEPT", " BROKEN"))]
    assert len(found) == 3
    return [line.removesuffix(" BROKEN") for line in found if line.endswith(" BROKEN")]


FLOORS = "Imports run down the floors"
SCREENS = "The screen's side never imports JAX, NumPy or the engine"
ENGINES = "The engine never imports Textual or the screen's side"


@pytest.mark.parametrize(
    ("where", "text", "names"),
    [
        ("text/new.py", "import jaxtui.config\n", []),
        ("text/new.py", "import jaxtui.screen.fields\n", [FLOORS]),
        ("program/new.py", "if False:\n    import jaxtui.app.app\n", [FLOORS]),
        ("program/screen/new.py", "def late():\n    import numpy\n", [SCREENS]),
        ("results/screen/new.py", "import jaxtui.results.engine.store\n", [SCREENS]),
        ("benchmark/engine/new.py", "import textual\n", [ENGINES]),
        ("collectives/engine/new.py", "import jaxtui.screen.fields\n", [ENGINES]),
        ("new.py", "", [FLOORS]),
    ],
)
def test_a_new_module_on_the_wrong_side_is_caught(
    tmp_path: Path, where: str, text: str, names: list[str]
) -> None:
    assert broken(tmp_path, where, text) == names


def test_no_module_imports_itself_by_way_of_others():
    graph = build_graph("jaxtui")
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()
