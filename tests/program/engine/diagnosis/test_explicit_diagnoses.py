"""What JAX refuses over explicit axes is said in plain words, with changes that bare JAX takes."""

from __future__ import annotations

import re
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.engine_base import meshes
from jaxtui.program.engine import evaluation
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import AnyLayer, Grad, Jit, ShardMap, Vmap
from jaxtui.session.session import (
    Argument,
    AxisTypeName,
    Devices,
    Program,
    Session,
    with_field,
)
from jaxtui.wire.base import Composition
from tests.support.wrong import assert_plain

MESH = {"data": 4, "model": 2}
EXPLICIT: dict[str, AxisTypeName] = {"data": "explicit", "model": "explicit"}
Given = dict[str, tuple[tuple[int, ...], str]]
NEW = hasattr(jax.sharding, "reshard")

# fmt: off
X = {"x": ((8, 16), "P('data')")}
INNER = {"x": ((8, 16), "P(None, 'model')"), "w": ((16, 32), "P('model')")}
BOTH = {"x": ((8, 16), "P('data', 'model')"), "w": ((16, 32), "P('model')")}
UNLIKE = {"x": ((8, 16), "P('data')"), "y": ((8, 16), "P('model')")}
# name, body, arguments, words, a fix that must be among those offered by new JAX
CASES: dict[str, tuple[str, Given, str, str]] = {
    "a product": ("x @ w", INNER, "summed over is divided over 'model'", "out_sharding=P()"),
    "a product with a batch": ("x @ w", BOTH, "summed over", "out_sharding=P('data')"),
    "a product inside an expression": ("jnp.sin(x @ w) + 1", BOTH, "summed over",
        "out_sharding=P('data')"),
    "dot": ("jnp.dot(x, w)", BOTH, "summed over", "out_sharding=P('data')"),
    "matmul": ("jnp.matmul(x, w)", BOTH, "summed over", "out_sharding=P('data')"),
    "einsum": ("jnp.einsum('ij,jk->ik', x, w)", BOTH, "summed over", "out_sharding=P()"),
    "tensordot": ("jnp.tensordot(x, w, axes=1)", BOTH, "summed over", "out_sharding=P()"),
    "vdot": ("jnp.vdot(x, y)", {"x": ((16,), "P('model')"), "y": ((16,), "P('model')")},
        "summed over", "reshard x to P()"),
    "one axis in two dimensions": ("x @ w",
        {"x": ((8, 16), "P('data')"), "w": ((16, 32), "P(None, 'data')")},
        "would give f32\\[8@data,32@data\\]: an axis can divide one", "out_sharding=P('data')"),
    "one axis in what is looked up": ("t[i]",
        {"t": ((8, 16), "P(None, 'data')"), "i": ((8,), "P('data')")},
        "data can divide one dimension only", "out_sharding=P('data')"),
    "a sum of unlike ones": ("x + y", UNLIKE,
        "add wants operands that are divided alike; these are divided P\\('data', None\\) and P",
        "reshard y to P('data')"),
    "a sum over one axis twice": ("x + y",
        {"x": ((8, 16), "P('data')"), "y": ((8, 16), "P(None, 'data')")},
        "an axis can divide one dimension only", "reshard y to P('data')"),
    "where": ("jnp.where(x > 0, x, y)", UNLIKE, "the cases to choose from",
        "reshard y to P('data')"),
    "a concatenation": ("jnp.concatenate([x, y])", UNLIKE, "the operands are divided in different",
        "reshard x to P('model')"),
    "a reshape": ("x.reshape(128)", {"x": ((8, 16), "P(None, 'model')")},
        "the reshape to \\(128,\\) takes divided dimensions", "out_sharding=P()"),
    "a reshape by name": ("jnp.reshape(x, (2, 4, 16))", {"x": ((8, 16), "P('data', 'model')")},
        "the reshape to \\(2, 4, 16\\)", "out_sharding=P()"),
    "an index": ("x[jnp.array([1, 2, 3, 4])]", X, "what an index picks", "out_sharding=P()"),
    "an embedding": ("x[i]", {"x": ((16, 4), "P('data')"), "i": ((8,), "P('data')")},
        "what an index picks", "out_sharding=P('data')"),
    "a slice": ("x[:3]", X, "into 4 parts, and the result has 3 of it", "reshard x to P()"),
    "one row": ("x[0]", X, "into 4 parts, and the result has 1 of it", "reshard x to P()"),
    "an outer product": ("jnp.outer(x, y)",
        {"x": ((16,), "P('data')"), "y": ((8,), "P('data')")},
        "an axis can divide one dimension", "reshard y to P()"),
    "a repetition": ("jnp.repeat(x, 2)", {"x": ((16,), "P('data')")},
        "where the repeated array is to lie", "out_sharding=P()"),
    "a constraint": ("lax.with_sharding_constraint(x, P('model'))", X, "with_sharding_constraint",
        "reshard instead"),
    "a scan": ("lax.scan(lambda c, r: (c, r), 0., x)[1]", {"x": ((16,), "P('data')")},
        "scan goes along the first dimension", "reshard x to P()"),
    "a carry": ("lax.scan(lambda c, r: (c + r, None), jnp.zeros(8), x)[0]",
        {"x": ((3, 8), "P(None, 'data')")}, r"output carry component has type float32\[8@data\]",
        "reshard the initial carry: jax.sharding.reshard(…, P('data'))"),
    "a part of a carry": (
        "lax.scan(lambda c, r: ((c[0], c[1] + r), None), (0, jnp.zeros((8, 4))), x)[0][1]",
        {"x": ((3, 8, 4), "P(None, ('data', 'model'))")}, "output carry",
        "reshard the initial carry: jax.sharding.reshard(…, P(('data', 'model')))"),
    "the carry of a fori_loop": (
        "lax.fori_loop(0, 2, lambda i, c: jax.sharding.reshard(c, P('model')), x)", X,
        "output carry", "reshard the initial carry: jax.sharding.reshard(…, P('model'))"),
    "branches": ("lax.cond(one > 0, lambda a, b: a, lambda a, b: b, x, y)", UNLIKE,
        "branches must have equal output types",
        "reshard what the branches return: jax.sharding.reshard(…, P('data'))"),
}
# fmt: on
SORTED = {
    "a sort": ("jnp.sort(x, 0)", X, "the dimension that this works along", "reshard x to P()"),
    "a running sum": ("jnp.cumsum(x, 0)", X, "the dimension that this works", "reshard x to P()"),
}
ONLY_NEW = {
    "a running sum",
    "a sort",
    "one axis in what is looked up",
    "a carry",
    "a part of a carry",
    "the carry of a fori_loop",
    "branches",
}


