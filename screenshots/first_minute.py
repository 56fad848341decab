"""Record the explorer's first minute as an animated SVG: `python -m screenshots.first_minute`.

The real program runs in a pseudo-terminal and gets keys; what its screen shows after each is a
frame. Frames are as long as it takes to read them, not as long as the machine took. The file
fetches nothing: rows that several frames have in common stand in it once, and a style sheet turns
the frames.
"""

from __future__ import annotations

import os
import sys
import tempfile
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pyte.screens import Char

from tests.support.terminal import Terminal

COLUMNS, ROWS = 104, 32
CELL, LINE, SIZE = 8.4, 18, 14  # a cell's width, a row's height, the size of the type, in pixels
MARGIN = 8
GROUND, TEXT = "#11151a", "#e2e7ed"
OUTPUT = Path(__file__).with_name("first_minute.svg")
PASTED = """\
def power_scale(x, scale):
    return x ** 2 * scale

xs = jnp.arange(32.0).reshape(8, 4)
jax.vmap(power_scale, in_axes=(0, None))(xs, 3.0)
"""
ENTER, DOWN, F5, ESCAPE, CTRL_P = "\r", "\x1b[B", "\x1b[15~", "\x1b", "\x10"
PASTE = f"\x1b[200~{PASTED}\x1b[201~"


class Step(NamedTuple):
    """Keys, a text that is waited for on screen, and the seconds for which it is shown."""

    keys: str
    shown: str
    seconds: float = 1.5


STEPS = (
    Step("", "ready", 3.0),
    Step("w", "esc", 1.0),
    Step(PASTE, "take vmap as a layer", 3.5),
    Step(ESCAPE, "f ", 1.0),
    Step("f", "ran", 4.0),
    Step(CTRL_P, "type to filter", 1.0),
    Step("pmap", "pmap: map", 1.5),
    Step(ENTER, "✗", 4.0),
    Step("f", "ran", 4.0),
    Step("s", "against the run before", 2.5),
    Step("s", "device", 3.5),
    Step("4", "F5 times", 1.5),
    Step("p", "the program of this session", 1.5),
    Step(DOWN, "the program of this session", 0.7),
    Step(ENTER, "power_scale(x, scale)", 2.0),
    Step(F5, "kept as", 6.0),
)


def record() -> list[tuple[list[list[Char]], float]]:
    """Run the program; return the cells of each frame and its seconds."""
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        own = {f"XDG_{name}_HOME": folder for name in ("CONFIG", "DATA", "STATE")}
        command = [sys.executable, "-m", "jaxtui", "--platform", "cpu", "--devices", "8"]
        with Terminal(command, COLUMNS, ROWS, environment=os.environ | own) as terminal:
            for step in STEPS:
                terminal.type(step.keys)
                terminal.wait(step.shown, 120)
                terminal.settle(0.7, most=5)
                frames.append(([list(row) for row in terminal.cells], step.seconds))
    return frames


def row_svg(cells: list[Char]) -> str:
    """A row of cells as SVG, from its upper left corner."""
    parts = []
    column = 0
    for style, group in groupby(cells, key=_style):
        run = list(group)
        text, width = "".join(cell.data for cell in run), len(run) * CELL
        fore, back, bold, italic, underlined = style
        x = column * CELL
        if back != GROUND:
            parts.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="{LINE}" fill="{back}"/>')
        if text.strip() or underlined:
            lead = len(text) - len(text.lstrip())
            text, x = text.strip().replace(" ", "\xa0"), x + lead * CELL
            kinds = " ".join(k for k, on in (("b", bold), ("i", italic), ("u", underlined)) if on)
            named = f' class="{kinds}"' if kinds else ""
            length = f' textLength="{len(text) * CELL:.1f}"'
            parts.append(
                f'<text x="{x:.1f}" y="13.5" fill="{fore}"{named}{length}>{escape(text)}</text>'
            )
        column += len(run)
    return "".join(parts)


def _style(cell: Char) -> tuple[str, str, bool, bool, bool]:
    fore, back = _colour(cell.fg, TEXT), _colour(cell.bg, GROUND)
    if cell.reverse:
        fore, back = back, fore
    return fore, back, cell.bold, cell.italics, cell.underscore


def _colour(name: str, default: str) -> str:
    return default if name == "default" else f"#{name}" if len(name) == 6 else name


def film(frames: list[tuple[list[list[Char]], float]]) -> str:
    """The frames side by side, of which one is on view at a time."""
    width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    rows: dict[str, int] = {}
    strip, turns, at = [], [], 0.0
    whole = sum(seconds for _, seconds in frames)
    for number, (cells, seconds) in enumerate(frames):
        left = number * width + MARGIN
        for line, row in enumerate(cells):
            if drawn := row_svg(row):
                name = rows.setdefault(drawn, len(rows))
                y = MARGIN + line * LINE
                strip.append(f'<use href="#r{name}" x="{left:.1f}" y="{y}"/>')
        turns.append(f"{at / whole:.3%}{{transform:translateX({-number * width:.1f}px)}}")
        at += seconds
    last = (len(frames) - 1) * width
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height}">
<title>The first minute with jaxtui</title>
<style>
text{{font:{SIZE}px Menlo,Consolas,"DejaVu Sans Mono",monospace}}
.b{{font-weight:bold}}.i{{font-style:italic}}.u{{text-decoration:underline}}
.film{{animation:film {whole:.1f}s step-end infinite}}
@keyframes film{{{"".join(turns)}}}
@media (prefers-reduced-motion:reduce){{
.film{{animation:none;transform:translateX({-last:.1f}px)}}}}
</style>
<defs>{"".join(f'<g id="r{name}">{drawn}</g>' for drawn, name in rows.items())}</defs>
<rect width="100%" height="100%" rx="6" fill="{GROUND}"/>
<g class="film">{"".join(strip)}</g>
</svg>
"""


if __name__ == "__main__":
    OUTPUT.write_text(film(record()), encoding="utf-8")
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1000:.0f} kB")
