"""The operations of a printed jaxpr, each with the line of the user's code that made it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jaxtui.engine_base.jaxprs import walk
from jaxtui.program.engine import places
from jaxtui.program.engine.places_table import Places
from jaxtui.wire.listing import Operation

# Over devices only: what vmap makes of them under a name of its own has become something else.
COLLECTIVES = frozenset(
    {
        *("psum", "psum2", "psum_invariant", "unreduced_psum", "pmax", "pmin", "ppermute"),
        *("all_gather", "all_gather_invariant", "all_gather_reduced", "all_to_all"),
        *("ragged_all_to_all", "reduce_scatter", "unreduced_reduce_scatter", "psend", "precv"),
    }
)
CALLS = frozenset({"jit", "pjit", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})
_SHARED = re.compile(r"let (?P<name>(?!jaxpr\b)\w+?)\d* = ")
_FUNCTION = re.compile(r"\s+name=(\S+)$")
_CALLED = re.compile(r"\bname=([^\s\]]+)")
# What an equation binds, as in `a:f32[2,3] _:i32[] = `, then its primitive.
_EQUATION = re.compile(r"(?:(?P<bound>[\w*]+(?::\S+)?(?: [\w*]+(?::\S+)?)*) = )?(?P<name>[\w-]+)")

Span = tuple[int, int, Any]  # first and last column, and a traceback


def printed(jaxpr: Any) -> tuple[str, list[list[Span]]]:
    """The jaxpr as JAX prints it, and for each line which columns JAX made at which traceback."""
    spans: list[list[Span]] = []
    return jaxpr.pretty_print(use_color=False, source_map=spans), spans


@dataclass
class _Around:
    """An equation in which others may stand.

    `function` is the name of the function that it calls, None if it calls none.
    """

    column: int
    place: int | None
    function: str | None


def operations(
    jaxpr: Any, text: str, spans: list[list[Span]], table: Places
) -> Iterator[Operation]:
    """The equations of a printed jaxpr.

    Inside an equation whose body a library made, the line is that of the equation.
    """
    names = {equation.primitive.name for equations, _ in walk(jaxpr) for equation in equations}
    around: list[_Around] = []
    for number, (line, found) in enumerate(zip(text.split("\n"), spans, strict=False)):
        if not line.startswith(" "):
            shared = _SHARED.match(line)  # a body that JAX prints ahead of those that refer to it
            around = [_Around(-1, None, shared["name"])] if shared is not None else []
        if around and (given := _FUNCTION.match(line)):
            around[-1].function = given[1]
        for start, end, origin in found:
            part = line[start:end]
            equation = _EQUATION.match(part)
            if equation is None or equation["name"] not in names or _is_parameter(part, equation):
                continue
            while around and around[-1].column >= start:
                around.pop()
            called = [one.function for one in around if one.function is not None]
            place = _place(origin, called[-1] if called else None)
            made = None if place is None else table.index(*place)
            if made is None and around:
                made = around[-1].place
            name = equation["name"]
            function = _CALLED.search(part)
            calls = ("" if function is None else function[1]) if name in CALLS else None
            around.append(_Around(start, made, calls))
            spoken = name if name in COLLECTIVES else ""
            yield Operation(number, name, made, spoken, _shape(equation["bound"], spoken))


def _is_parameter(part: str, equation: re.Match[str]) -> bool:
    """Whether it is `name=value`, a parameter on a line of its own, named like a primitive."""
    return part[equation.end() : equation.end() + 1] == "="


def _place(origin: Any, function: str | None) -> tuple[str, int] | None:
    """The file, "" for the source, and line of the user's code that made an equation.

    Before 0.10 JAX gives the innermost of the user's frames in place of a traceback. In the body of
    a `function` of a library's it may be that of an earlier call, of this program or another.
    """
    if hasattr(origin, "raw_frames"):
        found = places.place_in(origin)
        return None if found is None else (found.file, found.line)
    if function is not None and origin.function_name.rpartition(".")[2] != function:
        return None
    return places.chosen([(origin.file_name, origin.start_line)])


def _shape(bound: str | None, spoken: str) -> str:
    """The shapes that a collective binds, without the axes that they vary over."""
    if not spoken or bound is None:
        return ""
    return ", ".join(part.partition(":")[2].partition("{")[0] for part in bound.split(" "))
