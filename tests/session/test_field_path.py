"""A field's path: taken apart, put together, and plain text wherever it leaves the process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jaxtui.session.field_path import ARGUMENTS, LAYERS, NO_FIELD, PROGRAM, SOURCE, FieldPath

keys = st.lists(st.from_regex(r"[a-z_]\w*|\d+", fullmatch=True), max_size=5)


def made(parts: list[str]) -> FieldPath:
    field = NO_FIELD
    for part in parts:
        field /= part
    return field


@given(keys, keys)
def test_a_field_is_its_keys(above, below):
    parent, field = made(above), made([*above, *below])
    assert field == ".".join([*above, *below])
    assert field.keys == (*above, *below)
    assert field.under(parent) == tuple(below)
    assert field.name == (field.keys[-1] if field.keys else "")


def test_a_field_elsewhere_is_not_under_it():
    assert (LAYERS / 0 / "in_axes").under(ARGUMENTS) is None
    assert FieldPath("program.layers_of_mine").under(LAYERS) is None
    assert PROGRAM.under(SOURCE) is None
