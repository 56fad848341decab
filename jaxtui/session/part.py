"""The base of every part of a session."""

from __future__ import annotations

from msgspec import Struct


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Immutable, built by keyword, with defaults left out in files and no further field allowed."""
