"""The header line as parts: plain data, which needs no Textual."""

from __future__ import annotations

from collections.abc import Sequence

Part = str | tuple[str, str]
"""A text, with a style unless it has that of the line."""

Screens = Sequence[tuple[str, str, str]]
"""The (name, key, label) of each screen, in order."""


def header(
    screens: Screens, active: str, width: int, *, where: str = "", doing: str, alert: bool = False
) -> list[Part]:
    """The line, fitted to the width; the engine's status is the last part to go."""
    ways = ((True, True), (False, True), (True, False), (False, False))
    choices = [
        (_names(screens, active, roomy), _status(where if shown else "", doing, alert, roomy))
        for roomy, shown in ways
    ]
    choices.append((_keys(screens, active), _status("", doing, alert, False)))
    for left, right in choices:
        if _length(left) + _length(right) < width:
            break
    else:
        left = []
    gap = max(0, width - _length(left) - _length(right))
    return [*left, " " * gap, *right]


def _names(screens: Screens, active: str, roomy: bool) -> list[Part]:
    """The names of the screens, after the program's own if there is room."""
    brand: list[Part] = [(" jaxtui ", "bold $text")] if roomy else []
    return brand + [
        (
            f" {key} {label} " if roomy else f" {key} {label}",
            "bold $text on $surface" if name == active else "$text-muted",
        )
        for name, key, label in screens
    ]


def _keys(screens: Screens, active: str) -> list[Part]:
    """The keys of the screens, with the name of the active one."""
    return [
        (f" {key} {label}", "bold $text on $surface")
        if name == active
        else (f" {key}", "$text-muted")
        for name, key, label in screens
    ]


def _status(where: str, doing: str, alert: bool, roomy: bool) -> list[Part]:
    place = where if roomy else where.replace("JAX ", "")
    shown: list[Part] = [(f"{place} · ", "$text-muted")] if place else []
    return [*shown, (doing, "bold $text-warning" if alert else "$text"), " "]


def _length(parts: Sequence[Part]) -> int:
    return sum(len(part if isinstance(part, str) else part[0]) for part in parts)
