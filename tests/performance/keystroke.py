"""From a key in an argument's value to the repainted shape flow, in the real program."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from jaxtui.app import trust
from jaxtui.session import session
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.performance.table import Row
from tests.support.terminal import BACKSPACE, END, EXPLORER, Terminal

LEFT = "\x1b[D"

SMALL = Session(
    title="keystrokes",
    program=Program(
        source="def f(x):\n    return jnp.sin(x) @ x\n",
        arguments=[Argument(name="x", value="ones((4, 3))")],
        layers=[Vmap(axis_name="batch")],
    ),
)
STEP = Session(
    title="a step of training",
    program=Program(
        source="""
def loss(params, x):
    for layer in params.values():
        x = jnp.tanh(x @ layer['kernel'] + layer['bias']) * layer['scale']
    return (x ** 2).mean()

def step(x, params):
    gradients = jax.grad(loss)(params, x.reshape(-1, 3))
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients)
""",
        arguments=[
            Argument(name="x", value="ones((4, 3))"),
            Argument(
                name="params",
                value="{f'layer {i}': {'kernel': ones((3, 3)), 'bias': ones(3), 'scale': ones(3)} "
                "for i in range(100)}",
            ),
        ],
        layers=[Vmap(in_axes="(0, None)", axis_name="batch")],
    ),
)


BARE = """
import statistics, time
import jax, jax.numpy as jnp
from jax.numpy import ones
{source}
params = {params}
seconds = []
for count in range(4, 44):
    x, began = ones((count, 3)), time.perf_counter()
    jax.eval_shape(jax.vmap(step, in_axes=(0, None)), x, params)
    seconds.append(time.perf_counter() - began)
print(1e3 * statistics.median(seconds))
"""


def rows(repeats: int) -> list[Row]:
    """Return the medians over `repeats` × 20 keys, each of which changes a shape in the flow."""
    small, worst = _milliseconds(SMALL, repeats)
    step, slowest = _milliseconds(STEP, repeats)
    bare = _bare_trace()
    detail = f"{step:.0f} ms (95 %: {slowest:.0f} ms) against {bare:.0f} ms"
    name = "a key, in a training step of 300 leaves, over JAX's own trace"
    return [
        Row("a key to the repainted shape flow", small, "ms", 30, f"95 %: {worst:.0f} ms"),
        Row(name, step / bare, "times", 1.3, detail),
    ]


def _milliseconds(of: Session, repeats: int) -> tuple[float, float]:
    """Return the median and the 95th percentile of the milliseconds from a key to the flow."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keystrokes.toml"
        trust.sign(session.save(of, file))
        with Terminal([*EXPLORER, str(file)]) as terminal:
            terminal.wait(lambda text: "batch·4" in text and "ran " in text)
            focus_the_value(terminal)
            seconds = [_key_and_back(terminal) for _ in range(repeats * 10)]
    milliseconds = [1e3 * each for pair in seconds for each in pair]
    return statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[-1]


def _bare_trace() -> float:
    """Return the milliseconds in which JAX traces STEP for another shape, without jaxtui."""
    program = STEP.program
    text = BARE.format(source=program.source, params=program.arguments[1].value)
    ran = subprocess.run(
        [sys.executable, "-c", text],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout)


def focus_the_value(terminal: Terminal) -> None:
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
    there = _until(terminal, "0", r"0›, 3\]")
    # An automatic run must not delay the next key.
    terminal.settle(0.6)
    back = _until(terminal, BACKSPACE, r"‹4›|(?<!0)›, 3\]")
    terminal.settle(0.6)
    return there, back


def _until(terminal: Terminal, key: str, shown: str) -> float:
    """Return the seconds until the cells that differ, `shown` in the end, are written."""
    terminal.type(key)
    return terminal.painted(re.compile(shown))
