"""Run an exported script, and leave nothing of it behind."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax


def names_of(script: str) -> dict[str, Any]:
    """The names that `script` binds. The mesh that it sets is that of its own thread."""
    names: dict[str, Any] = {}
    default = jax.config.jax_default_device
    code = compile(ast.parse(script), "script.py", "exec")
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(exec, code, names).result()
    finally:
        jax.config.update("jax_default_device", default)
    return names
