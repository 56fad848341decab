"""What is taken from the work for the Map screen."""

from __future__ import annotations

from jaxtui.program.screen.view import source_line

TWO = """
def one(
    x,
):
    if x:
        return x + 1
    return x + 2

@jax.jit
def loop(xs):
    return jnp.stack([one(x) for x in xs])
"""


def test_the_line_beside_the_flow_is_of_the_function_that_runs() -> None:
    assert source_line(TWO, "one") == "x + 2"
    assert source_line(TWO, "loop") == "jnp.stack([one(x) for x in xs])"


def test_a_function_of_another_kind_has_the_last_line_of_its_source() -> None:
    assert source_line("import jax\nf = lambda x: x + 1\n", "f") == "f = lambda x: x + 1"
    assert source_line("", "f") == ""


def test_a_function_that_is_still_typed_has_the_line_so_far() -> None:
    assert source_line("def f(x):\n    y = x +", "f") == "y = x +"
