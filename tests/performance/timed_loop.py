"""A loop that takes a given time, to be timed in several ways."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

SOURCE = """
def task(x):
    return lax.fori_loop(0, turns, lambda i, y: y * 0.999 + 0.001, x)
"""
"""The loop as a session has it; `turns` is a parameter."""
VALUE = "ones((8, 64))"


def task(x: Any, turns: int) -> Any:
    """The same loop in this process."""
    from jax import lax

    return lax.fori_loop(0, turns, lambda i, y: y * 0.999 + 0.001, x)


def turns_in_another_process(seconds: float) -> int:
    """Like `turns_for`, without JAX's threads in this process, which may have to fork."""
    code = f"from tests.performance.timed_loop import turns_for; print(turns_for({seconds}))"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return int(done.stdout)


def turns_for(seconds: float) -> int:
    """Return the number of turns that take about `seconds`, dispatch included."""
    import jax
    import jax.numpy as jnp

    from jaxtui.benchmark.engine import timing

    x = jnp.ones((8, 64))

    def took(turns: int) -> float:
        call = jax.jit(lambda x: task(x, turns))
        sampler = timing.sampler(call, (x,), call(x), throughput=False)
        sampler(20)
        return min(sampler(20) for _ in range(5))

    few, many = took(10), took(20_010)
    return max(1, int((seconds - few) / (many - few) * 20_000) + 10)
