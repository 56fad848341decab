"""What goes wrong is said at the field at fault, in plain words, with fixes that are right."""

from __future__ import annotations

import jax
import pytest

from jaxtui.session.layers import Grad, Jit, Pmap, ShardMap, ValueAndGrad, Vmap
from tests.support.wrong import Wrong, check, wrong

GRID = {"x": 4, "y": 2}
DOT = "x, y: jnp.dot(x, y)"
ROWS = "x = arange(6.).reshape(2, 3)"
ON_DEVICES = ShardMap(in_specs="P('devices')", out_specs="P('devices')")

# fmt: off
AXES = [
    wrong("sizes differ", DOT, "x = ones((2, 3))\ny = ones((4, 3))", Vmap(), "axes", "0.in_axes",
        "differ in size: x axis 0 is 2, y axis 0 is 4", None),
    wrong("sizes differ, another axis would do", DOT, "x = ones((2, 3))\ny = ones((3, 2))", Vmap(),
        "axes", "0.in_axes", "differ in size", 1),
    wrong("a scalar is mapped", "x, y: x * y", f"{ROWS}\ny = array(3.)", Vmap(in_axes="(0, 0)"),
        "axes", "0.in_axes", "y is a single value: it has no axis 0 to map", 1),
    wrong("a number is mapped", "x, y: x * y", f"{ROWS}\ny = 3.0", Vmap(), "axes", "0.in_axes",
        "y is a single value", 1),
    wrong("no such axis", "x: x", ROWS, Vmap(in_axes="2"), "axes", "0.in_axes",
        r"x float32\[2, 3\] has no axis 2: it has axes 0 to 1", 1),
    wrong("no such negative axis", "x: x", ROWS, Vmap(in_axes="-3"), "axes", "0.in_axes",
        "has no axis -3", 1),
    wrong("too many axes", "x: x", ROWS, Vmap(in_axes="(0, 0)"), "axes", "0.in_axes",
        "2 entries for 1 argument", 1),
    wrong("too few axes", DOT, "x = ones((2, 3))\ny = ones(3)", Vmap(in_axes="(0,)"), "axes",
        "0.in_axes", "1 entry for 2 arguments", 1),
    wrong("a dict for an array", "x: x", ROWS, Vmap(in_axes="({'a': 0},)"), "axes", "0.in_axes",
        "in_axes does not fit the arguments"),
    wrong("a key too many", "p: p['a']", "p = {'a': ones(3)}", Vmap(in_axes="({'a': 0, 'b': 0},)"),
        "axes", "0.in_axes", "in_axes does not fit the arguments"),
    wrong("a text for an axis", "x: x", ROWS, Vmap(in_axes="'0'"), "axes", "0.in_axes",
        "an int, None, or a tuple", 1),
    wrong("a float for an axis", "x: x", ROWS, Vmap(in_axes="0.0"), "axes", "0.in_axes",
        "an int, None, or a tuple", 1),
    wrong("a float within", "x: x", ROWS, Vmap(in_axes="(0.0,)"), "axes", "0.in_axes",
        "an int or None is wanted", 1),
    wrong("a boolean for an axis", "x: x", ROWS, Vmap(in_axes="True"), "axes", "0.in_axes",
        "an int, None, or a tuple", 1),
    wrong("a function for an axis", "x: x", ROWS, Vmap(in_axes="jnp.sin"), "axes", "0.in_axes",
        "an int, None, or a tuple", 1),
    wrong("an array for an axis", "x: x", ROWS, Vmap(in_axes="jnp.arange(2)"), "axes", "0.in_axes",
        "an int, None, or a tuple", 1),
    wrong("a NumPy integer for an axis", "x: x", ROWS, Vmap(in_axes="np.int64(0)"), "axes",
        "0.in_axes", "an int, None, or a tuple", 1),
    wrong("nothing is mapped", "x: x", ROWS, Vmap(in_axes="None"), "axes", "0.in_axes",
        "nothing is mapped", 1),
    wrong("no place for the axis", "x: x", ROWS, Vmap(out_axes="5"), "axes", "0.out_axes",
        "no place for a new axis 5: 0 to 1 fit", 1),
    wrong("out axes of another tree", "x: (x, x)", ROWS, Vmap(out_axes="(0, 0, 0)"), "axes",
        "0.out_axes", "out_axes has 3 entries, and the function returns 2 values", 1),
    wrong("out axes of a dict", "x: (x, x)", ROWS, Vmap(out_axes="{'a': 0}"), "axes",
        "0.out_axes", "does not fit what the function returns", 1),
    wrong("out axis None of what is mapped", "x: x", ROWS, Vmap(out_axes="None"), "axes",
        "0.out_axes", "None means that the output is the same", 1),
    wrong("out axes by text", "x: x", ROWS, Vmap(out_axes="'0'"), "axes", "0.out_axes", "out_axes"),
    wrong("the inner of two", DOT, "x = ones((2, 3))\ny = ones((2, 4))", (Vmap(), Vmap()), "axes",
        "0.in_axes", "differ in size: x axis 0 is 3, y axis 0 is 4"),
    wrong("too many vmaps", "x: x", "x = ones(3)", (Vmap(), Vmap()), "axes", "0.in_axes",
        "x is a single value"),
    wrong("a mapped keyword", "def f(x, *, k): return x * k", "x = ones(3)\nk = 2.0", Vmap(),
        "axes", "0.in_axes", "k is a single value"),
    wrong("a text that is mapped", "x, s: x", "x = ones(3)\ns = 'sin'", Vmap(), "axes", "0.in_axes",
        "s is"),
    wrong("an axis without a name", "x: lax.psum(x, 'i')", ROWS, Vmap(), "function",
        "program.source", "No layer gives its axis this name", 1),
    wrong("an axis of another name", "x: lax.psum(x, 'i')", ROWS, Vmap(axis_name="batch"),
        "function", "program.source", "No layer gives its axis this name", 1),
    wrong("a partial ppermute", "x: lax.ppermute(x, 'i', [(0, 1)])", "x = arange(3)",
        Vmap(axis_name="i"), "function", "program.source",
        "AssertionError: Permutation doesn't match the axis size"),
]

