"""Where a command's output goes: to stdout, or to a file."""

from __future__ import annotations

import sys
from pathlib import Path


def write(content: str, path: str | None) -> int:
    """Write `content` to the file at `path`, or print it. Returns the exit status, 1 on failure."""
    if path is None:
        print(content, end="")
        return 0
    try:
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        print(f"jaxtui: {path}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
