"""Arguments of which only shapes are given: all but a run is as it is with values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from msgspec.structs import replace

from jaxtui.benchmark.engine import equivalents
from jaxtui.benchmark.engine.plan import plan_point
from jaxtui.collectives.engine import run as collective_run
from jaxtui.engine_base import memory
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import inspection
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import (
    Argument,
    Benchmark,
    Collective,
    Devices,
    Program,
    Session,
    Sharding,
    loads,
    with_field,
)
from jaxtui.sharding.engine import plan
from tests.support.tables import one_in
from tests.support.wrong import composition, run_failure, trace

SEVENTY_BILLION = Path(__file__).parents[2] / "support" / "seventy_billion.toml"
IDENTITY = "def f(x):\n    return x\n"


def session(source: str, values: dict[str, str], *layers: AnyLayer, **more: Any) -> Session:
    arguments = [Argument(name=name, value=value) for name, value in values.items()]
    program = Program(source=source, arguments=arguments, layers=list(layers))
    return Session(program=program, **more)


def of_value(text: str, source: str = IDENTITY) -> Session:
    return session(source, {"x": text})


def leaves(made: Session) -> list[tuple[str, list[int], str]]:
    traced = trace(made)
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    return [(leaf.path, leaf.shape, leaf.dtype) for leaf in traced.flow.levels[0].inputs or []]


def refused(made: Session) -> Diagnosis:
    found = run_failure(made)
    assert found is not None
    return found


# ------------------------------------------------------------------------------ what is abstract


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("struct((8, 4096), bf16)", [8, 4096], "bfloat16"),
        ("struct((8, 4096), 'bf16')", [8, 4096], "bfloat16"),
        ("struct([2, 3], 'bfloat16')", [2, 3], "bfloat16"),
        ("struct(5)", [5], "float32"),
        ("struct((), f16)", [], "float16"),
        ("struct((2,), jnp.int8)", [2], "int8"),
        ("struct((2,), dtype=u8)", [2], "uint8"),
        ("struct((2,), bool)", [2], "bool"),
        ("struct((2,), f8_e4m3fn)", [2], "float8_e4m3fn"),
        ("struct((2,), c64)", [2], "complex64"),
        ("struct((2,), f64)", [2], "float32"),
        ("struct((4,), 'key<fry>')", [4], "key<fry>"),
        ("struct((devices, 2), i32)", [8, 2], "int32"),
        ("jax.ShapeDtypeStruct((3,), jnp.float32)", [3], "float32"),
        ("jax.eval_shape(lambda: ones((10**6, 10**6)))", [10**6, 10**6], "float32"),
        ("struct((10**6, 10**6), bf16)", [10**6, 10**6], "bfloat16"),
    ],
)
def test_a_shape_is_a_value_that_is_traced_and_not_run(
    text: str, shape: list[int], dtype: str
) -> None:
    made = of_value(text)
    assert leaves(made) == [("x", shape, dtype)]
    assert trace(made).abstract == ("x",)
    found = refused(made)
    assert (found.kind, found.field) == ("value", "program.arguments.0.value")
    assert "only the shape of x is given: a run needs values" in found.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("struct((2, -1))", "no negative sizes"),
        ("struct((2, 1.5))", "TypeError"),
        ("struct((2,), 'bf17')", "'bf17' is no dtype"),
        ("struct((2,), 3)", "TypeError"),
    ],
)
def test_a_shape_or_dtype_that_is_none_is_said_at_the_value(text: str, words: str) -> None:
    found = trace(of_value(text)).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("value", "program.arguments.0.value")
    assert words in found.message


def test_trees_of_shapes_may_have_arrays_and_objects_beside_them() -> None:
    source = """
from dataclasses import dataclass
@jax.tree_util.register_dataclass
@dataclass
class State:
    w: jax.Array
    step: jax.Array
def f(x):
    return x
"""
    text = "{'a': [struct(3), ones(2), 1.0], 'b': State(struct((2, 2), bf16), step=zeros((), int))}"
    made = of_value(text, source)
    assert [(path, shape) for path, shape, _ in leaves(made)] == [
        ("x['a'][0]", [3]),
        ("x['a'][1]", [2]),
        ("x['a'][2]", []),
        ("x['b'].w", [2, 2]),
        ("x['b'].step", []),
    ]
    assert trace(made).abstract == ("x",)
    assert "only shapes of x are given" in refused(made).message


def test_the_shape_of_an_init_function_is_a_value() -> None:
    source = """
def init(key, n):
    return {"w": jax.random.normal(key, (n, n)), "b": jnp.zeros(n, jnp.bfloat16)}
def f(x):
    return x["w"] @ x["w"]
