"""The sharding flow of `jaxtui shard` as text."""

from __future__ import annotations

from jaxtui.sharding import report, words
from jaxtui.wire.sharding import FoundSharding, SearchedGroup


def test_a_way_of_a_search_is_one_line_however_its_shardings_are_typed() -> None:
    found = FoundSharding(
        specs={"params": "{\n  'a': P('data'),\n  'b': P(),\n}", "x": ""},
        sent=128,
        seconds=1e-6,
        memory=256,
        best=True,
        fits=True,
    )
    heading, line = report.search([found])
    assert heading.startswith("search: 1 ways")
    assert line.endswith("params { 'a': P('data'), 'b': P(), }, x left to JAX")


def test_what_was_divided_is_told_by_pattern() -> None:
    found = FoundSharding(specs={"x": "P()"}, sent=1, seconds=1.0, memory=1, best=True, fits=True)
    tree = SearchedGroup(argument="params", pattern="**/kernel", arrays=24, bytes=9, ways=9)
    alone = SearchedGroup(argument="x", pattern="", arrays=1, bytes=9, ways=9)
    assert list(report.search([found], [tree, alone]))[1] == (
        "  params **/kernel: 24 arrays alike, 9 ways each"
    )


def test_what_is_left_to_jax_is_told_apart_from_what_is_whole() -> None:
    assert words.way("P()") == "P() whole"
    assert words.way("", "P()") == "left to JAX: whole"
    assert words.way("", "P('data')") == "left to JAX: P('data')"
    assert words.way("") == "left to JAX"
    assert words.way("P('data',\n  None)") == "P('data', None)"
    patterns = "by_path({'**/kernel': P('model'), '**': P()})"
    assert words.way(patterns, changed={"**/kernel": "P('model')"}) == "**/kernel P('model')"
    assert words.way("P()", changed={"**/kernel": "P()"}) == "P() whole"


def test_a_search_that_was_refused_says_why() -> None:
    assert list(report.search([], refused="on a mesh of its own")) == [
        "search: on a mesh of its own"
    ]
