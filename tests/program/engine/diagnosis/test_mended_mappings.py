"""What a vmap or a pmap refuses is explained, and each of its fixes gives what is meant."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtui.session.layers import Jit, Pmap, ShardMap, Vmap
from tests.support.mended import Mended, check, mended
from tests.support.tables import one_in

UNIT = "def unit(v):\n    return v / jnp.sqrt((v * v).sum())\n"
CHAIN = "def chain(key):\n    return jax.random.normal(key, (3,))\n"
UPDATE = """
def update(state, g):
    mu = 0.9 * state['mu'] + g
    return {'count': state['count'] + 1, 'mu': mu}
"""
NAMED = """
from typing import NamedTuple
class Adam(NamedTuple):
    count: object
    mu: object
    nu: object
def update(g, state):
    return Adam(state.count + 1, state.mu + g['w'], state.nu['w'] + g['w'] ** 2)
"""
REGISTERED = """
import dataclasses
@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    step: object
    mean: object
def f(s, x):
    return s.mean * s.step + x
"""
PAIR = """
import dataclasses
@dataclasses.dataclass
class Pair:
    a: object
    b: object
jax.tree_util.register_pytree_node(
    Pair,
    lambda o: jax.tree.flatten({'a': o.a, 'b': o.b}),
    lambda aux, flat: Pair(**jax.tree.unflatten(aux, flat)),
)
def f(p):
    return p.a + p.b
