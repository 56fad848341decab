"""`python -m tests.performance [WHAT...]`: every claim of speed and size, measured in one run."""

from __future__ import annotations

import argparse
import compileall
from pathlib import Path

import jaxtui
from tests.performance import (
    bare_script,
    believable,
    beside_the_screen,
    engine,
    far,
    faults,
    keystroke,
    processes,
    sharding,
    slow_line,
    startup,
    trees,
    waiting,
)
from tests.performance.own_folders import own_folders
from tests.performance.table import Row, table

PARTS = {
    "engine": engine,
    "startup": startup,
    "keystroke": keystroke,
    "bytes": slow_line,
    "far": far,
    "waiting": waiting,
    "faults": faults,
    "processes": processes,
    "sharding": sharding,
    "trees": trees,
    "screen": beside_the_screen,
    # Last, since these start JAX's threads in this process, and a terminal has to fork it.
    "believable": believable,
    "pyperf": bare_script,
}


def main() -> int:
    """Measure the parts given on the command line, and print them as one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance")
    parser.add_argument("parts", nargs="*", metavar="WHAT", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=5, help="pairs of each comparison")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there is {', '.join(PARTS)}")
    # As in an installation: where Python writes no byte code, every start would compile all source.
    compileall.compile_dir(Path(jaxtui.__file__).parent, quiet=1)
    rows: list[Row] = []
    with own_folders():
        for name in options.parts or PARTS:
            rows += PARTS[name].rows(options.repeats)
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
