"""`jaxtui lessons --markdown` and `--notebook`: the lessons as one document, with their values."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from jaxtui import lessons
from jaxtui.cli.output import write as written
from jaxtui.lessons import book
from jaxtui.session.notebook import Cell, chapter_code, notebook
from jaxtui.wire import early

SETUP = """\
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)  # eight virtual devices"""
HEAD = """\
# Batching and parallelism in JAX

A function of one example, and what JAX makes of it: batches, many devices, gradients, random
numbers. Each lesson is a program in bare JAX with what it printed; the things to try are for
`jaxtui`, where they are checked."""
TIMED = "To time it: `jaxtui lessons {name} > {name}.toml` and `jaxtui bench {name}.toml`."
NOT_RUN = frozenset({"benchmark", "benchmark-mistake", "when-faster"})  # what counts is their time
LONGEST, FIRST = (
    24,
    12,
)  # lines of an output that the Markdown has as a whole; those that it begins with


def write(format: str, name: str | None, output: str | None) -> int:
    """Write all lessons, or the one called `name`, as "markdown" or "notebook".

    Returns the exit status: 1 if a lesson does not run here, 2 for an unknown name.
    """
    names = book.ORDER if name is None else (name,)
    if any(one not in book.ORDER for one in names):
        print(f"jaxtui: no lesson {name!r}", file=sys.stderr)
        return 2
    cells = _cells(names)
    code = [cell.source for cell in cells if cell.code]
    # What a session prints is read from stdout; JAX's own remarks go where they always go.
    command = early.python_module("jaxtui.session.notebook")
    environment = {**os.environ, "XLA_FLAGS": ""}
    ran = subprocess.run(
        command,
        input=json.dumps(code),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=environment,
    )
    if ran.returncode:
        print("jaxtui: the lessons do not run here", file=sys.stderr)
        return 1
    printed = iter(json.loads(ran.stdout))
    done = [cell._replace(printed=next(printed)) if cell.code else cell for cell in cells]
    return written(notebook(done) if format == "notebook" else _markdown(done), output)


def _cells(names: tuple[str, ...]) -> list[Cell]:
    cells = [Cell(HEAD), Cell(SETUP, code=True)]
    chapter = -1
    for name in names:
        lesson = book.lesson(name)
        if lessons.chapter_of(name) != chapter:
            chapter = lessons.chapter_of(name)
            cells.append(Cell(f"## {chapter + 1} {lessons.CHAPTERS[chapter].title}"))
        exercise = lesson.exercise is not None
        title = f"### {'Exercise: ' if exercise else ''}{lesson.session.title}"
        cells.append(Cell(f"{title}\n\n{lesson.session.notes.strip()}"))
        source = f"```python\n{chapter_code(lesson.session)}\n```"
        if exercise:  # which may fail until it is answered
            cells.append(Cell(source))
        elif name in NOT_RUN:
            cells.append(Cell(f"{source}\n\n{TIMED.format(name=name)}"))
        else:
            cells.append(Cell(chapter_code(lesson.session), code=True))
    return cells


def _beginning(printed: str) -> str:
    """An output, or how it begins and how much is left out."""
    lines = printed.splitlines()
    if len(lines) <= LONGEST:
        return printed
    return "\n".join([*lines[:FIRST], f"... ({len(lines) - FIRST} more lines)"])


def _markdown(cells: list[Cell]) -> str:
    parts = []
    for cell in cells:
        if not cell.code:
            parts.append(cell.source.strip())
            continue
        parts.append(f"```python\n{cell.source.strip()}\n```")
        if cell.printed.strip():
            parts.append(f"```text\n{_beginning(cell.printed.rstrip())}\n```")
    return "\n\n".join(parts) + "\n"
