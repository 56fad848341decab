"""Undo what a program's source changed in the process before the next source runs.

A script starts in a new process; here sources run one after the other in the same process. What a
module sets while it is imported stays, since it is not imported again.
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

from jaxtui.engine_base import meshes
from jaxtui.engine_base.failures import SOURCE_NAME, VALUE_NAME
from jaxtui.program.engine.registrations import Registrations
from jaxtui.session.working_folder import working_folder

# The options of JAX that determine a value's shape or dtype, or whether it fails.
_DECIDING = (
    "jax_enable_x64",
    "jax_default_dtype_bits",
    "jax_default_prng_impl",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
)


class Surroundings:
    """The state of the process when this was made, to be restored later."""

    def __init__(self) -> None:
        self._folder = working_folder()
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._recursion_limit = sys.getrecursionlimit()
        self._numpy_errors: dict[str, Any] = dict(np.geterr())
        self._filters = list(warnings.filters)
        self._registrations = Registrations()
        self._options: dict[str, Any] = {}  # values before a source set them
        self._update: Callable[[str, Any], None] = jax.config.update
        jax.config.update = self._note_and_update  # type: ignore[method-assign]

    def restore(self) -> None:
        for name, value in self._options.items():
            self._update(name, value)
        self._options.clear()
        self._registrations.begin()
        np.seterr(**self._numpy_errors)
        with contextlib.suppress(OSError):  # the folder may be gone
            if os.getcwd() != self._folder:
                os.chdir(self._folder)
        self._restore_streams()
        # An imported module may need a higher limit.
        if sys.getrecursionlimit() < self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        self._let_warnings_be_warnings()
        meshes.leave_context()

    def _note_and_update(self, name: str, value: Any) -> None:
        """`jax.config.update`, which also notes the value that a source replaces."""
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
        # Filters that modules have added stay, except those that raise warnings as errors.
        kept = [f for f in warnings.filters if f in self._filters or f[0] != "error"]
        if len(kept) != len(warnings.filters):
            warnings.resetwarnings()  # which also clears what the old filters have decided
            warnings.filters[:] = kept  # type: ignore[index]


_at_start: list[Surroundings] = []  # at most one


def remember() -> None:
    """Save the state of the process, to which `restore` returns from now on."""
    _at_start[:] = [Surroundings()]


def restore() -> None:
    """Undo what sources have changed since `remember`; without that, do nothing."""
    for surroundings in _at_start:
        surroundings.restore()


def deciding_options() -> Hashable:
    """The present options of JAX on which the shape and dtype of a value depend."""
    return tuple(str(getattr(jax.config, name, None)) for name in _DECIDING)
