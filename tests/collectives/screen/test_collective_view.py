"""What the Collectives screen says, and what its keys make of the session."""

from __future__ import annotations

import pytest

from jaxtui.collectives.screen import view
from jaxtui.collectives.screen.blocks import holding
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import OPTIONS, FieldPath
from jaxtui.session.session import Collective, Program, Session
from tests.support import made_collectives as made
from tests.support import made_events

PSUM = Collective(operation="psum", value=OPERATIONS["psum"].value)
PAIRS = holding(made.output(made.PAIRS))
OWN = "def total(x):\n    return lax.psum(x, 'devices')\n"


def session(collective: Collective = PSUM, source: str = "") -> Session:
    return Session(collective=collective, program=Program(source=source))


# -------------------------------------------------------------------------------- operations


def test_the_meaning_of_an_operation_is_one_sentence() -> None:
    said = view.meaning(session(), None, 80)
    assert said == "each device gets the sum of all devices' blocks, element by element"


def test_what_an_operation_needs_is_said_where_there_is_room() -> None:
    scatter = session(Collective(operation="psum_scatter"))
    assert "needs" not in view.meaning(scatter, None, 60)
    assert "needs: a scatter_dimension" in view.meaning(scatter, None, 200)


def test_an_operation_that_jax_lacks_is_not_offered() -> None:
    available = {"psum": ["axis_name"]}
    assert [name for name, _ in view.choices(session(), available)] == ["psum"]
    assert "has no pmax" in view.meaning(session(Collective(operation="pmax")), available, 80)


def test_functions_of_the_source_are_offered_when_it_holds_collectives() -> None:
    assert ("total", f"{'total':18} a function of your own") in view.choices(
        session(source=OWN), None
    )
    others = view.choices(session(source="def area(x):\n    return x * x\n"), None)
    assert "area" not in [name for name, _ in others]


def test_another_operation_brings_what_it_needs_and_keeps_what_fits() -> None:
    grouped = view.with_field(PSUM, OPTIONS / "axis_index_groups", "[[0, 1], [2, 3]]")
    swapped = view.with_operation(grouped, "all_to_all")
    assert swapped.options["split_axis"] == "0"
    assert swapped.options["axis_index_groups"] == "[[0, 1], [2, 3]]"
    assert swapped.value == OPERATIONS["all_to_all"].value
    assert view.with_operation(swapped, "pshuffle").options.keys() == {"perm"}


def test_a_value_of_the_users_own_survives_another_operation() -> None:
    typed = Collective(operation="psum", value="ones((devices, 3))")
    assert view.with_operation(typed, "pmax").value == "ones((devices, 3))"


def test_the_next_via_goes_round() -> None:
    assert [view.next_via(via) for via in ("pmap", "shard_map", "vmap", "nonsense")] == [
        "shard_map",
        "vmap",
        "pmap",
        "pmap",
    ]


def test_options_are_those_of_the_installed_jax_and_any_that_are_given() -> None:
    odd = Collective(operation="psum", options={"tiled": "True"})
    rows = view.option_rows(odd, {"psum": ["axis_name"]})
    assert [row.name for row in rows] == ["axis_name", "tiled"]
    assert rows[1].words == "psum has no such option"


def test_an_emptied_option_leaves_the_session() -> None:
    given = view.with_field(PSUM, OPTIONS / "axis_name", "x")
    assert given.options == {"axis_name": "x"}
    assert view.with_field(given, OPTIONS / "axis_name", "").options == {}


def test_a_fault_belongs_to_its_field_or_to_none() -> None:
    def fault(field: str) -> str:
        return view.fault_of(
            Diagnosis(kind="collective", field=FieldPath(field), message=""), ["perm"]
        )

    assert fault("collective.options.perm") == "options.perm"
    assert fault("collective.value") == "value"
    assert fault("collective.options.tiled") == ""
    assert fault("devices.mesh") == ""


# -------------------------------------------------------------------------------------- rows


