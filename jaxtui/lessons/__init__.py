"""The built-in lessons: one session file each, in the order in which they teach."""

from __future__ import annotations

from pathlib import Path

from jaxtui.session.session import Session, loads

NAMES = (
    "one-value",
    "vmap",
    "broadcast",
    "matrix-vector",
    "two-arguments",
    "out-axes-0",
    "out-axes-1",
    "in-axes-1",
    "pmap",
    "pmap-broadcast",
    "psum",
    "normalize",
    "benchmark",
    "benchmark-mistake",
)

FIRST = "matrix-vector"
"""The lesson that the explorer opens on."""


def text(name: str) -> str:
    """The lesson as a session file. Raises KeyError when there is no lesson of that name."""
    if name not in NAMES:
        raise KeyError(name)
    return Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")


def load(name: str) -> Session:
    """The lesson as a session. Raises KeyError when there is no lesson of that name."""
    return loads(text(name))
