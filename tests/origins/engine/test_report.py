"""What makes NaN and infinities is found where JAX's own check of every operation finds it."""

from __future__ import annotations

import re
import traceback
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.origins.engine import report
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition
from tests.support.tables import one_in

Layers = tuple[AnyLayer, ...]
PROGRAMS: dict[str, tuple[str, tuple[str, ...], Layers]] = {
    "log": ("def f(x):\n    y = jnp.log(x)\n    return y.sum()", ("array([1., -1.])",), ()),
    "inf minus inf": (
        "def f(x):\n    y = jnp.exp(x)\n    z = y - y\n    return z",
        ("array([1., 1000.])",),
        (),
    ),
    "zero over zero": (
        "def f(x, y):\n    return x / y",
        ("zeros((2, 3))", "arange(3.)"),
        (Jit(),),
    ),
    "norm of zero": (
        "def f(x):\n    n = jnp.sqrt(jnp.sum(x ** 2))\n    return n",
        ("zeros(3)",),
        (Grad(),),
    ),
    "the branch not taken": (
        "def f(x):\n    return jnp.where(x > 0, jnp.sqrt(x), 0.0)",
        ("0.0",),
        (Grad(),),
    ),
    "a loop": (
        "def f(x):\n    def step(c, a):\n        d = c - 1\n        return jnp.sqrt(d), d\n"
        "    return lax.scan(step, 1.5, x)",
        ("zeros(3)",),
        (),
    ),
    "fori": (
        "def f(x):\n    return lax.fori_loop(0, 5, lambda i, c: jnp.log(c - 1), x)",
        ("3.0",),
        (),
    ),
    "a branch": (
        "def f(x):\n    return lax.cond(x > 0, lambda: x, lambda: jnp.arcsin(x))",
        ("-2.0",),
        (),
    ),
    "per example": (
        "def f(x, w):\n    h = x * w\n    return jnp.log1p(h).sum()",
        ("array([[1., 2.], [-3., 1.]])", "ones(2)"),
        (Vmap(in_axes="(0, None)"),),
    ),
    "a softmax of a masked row": (
        "def f(x, m):\n    s = jnp.where(m, x, -jnp.inf)\n    return jax.nn.softmax(s, -1)",
        ("ones((2, 3))", "array([[True, True, True], [False, False, False]])"),
        (),
    ),
    "power": ("def f(x):\n    return x ** 0.5", ("array([4., -4.])",), (Jit(),)),
    "mean of nothing": (
        "def f(x):\n    n = x.sum() * 0\n    return x.sum() / n",
        ("array([0., 0.])",),
        (),
    ),
}
# JAX names the line that calls a loop, and none of the function for what a gradient computes.
LINES = {"a loop": (4, 5), "norm of zero": (2, 0), "the branch not taken": (2, 0)}
GIVEN = {"jax": jax, "jnp": jnp, "lax": lax}


def composed(source: str, values: tuple[str, ...], layers: Layers, **devices: Any) -> Composition:
    names = re.findall(r"\w+", source.partition("(")[2].partition(")")[0])
    arguments = [Argument(name=n, value=v) for n, v in zip(names, values, strict=True)]
    program = Program(source=source, arguments=arguments, layers=list(layers))
    return Composition(program=program, devices=Devices(platform="cpu", count=8, **devices))


def told(composition: Composition) -> str:
    return report.text(composition, lambda stage: None, lambda: False)


def first_line_by_jax(source: str, values: tuple[str, ...], layers: Layers) -> int:
    """The line at which JAX, told to look for NaN at every operation, raises; 0 if not in it."""
    names: dict[str, Any] = dict(GIVEN)
    exec(compile(source, "<bare>", "exec"), names)
    call = names["f"]
    for layer in layers:
        if not isinstance(layer, Jit):  # which would be looked into only as a whole
            settings = {"in_axes": (0, None)} if layer.typed() else {}
            call = getattr(jax, layer.transform)(call, **settings)
    given = [eval(value, dict(vars(jnp))) for value in values]
    with jax.debug_nans(True), pytest.raises(FloatingPointError) as caught:
        call(*given)
    frames = traceback.extract_tb(caught.value.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if frame.filename == "<bare>"]
    return lines[-1] if lines else 0