"""
SCALED = "def f(x, y, *, scale):\n    return scale * (x + y)\n"
BIASED = "def f(x, *, w, bias):\n    return x @ w + bias\n"


def unit(v: Any) -> Any:
    return v / jnp.sqrt((v * v).sum())


def ones_of(size: int, each: int) -> Any:
    return jax.vmap(unit)(jnp.ones((size, 4))).reshape(size // each, each, 4)


def counted(rows: int) -> dict[str, Any]:
    return {"count": np.ones(rows, int), "mu": np.ones((rows, 3))}


ROWS_OF_STATE = {"state": "{'count': 0, 'mu': zeros((4, 3))}", "g": "ones((4, 3))"}
FOUR = r"the other \d+ (is|are) left out"

# fmt: off
TREES = [
    mended("a state with a count", UPDATE, ROWS_OF_STATE, Vmap(), "0.in_axes",
        r"state\['count'\] is a single value",
        {r"^in_axes \(\{'count': None, 'mu': 0\}, 0\)$": lambda: counted(4)}),
    mended("a named tuple with a count", NAMED,
        {"g": "{'w': ones(5)}", "state": "Adam(0, zeros(5), {'w': ones(5)})"}, Vmap(), "0.in_axes",
        "state.count is a single value",
        {r"^in_axes \(0, Adam\(count=None, mu=0, nu=0\)\)$":
            lambda: (np.ones(5), np.ones(5), np.full(5, 2.0))}),
    mended("a dataclass with a step", REGISTERED,
        {"s": "State(3, arange(2.0))", "x": "ones(2)"}, Vmap(), "0.in_axes",
        "s.step is a single value",
        {r"^in_axes \(State\(step=None, mean=0\), 0\)$": lambda: np.array([1.0, 4.0])}),
    mended("lists and tuples within", "def f(p, x):\n    return p[0][1] * p[1] + x\n",
        {"p": "([ones(3), arange(3.)], 2.0)", "x": "ones(3)"}, Vmap(), "0.in_axes",
        r"p\[1\] is a single value",
        {r"^in_axes \(\(0, None\), 0\)$": lambda: 1 + 2 * np.arange(3.0)}),
    mended("a single value beside another axis", "def f(x, y):\n    return x * y\n",
        {"x": "ones((3, 4))", "y": "2.0"}, Vmap(in_axes="-1"), "0.in_axes", "y is a single value",
        {r"^in_axes \(-1, None\)$": lambda: np.full((4, 3), 2.0)}),
    mended("parameters and a batch", "def f(p, x):\n    return x @ p['w'] + p['b']\n",
        {"p": "{'w': ones((3, 2)), 'b': arange(2.)}", "x": "ones((5, 3))"}, Vmap(), "0.in_axes",
        "differ in size", {r"^in_axes \(None, 0\)$": lambda: 3 + np.tile(np.arange(2.0), (5, 1))}),
    mended("parameters and a batch, over devices", "def f(p, x):\n    return x * p['w'] + p['b']\n",
        {"p": "{'w': ones(3), 'b': 2.0}", "x": "ones((8, 3))"}, Pmap(), "0.in_axes",
        "p", {r"^in_axes \(None, 0\)$": lambda: np.full((8, 3), 3.0)}),
    mended("parameters that are not replicated", "def loss(p):\n    return jnp.mean(p['x'])\n",
        {"p": "{'x': arange(1), 'y': arange(2)}"}, Pmap(), "0.in_axes",
        (r"p\['x'\] axis 0 is 1, p\['y'\] axis 0 is 2", "in_axes None", "replicated"),
        {"a copy of p for each of the 8 devices": lambda: np.zeros(8)}),
    mended("a ragged list", "def f(xs):\n    return xs[0].sum() + xs[1].sum()\n",
        {"xs": "[ones((5, 6)), ones((10, 6))]"}, Vmap(), "0.in_axes",
        ("xs is a list, a tree of arrays and no batch", "padded and stacked"), {}),
    mended("a ragged dict", "def f(d):\n    return d['a'].sum() + d['b'].sum()\n",
        {"d": "{'a': ones((3, 2)), 'b': ones((4, 2)), 'c': ones((3, 2))}"}, Vmap(), "0.in_axes",
        "d is a dict, a tree of arrays and no batch", {}),
    mended("a dict for one argument", "def f(p):\n    return p['w'] * p['scale']\n",
        {"p": "{'w': arange(4.0), 'scale': 2.0}"}, Vmap(in_axes="{'w': 0, 'scale': None}"),
        "0.in_axes", "this is a dict",
        {r"^in_axes \(\{'w': 0, 'scale': None\},\)": lambda: 2 * np.arange(4.0)}),
    mended("a dict for the second argument", "def f(x, p):\n    return x + p['w'] * p['s']\n",
        {"x": "ones(4)", "p": "{'w': arange(4.0), 's': 2.0}"}, Vmap(in_axes="{'w': 0, 's': None}"),
        "0.in_axes", "this is a dict",
        {r"^in_axes \(0, \{'w': 0, 's': None\}\)": lambda: 1 + 2 * np.arange(4.0)}),
    mended("a tuple for one argument", "def f(p):\n    return p[0] * p[1]\n",
        {"p": "(arange(4.0), 2.0)"}, Vmap(in_axes="(0, None)"), "0.in_axes",
        "2 entries for 1 argument", {r"^in_axes \(\(0, None\),\)": lambda: 2 * np.arange(4.0)}),
    mended("a node that drops None", PAIR, {"p": "Pair(array([1, 2, 3]), 2)"},
        Vmap(in_axes="(Pair(0, None),)"), "0.in_axes", ("in_axes", "Pair"),
        {"repeat the single values of p 3 times": lambda: np.array([3, 4, 5])},
        unsaid=("__jaxtui__", "symmetric difference")),
]

KEYWORDS = [
    mended("a keyword that is a number", SCALED,
        {"x": "arange(4.0)", "y": "arange(4.0)", "scale": "3.0"}, Vmap(in_axes="(0, 0)"),
        "0.in_axes", ("always mapped over axis 0", "pass scale by position", "functools.partial"),
        {r"pass scale by position, with in_axes \(0, 0, None\)": lambda: 6 * np.arange(4.0)}),
    mended("keywords of other sizes", BIASED,
        {"x": "ones((4, 3))", "w": "ones((3, 2))", "bias": "arange(2.)"}, Vmap(), "0.in_axes",
        ("differ in size", "always mapped over axis 0"),
        {r"pass w, bias by position, with in_axes \(0, None, None\)":
            lambda: 3 + np.tile(np.arange(2.0), (4, 1))}),
    mended("a keyword of several that is mapped", "def f(x, *, y, n):\n    return x * y + n\n",
        {"n": "2.0", "x": "ones(4)", "y": "arange(4.)"}, Vmap(), "0.in_axes",
        "pass n by position",
        {r"pass n by position": lambda: np.arange(4.0) + 2}),
    mended("a keyword that is a tree", "def f(g, *, state):\n    return g + state['mu'] + "
        "state['count']\n", {"g": "ones(4)", "state": "{'count': 2, 'mu': arange(4.)}"}, Vmap(),
        "0.in_axes", r"state\['count'\] is a single value",
        {r"pass state by position, with in_axes \(0, \{'count': None, 'mu': 0\}\)":
            lambda: np.arange(4.0) + 3}),
    mended("the function is named", SCALED,
        {"x": "arange(8.0)", "y": "arange(8.0)", "scale": "3.0"}, Pmap(), "0.in_axes",
        "always mapped", {r"pass scale by position": lambda: 6 * np.arange(8.0)}, function="f"),
]

OVER_DEVICES = [
    mended("normalize", UNIT, {"v": "ones((16, 4))"}, Pmap(), "0.in_axes",
        "axis 0 of v has 16, and there are 8 devices",
        {r"each of the 8 devices 2: .* a vmap inside": lambda: ones_of(16, 2),
         r"keep the first 8: the other 8 are left out": lambda: jax.vmap(unit)(np.ones((8, 4))),
         "16 virtual devices": None}),
    mended("chains", CHAIN, {"key": "keys(16)"}, Pmap(), "0.in_axes", "has 16, and there are 8",
        {r"each of the 8 devices 2": lambda: jax.vmap(lambda k: jax.random.normal(k, (3,)))(
            jax.random.split(jax.random.key(0), 16)).reshape(8, 2, 3),
         FOUR: lambda: jax.vmap(lambda k: jax.random.normal(k, (3,)))(
            jax.random.split(jax.random.key(0), 16)[:8]),
         "16 virtual devices": None}),
    mended("two arguments, one a tree", "def f(p, x):\n    return (p['w'] * x).sum()\n",
        {"p": "{'w': arange(48.).reshape(24, 2)}", "x": "ones((24, 2))"}, Pmap(), "0.in_axes",
        "has 24",
        {r"each of the 8 devices 3": lambda: np.arange(48.0).reshape(24, 2).sum(1).reshape(8, 3),
         FOUR: lambda: np.arange(48.0).reshape(24, 2).sum(1)[:8],
         "24 virtual devices": None}),
    mended("one of them whole", "def f(w, x):\n    return jnp.sort(x) @ w\n",
        {"w": "arange(3.)", "x": "-arange(36.).reshape(12, 3)"}, Pmap(in_axes="(None, 0)"),
        "0.in_axes", "has 12",
        {r"6 of the 8 devices 2": lambda: (
            np.sort(-np.arange(36.0).reshape(12, 3)) @ np.arange(3.0)).reshape(6, 2),
         FOUR: lambda: (np.sort(-np.arange(36.0).reshape(12, 3)) @ np.arange(3.0))[:8],
         "12 virtual devices": None}),
    mended("along axis 1", UNIT, {"v": "arange(48.).reshape(3, 16)"},
        Pmap(in_axes="1", out_axes="1"), "0.in_axes", "axis 1 of v has 16",
        {r"each of the 8 devices 2": lambda: jax.vmap(unit, 1, 1)(
            np.arange(48.0).reshape(3, 16)).reshape(3, 8, 2),
         FOUR: lambda: jax.vmap(unit, 1, 1)(np.arange(48.0).reshape(3, 16)[:, :8]),
         "16 virtual devices": None}),
    mended("a function that speaks over the axis", "def f(x):\n    return x - lax.pmean(x, 'i')\n",
        {"x": "arange(16.)"}, Pmap(axis_name="i"), "0.in_axes", "has 16",
        {FOUR: lambda: np.arange(8.0) - 3.5, "16 virtual devices": None}),
    mended("a prime number", UNIT, {"v": "ones((17, 4))"}, Pmap(), "0.in_axes", "has 17",
        {FOUR: lambda: jax.vmap(unit)(np.ones((8, 4))), "17 virtual devices": None}),
    mended("under a jit", UNIT, {"v": "ones((16, 4))"}, (Pmap(), Jit()), "0.in_axes", "has 16",
        {r"each of the 8 devices 2": lambda: ones_of(16, 2),
         FOUR: lambda: jax.vmap(unit)(np.ones((8, 4))), "16 virtual devices": None}),
    mended("under another map", UNIT, {"v": "ones((2, 16, 4))"}, (Pmap(), Vmap()), "0.in_axes",
        "has 16", {"16 virtual devices": None}),
]
# fmt: on


@pytest.mark.parametrize("case", one_in(2, [*TREES, *KEYWORDS, *OVER_DEVICES]))
def test_each_fix_gives_what_is_meant(case: Mended) -> None:
    check(case)


def test_a_bare_dict_of_specs_is_the_entry_of_its_argument() -> None:
    case: Mended = mended(
        "", "def f(p):\n    return p['w'] * p['s']\n", {"p": "{'w': arange(8.), 's': 2.0}"},
        ShardMap(in_specs="{'w': P('devices'), 's': P()}", out_specs="P('devices')"),
        "0.in_specs", "in_specs",
        {r"^in_specs \(\{'w'": lambda: 2 * np.arange(8.0)},
    ).values[0]  # fmt: skip
    check(case)
