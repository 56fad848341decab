"""How often what stands in a call or a loop runs."""

from __future__ import annotations

from jaxtui.sharding import scopes
from jaxtui.wire.sharding import Scope


def scope(parent: int, turns: int | None) -> Scope:
    return Scope(label="scan", parent=parent, turns=turns)


def test_loops_in_loops_multiply_and_a_call_runs_once_in_each_turn() -> None:
    made = [scope(-1, 3), scope(0, 4), scope(1, 1), scope(0, 2)]
    assert scopes.turns(made) == {-1: 1, 0: 3, 1: 12, 2: 12, 3: 6}


def test_nothing_is_known_inside_a_loop_of_unknown_length() -> None:
    made = [scope(-1, None), scope(0, 4), scope(-1, 2)]
    assert scopes.turns(made) == {-1: 1, 0: None, 1: None, 2: 2}
