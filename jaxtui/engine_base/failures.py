"""Turns what the user's code raised into a diagnosis: the message, the line, the user's frames.

No exception is trusted: its `str` may raise, its message may be huge or unprintable.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import reprlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from msgspec import UNSET

from jaxtui.session.diagnosis import Diagnosis, Kind
from jaxtui.session.field_path import SOURCE, FieldPath
from jaxtui.session.python_faults import words_of

SOURCE_NAME = "<program>"  # the file name of the program's source in tracebacks
VALUE_NAME = "<value>"  # the file name of an argument's value or a layer's setting
MOST_FRAMES = 12

# From here on JAX's messages are about its internals: object ids, locations of tracers, manuals.
_INTERNALS_BEGIN = (
    " See https://",
    " at loc(",
    " This BatchTracer with",
    " This VmapTracer with",
    " This DynamicJaxprTracer with",
    " This JVPTracer with",
    " The error occurred while tracing",
    " To fix this, please call",
    " This error occurs at source:",
    " ------",
)
# A sentence that says what to do, further down in JAX's message; these are kept.
_REMEDY = re.compile(
    r"\b(fixed by|to fix|consider|try(?: \w+ing)?|instead|did you mean|either|add at least|revise|"
    r"please (?:use|pass))\b",
    re.IGNORECASE,
)
_POINTER = re.compile(r"\s*See https?://\S+(?: for more information\.)?")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# jit and shard_map report the location of their function, which is our wrapper around the user's.
_OUR_WRAPPER = re.compile(r" at \S*jaxtui/[\w/]+\.py:\d+")
# XLA reports an exception of a callback as the text of its traceback.
_CALLBACK_FRAME = re.compile(r'\s*File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)')
# Newer releases of JAX append a code location to a message: "file.py:8:10 (<module>)".
_LOCATION = re.compile(r"\s*\S+:\d+(:\d+)? \([^()]*\)\s*")


def syntax_diagnosis(error: SyntaxError, field: FieldPath) -> Diagnosis:
    """The diagnosis of a syntax error in the text of `field`."""
    line = error.lineno or 1
    column = max(error.offset or 1, 1)
    where = f"line {line}, column {column}" if field == SOURCE else f"column {column}"
    message = f"{printable(words_of(error))} ({where})"
    return Diagnosis(kind="syntax", field=field, message=message, line=line, column=column)


def raised_diagnosis(error: BaseException, kind: Kind, field: FieldPath) -> Diagnosis:
    """The diagnosis of an exception that the user's code raised, with the line of the source."""
    line = source_line(error)
    frames = user_frames(error)
    message = describe(error) if line is None else f"line {line}: {describe(error)}"
    return Diagnosis(
        kind=kind,
        field=field,
        message=message,
        line=UNSET if line is None else line,
        frames=frames or UNSET,
    )


