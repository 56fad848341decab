"""Which values of a program are needed, and a model of the memory that they take on one device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from jax.extend import core

from jaxtui.engine_base import jaxprs
from jaxtui.sharding.engine import marking

Bytes = Callable[[Any], int]


class Life:
    """When the values of a marked jaxpr are made and last read, as a model of its memory.

    Arguments live throughout, unless they are `donated`. Nothing is fused, so that a compiled
    program may need less.
    """

    def __init__(self, jaxpr: Any, donated: Collection[Any] = ()) -> None:
        self._given = [*jaxpr.invars, *jaxpr.constvars]
        self._steps = list(_steps(jaxpr, set(donated)))

    def peak(self, bytes_of: Bytes) -> int:
        """The most bytes that live at once, of the arguments and all that is made.

        `bytes_of(variable)` is a value's size on one device.
        """
        return sum(map(bytes_of, self._given)) + self.most_made(bytes_of)

    def most_made(self, bytes_of: Bytes) -> int:
        """The most bytes that live at once of what is made, the arguments aside."""
        living = most = 0
        for step in self._steps:
            made = sum(map(bytes_of, step.made))
            living += made
            inner = max((body.most_made(bytes_of) for body in step.bodies), default=0)
            reused = min(made, sum(map(bytes_of, step.overwritten)))
            most = max(most, living + inner - reused)
            living -= sum(map(bytes_of, step.freed))
        return most

    def at_most(self, bytes_of: Bytes) -> list[Any]:
        """The variables that are made and live when `most_made` is reached, those of bodies too."""
        most, best = -1, list[Any]()
        living: dict[Any, None] = {}
        size = 0
        for step in self._steps:
            living.update(dict.fromkeys(step.made))
            made = sum(map(bytes_of, step.made))
            size += made
            largest = max(step.bodies, key=lambda body: body.most_made(bytes_of), default=None)
            inner = 0 if largest is None else largest.most_made(bytes_of)
            reached = size + inner - min(made, sum(map(bytes_of, step.overwritten)))
            if reached > most:
                inside = [] if largest is None else largest.at_most(bytes_of)
                most, best = reached, [*living, *inside]
            for variable in step.freed:
                size -= bytes_of(variable)
                living.pop(variable, None)
        return best


class _Step(NamedTuple):
    """What an equation makes; the donated that it reads last, which is written over by a result of
    the same size; and all whose memory is free behind it."""

    made: list[Any]
    overwritten: list[Any]
    freed: list[Any]
    bodies: list[Life]


def _steps(jaxpr: Any, donated: set[Any]) -> Iterator[_Step]:
    equations = [equation for equation in jaxpr.eqns if not marking.is_mark(equation)]
    last = {v: n for n, e in enumerate(equations) for v in _variables(e.invars)}
    last |= {v: len(equations) for v in _variables(jaxpr.outvars)}
    freeable = set(donated)
    for number, equation in enumerate(equations):
        made = equation.outvars
        freeable.update(made)
        touched = dict.fromkeys([*_variables(equation.invars), *made])
        over = [v for v in touched if last.get(v, -1) <= number]
        yield _Step(
            made=made,
            overwritten=[v for v in over if v in donated],
            freed=[v for v in over if v in freeable],
            bodies=[Life(body) for body in jaxprs.bodies(equation.params)],
        )


def needed(jaxpr: Any) -> set[Any]:
    """The variables of a marked jaxpr, those of its bodies included, on which its results depend.

    XLA drops what is computed for the others.
    """
    found: set[Any] = set()
    _need(jaxpr, [True] * len(jaxpr.outvars), found)
    return found


def _need(jaxpr: Any, wanted: Sequence[bool], found: set[Any]) -> None:
    results = zip(jaxpr.outvars, wanted, strict=True)
    found.update(_variables([atom for atom, is_wanted in results if is_wanted]))
    for equation in reversed(jaxpr.eqns):
        outputs = [variable in found for variable in equation.outvars]
        if not any(outputs) and not _has_own_effects(equation):
            continue
        found.update(_variables(equation.invars))
        for body in jaxprs.bodies(equation.params):
            _need(body, _wanted_of(body, equation, outputs), found)


def _wanted_of(body: Any, equation: Any, outputs: list[bool]) -> list[bool]:
    """Which results of a body are needed for the outputs of its equation."""
    count = len(body.outvars)
    if equation.primitive.name == "scan":
        # What is carried has the rank that it has outside; what is stacked has one dimension less.
        pairs = zip(body.outvars, equation.outvars, strict=True)
        carried = [len(inner.aval.shape) == len(outer.aval.shape) for inner, outer in pairs]
        return [kept or wanted for kept, wanted in zip(carried, outputs, strict=True)]
    if equation.primitive.name in ("cond", "shard_map") and count == len(outputs):
        return outputs
    return [True] * count


def _has_own_effects(equation: Any) -> bool:
    """Whether an equation has effects beside those of the marks in its bodies."""
    return any(effect not in marking.effects() for effect in equation.effects)


def _variables(atoms: Any) -> list[Any]:
    return [a for a in atoms if not isinstance(a, core.Literal)]
