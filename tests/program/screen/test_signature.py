"""The argument list follows the signature, and what was typed is not lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxtui.program.screen.signature import follow, follow_axes, rows, with_value
from jaxtui.session.layers import Jit, ShardMap, Vmap
from jaxtui.session.session import Argument
from jaxtui.wire.report import Parameter
from tests.support.made_sessions import argument_names, signatures


def arguments(**values: str) -> list[Argument]:
    return [Argument(name=name, value=value) for name, value in values.items()]


def parameters(*names: str) -> list[Parameter]:
    """`x`, `x=1` with a default, `*x`, `**x`; what follows "*" is keyword-only."""
    found, kind = [], "positional"
    for name in names:
        if name == "*":
            kind = "keyword"
        elif name.startswith("**"):
            found.append(Parameter(name=name[2:], kind="var_keyword"))
        elif name.startswith("*"):
            found.append(Parameter(name=name[1:], kind="var_positional"))
        else:
            bare, _, default = name.partition("=")
            found.append(Parameter(name=bare, kind=kind, default=default or None))  # type: ignore[arg-type]
    return found


def values(followed: list[Argument]) -> dict[str, str]:
    return {argument.name: argument.value for argument in followed}


def test_a_new_parameter_gets_an_empty_row() -> None:
    followed = follow(arguments(x="1"), parameters("x"), parameters("x", "y"), {})
    assert values(followed) == {"x": "1", "y": ""}


def test_the_order_is_that_of_the_signature() -> None:
    followed = follow(arguments(x="1", y="2"), parameters("x", "y"), parameters("y", "x"), {})
    assert list(values(followed)) == ["y", "x"]


def test_a_name_that_comes_back_has_its_value_again() -> None:
    remembered: dict[str, Argument] = {}
    one, two = parameters("x"), parameters("x", "y")
    shorter = follow(arguments(x="1", y="2"), two, one, remembered)
    assert values(shorter) == {"x": "1"}
    assert values(follow(shorter, one, two, remembered)) == {"x": "1", "y": "2"}


def test_a_parameter_renamed_letter_by_letter_keeps_its_value() -> None:
    remembered: dict[str, Argument] = {}
    now, before = arguments(x="1", y="2"), parameters("x", "y")
    for name in ("ye", "yea", "year"):
        now = follow(now, before, parameters("x", name), remembered)
        before = parameters("x", name)
    assert values(now) == {"x": "1", "year": "2"}
    assert remembered == {}


def test_a_parameter_with_a_default_is_not_passed_until_it_is_typed() -> None:
    signature = parameters("x", "n=3")
    assert values(follow(arguments(x="1"), parameters("x"), signature, {})) == {"x": "1"}
    shown = rows(arguments(x="1"), signature)
    assert [(row.name, row.default, row.index) for row in shown] == [("x", "", 0), ("n", "3", None)]
    passed = with_value(arguments(x="1"), signature, shown[1], "4")
    assert values(passed) == {"x": "1", "n": "4"}


def test_a_default_before_a_passed_argument_is_passed_too() -> None:
    signature = parameters("x", "n=3", "m=4")
    shown = rows(arguments(x="1"), signature)
    assert values(with_value(arguments(x="1"), signature, shown[2], "5")) == {
        "x": "1",
        "n": "3",
        "m": "5",
    }


def test_an_emptied_default_is_no_longer_passed() -> None:
    signature = parameters("x", "n=3")
    given = arguments(x="1", n="4")
    assert values(with_value(given, signature, rows(given, signature)[1], "")) == {"x": "1"}


def test_an_emptied_argument_without_a_default_stays() -> None:
    signature = parameters("x")
    given = arguments(x="1")
    assert values(with_value(given, signature, rows(given, signature)[0], "")) == {"x": ""}


def test_what_was_typed_into_a_row_whose_argument_has_gone_changes_nothing() -> None:
    signature, given = parameters("x", "y"), arguments(x="1", y="2")
    gone = rows(given, signature)[1]
    for left in (arguments(x="1"), arguments(x="1", z="3")):
        assert with_value(left, signature, gone, "4") == left


def test_star_args_take_one_further_argument_after_another() -> None:
    signature = parameters("*xs")
    first = with_value([], signature, rows([], signature)[0], "1")
    shown = rows(first, signature)
    assert [(row.name, row.index) for row in shown] == [("xs_0", 0), ("*xs", None)]
    second = with_value(first, signature, shown[1], "2")
    assert values(second) == {"xs_0": "1", "xs_1": "2"}
    assert values(follow(second, signature, parameters("*ys"), {})) == values(second)
    assert values(with_value(second, signature, rows(second, signature)[1], "")) == {"xs_0": "1"}


def test_a_keyword_has_no_place_among_the_axes() -> None:
    shown = rows(arguments(x="1", scale="2"), parameters("x", "*", "scale"))
    assert [row.place for row in shown] == [0, None]


# ------------------------------------------------------- names that are not those of the parameters


def test_an_argument_with_a_name_of_its_own_keeps_its_name_and_its_parameter() -> None:
    given, two = arguments(a="1", b="2"), parameters("x", "y")
    assert [row.place for row in rows(given, two)] == [0, 1]
    assert len(rows(given, two)) == 2
    more = follow(given, two, parameters("x", "y", "z"), {})
    assert values(more) == {"a": "1", "b": "2", "z": ""}
    assert list(values(follow(given, two, parameters("y", "x"), {}))) == ["b", "a"]
    assert values(follow(given, two, parameters("x", "why"), {})) == {"a": "1", "b": "2"}
    remembered: dict[str, Argument] = {}
    assert values(follow(given, two, parameters("y"), remembered)) == {"b": "2"}
    assert remembered == {"x": given[0]}


def test_what_is_one_too_many_is_taken_by_the_next_parameter_and_lost_by_none() -> None:
    one, given = parameters("x"), arguments(x="1", more="2")
    assert values(follow(given, one, parameters("xs"), {})) == {"xs": "1", "more": "2"}
    assert values(follow(given, one, parameters("x", "y"), {})) == {"x": "1", "more": "2"}
    assert values(with_value(given, one, rows(given, one)[1], "")) == {"x": "1"}


def test_what_star_args_had_taken_stays_when_they_go() -> None:
    given = arguments(x="1", xs_0="2", xs_1="3")
    shorter = follow(given, parameters("x", "*xs"), parameters("x"), {})
    assert shorter == given
    assert follow(shorter, parameters("x"), parameters("x", "*xs"), {}) == given


def test_two_arguments_that_are_alike_stay_two() -> None:
    given = [Argument(name="x", value="1") for _ in range(2)]
    assert follow(given, parameters("x", "*xs"), parameters("x", "*ys"), {}) == given
    assert len(follow(given, parameters("x", "y"), parameters("x", "y", "z"), {})) == 3


def test_arguments_of_a_function_that_could_not_be_read_belong_to_the_one_that_can() -> None:
    given = arguments(a="1", b="2")
    assert follow(given, None, parameters("x", "y"), {}) == given
    assert values(follow(given, None, parameters("x", "y", "z"), {})) == {
        "a": "1",
        "b": "2",
        "z": "",
    }


def test_a_default_is_typed_behind_an_argument_with_a_name_of_its_own() -> None:
    signature, given = parameters("x", "n=3", "*", "k=1"), arguments(a="1")
    shown = rows(given, signature)
    assert [(row.name, row.index) for row in shown] == [("a", 0), ("n", None), ("k", None)]
    assert values(with_value(given, signature, shown[1], "4")) == {"a": "1", "n": "4"}
    assert values(with_value(given, signature, shown[2], "4")) == {"a": "1", "k": "4"}


def test_what_only_star_star_options_takes_has_no_place_either() -> None:
    signature = [Parameter(name="x", kind="positional"), Parameter(name="o", kind="var_keyword")]
    shown = rows(arguments(x="1", y="2"), signature)
    assert [row.place for row in shown] == [0, None]


@given(
    names=st.lists(argument_names, max_size=5),
    versions=st.lists(signatures().filter(lambda found: found is not None), min_size=2, max_size=5),
)
@example(  # a renamed parameter whose new name an argument has already
    names=["x", "a"],
    versions=[parameters("kw"), [Parameter(name="a", kind="keyword", default=None)]],
)
@example(  # two arguments that one parameter had in turn
    names=["x", "x", "y"],
    versions=[
        parameters("a", "y"),
        [],
        parameters("a", "kw", "*xs", "k", "y"),
        [],
    ],
)
def test_no_change_of_a_signature_loses_a_value(
    names: list[str], versions: list[list[Parameter]]
) -> None:
    now = [Argument(name=name, value=str(number)) for number, name in enumerate(names)]
    typed = {argument.value for argument in now}
    remembered: dict[str, Argument] = {}
    for before, after in itertools.pairwise(versions):
        now = follow(now, before, after, remembered)
        kept = {a.value for a in (*now, *remembered.values())}
        assert typed <= kept


def axes_after(in_axes: str, before: tuple[str, ...], after: tuple[str, ...], **values: str) -> str:
    """What becomes of in_axes when the parameters `before` become those `after`."""
    given = arguments(**values)
    old, new = parameters(*before), parameters(*after)
    followed = follow(given, old, new, {})
    (layer,) = follow_axes([Vmap(in_axes=in_axes)], (given, old), (followed, new), {})
    assert isinstance(layer, Vmap)
    return layer.in_axes


@pytest.mark.parametrize(
    ("in_axes", "after", "expected"),
    [
        ("(0, None)", ("x",), "0"),
        ("(0, None)", ("y",), "(None,)"),
        ("(0, None)", ("y", "x"), "(None, 0)"),
        ("(0, None)", ("x", "y", "z"), "(0, None, 0)"),
        ("(0, None)", ("x", "scale"), "(0, None)"),  # y was renamed
        ("(0, {'a': 1})", ("y",), "({'a': 1},)"),
        ("(0, 1, 2)", ("x",), "(0, 2)"),  # the third was no argument's before
        ("(1,)", ("x", "z", "y"), "(1, 0)"),
        ("0", ("x",), "0"),
        ("", ("x",), ""),
        ("(0, ", ("x",), "(0, "),
        ("axes", ("x",), "axes"),
    ],
)
def test_entries_of_axes_go_with_their_arguments(
    in_axes: str, after: tuple[str, ...], expected: str
) -> None:
    assert axes_after(in_axes, ("x", "y"), after, x="1", y="2") == expected


def test_another_function_has_jaxs_default_for_every_argument() -> None:
    assert axes_after("(0, None)", ("x", "y"), ("a",), x="1", y="2") == "0"
    assert axes_after("(None, 1)", ("x", "y"), ("a", "b", "c"), x="1", y="2") == "(0, 0, 0)"


def test_an_argument_that_comes_back_has_its_entry_again() -> None:
    one, two = parameters("x"), parameters("x", "y")
    remembered: dict[str, Argument] = {}
    axes: dict[tuple[int, str], str] = {}
    both = arguments(x="1", y="2")
    layers = [
        ShardMap(in_specs="(P('a'), P())"),
        Jit(static_argnums="0"),
        Vmap(in_axes="(0, None)"),
    ]
    shorter = follow(both, two, one, remembered)
    without = follow_axes(layers, (both, two), (shorter, one), axes)
    assert [getattr(layer, layer.input_field) for layer in without] == ["(P('a'),)", "0", "0"]
    again = follow(shorter, one, two, remembered)
    back = follow_axes(without, (shorter, one), (again, two), axes)
    assert back == layers