# Before 0.7 a vmap that maps something looks at no axis_size.
AXIS_SIZE = [
    wrong("axis_size differs", "x: x", ROWS, Vmap(axis_size="3"), "axes", "0.axis_size",
        "axis_size is 3, but axis 0 of x is 2", 1),
    wrong("axis_size is no number", "x: x", ROWS, Vmap(axis_size="float('nan')"), "axes",
        "0.axis_size", "axis_size is nan", 1),
]

PMAP = [
    wrong("16 on 8 devices", "x: x", "x = ones((16, 3))", Pmap(), "devices", "0.in_axes",
        "axis 0 of x has 16, and there are 8 devices", 3),
    wrong("9 on 8 devices", "x: x", "x = ones((9, 3))", Pmap(), "devices", "0.in_axes",
        "axis 0 of x has 9, and there are 8 devices", 2),
    wrong("16 of two arguments", "x, y: x + y", "x = ones(16)\ny = ones(16)", Pmap(), "devices",
        "0.in_axes", "has 16, and there are 8 devices", 1),
    wrong("16 along axis 1", "x: x", "x = ones((3, 16))", Pmap(in_axes="1"), "devices",
        "0.in_axes", "axis 1 of x has 16", 3),
    wrong("5 on 4 chosen devices", "x: x", "x = ones((5, 3))", Pmap(), "devices", "0.in_axes",
        "axis 0 of x has 5, and there are 4 devices", 1, order=[0, 1, 2, 3]),
    wrong("a list of axes", "x, y: x + y", "x = ones((8, 3))\ny = ones(3)",
        Pmap(in_axes="[0, None]"), "axes", "0.in_axes", "as a tuple", 1),
    wrong("nothing is mapped", "x: x", "x = ones((8, 3))", Pmap(in_axes="None"), "axes",
        "0.in_axes", "at least one mapped argument", 1),
    wrong("nothing is mapped but a size", "x: x", "x = ones((8, 3))",
        Pmap(in_axes="None", axis_size="8"), "axes", "0.in_axes",
        "at least one mapped argument", 1),
    wrong("a scalar is mapped", "x: x", "x = array(1.)", Pmap(), "axes", "0.in_axes",
        "x is a single value"),
    wrong("sizes differ", "x, y: x + y", "x = ones((8, 3))\ny = ones(3)", Pmap(), "axes",
        "0.in_axes", "differ in size", 1),
    wrong("a negative axis", "x: x.sum()", "x = ones((3, 8))", Pmap(in_axes="-1"), "axes",
        "0.in_axes", "no negative in_axes", 1),
    wrong("a negative out axis", "x: x", "x = ones((8, 8))", Pmap(out_axes="-1"), "axes",
        "0.out_axes", "negative out_axes", 1),
    wrong("no place for the axis", "x: x", "x = ones((8, 3))", Pmap(out_axes="4"), "axes",
        "0.out_axes", "no place for a new axis 4", 1),
    wrong("out axis None of what varies", "x: x", "x = arange(8.)", Pmap(out_axes="None"), "axes",
        "0.out_axes", "", 1, only_run=True),
    wrong("axis_size differs", "x: x", "x = ones((8, 3))", Pmap(axis_size="4"), "axes",
        "0.axis_size", "axis_size is 4, but axis 0 of x is 8", 1),
    wrong("a static argument that cannot be hashed", "x, n: x + n[0]", "x = ones(8)\nn = [1]",
        Pmap(static_broadcasted_argnums="1"), "axes", "0.static_broadcasted_argnums", "hash"),
    wrong("no such static argument", "x: x", "x = ones(8)", Pmap(static_broadcasted_argnums="3"),
        "axes", "0.static_broadcasted_argnums", "no argument 3"),
    wrong("a text is mapped", "x, s: x", "x = ones(8)\ns = 'sin'", Pmap(in_axes="(0, None)"),
        "axes", "0.static_broadcasted_argnums", "s is a str", 1),
]

