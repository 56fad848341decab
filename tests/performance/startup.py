"""Start-up: first paint, the example's result, the memory of the screen's process.

A moment is the one at which the bytes have come: the terminal of the tests takes longer to draw
them than a real one, on the cores that are measured.
"""

from __future__ import annotations

import re
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


EMPTY_IS_PAINTED = re.compile("nothing here")
MAP_IS_PAINTED = re.compile("jaxtui.*Map.*def matrix_vector_product", re.DOTALL)
RESULT_IS_SHOWN = re.compile(r"5\..*11\..*39\..*53\.", re.DOTALL)


def rows(repeats: int) -> list[Row]:
    """Return the figures of start-up, each pair measured alternately."""
    paints: list[tuple[float, float]] = []
    results: list[tuple[float, float]] = []
    memory = 0
    for _ in range(repeats):
        with Terminal([sys.executable, "-c", EMPTY_APP]) as empty:
            first_empty = _seconds_to(empty, EMPTY_IS_PAINTED)
        with Terminal(EXPLORER) as explorer:
            first = _seconds_to(explorer, MAP_IS_PAINTED)
            shown = _seconds_to(explorer, RESULT_IS_SHOWN)
            _require_shown(explorer.text)
            memory = max(memory, _resident_bytes(explorer.pid))
        paints.append((first, first_empty))
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", BARE_JAX], check=True, stdout=subprocess.DEVNULL)
        results.append((shown, time.perf_counter() - began))
    return [
        _ratio("first paint ÷ an empty Textual app's", paints, 1.0),
        _ratio("launch to result ÷ bare JAX", results, 1.2),
        Row("memory of the screen's process", memory / 1e6, "MB", 90, ""),
    ]


def _seconds_to(terminal: Terminal, shown: re.Pattern[str]) -> float:
    """Return the seconds from the start of the program until it has written what is looked for."""
    terminal.painted(shown)
    return time.perf_counter() - terminal.began


def _require_shown(text: str) -> None:
    """Raise RuntimeError unless the function and its result are on the screen."""
    for shown in ("jaxtui", "def matrix_vector_product", " 5.", " 11.", " 39.", " 53."):
        if shown not in text:
            raise RuntimeError(f"{shown!r} is not shown:\n{text}")


def _ratio(name: str, pairs: list[tuple[float, float]], bound: float) -> Row:
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return Row(name, ratio, "×", bound, f"{ours:.2f} s and {theirs:.2f} s")


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell a process' memory")
