"""How the arguments of a session reach the parameters of its function: by position or by name."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtui.wire.report import Parameter


def passing(
    names: Sequence[str], parameters: Sequence[Parameter]
) -> tuple[list[int], dict[str, int]]:
    """Which arguments (indices into `names`) go by position, in order, and which by keyword.

    An argument goes by position, whatever it is called, unless its name is that of a keyword-only
    parameter, or `**kwargs` takes it because all places are filled.
    """
    kinds = {p.kind for p in parameters}
    keyword_only = {p.name for p in parameters if p.kind == "keyword"}
    named = {p.name for p in parameters}
    places = sum(p.kind == "positional" for p in parameters)
    takes_any = "var_keyword" in kinds and "var_positional" not in kinds
    positional: list[int] = []
    keywords: dict[str, int] = {}
    for index, name in enumerate(names):
        left_over = takes_any and name not in named and len(positional) >= places
        if (name in keyword_only or left_over) and name not in keywords:
            keywords[name] = index
        else:
            positional.append(index)
    return positional, keywords


def takers(names: Sequence[str], parameters: Sequence[Parameter]) -> list[Parameter | None]:
    """The parameter that takes each argument; None for `*args`, `**kwargs` and one too many."""
    positional, keywords = passing(names, parameters)
    found: list[Parameter | None] = [None] * len(names)
    places = [p for p in parameters if p.kind == "positional"]
    for index, place in zip(positional, places, strict=False):
        found[index] = place
    for parameter in parameters:
        if parameter.kind == "keyword" and parameter.name in keywords:
            found[keywords[parameter.name]] = parameter
    return found
