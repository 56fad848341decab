"""What makes a function of the arguments alone of `jax.jvp`, `jax.lax.scan` and others."""

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
from jaxtui.session.adapters import DEFINITIONS
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


# One text for both: what runs here is what an exported script runs. A frame in it is no line of the
# user's, as those of this file are none.
_MADE: dict[str, Any] = {"jax": jax, "jnp": jnp, "np": np}
exec(compile("\n\n".join(DEFINITIONS.values()), __file__, "exec"), _MADE)
for_each: Callable[[tuple[Any, ...], Any], Any] = _MADE["for_each"]
_ADAPTERS: dict[str, Callable[..., Function]] = {
    name: _MADE[name] for name in DEFINITIONS if name.startswith("as_")
}


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
