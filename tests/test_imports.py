"""Who imports whom, as seen in a fresh interpreter: the screen's side never loads JAX or NumPy.

What imports JAX lies in a folder `engine` or `engine_base`; what imports Textual lies in a folder
`screen`, in `app` or in `cli`. Everything else is known by both sides and loads neither.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys

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


def test_a_bare_import_of_the_package_loads_nothing():
    assert "msgspec" not in loaded(["jaxtui"])
