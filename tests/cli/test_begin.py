"""The real program in a terminal: from the start page to one's own pasted lines, running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.terminal import ESCAPE, EXPLORER, Terminal

PASTED = """import jax

def power_scale(x, y):
    return x ** y

xs = jnp.arange(4.) + 2
y = 2.
jax.vmap(power_scale, in_axes=(0, None))(xs, y)
"""


@pytest.mark.long
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_a_tutorials_cell_runs_as_layers_a_few_keys_after_the_start(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    own = {f"XDG_{kind}_HOME": str(tmp_path) for kind in ("DATA", "CONFIG", "STATE")}
    with Terminal(EXPLORER, *size, folder=tmp_path, environment=own) as terminal:
        terminal.wait("write your own")
        terminal.wait("ready")
        terminal.press("w", f"\x1b[200~{PASTED}\x1b[201~")
        terminal.wait("these lines apply vmap themselves")
        terminal.press(ESCAPE, "f")
        terminal.wait("vmap  in (0, None)")
        if size[0] == 80:
            terminal.press("v")
        shown = terminal.wait(lambda shown: "16." in shown and "25." in shown)
        assert "? help" in shown
        terminal.press("\x10", "jaxpr", "\r")
        terminal.wait("lambda")
