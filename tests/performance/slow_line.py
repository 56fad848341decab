"""The bytes that reach the terminal for a key, which is what a slow line waits for."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtui.app import trust
from jaxtui.session import session
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.performance.table import Row
from tests.support.terminal import DOWN, ESCAPE, EXPLORER, TAB, Terminal

KEY, PAGE, IDLE = 3000, 15000, 0  # bytes at most, for a key, for a page and while nothing is done
SIZES = ((80, 24), (120, 40), (200, 60))  # columns and rows
CTRL_G = "\x07"
SETTLED, IDLE_SECONDS = 0.7, 5.0  # an automatic run comes half a second after a key

# The explorer as Textual paints it, with all of each widget that changes.
WHOLE = [
    sys.executable,
    "-c",
    "from textual.app import App\n"
    "from jaxtui.screen.textual_private import FrugalApp\n"
    "FrugalApp._display = App._display\n"
    "from jaxtui.cli.main import main\n"
    "raise SystemExit(main())",
]

SESSION = Session(
    title="bytes",
    program=Program(
        source=(
            "def f(x, y):\n"
            '    """Both at once."""\n'
            "    z = jnp.sin(x) @ x  # of a row\n"
            "    return z + y.sum(), {'largest': z.max(), 'all': x * 2}\n"
        ),
        arguments=[
            Argument(name="x", value="ones((4, 3))"),
            Argument(name="y", value="arange(24.0).reshape(4, 6)"),
        ],
        layers=[Vmap(axis_name="batch")],
    ),
)


@dataclass(frozen=True)
class Step:
    """What is done, the keys for it, and how many bytes it may take at most."""

    name: str
    keys: str
    most: int = KEY


STEPS = (
    Step("a change of focus", TAB),
    Step("a letter in a field", "1"),
    Step("another letter in a field", "2"),
    Step("nothing", "", IDLE),
)


def rows(repeats: int) -> list[Row]:
    """Return the bytes of each step at each size, beside those of whole widgets."""
    found = []
    for columns, rows in SIZES:
        ours, whole = (bytes_of(command, columns, rows) for command in (EXPLORER, WHOLE))
        found += [
            Row(
                f"{step.name}, {columns}×{rows}",
                ours[step.name],
                "B",
                step.most,
                f"{whole[step.name]} B in whole widgets",
            )
            for step in STEPS
        ]
    return found


def bytes_of(command: Sequence[str], columns: int, rows: int) -> dict[str, int]:
    """The bytes that `command`, an explorer, writes in a terminal of that size at each step."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "bytes.toml"
        trust.sign(session.save(SESSION, file))
        with Terminal([*command, str(file)], columns, rows) as terminal:
            terminal.wait(lambda text: "batch·4" in text and "ran " in text)
            terminal.settle(SETTLED)
            return {step.name: _bytes(terminal, step) for step in STEPS}


def _bytes(terminal: Terminal, step: Step) -> int:
    before = len(terminal.raw)
    terminal.type(step.keys)
    if step.keys:
        terminal.settle(SETTLED)
    else:
        terminal.listen(IDLE_SECONDS)
    return len(terminal.raw) - before
