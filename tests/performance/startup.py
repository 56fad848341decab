"""Start-up: first paint, the example's result, the memory of the screen's process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.performance.table import Row
from tests.support.terminal import EXPLORER, Terminal

EMPTY_APP = """
from textual.app import App, ComposeResult
from textual.widgets import Footer, Header

class Empty(App):
    TITLE = "nothing here"
    BINDINGS = [("q", "quit", "Quit")]

    def compose(self) -> ComposeResult:
        yield Header()
        yield Footer()

Empty().run()
"""

BARE_JAX = """
import jax, jax.numpy as jnp
matrix = jnp.arange(1, 9).reshape(2, 2, 2)
vector = jnp.arange(1.0, 5.0).reshape(2, 2)
print(jax.vmap(lambda m, v: jnp.dot(m, v))(matrix, vector))
"""


def rows(repeats: int) -> list[Row]:
    """Return the figures of start-up, each pair measured alternately."""
    paints: list[tuple[float, float]] = []
    results: list[tuple[float, float]] = []
    memory = 0
    for _ in range(repeats):
        with Terminal([sys.executable, "-c", EMPTY_APP]) as empty:
            empty.wait(lambda text: "nothing here" in text)
            first_empty = time.perf_counter() - empty.began
        with Terminal(EXPLORER) as explorer:
            explorer.wait(_map_is_painted)
            first = time.perf_counter() - explorer.began
            explorer.wait(_result_is_shown)
            shown = time.perf_counter() - explorer.began
            memory = max(memory, _resident_bytes(explorer.pid))
        paints.append((first, first_empty))
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", BARE_JAX], check=True, stdout=subprocess.DEVNULL)
        results.append((shown, time.perf_counter() - began))
    return [
        _ratio("first paint ÷ an empty Textual app's", paints, 1.25),
        _ratio("launch to result ÷ bare JAX", results, 1.5),
        Row("memory of the screen's process", memory / 1e6, "MB", 90, ""),
    ]


def _map_is_painted(text: str) -> bool:
    return "jaxtui" in text and "Map" in text and "def matrix_vector_product" in text


def _result_is_shown(text: str) -> bool:
    return all(number in text for number in (" 5.", " 11.", " 39.", " 53."))


def _ratio(name: str, pairs: list[tuple[float, float]], bound: float) -> Row:
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return Row(name, ratio, "×", bound, f"{ours:.2f} s and {theirs:.2f} s")


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell a process' memory")
