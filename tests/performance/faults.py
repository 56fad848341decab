"""How long a key waits while a user's function does what no function should."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from jaxtui.app import trust
from jaxtui.app.covered import covered
from jaxtui.session.session import loads
from tests.performance.table import Row
from tests.support.terminal import BACKSPACE, END, ESCAPE, EXPLORER, Terminal
from tests.support.user_faults import FAULTS, session_of

HELP = "Put another layer around the program"


def rows(repeats: int) -> list[Row]:
    """Return the median and the 95 % quantile over all faults, with `repeats` keys for each."""
    waited = {name: _waits(body, repeats) for name, body in FAULTS.items()}
    milliseconds = [1e3 * each for waits in waited.values() for each in waits]
    slowest = max(waited, key=lambda name: max(waited[name]))
    most = 1e3 * max(waited[slowest])
    detail = f"the longest {most:.0f} ms: {slowest}"
    return [
        Row("a key under a fault, median", statistics.median(milliseconds), "ms", 100, ""),
        Row(
            "a key under a fault, 95 %",
            statistics.quantiles(milliseconds, n=20)[-1],
            "ms",
            300,
            detail,
        ),
    ]


def _waits(body: str, repeats: int) -> list[float]:
    """Return the seconds from `?` to the list of keys, each time right after the fault began."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "faulty.toml"
        file.write_text(session_of(body))
        text = file.read_text()
        trust.sign(text, covered(loads(text), folder))
        with Terminal([*EXPLORER, str(file)]) as terminal:
            terminal.wait(lambda text: "max 2" in text and "ready" in text)
            terminal.type("\t" * 5 + END + BACKSPACE + "2")
            terminal.listen(0.4)  # what is typed runs once typing rests
            terminal.type(ESCAPE)
            terminal.listen(0.3)
            found = []
            for _ in range(repeats):
                terminal.type("?")
                found.append(terminal.written(HELP))
                terminal.type(ESCAPE)
                terminal.listen(0.5)
            return found
