"""Where a command's output goes: to stdout and stderr, both guarded, or to a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from jaxtui.text.printable import json_escaped, visible, visible_lines


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
        self.stream.write(visible_lines(text, ascii=self._ascii))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard stdout and stderr in the block."""
    before = sys.stdout, sys.stderr
    # A process may be started without either.
    out, err = (cast(TextIO, Guarded(one)) if one is not None else one for one in before)
    sys.stdout, sys.stderr = out, err
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
        stream = sys.stdout if sys.stdout.isatty() else unguarded(sys.stdout)
        stream.write(content)
        return 0
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        print(f"jaxtui: {path}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
