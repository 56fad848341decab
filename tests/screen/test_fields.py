"""Fields that hold data: what is typed is read, or refused at its field."""

from __future__ import annotations

import pytest

from jaxtui.screen import fields
from jaxtui.session.session import SessionError


@pytest.mark.parametrize("text", ["x = 4, y = 2", "{'x': 4, 'y': 2}", "x=4,y=2", "x: 4, y: 2,"])
def test_a_mesh_is_read_as_people_write_it(text: str) -> None:
    assert fields.mesh(text) == {"x": 4, "y": 2}


@pytest.mark.parametrize("text", ["3, 2, 1", "[3, 2, 1]", "3 2 1"])
def test_an_order_is_read_as_people_write_it(text: str) -> None:
    assert fields.order(text) == [3, 2, 1]


def test_parameters_come_back_as_they_were_shown() -> None:
    pairs = {"batch": 4, "n": 8}
    assert fields.parameters(fields.pairs_text(pairs)) == pairs


def test_no_text_is_no_setting() -> None:
    assert fields.parameters(" ") == {}
    assert fields.mesh("") is None
    assert fields.order("") is None
    assert fields.count("") is None


@pytest.mark.parametrize(
    ("read", "text", "field"),
    [
        (fields.parameters, "batch", "parameters"),
        (fields.parameters, "batch = four", "parameters"),
        (fields.parameters, "devices = 4", "parameters"),
        (fields.parameters, "a = 1, a = 2", "parameters"),
        (fields.mesh, "x = 0", "devices.mesh"),
        (fields.mesh, "x 4", "devices.mesh"),
        (fields.order, "1, 1", "devices.order"),
        (fields.order, "one", "devices.order"),
        (fields.count, "0", "devices.count"),
        (fields.count, "many", "devices.count"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(read, text: str, field: str) -> None:
    with pytest.raises(SessionError) as caught:
        read(text)
    assert caught.value.field == field
    assert caught.value.message
