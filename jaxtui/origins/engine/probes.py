"""A program with probes: at the end of each body, a callback with what its values hold.

The calls of the program are entered and its equations are otherwise as they are, so that a probe
sees the values of a loop's body at each turn, and those of manual code on each device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jaxtui.sharding.engine.marking import Flat, Marked, Marking, fresh

# What a probe tells of a value: how many elements are NaN, how many infinite, and the flat index of
# the first of each.
NANS, INFS, FIRST_NAN, FIRST_INF = range(4)


@dataclass
class Body:
    """A body of the program: its probed variables, its equations, and what was seen at each turn.

    Each entry of `seen` has a row for each variable, with the four figures of a probe.
    """

    variables: list[Any]
    equations: list[Any]
    seen: list[np.ndarray] = field(default_factory=list)

    def row(self, atom: Any) -> int | None:
        """Which row is that of `atom`; None for a literal and what holds no floats."""
        return self._rows.get(atom) if isinstance(atom, core.Var) else None

    @functools.cached_property
    def figures(self) -> np.ndarray:
        """All that was seen, (turns, variables, 4)."""
        return np.asarray([np.asarray(one) for one in self.seen])

    @functools.cached_property
    def _rows(self) -> dict[Any, int]:
        return {variable: row for row, variable in enumerate(self.variables)}


class Probing(Marking):
    """Puts a probe of all inexact values at the end of each body."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Body] = []

    def ending(self, jaxpr: Any, flat: Flat) -> list[Any]:
        made = [v for equation in flat.equations for v in equation.outvars]
        variables = [v for v in (*jaxpr.invars, *jaxpr.constvars, *made) if is_inexact(v)]
        body = Body(variables, list(flat.equations))
        self.bodies.append(body)
        if not variables:
            return []

        def tell(*values: Any) -> None:
            jax.debug.callback(body.seen.append, jnp.stack([figures(value) for value in values]))

        return spliced(tell, variables)

    def effects(self) -> Any:
        return _template().effects


def probed(closed: Any) -> tuple[Marked, list[Body]]:
    """A closed jaxpr with probes, and its bodies, the innermost first."""
    probing = Probing()
    return probing.program(closed), probing.bodies


def figures(value: Any) -> Any:
    """The four figures of a value, int32; those of an empty one are 0."""
    flat = jnp.ravel(value)
    if not flat.size:
        return jnp.zeros(4, jnp.int32)
    nans, infs = jnp.isnan(flat), jnp.isinf(flat)
    found = [nans.sum(), infs.sum(), jnp.argmax(nans), jnp.argmax(infs)]
    return jnp.stack([figure.astype(jnp.int32) for figure in found])


def spliced(call: Callable[..., Any], variables: list[Any]) -> list[Any]:
    """The equations of `call` of these variables, which returns nothing."""
    structs = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in variables]
    closed = jax.make_jaxpr(call)(*structs)
    jaxpr = closed.jaxpr
    now: dict[Any, Any] = dict(zip(jaxpr.invars, variables, strict=True))
    for variable, value in zip(jaxpr.constvars, closed.consts, strict=True):
        now[variable] = core.Literal(value, variable.aval)
    equations = []
    for equation in jaxpr.eqns:
        read = [now[v] if isinstance(v, core.Var) else v for v in equation.invars]
        results = [fresh(v) for v in equation.outvars]
        now.update(zip(equation.outvars, results, strict=True))
        equations.append(equation.replace(invars=read, outvars=results))
    return equations


def is_inexact(variable: Any) -> bool:
    """Whether a variable holds floats or complex numbers."""
    dtype = getattr(variable.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


@functools.cache
def _template() -> Any:
    return jax.make_jaxpr(lambda: jax.debug.callback(lambda: None))().jaxpr


@dataclass(frozen=True)
class Where:
    """A result of an equation: the body's place in the order of `probed`, then its own."""

    body: int
    equation: int
    output: int


Element = tuple[Where, int]  # of a result, by its flat index


class Reading(Marking):
    """Reads single elements: of a result of some equations, and of the operands beside it."""

    def __init__(self, elements: Mapping[Element, list[tuple[Any, ...]]]) -> None:
        """`elements` are to be read; what is found at each turn is added to each one's list."""
        super().__init__()
        self._elements = elements
        self._bodies = 0

    def ending(self, jaxpr: Any, flat: Flat) -> list[Any]:
        number, self._bodies = self._bodies, self._bodies + 1
        ending: list[Any] = []
        for (where, index), found in self._elements.items():
            if where.body == number:
                equation = flat.equations[where.equation]
                beside = [atom for atom in equation.invars if lies_beside(atom, equation, where)]
                variables = [equation.outvars[where.output], *beside]
                ending += spliced(functools.partial(_read, index, found), variables)
        return ending

    def effects(self) -> Any:
        return _template().effects


def _read(index: int, found: list[tuple[Any, ...]], *values: Any) -> None:
    def keep(*elements: Any) -> None:
        found.append(tuple(map(np.asarray, elements)))

    flat = [jnp.ravel(value) for value in values]
    jax.debug.callback(keep, *(one[min(index, one.size - 1)] for one in flat))


def lies_beside(atom: Any, equation: Any, where: Where) -> bool:
    """Whether an operand has an element for each element of the result, or is a single number."""
    shape = equation.outvars[where.output].aval.shape
    return isinstance(atom, core.Var) and getattr(atom.aval, "shape", None) in (shape, ())