SHARD_MAP = [
    wrong("no specs", "x: x", "x = ones(8)", ShardMap(), "axes", "0.in_specs",
        "needs in_specs", 2, leads_to="program.layers.0.out_specs"),
    wrong("no out_specs", "x: x", "x = ones(8)", ShardMap(in_specs="P('devices')"), "axes",
        "0.out_specs", "needs out_specs", 1),
    wrong("no in_specs", "x: x", "x = ones(8)", ShardMap(out_specs="P('devices')"), "axes",
        "0.in_specs", "needs in_specs", 1),
    wrong("an unknown axis", "x: x", "x = ones(8)",
        ShardMap(in_specs="P('z')", out_specs="P('devices')"), "axes", "0.in_specs",
        "the mesh has no axis 'z': it has devices", 1),
    wrong("an unknown axis out", "x: x", "x = ones(8)",
        ShardMap(in_specs="P('devices')", out_specs="P('z')"), "axes", "0.out_specs",
        "the mesh has no axis 'z': it has devices", 1),
    wrong("a spec that is too long", "x: x", "x = ones(8)",
        ShardMap(in_specs="P('devices', None)", out_specs="P('devices')"), "axes", "0.in_specs",
        "2 dimensions, and x float32.8. has 1", 1),
    wrong("a scalar is divided", "x: x", "x = array(3.)", ON_DEVICES, "axes", "0.in_specs",
        "1 dimension, and x is a scalar", 1, leads_to="program.layers.0.out_specs"),
    wrong("uneven", "x: x", "x = ones(12)", ON_DEVICES, "axes", "0.in_specs",
        "dimension 0 of x is 12, which 8 devices cannot share evenly: 8 or 16 would do", 1),
    wrong("uneven over one axis of two", "x: x", "x = ones((3, 4))",
        ShardMap(in_specs="P('y')", out_specs="P('y')"), "axes", "0.in_specs",
        "dimension 0 of x is 3, which 2 devices", 1, mesh=GRID),
    wrong("too many specs", "x: x", "x = ones(8)",
        ShardMap(in_specs="(P('devices'), P())", out_specs="P('devices')"), "axes", "0.in_specs",
        "2 entries for 1 argument"),
    wrong("a text for a spec", "x: x", "x = ones(8)",
        ShardMap(in_specs="'devices'", out_specs="P('devices')"), "axes", "0.in_specs",
        r"P\(\.\.\.\) is wanted", 1),
    wrong("an output that varies", "x: x", "x = ones(8)",
        ShardMap(in_specs="P('devices')", out_specs="P()"), "axes", "0.out_specs", "", 0),
    wrong("an output of rank 0", "x: x.sum()", "x = ones(8)", ON_DEVICES, "axes", "0.out_specs",
        "out_specs|rank"),
    wrong("axis_names that are none", "x: x", "x = ones(8)",
        ShardMap(in_specs="P('devices')", out_specs="P('devices')", axis_names="3"), "axes",
        "0.axis_names", "names"),
    wrong("axis_names that the mesh lacks", "x: x", "x = ones(8)",
        ShardMap(in_specs="P()", out_specs="P()", axis_names="{'q'}"), "axes", "0.axis_names", ""),
    wrong("copies that differ", "x: x", "x = arange(8)",
        ShardMap(in_specs="P('devices')", out_specs="P()", check_vma="False"), "axes",
        "0.out_specs", "declared the same on every device", only_run=True),
    wrong("a psum over an axis that is not there", "x: lax.psum(x, 'y')", "x = ones(8)",
        ON_DEVICES, "function", "program.source", "axes that have a name here: 'devices'"),
    wrong("a mesh that does not cover", "x: x", "x = ones(8)", ON_DEVICES, "devices",
        "devices.mesh", "takes 6 devices", 1, mesh={"x": 3, "y": 2},
        leads_to="program.layers.0.in_specs"),
    wrong("a device that is not there", "x: x", "x = ones(8)", Vmap(), "devices",
        "devices.order", "no device with id 99", 1, order=[0, 99]),
    wrong("an argument that cannot be placed", "x: x", "x = ones(7)", Vmap(), "axes",
        "program.arguments.0.sharding", "", shardings={"x": "P('devices')"}, only_run=True),
]

