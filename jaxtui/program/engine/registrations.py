"""Pytree registrations of user code: JAX registers a class only once, but a source runs many times.

A class that the source defines is a new one in each run, as is one of a module that is loaded anew.
One that they import is the same: the functions registered first stay in JAX, and forward to those
registered last.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from jax import tree_util

from jaxtui.engine_base.failures import is_users

_FUNCTIONS = ("register_pytree_node", "register_pytree_with_keys")


class Registrations:
    """The pytree classes that sources have registered."""

    def __init__(self) -> None:
        self._latest: dict[type, dict[str, Any]] = {}  # functions by name of the parameter
        self._of_this_source: set[type] = set()
        for name in _FUNCTIONS:
            setattr(tree_util, name, self._again(getattr(tree_util, name)))

    def begin(self) -> None:
        """Let the next source register each class once."""
        self._of_this_source.clear()

    def _again(self, original: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def register(*args: Any, **kwargs: Any) -> None:
            if not is_users(sys._getframe(1).f_code.co_filename):
                return original(*args, **kwargs)
            functions = signature.bind(*args, **kwargs).arguments
            kind: type = functions.pop(next(iter(signature.parameters)))
            functions = {name: f for name, f in functions.items() if f is not None}
            before = self._latest.get(kind, {})
            if kind in self._of_this_source or before.keys() != functions.keys():
                original(kind, **{name: self._last(kind, name) for name in functions})
            self._latest[kind] = functions
            self._of_this_source.add(kind)
            return None

        return register

    def _last(self, kind: type, name: str) -> Callable[..., Any]:
        def last(*args: Any) -> Any:
            return self._latest[kind][name](*args)

        return last
