"""The argument list follows the signature, and what was typed is not lost."""

from __future__ import annotations

from jaxtui.program.screen.signature import follow, rows, with_value
from jaxtui.session.session import Argument
from jaxtui.wire.report import Parameter


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
    followed = follow(arguments(x="1"), parameters("x", "y"), {})
    assert values(followed) == {"x": "1", "y": ""}


def test_the_order_is_that_of_the_signature() -> None:
    followed = follow(arguments(x="1", y="2"), parameters("y", "x"), {})
    assert list(values(followed)) == ["y", "x"]


def test_a_name_that_comes_back_has_its_value_again() -> None:
    remembered: dict[str, Argument] = {}
    shorter = follow(arguments(x="1", y="2"), parameters("x"), remembered)
    assert values(shorter) == {"x": "1"}
    assert values(follow(shorter, parameters("x", "y"), remembered)) == {"x": "1", "y": "2"}


def test_a_parameter_renamed_letter_by_letter_keeps_its_value() -> None:
    remembered: dict[str, Argument] = {}
    now = arguments(x="1", y="2")
    for name in ("ye", "yea", "year"):
        now = follow(now, parameters("x", name), remembered)
    assert values(now) == {"x": "1", "year": "2"}
    assert remembered == {}


def test_a_parameter_with_a_default_is_not_passed_until_it_is_typed() -> None:
    signature = parameters("x", "n=3")
    assert values(follow(arguments(x="1"), signature, {})) == {"x": "1"}
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
    assert values(follow(second, signature, {})) == values(second)
    assert values(with_value(second, signature, rows(second, signature)[1], "")) == {"xs_0": "1"}


def test_a_keyword_has_no_place_among_the_axes() -> None:
    shown = rows(arguments(x="1", scale="2"), parameters("x", "*", "scale"))
    assert [row.place for row in shown] == [0, None]


def test_what_only_star_star_options_takes_has_no_place_either() -> None:
    signature = [Parameter(name="x", kind="positional"), Parameter(name="o", kind="var_keyword")]
    shown = rows(arguments(x="1", y="2"), signature)
    assert [row.place for row in shown] == [0, None]
