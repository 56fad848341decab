"""The built-in lessons, a session file each."""

from __future__ import annotations

from pathlib import Path

from jaxtui.session.session import Session, loads

# In teaching order.
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
    "tensor-parallel",
    "batch-lost",
    "fsdp",
)

FIRST = "matrix-vector"
"""The lesson that the explorer opens on."""


def text(name: str) -> str:
    """The text of the lesson's session file. Raises KeyError for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    return Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")


def load(name: str) -> Session:
    """The lesson as a session. Raises KeyError for an unknown name."""
    return loads(text(name))