@pytest.mark.parametrize("name", one_in(2, PROGRAMS))
def test_the_first_nan_is_at_the_line_where_jax_raises(name: str) -> None:
    source, values, layers = PROGRAMS[name]
    text = told(composed(source, values, layers))
    after = text.partition("NaN made of numbers")[2]
    found = re.search(r"line (\d+)  (.*)", after)
    assert found is not None, text
    assert source.splitlines()[int(found[1]) - 1].strip() == found[2]
    expected, by_jax = LINES.get(name, (int(found[1]), int(found[1])))
    assert int(found[1]) == expected
    assert first_line_by_jax(source, values, layers) == by_jax


def test_it_says_what_made_it_of_what_how_many_and_how_often() -> None:
    source, values, layers = PROGRAMS["a loop"]
    text = told(composed(source, values, layers))
    assert "  line 4  return jnp.sqrt(d), d" in text
    assert "The result has 2 NaN among 4 numbers." in text
    assert "sqrt: 1 NaN of 1 element, at 1 of 3 turns: sqrt(-0.292893) is nan" in text
    source, values, layers = PROGRAMS["per example"]
    text = told(composed(source, values, layers))
    assert "log1p: 1 NaN of 4 elements; the first at [1, 0]: log1p(-3) is nan" in text


def test_of_a_gradient_it_names_the_line_that_is_differentiated() -> None:
    text = told(composed(*PROGRAMS["the branch not taken"]))
    assert "mul: 1 NaN of 1 element: mul(0, inf) is nan" in text
    # Older releases do not tell the operations of a gradient from others.
    assert ("in the gradient of this line, mul" in text) or jax.__version_info__ < (0, 8)
    assert "div: 1 infinity of 1 element: div(0.5, 0) is inf" in text


def test_an_infinity_that_is_written_is_no_origin() -> None:
    text = told(composed(*PROGRAMS["a softmax of a masked row"]))
    assert "Constants of the program that are not finite:\n  line 2" in text
    assert "Infinities made" not in text


def test_what_is_given_is_told_and_nothing_is_blamed_for_it() -> None:
    text = told(composed("def f(x):\n    return x + 1", ("array([nan, 1., inf])",), ()))
    assert text.splitlines() == [
        "The result has 1 NaN and 1 infinity among 3 numbers.",
        "x, as it is given, has 1 NaN and 1 infinity among 3 numbers.",
        "No operation of the program makes one of finite numbers.",
    ]


def test_a_program_without_any_says_so() -> None:
    text = told(composed("def f(x):\n    return x + 1", ("ones(3)",), ()))
    assert text.splitlines()[0] == "The result has neither NaN nor infinities."


ON_DEVICES: dict[str, tuple[Layers, dict[str, Any]]] = {
    "shard_map": ((ShardMap(in_specs="P('i')", out_specs="P('i')"),), {"mesh": {"i": 8}}),
    "pmap": ((Pmap(axis_name="i"),), {}),
}


@pytest.mark.parametrize("kind", ON_DEVICES)
def test_on_several_devices_what_a_collective_hands_on_is_no_origin(kind: str) -> None:
    layers, devices = ON_DEVICES[kind]
    source = 'def f(x):\n    y = jnp.sqrt(x)\n    return lax.psum(y, "i") + y'
    asked = composed(source, ("arange(8.) - 2",), layers, **devices)
    if kind == "pmap" and jax.__version_info__ < (0, 8):
        with pytest.raises(Diagnosed) as caught:
            told(asked)
        assert "does not let the body of a pmap" in caught.value.diagnosis.message
        return
    text = told(asked)
    assert "The result has 8 NaN" in text
    assert re.findall(r"^  line (\d)", text, re.MULTILINE) == ["2"]
    assert "on 2 of 8 devices" in text


def test_what_depends_on_values_cannot_be_looked_into() -> None:
    source = "def f(x):\n    return jnp.log(-x) if x > 0 else x"
    with pytest.raises(Diagnosed) as caught:
        told(composed(source, ("array(1.0)",), ()))
    assert "depends on values" in caught.value.diagnosis.message


def test_it_can_be_given_up() -> None:
    source, values, layers = PROGRAMS["log"]
    with pytest.raises(GivenUp):
        report.text(composed(source, values, layers), lambda stage: None, lambda: True)
