"""From one listing to another, and to the source."""

from __future__ import annotations

import pytest

from jaxtui.program.screen.listing.model import Listing, Target
from jaxtui.wire.listing import Links, Operation, SourceLine

LINE_3, LINE_4 = SourceLine("", 3, "y = sin(x) + sin(z)"), SourceLine("", 4, "y = psum(y)")
IN_FILE = SourceLine("/home/me/step.py", 12, "return y")


def listing(*operations: Operation, lines: int = 9) -> Listing:
    text = "\n".join(f"line {n}" for n in range(lines))
    places = [LINE_3, LINE_4, IN_FILE]
    return Listing(text, "hlo", Links(operations=list(operations), places=places))


def test_the_same_operation_of_the_same_line_is_found() -> None:
    first = listing(Operation(1, "sin", 0), Operation(2, "sin", 0), Operation(3, "add", 0))
    other = listing(Operation(0, "add", 0), Operation(4, "sin", 0), Operation(6, "sin", 0))
    found = {}
    for line in (1, 2, 3):
        target = first.target(line)
        assert target is not None
        found[line] = other.find(target)
    assert found == {1: 4, 2: 6, 3: 0}


def test_where_the_name_is_another_the_line_still_leads_on() -> None:
    scan = listing(Operation(1, "scan", 0)).target(1)
    psum = listing(Operation(1, "psum", 1, "psum")).target(1)
    assert scan is not None
    assert psum is not None
    compiled = listing(
        Operation(2, "while", 0), Operation(4, "add", 1), Operation(5, "x", 1, "all")
    )
    assert compiled.find(scan) == 2
    assert compiled.find(psum) == 5
    assert listing(Operation(2, "while", 0)).find(psum) is None


def test_a_line_of_the_source_leads_to_what_is_sent_by_it() -> None:
    found = listing(Operation(1, "mul", 1), Operation(3, "psum", 1, "all-reduce"))
    assert found.find(Target(SourceLine("", 4))) == 3
    assert found.find(Target(SourceLine("", 9))) is None
    assert found.find(Target(SourceLine("/home/me/step.py", 4))) is None


def test_a_line_without_a_place_leads_nowhere() -> None:
    assert listing(Operation(1, "sin")).target(1) is None
    assert listing(Operation(1, "sin", 0)).target(4) is None


def test_what_belongs_to_an_operation_has_its_place() -> None:
    text = "a = dot[\n  n=3\n  m=4\n] b\nc = sin d"
    places = Links(
        operations=[Operation(0, "dot", 0), Operation(4, "sin", 1)], places=[LINE_3, LINE_4]
    )
    made = Listing(text, "jaxpr", places)
    assert [made.place_of(made.operation_at(line)) for line in range(5)] == [
        *[LINE_3] * 4,
        LINE_4,
    ]


def test_collectives_are_summed_up_by_name_shape_and_line() -> None:
    found = listing(
        Operation(1, "psum", 0, "all-reduce", "f32[2]"),
        Operation(2, "psum", 1, "all-reduce", "f32[2]"),
        Operation(3, "psum", None, "all-reduce", "f32[]"),
        Operation(4, "x", 2, "all-gather", "f32[8]"),
        Operation(5, "sin", 0),
    )
    assert found.summary() == (
        "4 collectives: all-reduce ×3 (f32[2] lines 3, 4; f32[]), all-gather (f32[8] step.py:12)"
    )
    assert listing(Operation(5, "sin", 0)).summary() == ""


@pytest.mark.parametrize(
    ("line", "step", "to"), [(0, 1, 1), (1, 1, 4), (4, 1, 1), (4, -1, 1), (1, -1, 4)]
)
def test_a_step_goes_to_the_next_collective_and_round(line: int, step: int, to: int) -> None:
    found = listing(Operation(1, "psum", 0, "all-reduce"), Operation(4, "psum", 0, "all-reduce"))
    assert found.next_collective(line, step) == to
    assert listing().next_collective(line, step) is None