"""
    made = of_value("jax.eval_shape(lambda key: init(key, 10**6), jax.random.key(0))", source)
    assert leaves(made) == [
        ("x['b']", [10**6], "bfloat16"),
        ("x['w']", [10**6, 10**6], "float32"),
    ]


def test_a_name_of_the_source_or_a_parameter_goes_before_a_short_dtype() -> None:
    assert leaves(of_value("ones(bf16)", f"bf16 = 3\n{IDENTITY}")) == [("x", [3], "float32")]
    made = replace(of_value("ones(f16)"), parameters={"f16": 2})
    assert leaves(made) == [("x", [2], "float32")]


# ------------------------------------------------------------------------- as it is with values

PRODUCT = "def f(a, b):\n    return jnp.tanh(a @ b)\n"
SUM = "def f(a, b):\n    return (a @ b).sum()\n"
CASES: list[tuple[str, dict[str, tuple[str, str]], tuple[AnyLayer, ...]]] = [
    (PRODUCT, {"a": ("(4, 8)", "f32"), "b": ("(8, 2)", "f32")}, ()),
    (PRODUCT, {"a": ("(4, 8)", "bf16"), "b": ("(8, 2)", "bf16")}, (Jit(),)),
    (PRODUCT, {"a": ("(8, 4, 8)", "f32"), "b": ("(8, 2)", "f32")}, (Vmap(in_axes="(0, None)"),)),
    (SUM, {"a": ("(4, 8)", "f32"), "b": ("(8, 2)", "f32")}, (Grad(argnums="(0, 1)"), Jit())),
    (
        PRODUCT,
        {"a": ("(8, 4)", "f32"), "b": ("(4, 2)", "f32")},
        (ShardMap(in_specs="(P('devices'), P())", out_specs="P('devices')"), Jit()),
    ),
]


def with_texts(
    case: tuple[str, dict[str, tuple[str, str]], tuple[AnyLayer, ...]], made_by: str, *only: str
) -> Session:
    source, given, layers = case
    values = {
        name: f"{made_by if not only or name in only else 'zeros'}({shape}, {dtype})"
        for name, (shape, dtype) in given.items()
    }
    return session(source, values, *layers)


@pytest.mark.parametrize("case", one_in(2, CASES))
@pytest.mark.parametrize("only", [(), ("b",)])
def test_what_jax_tells_without_a_run_is_the_same_of_shapes_as_of_arrays(
    case: Any, only: tuple[str, ...]
) -> None:
    shapes, arrays = with_texts(case, "struct", *only), with_texts(case, "zeros")
    of_shapes, of_arrays = trace(shapes), trace(arrays)
    assert of_shapes.flow == of_arrays.flow
    assert of_shapes.cost == of_arrays.cost
    assert of_arrays.abstract == ()
    for view in ("jaxpr", "stablehlo", "hlo", "cost"):
        texts = [inspection.inspect(composition(s), view) for s in (shapes, arrays)]  # type: ignore[arg-type]
        assert texts[0] == texts[1]
    for sharding in (Sharding(), Sharding(mesh={"devices": 4, "y": 2})):
        plans = [plan.planned(composition(s), sharding) for s in (shapes, arrays)]
        assert plans[0].diagnosis is None
        assert plans[0].plan == plans[1].plan


def test_a_pmap_of_shapes_is_what_it_is_of_arrays() -> None:
    case = ("def f(x):\n    return lax.psum(x, 'i')\n", {"x": ("(8, 2)", "f32")}, ())
    layer = Pmap(axis_name="i")
    sessions = [with_texts((*case[:2], (layer,)), text) for text in ("struct", "zeros")]
    assert trace(sessions[0]).flow == trace(sessions[1]).flow
    views = [inspection.inspect(composition(s), "hlo") for s in sessions]
    assert views[0] == views[1]


def test_a_sharding_stands_at_a_shape_as_at_an_array() -> None:
    def made(text: str) -> Session:
        argument = Argument(name="x", value=text, sharding="P('x')")
        program = Program(source="def f(x):\n    return x * 2\n", arguments=[argument])
        explicit = {"x": "explicit", "y": "explicit"}
        return Session(program=program, devices=Devices(mesh={"x": 4, "y": 2}, axis_types=explicit))  # type: ignore[arg-type]

    assert trace(made("struct((8, 4))")).flow == trace(made("zeros((8, 4))")).flow
    wrong = trace(made("struct((6, 4))")).diagnosis
    assert wrong is not None
    assert wrong.field == "program.arguments.0.sharding"


def test_a_wrong_layer_over_shapes_is_told_at_the_layer_also_by_a_run() -> None:
    made = session(IDENTITY, {"x": "struct((3, 4))"}, Vmap(in_axes="2"))
    traced = trace(made).diagnosis
    assert traced is not None
    assert traced.field == "program.layers.0.in_axes"
    assert refused(made).field == traced.field


def test_a_function_that_depends_on_values_is_told_at_the_source() -> None:
    made = of_value("struct(3)", "def f(x):\n    return 1 if x.sum() > 0 else 2\n")
    found = trace(made).diagnosis
    assert found is not None
    assert (found.field, found.line) == ("program.source", 2)
    assert refused(made).field == "program.source"


# --------------------------------------------------------------------------- what needs values


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("struct((8, 4), bf16)", ["zeros((8, 4), bf16)", "normal(8, 4, dtype=bf16)"]),
        ("struct((8, 4), 'bf16')", ["zeros((8, 4), bf16)", "normal(8, 4, dtype=bf16)"]),
        ("struct(3)", ["zeros(3)", "normal(3)"]),
        ("struct((2, 3), i32)", ["zeros((2, 3), i32)"]),
        (
            "{'a': struct((2,)), 'b': ones(3)}",
            ["{'a': zeros((2,)), 'b': ones(3)}", "{'a': normal(2), 'b': ones(3)}"],
        ),
        (
            "jax.eval_shape(lambda: ones(3, bf16))",
            [
                "jax.tree.map(zeros_like, jax.eval_shape(lambda: ones(3, bf16)))",
                "jax.tree.map(lambda x: normal(*x.shape, dtype=x.dtype), "
                "jax.eval_shape(lambda: ones(3, bf16)))",
            ],
        ),
        ("struct(2, 'key<fry>')", ["jax.tree.map(zeros_like, struct(2, 'key<fry>'))"]),
    ],
)
def test_a_run_offers_values_of_the_shapes_which_run(text: str, offered: list[str]) -> None:
    made = of_value(text)
    found = refused(made)
    assert [fix.text for fix in found.fixes] == offered
    for fix in found.fixes:
        fixed = with_field(made, FieldPath(fix.field), fix.text)
        assert leaves(fixed) == leaves(made)
        assert run_failure(fixed) is None


def test_no_values_are_offered_that_do_not_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.devices, "available_memory", lambda: 10**9)
    made = session(PRODUCT, {"a": "struct((20_000, 20_000))", "b": "struct((20_000, 20_000))"})
    assert trace(made).diagnosis is None
    found = refused(made)
    assert found.field == "program.arguments.0.value"
    assert "GiB of memory" in found.message
    assert found.fixes == []


def test_a_benchmark_and_equivalents_say_at_the_argument_that_they_need_values() -> None:
    made = session(PRODUCT, {"a": "struct((4, 8, 8))", "b": "zeros((4, 8, 2))"}, Vmap())
    with pytest.raises(Diagnosed) as benchmark:
        plan_point(0, {}, composition(made), Benchmark())
    with pytest.raises(Diagnosed) as others:
        equivalents.text(composition(made), lambda stage: None, lambda: False)
    for error, needing in ((benchmark, "a benchmark"), (others, "other ways")):
        found = error.value.diagnosis
        assert found.field == "program.arguments.0.value"
        assert needing in found.message
        assert [fix.label for fix in found.fixes] == ["zeros", "random numbers"]


def test_a_collective_says_at_its_value_that_it_needs_elements() -> None:
    asked = Session(collective=Collective(operation="psum", value="struct((8, 2))"))
    with pytest.raises(Diagnosed) as error:
        collective_run.run(asked, "", lambda stage: None, lambda: False)
    found = error.value.diagnosis
    assert found.field == "collective.value"
    assert [fix.text for fix in found.fixes] == ["zeros((8, 2))", "normal(8, 2)"]
    assert all(fix.field == "collective.value" for fix in found.fixes)


# ------------------------------------------------------------------------ 70 billion parameters


def allocated() -> int:
    return sum(array.nbytes for array in jax.live_arrays())


def test_a_step_of_seventy_billion_parameters_is_traced_and_planned_without_an_allocation() -> None:
    made = loads(SEVENTY_BILLION.read_text())
    asked = composition(made)
    before = allocated()
    traced = trace(made)
    assert traced.diagnosis is None
    assert traced.abstract == ("state", "tokens")
    assert made.sharding is not None
    answer = plan.planned(asked, made.sharding)
    assert answer.diagnosis is None
    assert answer.plan is not None
    assert answer.plan.mesh == {"data": 256, "model": 8}
    weights = [a for a in answer.plan.inputs if "['params']" in a.path]
    assert sum(jnp.prod(jnp.array(a.shape, "float32")) for a in weights) > 70e9
    assert "scan" in inspection.inspect(asked, "jaxpr")
    assert "stablehlo.while" in inspection.inspect(asked, "stablehlo")
    assert allocated() - before < 1 << 20
    found = refused(made)
    assert found.field == "program.arguments.0.value"
    assert "657 GiB" in found.message


@pytest.mark.long
def test_a_step_of_seventy_billion_parameters_is_compiled_without_an_allocation() -> None:
    made = loads(SEVENTY_BILLION.read_text())
    # With 1024 the XLA of JAX 0.12 divides by zero, which ends the process.
    asked = composition(replace(made, parameters={**made.parameters, "batch": 128}))
    before = allocated()
    assert "all-reduce" in inspection.inspect(asked, "hlo")
    assert allocated() - before < 1 << 20
