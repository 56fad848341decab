"""What the user's code raised, in plain words: the message, the line, their own frames.

Nothing here trusts the exception: its `str` may raise, its message may be huge or unprintable.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import reprlib
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
from msgspec import UNSET

from jaxtui.session.diagnosis import Diagnosis, Kind

SOURCE_NAME = "<program>"  # the file name of the source in tracebacks
VALUE_NAME = "<value>"  # that of a value or a setting
MOST_FRAMES = 12

# Where JAX's messages turn to its own internals: object ids, line numbers of its tracers, manuals.
_FOR_READERS_OF_TRACEBACKS = (
    " See https://",
    " at loc(",
    " This BatchTracer with",
    " This VmapTracer with",
    " This DynamicJaxprTracer with",
    " This JVPTracer with",
    " The error occurred while tracing",
    " To fix this, please call",
    " This error occurs at source:",
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# jit and shard_map say where the function is that they were given, which is our recorder.
_OUR_RECORDER = re.compile(r" at \S*jaxtui/[\w/]+\.py:\d+")
# What a callback raised comes back as the text of its traceback.
_CALLBACK_FRAME = re.compile(r'\s*File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)')
# Newer releases of JAX end a message with where in the code it arose: "file.py:8:10 (<module>)".
_WHERE_IN_THE_CODE = re.compile(r"\s*\S+:\d+(:\d+)? \([^()]*\)\s*")


def syntax_diagnosis(error: SyntaxError, field: str) -> Diagnosis:
    """Where and how the text is no Python."""
    line = error.lineno or 1
    column = max(error.offset or 1, 1)
    # Where it was detected is told once, with its column.
    said = re.sub(r" \(detected at line \d+\)$", "", error.msg)
    message = printable(said[:1].lower() + said[1:])
    where = f"line {line}, column {column}" if field == "program.source" else f"column {column}"
    return Diagnosis(
        kind="syntax", field=field, message=f"{message} ({where})", line=line, column=column
    )


def raised_diagnosis(error: BaseException, kind: Kind, field: str) -> Diagnosis:
    """What the user's code raised, with the line of the source it happened on."""
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


def callback_diagnosis(error: BaseException, field: str) -> Diagnosis | None:
    """What a callback of the user's raised while XLA ran; None for any other failure."""
    if not isinstance(error, jax.errors.JaxRuntimeError):
        return None
    lines = _message(error).partition("Traceback (most recent call last):")[2].splitlines()
    places = [(i, m) for i, m in enumerate(map(_CALLBACK_FRAME.fullmatch, lines)) if m]
    if not places:
        return None
    after = [line for line in lines[places[-1][0] + 1 :] if not line.startswith("    ")]
    message = plain(" ".join(" ".join(after).split()))[:700] + ", raised in a callback"
    users = [m for _, m in places if m["file"] == SOURCE_NAME or not _is_library(m["file"])]
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
    """Whether Python, NumPy or XLA could not get the memory it asked for."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


def describe(error: BaseException, limit: int = 700) -> str:
    """The exception's type and the part of its message that speaks to the user."""
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
    for words in _FOR_READERS_OF_TRACEBACKS:
        text = text.partition(words)[0]
    text = plain(text)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if not text and isinstance(error, MemoryError):
        text = "there is not as much memory as this asks for"
    return f"{name}: {text}" if text else name


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # whatever a class of the user's does when it is asked for its words
        return "(an exception that has no words for itself)"


def _one_line(paragraph: str) -> str:
    lines = [line.strip() for line in paragraph.splitlines()]
    return " ".join(line for line in lines if not _WHERE_IN_THE_CODE.fullmatch(line))


def plain(text: str) -> str:
    """`text` without addresses of objects and without where this machine keeps its libraries."""
    text = _OUR_RECORDER.sub("", _ADDRESS.sub("", text))
    for root in _library_roots():
        text = text.replace(f"{root}/", "")
    return printable(text)


def printable(text: str) -> str:
    """`text` as it can be sent: without null bytes and lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def safe_repr(value: Any, limit: int) -> str:
    """The repr of any object in at most `limit` characters, also of one whose repr raises."""
    try:
        text = repr(value) if isinstance(value, type | types.FunctionType) else reprlib.repr(value)
    except BaseException:
        text = f"<{type(value).__name__}>"
    # reprlib answers for an object whose repr raised with its address.
    text = plain(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def source_line(error: BaseException) -> int | None:
    """The innermost line of the source that the exception passed through."""
    found = None
    for frame, line in _walk(error):
        if frame.f_code.co_filename == SOURCE_NAME:
            found = line
    return found


def left_unsaid(error: BaseException) -> bool:
    """Whether an assertion or a look-up failed inside an operation of JAX on the user's line.

    JAX takes its own frames out of the traceback: the user's line tells the two apart.
    """
    lines = [
        linecache.getline(frame.f_code.co_filename, line).strip()
        for frame, line in _walk(error)
        if frame.f_code.co_filename == SOURCE_NAME or not _is_library(frame.f_code.co_filename)
    ]
    if not lines or re.match(r"(assert|raise)\b", lines[-1]):
        return False
    return "lax." in lines[-1] if isinstance(error, KeyError) else not _message(error)


def user_frames(error: BaseException) -> list[str]:
    """The user's own lines of the traceback, outermost first; of very many the first and last."""
    places = [
        (frame.f_code, line)
        for frame, line in _walk(error)
        if frame.f_code.co_filename == SOURCE_NAME or not _is_library(frame.f_code.co_filename)
    ]
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
    """Whether code of that file name is the user's: a source, a value, or a file of theirs."""
    return file in (SOURCE_NAME, VALUE_NAME) or not _is_library(file)


def _walk(error: BaseException) -> Iterable[tuple[types.FrameType, int]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


@functools.cache
def _library_roots() -> tuple[str, ...]:
    """Folders of installed packages, of Python itself and of this package, longest first."""
    package = Path(__file__).resolve().parents[2]
    roots = {str(package), str(Path(ast.__file__).resolve().parent)}
    roots |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    roots |= {str(Path(jax.__file__).resolve().parents[1])}
    return tuple(sorted(roots, key=len, reverse=True))


@functools.cache
def _is_library(file: str) -> bool:
    """Whether `file` belongs to an installed package, to Python itself, or is no file."""
    if file.startswith("<"):
        return True
    path = Path(file).resolve()
    roots = (Path(__file__).resolve().parents[1], Path(ast.__file__).resolve().parent)
    return "site-packages" in path.parts or any(root in path.parents for root in roots)