def callback_diagnosis(error: BaseException, field: FieldPath) -> Diagnosis | None:
    """The diagnosis of an exception that a user's callback raised inside XLA, else None."""
    if not isinstance(error, jax.errors.JaxRuntimeError):
        return None
    lines = _message(error).partition("Traceback (most recent call last):")[2].splitlines()
    places = [(i, m) for i, m in enumerate(map(_CALLBACK_FRAME.fullmatch, lines)) if m]
    if not places:
        return None
    after = [line for line in lines[places[-1][0] + 1 :] if not line.startswith("    ")]
    message = plain(" ".join(" ".join(after).split()))[:700] + ", raised in a callback"
    users = [m for _, m in places if _is_shown(m["file"])]
    numbers = [int(m["line"]) for m in users if m["file"] == SOURCE_NAME]
    return Diagnosis(
        kind="function",
        field=field,
        message=f"line {numbers[-1]}: {message}" if numbers else message,
        line=numbers[-1] if numbers else UNSET,
        frames=[_place(m["file"], int(m["line"]), m["name"]) for m in users][-MOST_FRAMES:]
        or UNSET,
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocation by Python, NumPy or XLA failed."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, jax.errors.JaxRuntimeError):
        return "RESOURCE_EXHAUSTED" in str(error)
    # An array that is made outside any program, one operation at a time.
    return isinstance(error, ValueError) and str(error).startswith("RESOURCE_EXHAUSTED:")


def describe(error: BaseException, limit: int = 700) -> str:
    """The exception's type and the part of its message that is about the user's code."""
    name = type(error).__name__
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        return f"{name}: the code asked for the end of the program"
    text = _message(error)[: 20 * limit].strip()
    paragraphs = [_one_line(paragraph) for paragraph in text.split("\n\n")]
    text = paragraphs[0]
    if text.endswith(":") and len(paragraphs) > 1:
        text += " " + paragraphs[1]
    if text.endswith("they differ."):
        text += "".join(f" {p}" for p in paragraphs[1:] if p.startswith("The output of"))
    for beginning in _INTERNALS_BEGIN:
        text = text.partition(beginning)[0]
    text = plain(text)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if remedies := plain(_remedies(paragraphs, text, limit)):
        text = f"{text.rstrip()}{'' if text.rstrip().endswith('.') else '.'} {remedies}"
    if not text and isinstance(error, MemoryError):
        text = "there is not as much memory as this asks for"
    return f"{name}: {text}" if text else name


def _remedies(paragraphs: list[str], told: str, limit: int) -> str:
    """The sentences of a message that say what to do, without those that are `told` already."""
    found: list[str] = []
    for paragraph in paragraphs:
        for sentence in re.split(r"(?<=[.;!?]) +(?=[A-Z`*])", _POINTER.sub("", paragraph)):
            internal = any(beginning.strip() in sentence for beginning in _INTERNALS_BEGIN)
            wanted = _REMEDY.search(sentence) and not internal and sentence not in told
            if wanted or (found and sentence.startswith("* ")):  # one of several in a list
                found.append(sentence)
    kept = ""
    for sentence in found:
        if len(kept) + len(sentence) < limit:
            kept += f" {sentence.removeprefix('* ').replace(': * ', ': ')}"
    return kept.strip()


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # __str__ of a user's class may raise anything
        return "(an exception that has no words for itself)"


def _one_line(paragraph: str) -> str:
    lines = [line.strip() for line in paragraph.splitlines()]
    return " ".join(line for line in lines if not _LOCATION.fullmatch(line))


def plain(text: str) -> str:
    """Remove object addresses and the paths of this machine's library folders from `text`."""
    text = _OUR_WRAPPER.sub("", _ADDRESS.sub("", text))
    for root in _library_roots():
        text = text.replace(f"{root}/", "")
    return printable(text)


def printable(text: str) -> str:
    """Escape null bytes and lone surrogates, which cannot be sent, in `text`."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def safe_repr(value: Any, limit: int) -> str:
    """The repr of an object in at most `limit` characters, even if its `__repr__` raises."""
    try:
        text = repr(value) if isinstance(value, type | types.FunctionType) else reprlib.repr(value)
    except BaseException:
        text = f"<{type(value).__name__}>"
    # If the repr of an object raises, reprlib returns its type and address.
    text = plain(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def source_line(error: BaseException) -> int | None:
    """The innermost line of the program's source in the exception's traceback, or None."""
    lines = [line for code, line in _walk(error) if code.co_filename == SOURCE_NAME]
    return lines[-1] if lines else None


def left_unsaid(error: BaseException) -> bool:
    """Whether an exception that explains nothing was raised by JAX, not by the user's own line.

    It is an AssertionError without a message, or a KeyError. JAX removes its own frames from the
    traceback, so the text of the user's line tells the two apart.
    """
    lines = [linecache.getline(code.co_filename, line).strip() for code, line in _shown(error)]
    if not lines or re.match(r"(assert|raise)\b", lines[-1]):
        return False
    return "lax." in lines[-1] if isinstance(error, KeyError) else not _message(error)


def user_frames(error: BaseException) -> list[str]:
    """The user's frames of the traceback, outermost first.

    Of more than MOST_FRAMES, only the first and the last ones.
    """
    places = list(_shown(error))
    if len(places) <= MOST_FRAMES:
        return [_frame(*place) for place in places]
    half = MOST_FRAMES // 2
    between = f"… {len(places) - 2 * half} more calls …"
    first, last = places[:half], places[-half:]
    return [*(_frame(*p) for p in first), between, *(_frame(*p) for p in last)]


def _frame(code: types.CodeType, line: int) -> str:
    return _place(code.co_filename, line, code.co_name)


def _place(file: str, line: int, name: str) -> str:
    text = linecache.getline(file, line).strip()
    where = f"line {line}" if file == SOURCE_NAME else f"{Path(file).name}:{line}"
    return printable(f"{where}, in {name}: {text[:200]}")


def is_users(file: str) -> bool:
    """Whether code of that file name is the user's: the source, a value, or a file of theirs."""
    return file == VALUE_NAME or _is_shown(file)


def _is_shown(file: str) -> bool:
    return file == SOURCE_NAME or not _is_library(file)


def _walk(error: BaseException) -> Iterator[tuple[types.CodeType, int]]:
    """Yield the code object and the line of each frame in the traceback, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next


def _shown(error: BaseException) -> Iterator[tuple[types.CodeType, int]]:
    return ((code, line) for code, line in _walk(error) if _is_shown(code.co_filename))


@functools.cache
def _library_roots() -> tuple[str, ...]:
    """The folders of installed packages, of Python and of this package, longest first."""
    package = Path(__file__).resolve().parents[2]
    roots = {str(package), str(Path(ast.__file__).resolve().parent)}
    roots |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    roots |= {str(Path(jax.__file__).resolve().parents[1])}
    return tuple(sorted(roots, key=len, reverse=True))


@functools.cache
def _is_library(file: str) -> bool:
    """Whether `file` belongs to an installed package, to Python or to jaxtui, or is no file."""
    if file.startswith("<"):
        return True
    path = Path(file).resolve()
    roots = (Path(__file__).resolve().parents[1], Path(ast.__file__).resolve().parent)
    return "site-packages" in path.parts or any(root in path.parents for root in roots)
