"""From a key in an argument's value to the repainted shape flow, in the real program."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from jaxtui.app import trust
from jaxtui.session import session
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.performance.table import Row
from tests.support.terminal import BACKSPACE, END, EXPLORER, Terminal

LEFT = "\x1b[D"

SESSION = Session(
    title="keystrokes",
    program=Program(
        source="def f(x):\n    return jnp.sin(x) @ x\n",
        arguments=[Argument(name="x", value="ones((4, 3))")],
        layers=[Vmap(axis_name="batch")],
    ),
)


def rows(repeats: int) -> list[Row]:
    """Return the median over `repeats` × 20 keys, each of which changes a shape in the flow."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keystrokes.toml"
        trust.sign(session.save(SESSION, file))
        with Terminal([*EXPLORER, str(file)]) as terminal:
            terminal.wait(lambda text: "batch·4" in text and "ran " in text)
            _focus_the_value(terminal)
            seconds = [_key_and_back(terminal) for _ in range(repeats * 10)]
    milliseconds = [1e3 * each for pair in seconds for each in pair]
    median = statistics.median(milliseconds)
    worst = statistics.quantiles(milliseconds, n=20)[-1]
    return [Row("a key to the repainted shape flow", median, "ms", 30, f"95 %: {worst:.0f} ms")]


def _focus_the_value(terminal: Terminal) -> None:
    """Press tab until the cursor is in the value of x, and move it behind the 4."""
    for _ in range(8):
        terminal.type("\t")
        terminal.settle()
        row, column = terminal.cursor
        line = terminal.text.splitlines()[row]
        start = line.find("ones((4, 3))")
        if 0 <= start <= column <= start + len("ones((4, 3))") + 1:
            terminal.type(END + 5 * LEFT)
            terminal.settle()
            return
    raise RuntimeError(f"the value of x cannot be reached by tab:\n{terminal.text}")


def _key_and_back(terminal: Terminal) -> tuple[float, float]:
    """Return the seconds from a typed 0 to a batch of 40, and from a backspace to one of 4."""
    there = _until(terminal, "0", "‹40›")
    # An automatic run must not delay the next key.
    terminal.settle(0.6)
    back = _until(terminal, BACKSPACE, "‹4›")
    terminal.settle(0.6)
    return there, back


def _until(terminal: Terminal, key: str, shown: str) -> float:
    terminal.type(key)
    return terminal.written(shown)
