"""The sharding flow of `jaxtui shard` as text."""

from __future__ import annotations

from jaxtui.sharding import report
from jaxtui.wire.sharding import FoundSharding


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
