"""Undo what a program changed in the process before the next one runs.

A script starts in a new process; here programs run one after the other in the same process. What a
module set when it was imported is set again where it is imported again (`modules`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable
from typing import Any

import jax

from jaxtui.engine_base import meshes
from jaxtui.program.engine import process_state
from jaxtui.program.engine.registrations import Registrations

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
        self._state = process_state.read()
        self._path = list(sys.path)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._registrations = Registrations()
        self._settled: tuple[Hashable, dict[str, Any]] = (None, {})

    def settle(self, program: Hashable) -> None:
        """Note the options of JAX as the modules of this `program` leave them."""
        self._settled = (program, dict(jax.config.values))

    def restore(self, program: Hashable) -> None:
        """Restore the state, but for the options that the same `program` has settled before.

        They would be set again at once, and another thread may be tracing it now.
        """
        known, options = self._settled
        wanted = dict(self._state)
        if program is not None and program == known:
            wanted["jax"] = options
        process_state.leave_local_contexts()
        sys.path[:] = self._path
        process_state.apply(process_state.changes(process_state.read(), wanted))
        process_state.new_randomness()
        self._registrations.begin()
        self._restore_streams()
        meshes.leave_context()

    def _restore_streams(self) -> None:
        sys.stdin, sys.stdout, sys.stderr = self._streams
        if sys.stdin is not None and sys.stdin.closed:  # `exit()` closes it
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
            self._streams = (sys.stdin, sys.stdout, sys.stderr)


_at_start: list[Surroundings] = []  # at most one


def remember() -> None:
    """Save the state of the process, to which `restore` returns from now on."""
    _at_start[:] = [Surroundings()]


def remembers() -> bool:
    """Whether the process is restored for each program."""
    return bool(_at_start)


def restore(program: Hashable = None) -> None:
    """Undo what programs have changed since `remember`; without that, do nothing.

    What the modules of this `program` set in JAX stays, if it is the one that was settled last.
    """
    for surroundings in _at_start:
        surroundings.restore(program)


def settle(program: Hashable) -> None:
    """Note what the modules of a program have set in JAX."""
    for surroundings in _at_start:
        surroundings.settle(program)


def deciding_options() -> Hashable:
    """The present options of JAX on which the shape and dtype of a value depend."""
    return tuple(str(getattr(jax.config, name, None)) for name in _DECIDING)
