"""Marks tell which MLIR value holds which value of a program, whatever the passes make of it."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import pytest
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy

from jaxtui.engine_base.jaxprs import walk
from jaxtui.session.session import Sharding
from jaxtui.sharding.engine import hlo_form, marking, marks, resharding, shardy
from jaxtui.sharding.engine.lowering import LoweredProgram, lowered
from jaxtui.sharding.engine.plan import planned
from tests.support.bare_sharding import ShardedCase, partitioned_by_shardy
from tests.support.sharded_programs import PROGRAMS, parameters


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


def program_of(name: str) -> LoweredProgram:
    [case] = [case for case in PROGRAMS if case.name == name]
    return lowered(case.composition, Sharding())


def marked_numbers(program: LoweredProgram) -> list[int]:
    return [
        number
        for equations, _ in walk(program.marked.closed)
        for equation in equations
        if marking.is_mark(equation)
        for number in equation.params["numbers"]
    ]


@pytest.mark.parametrize("case", parameters())
def test_every_marked_value_is_found_behind_propagation(case: ShardedCase) -> None:
    program = lowered(case.composition, Sharding())
    numbers = marked_numbers(program)
    assert len(set(numbers)) == len(numbers)
    shardy.propagate(program.module)
    with program.module.context:
        assert set(shardy.marked_values(program.module)) == set(numbers)


@pytest.mark.parametrize("case", parameters())
def test_values_lie_where_they_do_when_each_has_a_mark_of_its_own(
    case: ShardedCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = planned(case.composition, Sharding()).plan
    monkeypatch.setattr(marks, "_keeps_its_result", lambda name: False)
    kept = planned(case.composition, Sharding()).plan
    assert (found and found.values) == (kept and kept.values)


def test_a_value_that_an_operation_makes_needs_no_mark_of_its_own() -> None:
    program = program_of("mlp")
    with program.module.context:
        operations = shardy.operations(shardy.main_of(program.module))
        made = [number for op in operations for number, _ in marks.made(op)]
        assert set(made) == set(marked_numbers(program))
        [product] = [op for op in operations if op.name == "stablehlo.dot_general"][-1:]
        assert marks.made(product) == ((max(made), 0),)


def test_a_mark_stands_behind_each_operation_while_collectives_are_inserted() -> None:
    program = program_of("mlp")
    shardy.propagate(program.module)
    resharding.insert_collectives(program.module)
    with program.module.context:
        operations = shardy.operations(shardy.main_of(program.module))
        names = [op.name for op in operations]
        last = [n for n, name in enumerate(names) if name == "stablehlo.dot_general"][-1]
        assert names[last + 1] == "sdy.all_reduce"
        assert marks.is_mark(operations[last + 2])
        assert marks.numbers(operations[last + 2]) == [n for n, _ in marks.made(operations[last])]


def test_a_module_that_is_not_valid_is_refused() -> None:
    program = program_of("mlp")
    with program.module.context:
        operations = shardy.operations(shardy.main_of(program.module))
        product = next(op for op in operations if op.name == "stablehlo.dot_general")
        nowhere = sdy.TensorShardingAttr.get("no_such_mesh", [])
        product.attributes["sdy.sharding"] = sdy.TensorShardingPerValueAttr.get([nowhere])
    with pytest.raises(ir.MLIRError, match="no_such_mesh"):
        shardy.run("builtin.module(symbol-dce)", program.module)


def test_a_function_is_copied_to_each_of_its_calls() -> None:
    @jax.jit
    def twice(x: jax.Array) -> jax.Array:
        return jnp.sin(x) * 2

    @jax.jit
    def nested(x: jax.Array) -> jax.Array:
        return twice(x) + twice(x + 1)

    def called(x: jax.Array) -> jax.Array:
        return nested(x) - nested(twice(x))

    module = jax.jit(called).lower(jnp.ones(4)).compiler_ir("stablehlo")
    with module.context:
        hlo_form.inline_calls(module)
        assert module.operation.verify()
        names = [op.name for op in shardy.operations(module.operation)]
    assert names.count("func.func") == 1
    assert "func.call" not in names
    assert names.count("stablehlo.sine") == 5
