"""The recorder around a function: it counts the calls, and ends the script at the one asked for."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable
from typing import Any


class NoSuchFunction(Exception):
    """What was named is bound, but is no function whose calls can be recorded."""


# What was made of each function; attributes of a wrapper would be copied by wrappers around it.
_made: list[tuple[Any, Any]] = []


def behind(value: Any) -> Any:
    """What a recorder stands around; anything else itself."""
    return next((function for made, function in _made if made is value), value)


class Recording:
    """Counts the calls of one function, and hands one of them over.

    `reached(function, args, kwargs)` is called in place of the `wanted`th call. Calls that the
    function makes of itself, and what JAX traces of it meanwhile, are a part of the outer call.
    """

    def __init__(
        self,
        path: list[str],
        wanted: int,
        reached: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any],
    ) -> None:
        """`path` leads from what is bound to the function: [] for itself, ["method"] in a class."""
        self.calls = 0
        self.bound = False
        self._path = path
        self._wanted = wanted
        self._reached = reached
        self._lock = threading.Lock()
        self._inside = threading.local()

    def recorded(self, value: Any) -> Any:
        """What the script binds in place of `value`. Raises NoSuchFunction."""
        if not self._path:
            return self._wrapped(value)
        *owners, last = self._path
        try:
            owner = functools.reduce(getattr, owners, value)
            method = inspect.getattr_static(owner, last)
        except AttributeError as error:
            message = f"{getattr(value, '__name__', value)} has no {'.'.join(self._path)}"
            raise NoSuchFunction(message) from error
        if isinstance(method, staticmethod | classmethod):
            method = type(method)(self._wrapped(method.__func__, drops=method))
        else:
            method = self._wrapped(method)
        setattr(owner, last, method)
        return value

    def _wrapped(self, function: Any, drops: object = None) -> Any:
        if isinstance(function, type):
            message = f"{function.__name__} is a class: name one of its methods"
            raise NoSuchFunction(message)
        if not callable(function) or behind(function) is not function:
            return function
        self.bound = True
        first = 1 if isinstance(drops, classmethod) else 0  # the class itself is bound
        plain = isinstance(function, types.FunctionType)
        made = self._function(function, first) if plain else _Recorded(function, self, first)
        _made.append((made, function))
        return made

    def _function(self, function: Callable[..., Any], first: int) -> Callable[..., Any]:
        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            return self.called(function, args, kwargs, first)

        return recorded

    def called(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        first: int,
    ) -> Any:
        """Call the function, unless this is the call that is asked for."""
        if getattr(self._inside, "now", False):
            return function(*args, **kwargs)
        with self._lock:
            self.calls += 1
            reached = self.calls == self._wanted
        self._inside.now = True
        try:
            if reached:
                bound = functools.partial(function, *args[:first]) if first else function
                return self._reached(bound, args[first:], kwargs)
            return function(*args, **kwargs)
        finally:
            self._inside.now = False


class _Recorded:
    """A callable that is no plain function, such as a jitted one, with all its attributes."""

    def __init__(self, function: Any, recording: Recording, first: int) -> None:
        self._function = function
        self._recording = recording
        self._first = first
        self.__doc__ = getattr(function, "__doc__", None)
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._recording.called(self._function, args, kwargs, self._first)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return repr(self._function)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)