def composition(body: str, given: Given, *layers: AnyLayer) -> Composition:
    source = f"def f({', '.join(given)}):\n    one = 1\n    return {body}\n"
    arguments = [
        Argument(
            name=name,
            value=f"{'arange' if name == 'i' else 'ones'}({shape if name != 'i' else shape[0]})",
            sharding=sharding,
        )
        for name, (shape, sharding) in given.items()
    ]
    return Composition(
        program=Program(source=source, arguments=arguments, layers=list(layers)),
        devices=Devices(mesh=MESH, axis_types=EXPLICIT),
    )


def bare_traces(source: str, given: Given) -> None:
    """Trace the function of `source` in bare JAX; raises what JAX raises."""
    grid = np.array(jax.devices()).reshape(4, 2)
    mesh = Mesh(grid, tuple(MESH), axis_types=(AxisType.Explicit,) * 2)
    names: dict[str, Any] = {"jax": jax, "jnp": jax.numpy, "lax": jax.lax, "P": P}
    exec(source, names)
    structs = [
        jax.ShapeDtypeStruct(
            shape,
            "int32" if name == "i" else "float32",
            sharding=NamedSharding(mesh, eval(sharding, {"P": P})),
        )
        for name, (shape, sharding) in given.items()
    ]
    with meshes.in_context(mesh):
        jax.eval_shape(names["f"], *structs)


