"""Where a command's output goes: to stdout and stderr, both guarded, or to a file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from jaxtui.text.printable import json_escaped, visible, visible_lines


class UnwritableError(Exception):
    """Standard output or standard error cannot be written to; the message says which, and why."""


class Guarded:
    """A text stream that shows what a terminal would act on; all else is the stream's own.

    Whatever a command writes goes through here: reports, what user code prints, messages,
    warnings and tracebacks.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        try:
            "\u241b\N{REPLACEMENT CHARACTER}".encode(stream.encoding or "ascii")
        except UnicodeEncodeError:
            self._ascii = True
        else:
            self._ascii = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with _told(self.stream):
            self.stream.write(visible_lines(text, ascii=self._ascii))
        return len(text)

    def flush(self) -> None:
        with _told(self.stream):
            self.stream.flush()

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)


@contextlib.contextmanager
def _told(stream: TextIO) -> Iterator[None]:
    """Have a stream that takes nothing told by its name; a reader that has left is no such one."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard error" if stream is sys.__stderr__ else "standard output"
        raise UnwritableError(f"{name}: {error.strerror}") from error


def open_streams() -> None:
    """Open the standard streams that this process was started without, to nowhere.

    What is opened next would take their numbers, and user code write to it in their place.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard stdout and stderr in the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, Guarded(one)) for one in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unguarded(stream: TextIO) -> TextIO:
    """The stream itself, for text that needs no guard."""
    return getattr(stream, "stream", stream)


def rewrite_line(text: str) -> None:
    """Write `text` to stderr from the beginning of the line, over what stands there."""
    stream = unguarded(sys.stderr)
    stream.write(f"\r{visible(text)}")
    stream.flush()


def print_json(data: bytes) -> None:
    """Print JSON on one line, in which a terminal finds nothing to act on."""
    print(json_escaped(data.decode()))


def write(content: str, path: str | None, *, json: bool = False) -> int:
    """Write `content` to the file at `path`, or print it. Returns the exit status, 1 on failure.

    A program that reads stdout gets the content as it is.
    """
    if json:
        content = json_escaped(content)
    if path is None:
        with _told(sys.stdout):
            stream = sys.stdout if sys.stdout.isatty() else unguarded(sys.stdout)
            stream.write(content)
        return 0
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        print(f"jaxtui: {path}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
