"""What makes of `jax.jvp`, `jax.lax.scan` and others a function of the program's arguments alone.

Each is, but for its types, what an exported script has for it (`session/adapters.py`). Arguments by
name are bound as they are, unless it is said otherwise.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.engine_base import failures
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.program.engine import expressions
from jaxtui.program.engine.expressions import Names
from jaxtui.session.field_path import FieldPath

Function = Callable[..., Any]


class Arrays:
    """The arrays that the text of a setting gives, which no trace needs to compute.

    Raises Diagnosed at `field` where the text gives none.
    """

    def __init__(self, text: str, known: Names, field: FieldPath) -> None:
        self._of = (text, known, field)
        self._computed: list[Any] = []
        self.shapes = expressions.abstract_value(text, known, field).tree

    def compute(self) -> None:
        """Compute the arrays now, as a script would before it calls its program."""
        self._computed = [expressions.concrete_value(*self._of)]

    def forget(self) -> None:
        """Free the arrays that were computed."""
        self._computed.clear()

    def value(self) -> Any:
        """The arrays; what was not computed before becomes a part of the trace that asks."""
        return self._computed[0] if self._computed else expressions.concrete_value(*self._of)


def ones_like(tree: Any) -> Any:
    """Tangents for `tree`: ones, and float0 for what has no other (integers, keys)."""

    def ones(leaf: Any) -> Any:
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return jnp.ones_like(leaf)
        return np.zeros(jnp.shape(leaf), jax.dtypes.float0)

    return jax.tree.map(ones, tree)


def for_each(primals: tuple[Any, ...], tangents: Any) -> Any:
    """`tangents` as an entry for each of the `primals`; that of a single one may stand alone."""
    if tangents is None:
        return ones_like(primals)
    # The type has no annotated ==.
    same = jax.tree.structure(primals) == jax.tree.structure(tangents)  # type: ignore[operator]
    several = same or len(primals) != 1
    return tangents if several else (tangents,)


def as_jvp(f: Function, tangents: Any = None, **settings: Any) -> Function:
    """`jax.jvp` of `f`, along `tangents` or else ones."""

    def of_arguments(*primals: Any, **named: Any) -> Any:
        given = for_each(primals, tangents)
        return jax.jvp(lambda *args: f(*args, **named), primals, given, **settings)

    return of_arguments


def as_vjp(f: Function, cotangents: Any = None, **settings: Any) -> Function:
    """`jax.vjp` of `f`, with `cotangents` or else ones pulled back."""

    def of_arguments(*primals: Any, **named: Any) -> Any:
        out, pull, *aux = jax.vjp(lambda *args: f(*args, **named), *primals, **settings)
        given = ones_like(out) if cotangents is None else cotangents
        return out, pull(given), *aux

    return of_arguments


def as_linearize(f: Function, tangents: Any = None, **settings: Any) -> Function:
    """`jax.linearize` of `f`, its linear map applied to `tangents` or else ones."""

    def of_arguments(*primals: Any, **named: Any) -> Any:
        out, push, *aux = jax.linearize(lambda *args: f(*args, **named), *primals, **settings)
        return out, push(*for_each(primals, tangents)), *aux

    return of_arguments


def as_scan(f: Function, **settings: Any) -> Function:
    """`jax.lax.scan` of `f`, a function of a carry and a slice."""

    def of_arguments(init: Any, xs: Any = None, **named: Any) -> Any:
        step = (lambda carry, x: f(carry, x, **named)) if named else f
        return jax.lax.scan(step, init, xs, **settings)

    return of_arguments


def as_map(f: Function, **settings: Any) -> Function:
    """`jax.lax.map` of `f` over all its arguments at once, those by name too."""

    def of_arguments(*args: Any, **named: Any) -> Any:
        if len(args) == 1 and not named:
            return jax.lax.map(f, args[0], **settings)
        return jax.lax.map(lambda xs: f(*xs[0], **xs[1]), (args, named), **settings)

    return of_arguments


def adapted(name: str, f: Function, settings: dict[str, Any]) -> Function:
    """`f` under the adapter `name`, its Arrays evaluated at each call."""
    adapter = _ADAPTERS[name]
    if not any(isinstance(value, Arrays) for value in settings.values()):
        return functools.update_wrapper(adapter(f, **settings), f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **named: Any) -> Any:
        given = {k: v.value() if isinstance(v, Arrays) else v for k, v in settings.items()}
        return adapter(f, **given)(*args, **named)

    return of_arguments


_ADAPTERS: dict[str, Callable[..., Function]] = {
    adapter.__name__: adapter for adapter in (as_jvp, as_vjp, as_linearize, as_scan, as_map)
}


def own_settings(name: str) -> frozenset[str]:
    """The settings of the adapter `name` that JAX's function does not have."""
    if not name:
        return frozenset()
    parameters = inspect.signature(_ADAPTERS[name]).parameters.values()
    return frozenset(p.name for p in parameters if p.default is None)


def applied(given: Function, f: Function, field: FieldPath) -> Function:
    """What `given`, the setting in `field`, makes of `f`. Raises Diagnosed if it is no function."""
    try:
        made = given(f)
    except Diagnosed:
        raise
    except BaseException as error:  # also SystemExit: it may call exit()
        raise Diagnosed(failures.raised_diagnosis(error, "function", field)) from error
    if not callable(made):
        message = (
            "what takes the function and returns one is wanted; this returns a "
            f"{type(made).__name__}"
        )
        raise diagnosed("value", field, message)
    return made  # type: ignore[no-any-return]  # whatever a user's function returns
