"""What a Jacobian or a Hessian refuses is told at its own fields, with fixes that fix."""

from __future__ import annotations

from typing import Any

import pytest

from jaxtui.session.layer_kind import Layer, name_of
from jaxtui.session.layers import LAYER_KINDS, Vmap
from tests.support.wrong import Wrong, check, wrong

KINDS = [LAYER_KINDS[name] for name in ("jacfwd", "jacrev", "hessian")]
VECTOR = "x = arange(1., 4.)"
COMPLEX = "x = arange(3.) + 1j"
INTEGER = "x = arange(3)"


# fmt: off
def refused(kind: type[Layer]) -> list[Any]:
    """What every kind refuses."""
    name = name_of(kind)
    return [
        wrong("no such argument", "x: x ** 2", VECTOR, kind(argnums="1"), "axes", "0.argnums",
            "there is no argument 1: 1 argument", 1),
        wrong("one of two is no argument", "x, y: x * y", f"{VECTOR}\ny = ones(3)",
            kind(argnums="(0, 2)"), "axes", "0.argnums", "no argument 2: 2 arguments", 1),
        wrong("argnums is no number", "x: x ** 2", VECTOR, kind(argnums="1.5"), "axes",
            "0.argnums", "an int or a tuple of ints; this is a float", 1),
        wrong("argnums is no Python", "x: x ** 2", VECTOR, kind(argnums="(0,"), "syntax",
            "0.argnums", "never closed"),
        wrong("integers", "x: x ** 2", INTEGER, kind(), "axes", "0.argnums",
            f"{name} differentiates with respect to floats: x is int32", 1),
        wrong("integers beside floats", "x, y: x * y", f"{INTEGER}\ny = ones(3)", kind(), "axes",
            "0.argnums", "x is int32", 2),
        wrong("integers of one example", "x: x ** 2", "x = ones((2, 3), int)", (kind(), Vmap()),
            "axes", "0.argnums", "x is int32"),
        wrong("no pair", "x: x ** 2", VECTOR, kind(has_aux="True"), "axes", "0.has_aux",
            rf"{name} needs a function that returns a pair.*float32\[3\]", 1),
        wrong("a text", "x: 'a'", VECTOR, kind(), "axes", "program.layers.0",
            f"{name} needs a function that returns floats; this one returns str"),
        wrong("complex without a word", "x: x ** 2", COMPLEX, kind(), "axes",
            "program.layers.0" if name == "jacrev" else "0.argnums", "complex64", 1),
        wrong("holomorphic of what is real", "x: x ** 2", VECTOR, kind(holomorphic="True"), "axes",
            "0.holomorphic", "holomorphic=True requires inputs"),
        wrong("holomorphic with a real output", "x: abs(x)", COMPLEX, kind(holomorphic="True"),
            "axes", "0.holomorphic", "holomorphic=True requires outputs"),
        wrong("the function raises", "def f(x):\n    raise ValueError('on purpose')\n", VECTOR,
            kind(), "function", "program.source", "on purpose"),
    ]


def refused_in_reverse(kind: type[Layer]) -> list[Any]:
    """Backward from an output, the output has to be of floats."""
    name = name_of(kind)
    return [
        wrong("integers come back", "x: x.astype(int)", VECTOR, kind(), "axes", "program.layers.0",
            rf"{name} needs a function that returns floats; this one returns int32\[3\]"),
        wrong("integers come back beside", "x: (x ** 2, x.astype(int))", VECTOR, kind(), "axes",
            "program.layers.0", r"this one returns float32\[3\], int32\[3\]", 1),
        wrong("no floats in a pair", "x: (x.astype(int), x)", VECTOR, kind(has_aux="True"), "axes",
            "program.layers.0", "a pair whose first is floats; this one returns int32"),
    ]
# fmt: on


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(made.values[0], id=f"{name_of(kind)}: {made.id}")
        for kind in KINDS
        for made in [
            *refused(kind),
            *(refused_in_reverse(kind) if name_of(kind) != "jacfwd" else []),
        ]
    ],
)
def test_what_is_wrong_is_told_where_it_is(case: Wrong) -> None:
    check(case)
