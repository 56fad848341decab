"""Which values of a program are needed, and a model of the memory that they take on one device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from jax.extend import core

from jaxtui.sharding.engine import marking

Bytes = Callable[[Any], int]


def peak(jaxpr: Any, bytes_of: Bytes, donated: Collection[Any] = ()) -> int:
    """The most bytes that live at once, of a marked jaxpr's arguments and all that it makes.

    `bytes_of(variable)` is a value's size on one device. Arguments live throughout, unless they are
    `donated`. Nothing is fused, so that a compiled program may need less.
    """
    given = [*jaxpr.invars, *jaxpr.constvars]
    held = sum(bytes_of(v) for v in given)
    freed = set(donated)
    return held + _most(jaxpr, bytes_of, freed)


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
        for body in _bodies(equation):
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


def _most(jaxpr: Any, bytes_of: Bytes, freed: Collection[Any] = ()) -> int:
    """The most bytes that live at once of what `jaxpr` makes, its arguments aside."""
    last = _last_uses(jaxpr)
    made: set[Any] = set()
    living = most = 0
    for number, equation in enumerate(jaxpr.eqns):
        if marking.is_mark(equation):
            continue
        results = set(equation.outvars)
        made |= results
        living += sum(bytes_of(v) for v in results)
        inner = max((_most(body, bytes_of) for body in _bodies(equation)), default=0)
        over = {v for v in (*_variables(equation.invars), *results) if last.get(v, -1) <= number}
        # What is donated is written over by a result of the same size.
        reused = sum(bytes_of(v) for v in over if v in freed)
        reused = min(reused, sum(bytes_of(v) for v in results))
        most = max(most, living + inner - reused)
        living -= sum(bytes_of(v) for v in over if v in made or v in freed)
    return most


def _last_uses(jaxpr: Any) -> dict[Any, int]:
    equations = [(n, e) for n, e in enumerate(jaxpr.eqns) if not marking.is_mark(e)]
    last = {v: n for n, e in equations for v in _variables(e.invars)}
    return last | {v: len(jaxpr.eqns) for v in _variables(jaxpr.outvars)}


def _variables(atoms: Any) -> list[Any]:
    return [a for a in atoms if not isinstance(a, core.Literal)]


def _bodies(equation: Any) -> list[Any]:
    found = []
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                found.append(item.jaxpr)
            elif isinstance(item, core.Jaxpr):
                found.append(item)
    return found
