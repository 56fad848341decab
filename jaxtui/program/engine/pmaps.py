"""Frees the programs that JAX keeps for functions under pmap.

Since pmap is a jit of shard_map (JAX 0.8), JAX holds what it compiles for a function in a cache
with a weak reference to that function, to which the cached program itself refers: it is never
freed. On 8 CPU devices that is 1.4 to 1.6 MB for each program, and every run of a source makes a
new function.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Function = Callable[..., Any]

_mapped = threading.local()


def note(function: Function) -> None:
    """Record that `function` was given to pmap, for the `mapped` around it."""
    functions = getattr(_mapped, "functions", None)
    if functions is not None:
        functions.append(function)


def note_source(source: str) -> None:
    """Record a source that runs; what it maps by itself is not known one by one."""
    functions = getattr(_mapped, "functions", None)
    if functions is not None and "pmap" in source:
        functions.append(None)


@contextmanager
def mapped(functions: list[Function | None]) -> Iterator[None]:
    """Append to `functions` what this thread gives to pmap in the block; None for a source's."""
    before = getattr(_mapped, "functions", None)
    _mapped.functions = functions
    try:
        yield
    finally:
        _mapped.functions = before


@contextmanager
def forgotten() -> Iterator[list[Function | None]]:
    """Free what this thread gives to pmap in the block, but for what is taken from the list."""
    functions: list[Function | None] = []
    try:
        with mapped(functions):
            yield functions
    finally:
        forget(functions)


def forget(functions: list[Function | None]) -> None:
    """Free what JAX keeps for `functions`; for None, what it keeps for all functions.

    Raises nothing, whatever user code did to JAX: the answer to its request is still to be sent.
    """
    with suppress(Exception):
        cache = _cache() if functions else None
        if cache is None:
            return
        if None in functions:
            cache.cache_clear()
            return
        for function in functions:
            cache.evict_function(function)


def _cache() -> Any:
    """JAX's cache of pmapped functions; None where pmap has no such cache.

    JAX has no public way to empty it but `jax.clear_caches()`, which would make every later call of
    anything compile anew.
    """
    # Not imported: JAX before 0.8 has no such module, and user code may have emptied sys.modules.
    return getattr(sys.modules.get("jax._src.pmap"), "_cached_shard_map", None)
