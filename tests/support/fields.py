"""The value of a session's field, read by its path."""

from __future__ import annotations

from typing import Any

from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session


def get_field(session: Session, field: FieldPath) -> Any:
    """Return the value at `field`. Raises KeyError if there is no such field."""
    if not field:
        raise KeyError(field)
    value: Any = session
    for key in field.keys:
        try:
            if isinstance(value, list):
                value = value[int(key)]
            elif isinstance(value, dict):
                value = value[key]
            else:
                value = getattr(value, key)
        except (AttributeError, IndexError, ValueError, KeyError) as error:
            raise KeyError(field) from error
    return value
