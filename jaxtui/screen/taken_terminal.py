"""A terminal that is taken over while it shows something."""

from __future__ import annotations

from typing import Any, NamedTuple

Row = list[tuple[str, str]]
"""The texts of a row, each with the codes (SGR) of its style."""


class TakenTerminal(NamedTuple):
    """A terminal on its alternate screen: its modes (termios) as they were before, and its rows."""

    modes: list[Any]
    rows: list[Row]
