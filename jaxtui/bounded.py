"""Reading files and TOML that may be anything: bounded in size, depth and time.

Whatever lies at a path is read at once or refused with the reason. A file may be endless (a
device), never come (a pipe without a writer), or be small and yet exhaust the parser's stack.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import Any

TEXT_BYTES = 128 * 1024  # of a session or the settings
LINES = 10_000  # of the same; an editor lays out each of them
DEPTH = 60  # of arrays and tables within each other, and of the parts of a key
NAME = 1_000  # characters of a key
DIGITS = 4_000  # of an integer; Python refuses to write out one of 4,300


class Unreadable(Exception):
    """Nothing can be made of a file or text; the message says why, without its name."""


def read(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises OSError as `open` does, and Unreadable for any other file.
    """
    try:
        # Opening a pipe for reading waits for its writer, unless it is told not to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:
        raise Unreadable("there is no such name of a file") from error
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise Unreadable("it is a pipe or a device, and no regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unreadable(f"it has more than {limit:,} bytes")
    return content


def read_text(path: str | os.PathLike[str], limit: int = TEXT_BYTES) -> str:
    r"""Return the UTF-8 text of a file, every line ending as "\n". Raises as `read` does.

    A byte order mark, which some editors put first, is left out.
    """
    try:
        text = read(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8 text") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML in a time that grows with its size only. Raises Unreadable."""
    import tomllib

    if len(text) > TEXT_BYTES:
        raise Unreadable(f"it has more than {TEXT_BYTES:,} characters")
    if text.count("\n") > LINES:
        raise Unreadable(f"it has more than {LINES:,} lines")
    _check_depth(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"not TOML: {error}") from error
    except ValueError as error:  # an integer whose digits Python refuses to read
        raise Unreadable(f"an integer of more than {DIGITS:,} digits") from error
    _check_parsed(data)
    return data


# Strings and comments, in which brackets and dots mean nothing. One without an end goes on to the
# end of its line or of the text, so that no character is looked at twice. Up to two quotes may
# stand before the three that end a string of several lines.
_QUOTED = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!""))*(?:"{3,5}|\\?\Z)'
    r"|'''(?:[^']|'(?!''))*(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\.)*"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*",
    re.DOTALL,
)
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}


def _check_depth(text: str) -> None:
    """Refuse what the parser, which calls itself for each bracket, has no stack or time for."""
    bare = _QUOTED.sub("''", text)
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth = max(0, depth + _BRACKETS[bracket])
        if depth > DEPTH:
            raise Unreadable(f"more than {DEPTH} brackets within each other")
    if any(key.count(".") > DEPTH for key in re.split(r"[\n=,\[\]{}]", bare)):
        raise Unreadable(f"a key of more than {DEPTH} parts")


def _check_parsed(data: dict[str, Any]) -> None:
    """Refuse nesting and integers that what comes after the parser cannot take."""
    level: list[Any] = [data]
    for _ in range(DEPTH + 1):
        within: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                within += value.values()
                if any(len(key) > NAME for key in value):
                    raise Unreadable(f"a name of more than {NAME:,} characters")
            elif isinstance(value, list):
                within += value
            elif isinstance(value, int) and value.bit_length() > DIGITS * 3:
                raise Unreadable(f"an integer of more than {DIGITS:,} digits")
        if not within:
            return
        level = within
    raise Unreadable(f"more than {DEPTH} tables or arrays within each other")
