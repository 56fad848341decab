"""An entry of the catalogue and one reference are all that a collective needs."""

from __future__ import annotations

import pytest

from jaxtui.collectives.engine.references import LIMITS, REFERENCES
from jaxtui.collectives.travel import model as travel
from jaxtui.collectives.travel.routes import ROUTES
from jaxtui.session.collective_catalogue import OPERATIONS, Operation


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_every_entry_has_a_reference_its_limits_a_convention_and_a_way_to_travel(
    operation: Operation,
) -> None:
    assert operation.name in REFERENCES
    limits = LIMITS[operation.name]
    assert bool(limits.instead) == (limits.probe is not None)
    assert limits.alternative is None or limits.alternative in OPERATIONS
    # Slices of any length have no one message size.
    has_size = operation.operand and not operation.names("operand")
    assert (operation.convention is not None) == has_size
    assert bool(travel.algorithms(operation.name)) == has_size


def test_nothing_is_kept_for_a_collective_that_is_in_no_entry() -> None:
    assert set(REFERENCES) == set(LIMITS) == set(OPERATIONS)
    assert {route.family for route in ROUTES} == {o.family for o in OPERATIONS.values()} - {None}
