"""Who imports whom, as seen in a fresh interpreter: the screen's side never loads JAX or NumPy."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import jaxtui

HEAVY = ("jax", "jaxlib", "numpy", "jaxtui.engine")
SCREEN = ("textual", "rich", "jaxtui.ui", "jaxtui.client", "jaxtui.headless", "jaxtui.cli")
PROGRAM = """
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(*[name for name in {forbidden!r} if name in sys.modules])
"""


def loaded(modules: list[str], forbidden: tuple[str, ...]) -> list[str]:
    """Those of `forbidden` that a fresh interpreter has loaded after importing `modules`."""
    program = PROGRAM.format(modules=modules, forbidden=forbidden)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def all_modules() -> list[str]:
    found = pkgutil.walk_packages(jaxtui.__path__, "jaxtui.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def test_no_module_of_the_screens_side_loads_jax_numpy_or_the_engine():
    modules = [name for name in all_modules() if not name.startswith("jaxtui.engine.")]
    modules.remove("jaxtui.engine")
    assert "jaxtui.client" in modules
    assert loaded(modules, HEAVY) == []


def test_no_module_of_the_engine_loads_the_screens_side():
    modules = [name for name in all_modules() if name.startswith("jaxtui.engine.")]
    assert "jaxtui.engine.lanes" in modules
    assert loaded(modules, SCREEN) == []


@pytest.mark.parametrize("module", ["jaxtui.session", "jaxtui.report", "jaxtui.protocol"])
def test_the_contracts_load_neither_side(module):
    assert loaded([module], (*HEAVY, *SCREEN)) == []


def test_the_client_loads_little():
    heavier = ("asyncio", "multiprocessing", "http", "urllib.request", "ssl", "argparse")
    assert loaded(["jaxtui.client"], (*HEAVY, "textual", "rich", *heavier)) == []


def test_a_bare_import_of_the_package_loads_nothing():
    assert loaded(["jaxtui"], (*HEAVY, *SCREEN, "msgspec")) == []
