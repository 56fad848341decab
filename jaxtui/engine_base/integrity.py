"""Notices that user code has replaced or removed what the engine itself goes by."""

from __future__ import annotations

import builtins
import sys
from types import ModuleType
from typing import Any

import jax
import jax.numpy
import numpy as np

_MODULES: tuple[ModuleType, ...] = (builtins, np, jax, jax.numpy, jax.lax)
_PACKAGES = ("jax", "jaxlib", "numpy", "jaxtui", "msgspec")


class Integrity:
    """The functions of JAX, NumPy and Python, and the modules, as they were when this was made."""

    def __init__(self) -> None:
        self._modules = {
            name: module
            for name, module in sys.modules.items()
            if name.partition(".")[0] in _PACKAGES
        }
        self._functions: list[tuple[ModuleType, dict[str, Any]]] = [
            (module, {name: made for name, made in vars(module).items() if callable(made)})
            for module in _MODULES
        ]

    def broken(self) -> str:
        """What is not as it was, in words, or "". Takes less than a millisecond."""
        for module, functions in self._functions:
            now = vars(module)
            for name, made in functions.items():
                if now.get(name) is not made:
                    return f"your code has replaced {module.__name__}.{name}"
        for name, module in self._modules.items():
            if sys.modules.get(name) is not module:
                return f"your code has removed the module {name}"
        return ""
