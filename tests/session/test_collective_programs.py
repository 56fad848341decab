"""A session's collective as a program: its source, its layer, and what cannot be one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from jaxtui.session import collective_program as collectives
from jaxtui.session import export
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.collective_program import CollectiveError, as_program, as_session, with_input
from jaxtui.session.layers import Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Collective, Devices, Program, Session, dumps, loads
from tests.support.tables import one_in

OWN = "def normalize(x):\n    return x / lax.psum(jnp.sum(x), 'devices')\n"


def session(operation: str = "psum", source: str = "", mesh: Any = None, **more: Any) -> Session:
    return Session(
        devices=Devices(platform="cpu", count=8, mesh=mesh),
        program=Program(source=source),
        collective=Collective(operation=operation, value="arange(8.0)", **more),
    )


def refused(made: Session) -> CollectiveError:
    with pytest.raises(CollectiveError) as caught:
        as_program(made)
    return caught.value


def test_a_collective_is_one_function_under_one_layer_that_names_the_axis() -> None:
    program = as_program(session())
    assert program.source == 'def psum_over_devices(x):\n    return lax.psum(x, "devices")\n'
    assert program.layers == [Pmap(axis_name="devices")]
    assert [(a.name, a.value) for a in program.arguments] == [("x", "arange(8.0)")]
    assert as_program(session(via="vmap")).layers == [Vmap(axis_name="devices")]


def test_under_shard_map_a_block_gives_its_divided_dimension_up_and_takes_it_back() -> None:
    program = as_program(session(via="shard_map"))
    assert program.layers == [
        ShardMap(in_specs='P("devices")', out_specs='P("devices")'),
        Jit(),
    ]
    assert "block[0]" in program.source
    assert "expand_dims" in program.source


def test_options_stand_in_the_call_as_typed() -> None:
    given = {"perm": "[(i, (i + 1) % devices)\n for i in range(devices)]"}
    program = as_program(session("ppermute", options=given))
    assert "perm=[(i, (i + 1) % devices) for i in range(devices)])" in program.source


def test_a_grouped_sum_runs_under_shard_map_without_its_check() -> None:
    groups = {"axis_index_groups": "[[0, 1], [2, 3]]"}
    layer = as_program(session(via="shard_map", options=groups)).layers[0]
    assert isinstance(layer, ShardMap)
    assert layer.check_vma == "False"


def test_a_mesh_of_two_axes_takes_one_or_both() -> None:
    mesh = {"x": 4, "y": 2}
    both = as_program(session(via="shard_map", mesh=mesh))
    assert 'lax.psum(x, ("x", "y"))' in both.source
    for text in ("x", '"x"', "('x',)"):
        one = as_program(session(via="shard_map", mesh=mesh, options={"axis_name": text}))
        assert 'lax.psum(x, "x")' in one.source
        assert one.layers[0] == ShardMap(in_specs='P(("x", "y"))', out_specs='P(("x", "y"))')


def test_a_function_of_ones_own_stands_under_the_layer_as_it_is() -> None:
    program = as_program(session("normalize", source=OWN))
    assert (program.source, program.function) == (OWN, "normalize")
    with_option = as_program(session("normalize", source=OWN, options={"eps": "1e-8"}))
    assert "return normalize(x, eps=1e-08)" in with_option.source
    assert with_option.source.startswith(OWN.strip())


def test_a_name_of_ones_own_is_not_taken_again() -> None:
    program = as_program(session(source="def psum_over_devices(x):\n    return x\n"))
    assert "def psum_over_devices_(x):" in program.source
    assert with_input(session("normalize", source=OWN)).source.endswith(
        "return x, normalize_over_devices(x)\n"
    )


def test_operands_become_arguments_of_the_program() -> None:
    operation = OPERATIONS["ragged_all_to_all"]
    program = as_program(session("ragged_all_to_all", options=operation.given))
    names = [argument.name for argument in program.arguments]
    assert names[:3] == ["x", "output", "input_offsets"]
    assert 'recv_sizes, axis_name="devices")' in program.source


def test_what_looks_at_no_data_still_has_an_axis() -> None:
    made = session("axis_index")
    made = Session(devices=made.devices, collective=Collective(operation="axis_index"))
    assert as_program(made).arguments[0].value == "arange(devices)"


@pytest.mark.parametrize(
    ("made", "field", "said", "fix"),
    [
        (session("psums"), "collective.operation", "no collective of jax.lax", "psum"),
        (session(""), "collective.operation", "which collective", None),
        (session(via="jit"), "collective.via", "carries no collective", "pmap"),
        (session(options={"axes": "0"}), "collective.options.axes", "no option axes", None),
        (session(options={"axis_nam": "x"}), "collective.options.axis_nam", "axis_name?", None),
        (
            session("ppermute"),
            "collective.options.perm",
            "needs perm",
            OPERATIONS["ppermute"].given["perm"],
        ),
        (session("all_to_all"), "collective.options.split_axis", "needs split_axis", "0"),
        (
            session(options={"axis_name": "x, y"}),
            "collective.options.axis_name",
            "pmap maps one axis",
            "shard_map",
        ),
        (
            session(via="shard_map", options={"axis_name": "z"}),
            "collective.options.axis_name",
            "no axis 'z'",
            "devices",
        ),
        (session(options={"axis_name": "1"}), "collective.options.axis_name", "no axis name", None),
        (Session(), "collective", "no collective", None),
    ],
)
def test_what_cannot_be_a_program_is_told_at_its_field(
    made: Session, field: str, said: str, fix: str | None
) -> None:
    error = refused(made)
    assert error.field == field
    assert said in error.message
    assert fix is None or fix in [fix.text for fix in error.fixes]


def test_a_half_typed_option_still_makes_a_program() -> None:
    program = as_program(session("ppermute", options={"perm": "[(0, 1"}))
    assert "perm=[(0, 1" in program.source


def test_a_session_runs_its_program_besides_only_when_it_has_one() -> None:
    own = session("normalize", source=OWN)
    assert not collectives.runs_program(own)
    assert collectives.runs_program(as_session(own))
    assert collectives.runs_program(Session(program=Program(source=OWN)))
    assert not collectives.runs_program(Session())


def test_a_session_with_a_collective_is_a_file() -> None:
    made = session("ppermute", via="vmap", options={"perm": "[(0, 1)]"})
    assert loads(dumps(made)) == made


def test_words_cover_every_option_and_say_what_they_are() -> None:
    for operation in OPERATIONS.values():
        assert operation.does
        assert operation.value
        required = {o.name for o in operation.options if o.default is None}
        assert required == set(operation.given)
        assert all(option.words for option in operation.options)


@pytest.mark.parametrize("via", one_in(2, collectives.VIAS))
def test_the_exported_script_prints_what_each_device_holds(via: str) -> None:
    script = export.script(session("normalize", source=OWN, via=via))
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=True
    )
    assert "0.25" in ran.stdout
    assert f"jax.{via}(" in script
