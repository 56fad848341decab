"""Where in the user's code an equation was made, and which variable its value is bound to."""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import jax
import numpy as np

from jaxtui.engine_base.failures import SOURCE_NAME, VALUE_NAME

_LIBRARIES = tuple(
    os.path.join(folder, "")
    for folder in {
        sysconfig.get_path("stdlib"),
        str(Path(jax.__file__).parent),
        str(Path(np.__file__).parent),
        str(Path(__file__).parents[2]),
    }
)

_JAX = os.path.join(Path(jax.__file__).parent, "")
_TRACES_A_BODY = "trace_to_jaxpr"


@dataclass(frozen=True)
class Place:
    """A place in the user's code: `file` is "" for the session's source, `code` and `offset` are
    the bytecode instruction."""

    file: str
    line: int
    code: CodeType
    offset: int


def place_of(equation: Any) -> Place | None:
    """Where an equation was made: the innermost frame in the source, else in the user's files.

    None if that is not in the function that was traced for the body in which the equation stands:
    the body of a function of a library's may have been traced for another call of it.
    """
    traceback = equation.source_info.traceback
    if traceback is None:
        return None
    elsewhere = None
    for code, offset in zip(*traceback.raw_frames(), strict=True):
        file = code.co_filename
        if file == SOURCE_NAME:
            return _place("", code, offset)
        if code.co_name.startswith(_TRACES_A_BODY) and file.startswith(_JAX):
            break
        if elsewhere is None and is_users(file):
            elsewhere = (file, code, offset)
    return _place(*elsewhere) if elsewhere is not None else None


@functools.lru_cache(maxsize=4096)
def is_users(file: str) -> bool:
    """Whether a file is neither of Python, JAX, NumPy, jaxtui nor of an installed package."""
    if file == VALUE_NAME or file.startswith("<"):
        return False
    return "site-packages" not in file and not file.startswith(_LIBRARIES)


@functools.lru_cache(maxsize=4096)
def _place(file: str, code: CodeType, offset: int) -> Place | None:
    line = _position(code, offset)[0]
    return None if line is None else Place(file, line, code, offset)


def _position(code: CodeType, offset: int) -> tuple[int | None, ...]:
    """The first and last line, first and last column of an instruction, as far as Python knows."""
    return _positions(code)[offset // 2]


@functools.lru_cache(maxsize=512)
def _positions(code: CodeType) -> list[tuple[int | None, ...]]:
    return list(code.co_positions())


# -------------------------------------------------------------------------------------- variables

Range = tuple[int | None, ...]


def variables(place: Place) -> tuple[str, ...]:
    """The variables to which the value of the expression at `place` is bound: one, several that it
    is unpacked to, or none."""
    return _bound(place.file or SOURCE_NAME).get(_position(place.code, place.offset), ())


def _bound(file: str) -> dict[Range, tuple[str, ...]]:
    return _bound_in("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=16)
def _bound_in(text: str) -> dict[Range, tuple[str, ...]]:
    """The names that each expression of a source is assigned to, by the expression's range."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[Range, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            found.update(_pairs(node.targets[0], node.value))
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            found.update(_pairs(node.target, node.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            # The instruction of `h += x` has the range of the whole statement.
            found[_range(node)] = (node.target.id,)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterable[tuple[Range, tuple[str, ...]]]:
    if isinstance(target, ast.Name):
        yield _range(value), (target.id,)
    elif isinstance(target, ast.Tuple | ast.List):
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            for inner_target, inner_value in zip(target.elts, value.elts, strict=True):
                yield from _pairs(inner_target, inner_value)
        elif all(isinstance(element, ast.Name) for element in target.elts):
            yield _range(value), tuple(e.id for e in target.elts if isinstance(e, ast.Name))


def _range(node: ast.expr | ast.stmt) -> Range:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def text_of(file: str, line: int) -> str:
    """A line of the user's code, without the newline."""
    return linecache.getline(file or SOURCE_NAME, line).rstrip("\n")
