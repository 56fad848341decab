"""The intermediates of compiled programs add up to what bare JAX says that they take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtui.memory.engine.intermediates import (
    compiled_intermediates,
    modelled_intermediates,
    needed_by,
)


def _mlp(x: Any, w: Any) -> Any:
    return jnp.tanh(jnp.tanh(x @ w) @ w)


def _loop(x: Any, w: Any) -> Any:
    return lax.scan(lambda c, _: (jnp.sort(c @ w), c.sum()), x, None, length=5)


def _branches(x: Any, w: Any) -> Any:
    return lax.cond(x.sum() > 0, lambda: jnp.sort(x @ w), lambda: jnp.cumsum(x, 0) @ w)


def _while(x: Any, w: Any) -> Any:
    return lax.while_loop(lambda c: c[0] < 4, lambda c: (c[0] + 1, jnp.sort(c[1] @ w)), (0, x))


def _several(x: Any, w: Any) -> Any:
    return jnp.linalg.eigh(x.T @ x), jnp.argsort(w), jnp.fft.fft(x)


PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {
    "elementwise": lambda x, w: jnp.sin(x) + 1,
    "nothing": lambda x, w: x,
    "products": _mlp,
    "gradient": lambda x, w: jax.grad(lambda w: _mlp(x, w).sum())(w),
    "hessian": lambda x, w: jax.hessian(lambda v: jnp.tanh(v @ w).sum())(x[0]),
    "loop": _loop,
    "while": _while,
    "branches": _branches,
    "decompositions": _several,
    "vmap": lambda x, w: jax.vmap(lambda r: jnp.outer(r, r) @ w)(x),
    "sorted outer": lambda x, w: jax.vmap(lambda r: jnp.sort(jnp.outer(r, r)))(x).sum(),
    "integers": lambda x, w: jnp.sort((x * 100).astype(jnp.int8).reshape(-1)),
    "random": lambda x, w: jax.random.normal(jax.random.key(0), (64, 64)) @ x,
}


def _compiled(name: str) -> Any:
    x, w = jax.ShapeDtypeStruct((64, 64), "float32"), jax.ShapeDtypeStruct((64, 64), "float32")
    return jax.jit(PROGRAMS[name]).lower(x, w).compile()


SLOW = ("random", "decompositions")  # to compile


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in PROGRAMS],
)
def test_the_allocations_are_what_memory_analysis_says(name: str) -> None:
    compiled = _compiled(name)
    found = compiled_intermediates(compiled)
    assert found is not None
    rows, assignment = found
    size = compiled.memory_analysis().temp_size_in_bytes
    assert assignment.size == size
    sizes = [buffer.bytes for buffer in assignment.buffers]
    alive = sum(buffer.bytes for buffer in assignment.buffers if buffer.at_peak)
    assert max(sizes, default=0) <= alive <= size
    assert size <= alive + 4096  # but for alignment, the peak is what the allocations are for
    assert sum(row.count for row in rows) == len(sizes)
    assert sum(row.bytes * row.at_peak for row in rows) == alive


def test_a_program_takes_its_arguments_outputs_and_temporaries() -> None:
    x = jax.ShapeDtypeStruct((64, 64), "float32")
    kept = needed_by(jax.jit(lambda x: jnp.sort(x) + 1).lower(x).compile())
    given = needed_by(jax.jit(lambda x: x + 1, donate_argnums=0).lower(x).compile())
    assert (kept.arguments, kept.outputs) == (64 * 64 * 4, 64 * 64 * 4)
    assert kept.together == kept.arguments + kept.outputs + kept.temporaries
    assert (given.donated, given.together) == (64 * 64 * 4, 64 * 64 * 4 + given.temporaries)
    assert kept.devices == 1


def _three_lines(x: Any) -> Any:
    a = x @ x.T
    b = jnp.sort(a)
    return (b @ x).sum()


FIRST = _three_lines.__code__.co_firstlineno + 1


def test_each_intermediate_has_its_line_shape_and_bytes() -> None:
    compiled = jax.jit(_three_lines).lower(jax.ShapeDtypeStruct((96, 32), "float32")).compile()
    found = compiled_intermediates(compiled)
    assert found is not None
    told = {(row.line, row.shape, row.bytes) for row in found[0] if row.line is not None}
    square = np.zeros((96, 96), np.float32).nbytes
    assert {(FIRST, "f32[96, 96]", square), (FIRST + 1, "f32[96, 96]", square)} <= told
    assert {row.file for row in found[0] if row.line is not None} == {__file__}


def test_the_model_has_each_value_as_long_as_it_is_read() -> None:
    shape = jax.ShapeDtypeStruct((96, 32), "float32")
    rows = modelled_intermediates(jax.make_jaxpr(_three_lines)(shape))
    square, tall = 96 * 96 * 4, 96 * 32 * 4
    by_line = {(row.line, row.shape): row for row in rows}
    product = by_line[FIRST, "f32[96, 96]"]
    ordered = by_line[FIRST + 1, "f32[96, 96]"]
    last = by_line[FIRST + 2, "f32[96, 32]"]
    assert (product.bytes, ordered.bytes, last.bytes) == (square, square, tall)
    # While it is sorted, both squares live; the last product is made when the first is gone.
    assert (product.at_peak, ordered.at_peak, last.at_peak) == (1, 1, 0)


def test_the_model_enters_loops_and_branches() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            wide = jnp.outer(c, c)
            return wide.sum(0), None

        return lax.scan(step, x, None, length=3)[0]

    rows = modelled_intermediates(jax.make_jaxpr(f)(jax.ShapeDtypeStruct((50,), "float32")))
    wide = [row for row in rows if row.shape == "f32[50, 50]"]
    assert math.prod((50, 50)) * 4 in {row.bytes for row in wide}
    assert any(row.at_peak for row in wide)
