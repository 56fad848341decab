"""Which equations of a program make NaN, or infinities, of finite numbers.

The program runs once more with probes. An equation makes a NaN where, at one turn of the body in
which it stands, a result of it has one and none of its operands has; infinities alike, where the
operands have neither. What a collective hands on is no origin, nor what a loop returns: its body
tells that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jax.extend import core

from jaxtui.origins.engine.probes import (
    FIRST_INF,
    FIRST_NAN,
    INFS,
    NANS,
    Body,
    Where,
)
from jaxtui.sharding.engine import naming
from jaxtui.sharding.engine.lines import Place
from jaxtui.sharding.engine.marking import Marked

Kind = Literal["nan", "inf"]
KINDS: tuple[Kind, ...] = ("nan", "inf")
_HANDED_ON = frozenset(
    {
        "all_gather",
        "all_to_all",
        "cond",
        "pbroadcast",
        "pcast",
        "pmax",
        "pmin",
        "ppermute",
        "psum",
        "psum_invariant",
        "pvary",
        "reduce_scatter",
        "scan",
        "shard_map",
        "while",
    }
)


@dataclass(frozen=True, eq=False)
class _Of:
    """A result of an equation: its number in the order of the program, and where that is made."""

    number: int
    equation: Any
    place: Place | None
    variable: str
    where: Where

    def turns(self, kind: Kind, body: Body, row: int) -> Any:
        """The turns at which it has what none of its operands has."""
        seen = body.figures  # (turns, rows, 4)
        operands = [r for atom in self.equation.invars if (r := body.row(atom)) is not None]
        nans, infs = seen[:, :, NANS] > 0, seen[:, :, INFS] > 0
        there, before = (nans, nans) if kind == "nan" else (infs, nans | infs)
        return np.flatnonzero(there[:, row] & ~before[:, operands].any(axis=1))

    def origin(self, kind: Kind, body: Body, row: int) -> Origin:
        turns = self.turns(kind, body, row)
        figures = body.figures[turns[0], row]
        counted, first = (NANS, FIRST_NAN) if kind == "nan" else (INFS, FIRST_INF)
        return Origin(
            kind=kind,
            of=self,
            turns=len(turns),
            of_turns=len(body.figures),
            count=int(figures[counted]),
            index=int(figures[first]),
        )


@dataclass(frozen=True, eq=False)
class Origin:
    """An equation that makes a NaN or an infinity.

    It does so at `turns` of `of_turns` evaluations. At the first of these there are `count` of
    them, the first at the flat `index`.
    """

    kind: Kind
    of: _Of
    turns: int
    of_turns: int
    count: int
    index: int

    @property
    def operation(self) -> str:
        return str(self.of.equation.primitive.name)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.of.equation.outvars[self.of.where.output].aval.shape)

    @property
    def place(self) -> tuple[int, ...]:
        """The index of the first element."""
        return tuple(int(i) for i in np.unravel_index(self.index, self.shape))

    @property
    def backward(self) -> bool:
        """Whether it is of a gradient: its place is then of what is differentiated."""
        return naming.is_backward(self.of.equation)

    @property
    def written(self) -> bool:
        """Whether the program has it as a constant, as in `jnp.where(mask, x, -jnp.inf)`."""
        return any(map(_is_not_finite, self.of.equation.invars))


def origins(marked: Marked, bodies: Sequence[Body]) -> list[Origin]:
    """The origins in the order of the program, NaN and infinities."""
    numbers: dict[Any, int] = {}
    for place, value in enumerate(marked.values):
        if isinstance(value.variable, core.Var):
            numbers.setdefault(value.variable, place)
    places = naming.places(marked)
    names = naming.names(marked, places)
    found = []
    for where, equation, body in _candidates(bodies):
        variable = equation.outvars[where.output]
        row, number = body.row(variable), numbers.get(variable)
        if row is None or number is None:
            continue
        of = _Of(number, equation, places[number], names[number], where)
        found += [of.origin(kind, body, row) for kind in KINDS if of.turns(kind, body, row).size]
    return sorted(found, key=lambda origin: origin.of.number)


def _candidates(bodies: Sequence[Body]) -> Iterator[tuple[Where, Any, Body]]:
    for body_number, body in enumerate(bodies):
        for at, equation in enumerate(body.equations if body.seen else ()):
            if equation.primitive.name not in _HANDED_ON:
                for output in range(len(equation.outvars)):
                    yield Where(body_number, at, output), equation, body


def _is_not_finite(atom: Any) -> bool:
    if not isinstance(atom, core.Literal):
        return False
    value = np.asarray(atom.val)
    return value.dtype.kind in "fc" and not bool(np.isfinite(value).all())