def diagnosis(made: Composition) -> Diagnosis:
    found = evaluation.trace(made).diagnosis
    assert found is not None
    return found


@pytest.mark.parametrize("layers", [(), (Jit(),)], ids=["plain", "jit"])
@pytest.mark.parametrize("name", [*CASES, *SORTED])
def test_it_is_said_in_plain_words_with_changes_that_trace(
    name: str, layers: tuple[AnyLayer, ...]
) -> None:
    if name in ONLY_NEW and jax.__version_info__ < (0, 8):
        pytest.skip("older JAX does not refuse it")
    body, given, words, fix = {**CASES, **SORTED}[name]
    made = composition(body, given, *layers)
    with pytest.raises(Exception, match=r".") as refused:
        bare_traces(made.program.source, given)
    found = diagnosis(made)
    assert (found.kind, found.field, found.line) == ("function", "program.source", 3)
    assert re.search(f"^line 3: .*{words}", found.message), (found.message, refused.value)
    assert_plain(found)
    assert len(found.fixes) <= 4
    for offered in found.fixes:
        assert offered.field == "program.source"
        bare_traces(offered.text, given)
    if NEW:
        assert fix in [offered.label for offered in found.fixes], found.fixes


def test_what_is_refused_inside_a_gradient_and_a_vmap_is_found_in_the_source() -> None:
    given = {"x": ((8, 16), "P(None, 'model')"), "w": ((16, 32), "P('model')")}
    made = composition("(x @ w).sum()", given, Grad(), Jit())
    found = diagnosis(made)
    assert found.line == 3
    if NEW:
        assert "out_sharding=P()" in [fix.label for fix in found.fixes]
    rows = {"x": ((8, 4, 16), "P(None, None, 'model')"), "w": ((16, 32), "P('model')")}
    mapped = diagnosis(composition("x @ w", rows, Vmap(in_axes="(0, None)")))
    assert "summed over" in mapped.message


def test_a_function_in_a_file_is_told_without_changes(tmp_path: Any) -> None:
    file = tmp_path / "model.py"
    file.write_text("def f(x, w):\n    return x @ w\n")
    made = composition("x @ w", INNER)
    arguments = made.program.arguments
    program = Program(function=f"{file}:f", arguments=arguments)
    found = diagnosis(Composition(program=program, devices=made.devices))
    assert found.field == "program.function"
    assert "summed over" in found.message
    assert found.fixes == []


def test_an_error_of_ones_own_is_left_alone() -> None:
    found = diagnosis(composition("x.undefined", X))
    assert "AttributeError" in found.message


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="older JAX moves the argument")
@pytest.mark.parametrize("given", ["", "P('model')"])
def test_a_shard_map_of_what_lies_otherwise_says_how_it_would_have_to_lie(given: str) -> None:
    made = Composition(
        program=Program(
            source="def f(x):\n    return x * 2\n",
            arguments=[Argument(name="x", value="ones((8, 16))", sharding=given)],
            layers=[ShardMap(in_specs="P('data')", out_specs="P('data')")],
        ),
        devices=Devices(mesh=MESH, axis_types=EXPLICIT),
    )
    found = diagnosis(made)
    assert found.field == "program.layers.0.in_specs"
    lies = given or "P()"
    assert found.message.startswith(f"x lies {lies}, and in_specs says P('data')")
    first = found.fixes[0]
    assert (first.field, first.text) == ("program.arguments.0.sharding", "P('data')")
    session = Session(program=made.program, devices=made.devices)
    mended = with_field(session, FieldPath(first.field), first.text)
    assert (
        evaluation.trace(Composition(program=mended.program, devices=made.devices)).diagnosis
        is None
    )
