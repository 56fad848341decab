"""Specs and shardings that do not fit are explained, and each fix gives what is meant."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax

from jaxtui.session.layers import Jit, ShardMap
from tests.support.mended import Mended, check, mended
from tests.support.tables import one_in

LINE = {"i": 4}
GRID = {"x": 4, "y": 2}
EIGHT = {"d": 8}
TO = "to" in inspect.signature(lax.all_gather).parameters
ON_I = ShardMap(in_specs="P('i')", out_specs="P('i')")
ADD = "def f(x, y):\n    return x + y\n"
GATHER = "def gather(x):\n    return lax.all_gather(x, 'd', tiled=True)\n"
GATHERED = {"all_gather with to='invarying'": lambda: np.arange(16.0).reshape(8, 2)} if TO else {}
TWO = """
def f(x):
    return {'all': lax.all_gather(x * 2, 'd', tiled=True,), 'own': x, 'sum': lax.psum(x, 'd')}
"""


def of_two(stacked: bool = False) -> dict[str, Any]:
    x = np.arange(8.0)
    return {"all": np.tile(2 * x, 8) if stacked else 2 * x, "own": x, "sum": x.sum(keepdims=True)}


def products() -> Any:
    x = np.arange(16.0).reshape(8, 2)
    return (x @ x.T).sum(0)


def stacked() -> Any:
    return np.tile(np.arange(16.0).reshape(8, 2), (8, 1))


# fmt: off
SPECS = [
    mended("a scalar with a spec", ADD, {"x": "1.0", "y": "1.0"},
        ShardMap(in_specs="(P(), P(None))", out_specs="P()"), "0.in_specs",
        r"P\(None\) speaks of 1 dimension, and y is a scalar",
        {r"^in_specs P\(\)$": lambda: np.float32(2.0)}, mesh=LINE),
    mended("a spec that is too long within a tree",
        "def f(p, x):\n    return p['w'] * x * p['s']\n",
        {"p": "{'w': arange(8.), 's': 2.0}", "x": "ones(8)"},
        ShardMap(in_specs="(P('i'), P('i', None))", out_specs="P('i')"), "0.in_specs",
        r"P\('i'\) speaks of 1 dimension, and p\['s'\] is a scalar",
        {r"^in_specs \(\{'s': P\(\), 'w': P\('i'\)\}, P\('i'\)\)$": lambda: 2 * np.arange(8.0)},
        mesh=LINE),
    mended("a scalar from each device", "def loss(x):\n    return x.sum()\n", {"x": "arange(8.0)"},
        ON_I, "0.out_specs", ("rank 0", r"add at least one \(singleton\) axis"),
        {"an axis of size 1": lambda: np.arange(8.0).reshape(4, 2).sum(1)}, mesh=LINE),
    mended("scalars among others", "f = lambda x: (x, {'s': x.sum(), 'm': x.max()})\n",
        {"x": "arange(8.0)"}, ON_I, "0.out_specs", "singleton",
        {"an axis of size 1": lambda: (np.arange(8.0), {"m": np.arange(1, 8, 2.0),
            "s": np.arange(8.0).reshape(4, 2).sum(1)})}, mesh=LINE),
    mended("scalars that are bound first",
        "def f(x):\n    out = {'s': x.sum(), 'x': x}\n    return out\n", {"x": "arange(8.0)"}, ON_I,
        "0.out_specs", "singleton",
        {"an axis of size 1": lambda: {"s": np.arange(8.0).reshape(4, 2).sum(1),
            "x": np.arange(8.0)}}, mesh=LINE),
    mended("a sum over the devices with a spec",
        "def f(x):\n    return lax.psum(x.sum(), 'i'), x\n", {"x": "arange(8.0)"}, ON_I,
        "0.out_specs", "rank 0",
        {r"^out_specs \(P\(\), P\('i'\)\)$": lambda: (28.0, np.arange(8.0)),
         "an axis of size 1": lambda: (np.full(4, 28.0), np.arange(8.0))}, mesh=LINE),
    mended("what was gathered", GATHER, {"x": "arange(16.0).reshape(8, 2)"},
        ShardMap(in_specs="P('d', None)", out_specs="P(None, None)"), "0.out_specs",
        ("replicated across mesh axis 'd'", "The outputs are the same here", "check_vma=False"),
        {**GATHERED,
         "check_vma False": lambda: np.arange(16.0).reshape(8, 2),
         "divide dimension 0 over 'd': this stacks 8 copies": stacked}, mesh=EIGHT),
    mended("what was gathered and multiplied",
        "def f(x):\n    y = jax.lax.all_gather(x, 'd', tiled=True)\n    return (y @ y.T).sum(0)\n",
        {"x": "arange(16.0).reshape(8, 2)"}, ShardMap(in_specs="P('d')", out_specs="P()"),
        "0.out_specs", "The outputs are the same here",
        {**({"all_gather with to='invarying'": products} if TO else {}),
         "check_vma False": products, "8 copies": lambda: np.tile(products(), 8)}, mesh=EIGHT),
    mended("gathered among others", TWO, {"x": "arange(8.0)"},
        ShardMap(in_specs="P('d')", out_specs="{'all': P(), 'own': P('d'), 'sum': P()}"),
        "0.out_specs", "The outputs are the same here",
        {**({"all_gather with to='invarying'": of_two} if TO else {}),
         "check_vma False": of_two,
         "stacks 8 copies": lambda: {**of_two(True), "sum": np.full(8, 28.0)}}, mesh=EIGHT),
    mended("what is not the same", "def f(x):\n    return x * 2, lax.psum(x, 'd')\n",
        {"x": "arange(8.0)"}, ShardMap(in_specs="P('d')", out_specs="P()"), "0.out_specs",
        "Make it the same",
        {r"divide dimension 0 over 'd'$": lambda: (2 * np.arange(8.0), np.array([28.0]))},
        mesh=EIGHT),
    mended("a keyword without a spec", "def f(x, *, scale):\n    return x * scale\n",
        {"x": "arange(8.)", "scale": "3.0"}, ON_I, "0.in_specs", ("scale", "functools.partial"),
        {r"pass scale by position, with in_specs \(P\('i'\), P\(\)\)": lambda: 3 * np.arange(8.0)},
        mesh=LINE),
    mended("rows that 8 devices cannot share", "def f(x):\n    return x * 2\n",
        {"x": "arange(17.)"}, ShardMap(in_specs="P('d')", out_specs="P('d')"), "0.in_specs",
        "16 or 24 would do",
        {"keep the first 16: 1 row is left out": lambda: 2 * np.arange(16.0),
         "fill up to 24: 7 rows of zeros, which the result has too":
            lambda: 2 * np.pad(np.arange(17.0), (0, 7))}, mesh=EIGHT),
]

def keys() -> Any:
    data = jax.random.key_data(jax.random.split(jax.random.key(0), 6))
    return np.asarray(data).reshape(2, 3, -1)[..., 0]


def tree_of_eight() -> Any:
    return {"x": np.arange(8.0), "s": 28.0, "h": np.arange(6.0)}


TABLE = np.arange(68.0).reshape(17, 4)
DOUBLE = "def double(table):\n    return table * 2\n"
SHARDINGS = [
    mended("17 rows on 8 devices", DOUBLE, {"table": "arange(17 * 4.0).reshape(17, 4)"}, Jit(),
        "program.arguments.0.sharding",
        ("dimension 0 of table is 17", "8 equal parts", "16 or 24 would do"),
        {r"^P\(\)$": lambda: 2 * TABLE,
         "keep the first 16: 1 row is left out": lambda: 2 * TABLE[:16],
         "fill up to 24: 7 rows of zeros": lambda: 2 * np.pad(TABLE, ((0, 7), (0, 0)))},
        mesh=EIGHT, shardings={"table": "P('d', None)"}),
    mended("columns of keys", "def f(k):\n    return jax.random.key_data(k)[..., 0]\n",
        {"k": "keys(6).reshape(2, 3)"}, Jit(), "program.arguments.0.sharding",
        ("dimension 1 of k is 3", "2 or 4 would do"),
        {r"^P\('y'\)$": keys, r"^P\(\)$": keys,
         "keep the first 2: 1 column is left out": lambda: keys()[:, :2]},
        mesh=GRID, shardings={"k": "P(None, 'y')"}),
    mended("a leaf of a tree", "def f(p):\n    return p['w'] * 2, p['b'] * 2\n",
        {"p": "{'w': ones((8, 4)), 'b': arange(5.)}"}, Jit(), "program.arguments.0.sharding",
        (r"dimension 0 of p\['b'\] is 5", "8 would do"),
        {r"^\{'b': P\(\), 'w': P\('d'\)\}$": lambda: (np.full((8, 4), 2.0), 2 * np.arange(5.0))},
        mesh=EIGHT, shardings={"p": "P('d')"}),
    mended("an output that cannot be divided", "def f(x):\n    return x\n", {"x": "arange(5)"},
        Jit(out_shardings="P('x')"), "0.out_shardings",
        ("dimension 0 of the output is 5", "4 or 8 would do"),
        {r"^P\(\)$": lambda: np.arange(5)}, mesh=GRID),
    mended("an output of several", "def f(x):\n    return {'x': x, 's': x.sum(), 'h': x[:6]}\n",
        {"x": "arange(8.)"}, Jit(out_shardings="P('x')"), "0.out_shardings",
        r"the output\['h'\] is 6",
        {r"^\{'h': P\('y'\), 's': P\(\), 'x': P\('x'\)\}$": tree_of_eight,
         r"^\{'h': P\(\), 's': P\(\), 'x': P\('x'\)\}$": tree_of_eight}, mesh=GRID),
    mended("a scalar output", "def f(x):\n    return x.sum()\n", {"x": "arange(8.)"},
        Jit(out_shardings="P('x')"), "0.out_shardings", "the output is a scalar",
        {r"^P\(\)$": lambda: 28.0}, mesh=GRID),
    mended("an axis twice", "def f(x):\n    return x\n", {"x": "arange(64.).reshape(8, 8)"},
        Jit(out_shardings="P('x', ('x', 'y'))"), "0.out_shardings", "duplicate entries",
        {r"^out_shardings P\('x', 'y'\)$": lambda: np.arange(64.0).reshape(8, 8)}, mesh=GRID),
    mended("an axis that is misspelt", "def f(x):\n    return x\n", {"x": "arange(8.)"},
        Jit(in_shardings="(P('modle'),)"), "0.in_shardings", "modle",
        {r"^in_shardings \(P\('model'\),\)$": lambda: np.arange(8.0)},
        mesh={"data": 4, "model": 2}),
    mended("an argument that lies elsewhere", "def f(x, y):\n    return x * y\n",
        {"x": "arange(8.)", "y": "2."}, Jit(in_shardings="(P('x'), None)"), "0.in_shardings",
        "does not match the sharding on the respective arg",
        {"^without in_shardings": lambda: 2 * np.arange(8.0),
         "^without shardings of the arguments": lambda: 2 * np.arange(8.0)},
        mesh=GRID, shardings={"x": "P('y')"}, only_run=True),
    mended("an argument of jit", "def f(x, y):\n    return x * y.sum()\n",
        {"x": "arange(5.)", "y": "ones(8)"}, Jit(in_shardings="P('x')"), "0.in_shardings",
        "is 5", {r"^\(P\(\), P\('x'\)\)$": lambda: 8 * np.arange(5.0)}, mesh=GRID),
]
# fmt: on


@pytest.mark.parametrize("case", one_in(2, [*SPECS, *SHARDINGS]))
def test_each_fix_gives_what_is_meant(case: Mended) -> None:
    check(case)
