"""Where in the user's code an operation was made, as JAX's own records of it tell."""

from __future__ import annotations

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
    return place_in(equation.source_info.traceback)


def place_in(traceback: Any) -> Place | None:
    """The same of the traceback, or None, that JAX keeps with an equation."""
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


def chosen(frames: Iterable[tuple[str, int]]) -> tuple[str, int] | None:
    """Of (file, line) of frames, innermost first: that in the source, else in the user's files.

    The file of the source is "".
    """
    elsewhere = None
    for file, line in frames:
        if file == SOURCE_NAME:
            return "", line
        if elsewhere is None and is_users(file):
            elsewhere = file, line
    return elsewhere


@functools.lru_cache(maxsize=4096)
def is_users(file: str) -> bool:
    """Whether a file is neither of Python, JAX, NumPy, jaxtui nor of an installed package."""
    if file == VALUE_NAME or file.startswith("<"):
        return False
    return "site-packages" not in file and not file.startswith(_LIBRARIES)


@functools.lru_cache(maxsize=4096)
def _place(file: str, code: CodeType, offset: int) -> Place | None:
    line = position(code, offset)[0]
    return None if line is None else Place(file, line, code, offset)


def position(code: CodeType, offset: int) -> tuple[int | None, ...]:
    """The first and last line, first and last column of an instruction, as far as Python knows."""
    return _positions(code)[offset // 2]


@functools.lru_cache(maxsize=512)
def _positions(code: CodeType) -> list[tuple[int | None, ...]]:
    return list(code.co_positions())


def text_of(file: str, line: int) -> str:
    """A line of the user's code, without the newline."""
    return linecache.getline(file or SOURCE_NAME, line).rstrip("\n")
