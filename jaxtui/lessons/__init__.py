"""The lessons and exercises, a session file each, and the chapters that they make up.

What is no session stands at the end of a file, from the line `[[steps]]` or `[exercise]` on.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

from jaxtui.session.session import Session, loads


class Chapter(NamedTuple):
    """A chapter: lessons that are read in order, and exercises after them."""

    title: str
    lessons: tuple[str, ...]
    exercises: tuple[str, ...] = ()


CHAPTERS = (
    Chapter(
        "Batching",
        ("one-value", "loop", "vmap", "traced-once"),
        ("ex-lengths", "ex-one-vector"),
    ),
    Chapter(
        "Axes in and out",
        (
            "broadcast",
            "matrix-vector",
            "two-arguments",
            "out-axes-0",
            "out-axes-1",
            "in-axes-1",
            "nested",
        ),
        ("ex-columns", "ex-transpose", "ex-outer", "ex-matmul"),
    ),
    Chapter("Pytrees", ("pytree-in", "pytree-out"), ("ex-ensemble", "ex-tree-out")),
    Chapter(
        "Many devices",
        ("pmap", "pmap-broadcast", "pmap-vmap", "shard-by-shape"),
        ("ex-blocks", "ex-split"),
    ),
    Chapter(
        "Named axes and collectives",
        ("psum", "normalize", "vmap-axis-name", "ring"),
        ("ex-mean", "ex-softmax", "ex-neighbour"),
    ),
    Chapter(
        "From pmap to shard_map",
        ("move-pmap", "move-shard-map", "move-jit"),
        ("ex-move", "ex-drop"),
    ),
    Chapter(
        "Three modes",
        ("mode-auto", "mode-explicit", "mode-manual", "tensor-parallel", "batch-lost", "fsdp"),
        ("ex-explicit", "ex-manual"),
    ),
    Chapter(
        "Gradients",
        ("per-example-gradients", "gradient-psum-pmap", "gradient-psum-shard-map"),
        ("ex-clip", "ex-jacobian"),
    ),
    Chapter(
        "Randomness",
        ("random-one-key", "random-split-keys"),
        ("ex-dropout", "ex-shared-noise"),
    ),
    Chapter("Control flow", ("cond", "while-loop"), ("ex-safe-log", "ex-collatz")),
    Chapter("Memory", ("memory-vmap", "memory-map"), ("ex-in-pieces", "ex-no-table")),
    Chapter(
        "Timing",
        ("benchmark", "benchmark-mistake", "when-faster"),
        ("ex-inner-vmap",),
    ),
    Chapter("Which one when", ("differences", "further-reading"), ("ex-last",)),
)

# In teaching order.
NAMES = tuple(name for chapter in CHAPTERS for name in chapter.lessons)
EXERCISES = tuple(name for chapter in CHAPTERS for name in chapter.exercises)

FIRST = "matrix-vector"
"""The lesson that the explorer opens on."""

_NO_SESSION = re.compile(r"^\s*\[(\[steps\]|exercise)\]", re.MULTILINE)


def text(name: str) -> str:
    """The session file of a lesson or an exercise. Raises KeyError for an unknown name."""
    return _parts(name)[0]


def load(name: str) -> Session:
    """A lesson or an exercise as a session. Raises KeyError for an unknown name."""
    return loads(text(name))


def rest(name: str) -> str:
    """What the file has beside the session. Raises KeyError for an unknown name."""
    return _parts(name)[1]


def chapter_of(name: str) -> int:
    """The index of the chapter of a lesson or an exercise. Raises KeyError."""
    for index, chapter in enumerate(CHAPTERS):
        if name in chapter.lessons or name in chapter.exercises:
            return index
    raise KeyError(name)


@functools.cache
def _parts(name: str) -> tuple[str, str]:
    if name not in NAMES and name not in EXERCISES:
        raise KeyError(name)
    folder = Path(__file__).parent
    file = folder / f"{name}.toml" if name in NAMES else folder / "exercises" / f"{name}.toml"
    whole = file.read_text(encoding="utf-8")
    begins = _NO_SESSION.search(whole)
    end = begins.start() if begins else len(whole)
    session = whole[:end].rstrip() + "\n"
    return session, whole[end:]
