"""The styles of the roles that a sharding flow's texts have, and its lines as widgets paint them.

A widget takes both parts into its class: `COMPONENT_CLASSES = {...} | roles.COMPONENTS` and
`DEFAULT_CSS = '''...''' + roles.CSS`.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxtui.screen.cells import Line, Segment
from jaxtui.sharding.words import Part

PREFIX = "sharding--"
_STYLES = {
    "axis-0": "color: $mesh-0; text-style: bold;",
    "axis-1": "color: $mesh-1; text-style: bold;",
    "axis-2": "color: $mesh-2; text-style: bold;",
    "axis-3": "color: $mesh-3; text-style: bold;",
    "name": "text-style: bold;",
    "op": "color: $quiet;",
    "dtype": "color: $soft;",
    "quiet": "color: $quiet;",
    "block": "color: $soft;",
    "bytes": "color: $foreground;",
    "code": "color: $soft; text-style: italic;",
    "scope": "text-style: bold;",
    "sent": "color: $text-warning;",
    "sign": "color: $quiet;",
    "pointer": "color: $focus; text-style: bold;",
    "mark": "color: $text-error; text-style: bold;",
    "note": "color: $text-warning; text-style: italic;",
    "lit": "background: $lit; text-style: bold;",
    "agrees": "color: $foreground;",
    "new": "text-style: bold;",
    "heading": "text-style: bold;",
    "cursor": "background: $lit;",
    "selected": "background: $foreground 10%;",
    "wrong": "color: $text-error;",
}
COMPONENTS: set[str] = {f"{PREFIX}{role}" for role in _STYLES}
CSS = "\n".join(f".{PREFIX}{role} {{ {style} }}" for role, style in _STYLES.items())


def line_of(parts: Iterable[Part]) -> Line:
    """Parts as the segments that widgets paint."""
    return tuple(Segment(part.text, part.role) for part in parts)
