"""The referent of a reference to a module: a function, a method, or what a call gives."""

from __future__ import annotations

import ast
import types
from typing import Any

from jaxtui.program.engine import modules, surroundings


def value(text: str, module: types.ModuleType) -> Any:
    """The value of `text` in the module: `f`, `model.apply`, `make_model(width=8).__call__`.

    What a call gives is kept until the module is loaded anew. Raises whatever the call does, and
    ValueError for anything but names, attributes and calls with literals.
    """
    node = ast.parse(text, mode="eval").body if text else ast.Name("")
    loaded = modules.loaded_as(module)
    if loaded is None or not any(isinstance(n, ast.Call) for n in ast.walk(node)):
        return _value(node, module)
    key = (text, surroundings.deciding_options())
    if key not in loaded.made:
        loaded.made[key] = _value(node, module)
    return loaded.made[key]


def shown(text: str) -> str:
    """The name to show: of `model.apply` what is called, of a call all of it."""
    return text if "(" in text else text.rpartition(".")[2]


def _value(node: ast.expr, module: types.ModuleType) -> Any:
    match node:
        case ast.Name():
            return getattr(module, node.id)
        case ast.Attribute():
            return getattr(_value(node.value, module), node.attr)
        case ast.Call():
            args = [ast.literal_eval(arg) for arg in node.args]
            named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
            return _value(node.func, module)(*args, **named)
        case _:
            raise ValueError("a function is given by a name, or a call with literals")
