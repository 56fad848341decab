"""What one program's source changes of the process, taken back before the next source runs.

A script begins in a fresh process; here one source follows the other in the same. What a module
sets while it is imported stays, since it is not imported again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import jax
import numpy as np

from jaxtui.engine_base.failures import SOURCE_NAME, VALUE_NAME
from jaxtui.program.engine.registrations import Registrations

# The options of JAX that decide the shape, dtype or failure of a value.
_DECIDING = (
    "jax_enable_x64",
    "jax_default_dtype_bits",
    "jax_default_prng_impl",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
)


class Surroundings:
    """The process as it is now, to come back to."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._recursion_limit = sys.getrecursionlimit()
        self._numpy_errors: dict[str, Any] = dict(np.geterr())
        self._filters = list(warnings.filters)
        self._registrations = Registrations()
        self._options: dict[str, Any] = {}  # that a source set, as they were before
        self._update: Callable[[str, Any], None] = jax.config.update
        jax.config.update = self._note_and_update  # type: ignore[method-assign]

    def restore(self) -> None:
        """Take back what sources have changed since."""
        for name, value in self._options.items():
            self._update(name, value)
        self._options.clear()
        self._registrations.begin()
        np.seterr(**self._numpy_errors)
        with contextlib.suppress(OSError):  # the folder may be gone
            if os.getcwd() != self._folder:
                os.chdir(self._folder)
        self._restore_streams()
        # A module may need more of it than there was.
        if sys.getrecursionlimit() < self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        self._let_warnings_be_warnings()

    def _note_and_update(self, name: str, value: Any) -> None:
        """`jax.config.update`, which remembers what a source replaces."""
        before = jax.config.values.get(name)
        self._update(name, value)
        if sys._getframe(1).f_code.co_filename in (SOURCE_NAME, VALUE_NAME):
            self._options.setdefault(name, before)

    def _restore_streams(self) -> None:
        sys.stdin, sys.stdout, sys.stderr = self._streams
        if sys.stdin is not None and sys.stdin.closed:  # `exit()` closes it
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
            self._streams = (sys.stdin, sys.stdout, sys.stderr)

    def _let_warnings_be_warnings(self) -> None:
        """Filters that modules have added stay, but none turns a warning into an error."""
        kept = [f for f in warnings.filters if f in self._filters or f[0] != "error"]
        if len(kept) != len(warnings.filters):
            warnings.resetwarnings()  # forgets what was decided with the old filters, too
            warnings.filters[:] = kept  # type: ignore[index]


_at_start: list[Surroundings] = []  # one, once they are remembered


def remember() -> None:
    """Come back to what is there now from now on; without it, `restore` changes nothing."""
    _at_start[:] = [Surroundings()]


def restore() -> None:
    """Take back what sources have changed since `remember`."""
    for surroundings in _at_start:
        surroundings.restore()


def deciding_options() -> Hashable:
    """The options of JAX that what a value gives depends on, as they are now."""
    return tuple(str(getattr(jax.config, name, None)) for name in _DECIDING)