def test_rows_are_devices_where_each_holds_one_block() -> None:
    name, labels = view.labels(PAIRS, made_events.environment(), None)
    assert name == "device"
    assert labels[3] == "3  cpu"


def test_under_vmap_rows_say_which_device_holds_them() -> None:
    held = holding(made.on_one_device(made.PAIRS))
    name, labels = view.labels(held, made_events.environment(), None)
    assert (name, labels[3]) == ("row", "3  on 0 cpu")


def test_on_a_mesh_of_two_axes_a_device_has_coordinates() -> None:
    _, labels = view.labels(PAIRS, made_events.environment(), {"x": 4, "y": 2})
    assert labels[3] == "3  x1 y1 cpu"


@pytest.mark.parametrize(
    ("checked", "note", "words"),
    [
        (True, "", "checked against NumPy ✓"),
        (False, "1 element differs", "DIFFERS from NumPy: 1 element differs"),
        (None, "a function of your own", "a function of your own"),
    ],
)
def test_the_title_says_whether_the_result_was_checked(
    checked: bool | None, note: str, words: str
) -> None:
    ran = made.psum(1, checked=checked, note=note)
    assert view.verdict(ran, stale=False, ascii=False) == words
    assert view.verdict(ran, stale=True, ascii=False).startswith("of the collective before")


def test_the_sources_of_a_sum_are_written_as_one() -> None:
    found = made.sources(2, 1, [3, 1], range(1, 16, 2), "device 3 [1] ← sum over devices 0–7 [1]")
    words = view.found_words(found, "64.", PAIRS, 0)
    first, second = words.split("\n")
    assert first == "device 3 [1] = 64. ← sum over devices 0–7 [1]"
    assert second == "= 1. + 3. + 5. + 7. + 9. + 11. + 13. + 15."


def test_a_moved_element_needs_no_second_line() -> None:
    found = made.sources(2, 1, [3, 1], [5], "device 3 [1] ← device 2 [1]")
    assert "\n" not in view.found_words(found, "5.", PAIRS, 0)


def test_how_long_it_ran_has_a_unit_that_suits_it() -> None:
    assert [view.took(0.0004), view.took(1.52)] == ["ran 0.4 ms", "ran 1.5 s"]


# ------------------------------------------------------------------- editing one element


def test_an_edited_element_makes_the_value_an_array_literal() -> None:
    text = view.with_element(PAIRS, 1, 0, "7")
    assert text.startswith("array([[0., 1.], [7, 3.], [4., 5.]")
    assert text.endswith("[14., 15.]])")


def test_a_literal_keeps_the_dtype() -> None:
    halves = holding(made.output([[1.0], [2.0]], "bfloat16"))
    assert view.with_element(halves, 0, 0, "3") == "array([[3], [2.]], bfloat16)"
    bits = holding(made.output([True, False], "bool"))
    assert view.with_element(bits, 1, 0, "True") == "array([True, True])"


def test_odd_numbers_are_written_so_that_they_can_be_read() -> None:
    odd = holding(made.output([["nan", "-inf"], ["inf", 1.5]]))
    assert view.with_element(odd, 1, 1, "2") == "array([[nan, -inf], [inf, 2]])"
    parts = holding(made.output([[1.0, 2.0]], "complex64"))
    assert view.literal(parts.cells[0]) == "complex(1., 2.)"


@pytest.mark.parametrize("text", ["", "1 +", "]"])
def test_what_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(view.EditRefused):
        view.with_element(PAIRS, 0, 0, text)


def test_many_elements_are_better_written_as_an_expression() -> None:
    large = holding(made.output([[0.0] * 600]))
    with pytest.raises(view.EditRefused, match="edit the value's text"):
        view.with_element(large, 0, 0, "1")


def test_an_operand_of_several_is_edited_in_its_own_field() -> None:
    ragged = Collective(operation="ragged_all_to_all")
    assert view.field_of_input(ragged, "['x']") == "collective.value"
    assert view.field_of_input(ragged, "['send_sizes']") == "collective.options.send_sizes"
    with pytest.raises(view.EditRefused):
        view.field_of_input(PSUM, "['a']")
