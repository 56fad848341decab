"""What a file or folder was when it was looked at."""

from __future__ import annotations

import os

Stamp = tuple[int, ...] | None
"""Of a file or folder its device, inode, size and times; None where there is none."""


def stamp(path: str) -> Stamp:
    """Look at the file or folder at `path`."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    # The time of the last change of the inode too, which no program can set back.
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
