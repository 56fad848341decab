"""The bytes that reach the terminal for a key, which is what a slow line waits for."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from jaxtui.app import trust
from jaxtui.session import session
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.performance.table import Row
from tests.support.terminal import BACKSPACE, DOWN, END, ENTER, ESCAPE, EXPLORER, TAB, Terminal

# Bytes at most for a key, for one after which all shapes and results are others, for a page, and
# while nothing is done.
KEY, CHANGE, PAGE, IDLE = 3000, 4000, 15000, 0
COMMON = (120, 40)  # columns and rows up to which the bounds hold
SIZES = ((80, 24), COMMON, (200, 60))
CTRL_G, LEFT, RIGHT, PAGE_DOWN = "\x07", "\x1b[D", "\x1b[C", "\x1b[6~"
SETTLED, IDLE_SECONDS = 0.8, 5.0  # an automatic run comes half a second after a key

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
    Step("going into the editor", "w"),
    Step("going to the end of a line", END),
    Step("a letter in the editor, which breaks the program", "x", CHANGE),
    Step("another letter in the editor", "y"),
    Step("a new line in the editor", ENTER),
    Step("taking the new line away", BACKSPACE),
    Step("taking a letter away", BACKSPACE),
    Step("taking it away, and with it the error", BACKSPACE, CHANGE),
    Step("tab, from the editor to a value", TAB),
    Step("going to a digit", END + 5 * LEFT),
    Step("a digit in a value, which changes shapes", "0", CHANGE),
    Step("the digit taken away", BACKSPACE, CHANGE),
    Step("leaving the value", ESCAPE),
    Step("the next tab of results", "s"),
    Step("the tab before", "S"),
    Step("tabs to the elements", 11 * TAB, PAGE),
    Step("right in the elements", RIGHT),
    Step("leaving the elements", ESCAPE),
    Step("Map to Sharding", "2", PAGE),
    Step("down in Sharding", DOWN),
    Step("Sharding to Collectives", "3", PAGE),
    Step("Collectives to Benchmark", "4", PAGE),
    Step("Benchmark to Map", "1", PAGE),
    Step("ctrl+g, a letter on each pane", CTRL_G),
    Step("esc from the letters", ESCAPE),
    Step("all help", "?", PAGE),
    Step("a page of help", PAGE_DOWN, PAGE),
    Step("help closed", ESCAPE, PAGE),
    Step("a list to choose from", "p", PAGE),
    Step("the list closed", ESCAPE, PAGE),
    Step("a pane that fills the screen", TAB + "z", PAGE),
    Step("all panes again", "z", PAGE),
    Step("five seconds without a key", "", IDLE),
)


def rows(_: int) -> list[Row]:
    """Return the bytes of each step at 120×40, with those at each size and of whole widgets."""
    found = {size: (bytes_of(EXPLORER, *size), bytes_of(WHOLE, *size)) for size in SIZES}
    return [
        Row(
            f"bytes of {step.name}",
            found[COMMON][0][step.name],
            "B",
            step.most,
            "; ".join(
                f"{columns}×{rows}: {ours[step.name]} of {whole[step.name]}"
                for (columns, rows), (ours, whole) in found.items()
            ),
        )
        for step in STEPS
    ]


def bytes_of(command: Sequence[str], columns: int, rows: int) -> dict[str, int]:
    """The bytes that `command`, an explorer, writes in a terminal of that size at each step."""
    with tempfile.TemporaryDirectory() as name:
        own = {f"XDG_{kind}_HOME": f"{name}/{kind}" for kind in ("DATA", "CONFIG", "STATE")}
        file = Path(name) / "bytes.toml"
        with mock.patch.dict(os.environ, own):
            trust.sign(session.save(SESSION, file))
        with Terminal([*command, str(file)], columns, rows, environment=own) as terminal:
            terminal.wait(lambda text: "batch·4" in text and "ready" in text)
            terminal.settle(SETTLED)
            return {step.name: _bytes(terminal, step) for step in STEPS}


def _bytes(terminal: Terminal, step: Step) -> int:
    before = len(terminal.raw)
    if step.keys:
        terminal.type(step.keys)
        terminal.settle(SETTLED)
    else:
        terminal.listen(IDLE_SECONDS)
    return len(terminal.raw) - before