GRAD_AND_JIT = [
    wrong("integers", "x: (x * 2.0).sum()", "x = arange(3)", Grad(), "axes", "0.argnums",
        "with respect to floats: x is int32", 1),
    wrong("a Python integer", "x: x * 2.0", "x = 3", Grad(), "axes", "0.argnums",
        "with respect to floats: x is", 1),
    wrong("booleans beside floats", "m, x: jnp.where(m, x, 0.).sum()",
        "m = array([True, False])\nx = ones(2)", Grad(), "axes", "0.argnums",
        "m is bool", 1),
    wrong("not a scalar", "x: x * 2", "x = ones(3)", Grad(), "axes", "0", "returns one float"),
    wrong("an integer result", "x: jnp.argmax(x)", "x = ones(3)", Grad(), "axes", "0", "int32"),
    wrong("no such argument", "x: x.sum()", "x = ones(3)", Grad(argnums="1"), "axes", "0.argnums",
        "there is no argument 1: 1 argument", 1),
    wrong("no arguments at all", "def f(): return 1.0", "", Grad(), "axes", "0.argnums",
        "no argument 0"),
    wrong("argnums of a wrong kind", "x: x.sum()", "x = ones(3)", Grad(argnums="'x'"), "axes",
        "0.argnums", "", 1),
    wrong("argnums None", "x: x.sum()", "x = ones(3)", Grad(argnums="None"), "axes", "0.argnums",
        "", 1),
    wrong("aux without a pair", "x: x.sum()", "x = ones(3)", ValueAndGrad(has_aux="True"), "axes",
        "0.has_aux", "pair"),
    wrong("a pair without aux", "x: (x.sum(), x)", "x = ones(3)", Grad(), "axes", "0",
        "returns one float"),
    wrong("grad of a whole batch", "x: x ** 2", "x = ones(3)", (Vmap(), Grad()), "axes", "1",
        "returns one float"),
    wrong("a text in jit", "x, s: x", "x = ones(3)\ns = 'sin'", Jit(), "axes", "0.static_argnums",
        "s is a str: jit takes it only as a static argument", 1),
    wrong("a static array", "x: x", "x = ones(3)", Jit(static_argnums="0"), "axes",
        "0.static_argnums", "x is an array: a static argument must be hashable"),
    wrong("a static list", "x, n: x + n[0]", "x = ones(3)\nn = [1]", Jit(static_argnums="1"),
        "axes", "0.static_argnums", "hash"),
    wrong("a branch on a traced value", "x: 1 if x > 0 else 2", "x = ones(3)", Vmap(), "function",
        "program.source", "jnp.where or lax.cond"),
    wrong("a loop over a traced length", "def f(n): return jnp.arange(n)", "n = 3", Jit(),
        "function", "program.source", "line 1"),
    wrong("an unknown setting", "x: x", "x = ones(3)", Vmap(in_axes="nope"), "value", "0.in_axes",
        "NameError"),
    wrong("a half-typed setting", "x: x", "x = ones(3)", Vmap(in_axes="(0,"), "syntax",
        "0.in_axes", "never closed"),
]
# fmt: on


@pytest.mark.parametrize("case", AXES)
def test_wrong_axes_of_vmap_are_said_at_their_field(case: Wrong) -> None:
    check(case)


@pytest.mark.skipif(jax.__version_info__ < (0, 7), reason="this JAX does not look at axis_size")
@pytest.mark.parametrize("case", AXIS_SIZE)
def test_an_axis_size_that_is_another_is_said_at_its_field(case: Wrong) -> None:
    check(case)


@pytest.mark.parametrize("case", PMAP)
def test_what_pmap_cannot_do_is_said_in_words(case: Wrong) -> None:
    check(case)


@pytest.mark.parametrize("case", SHARD_MAP)
def test_specs_that_do_not_fit_are_said_at_their_field(case: Wrong) -> None:
    check(case)


@pytest.mark.parametrize("case", GRAD_AND_JIT)
def test_wrong_grads_and_jits_are_said_at_their_field(case: Wrong) -> None:
    check(case)
