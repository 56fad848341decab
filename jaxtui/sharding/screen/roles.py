"""The styles of the roles that a sharding flow's texts have, and its lines as widgets paint them.

A widget takes both parts into its class: `COMPONENT_CLASSES = {...} | roles.COMPONENTS` and
`DEFAULT_CSS = '''...''' + roles.CSS`.
"""

from __future__ import annotations

from collections.abc import Iterable

from jaxtui.screen.cells import Line, Segment
from jaxtui.sharding.words import Part

PREFIX = "sharding--"
# The colours of axes are those of the theme that mean nothing else; a name stands beside each.
_STYLES = {
    "axis-0": "color: $text-primary; text-style: bold;",
    "axis-1": "color: $text-success; text-style: bold;",
    "axis-2": "color: $text-secondary; text-style: bold;",
    "axis-3": "color: $text-accent; text-style: bold;",
    "name": "text-style: bold;",
    "op": "color: $foreground 65%;",
    "dtype": "color: $foreground 80%;",
    "quiet": "color: $foreground 60%;",
    "block": "color: $foreground 80%;",
    "bytes": "color: $foreground;",
    "code": "color: $foreground 80%; text-style: italic;",
    "scope": "text-style: bold;",
    "sent": "color: $text-warning;",
    "sign": "color: $foreground 60%;",
    "pointer": "color: $primary; text-style: bold;",
    "mark": "color: $text-error; text-style: bold;",
    "note": "color: $text-warning; text-style: italic;",
    "lit": "background: $success 25%; text-style: bold;",
    "agrees": "color: $text-success;",
    "new": "text-style: bold;",
    "heading": "text-style: bold;",
    "cursor": "background: $primary 30%;",
    "selected": "background: $foreground 10%;",
    "wrong": "color: $text-error;",
}
COMPONENTS: set[str] = {f"{PREFIX}{role}" for role in _STYLES}
CSS = "\n".join(f".{PREFIX}{role} {{ {style} }}" for role, style in _STYLES.items())


def line_of(parts: Iterable[Part]) -> Line:
    """Parts as the segments that widgets paint."""
    return tuple(Segment(part.text, part.role) for part in parts)
