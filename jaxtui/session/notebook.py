"""A session as a Jupyter notebook, in version 4.5 of its format."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jaxtui.session.export import Blocks, blocks
from jaxtui.session.session import Session


class Cell(NamedTuple):
    """A cell: Markdown, or `code` with what it printed, "" if it has not run."""

    source: str
    code: bool = False
    printed: str = ""


def notebook(cells: Sequence[Cell]) -> str:
    """The text of the .ipynb file."""
    data = {
        "cells": [_written(number, cell) for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _written(number: int, cell: Cell) -> dict[str, Any]:
    source = cell.source.strip("\n").splitlines(keepends=True)
    found: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": source}
    if not cell.code:
        return {"cell_type": "markdown", **found}
    printed = cell.printed.splitlines(keepends=True)
    output = {"output_type": "stream", "name": "stdout", "text": printed}
    outputs = [output] if printed else []
    return {"cell_type": "code", "execution_count": None, **found, "outputs": outputs}


def session_cells(session: Session, folder: str = "", notebook_folder: str = "") -> list[Cell]:
    """The cells of a session that lies in `folder`. Raises ExportError.

    The notebook lies in `notebook_folder`, from which the files that it imports are found; by
    default that is the session's.
    """
    parts = blocks(session, folder, notebook_folder)
    title = f"# {session.title.strip()}" if session.title.strip() else ""
    text = "\n\n".join(filter(None, (title, session.notes.strip())))
    cells = [Cell(text)] if text else []
    first = [parts.setup, parts.paths.replace("script.py", "notebook.ipynb")]
    return [*cells, *_code([joined(first)]), *_code(_groups(parts))]


def _groups(parts: Blocks) -> list[str]:
    definitions = "\n\n\n".join(
        part.strip("\n") for part in (*parts.helpers, parts.source) if part.strip()
    )
    given = joined([parts.parameters, parts.imports])
    return [given, definitions, parts.inputs, parts.calls]


def chapter_code(session: Session) -> str:
    """All code of a session but its devices, for a notebook that several of them share.

    Raises ExportError.
    """
    parts = blocks(session)
    extra = [line for line in parts.setup.splitlines() if _is_extra_import(line)]
    groups = [group for group in _groups(parts) if group.strip()]
    text = joined(["\n".join(extra), *groups])
    # The mesh is for this session's cell alone.
    return f"{text}\nset_mesh(None)" if "\nset_mesh(mesh)" in text else text


def _is_extra_import(line: str) -> bool:
    return line.startswith(("from jax.sharding import", "import functools")) and " as P" not in line


def joined(parts: Iterable[str]) -> str:
    """Parts of code, a blank line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _code(groups: Iterable[str]) -> list[Cell]:
    return [Cell(group, code=True) for group in groups if group.strip()]


def main_printed() -> None:
    """Run the cells that stdin holds as a JSON list, and write what each printed as another.

    Each runs in the names that those before it have left, as in a notebook.
    """
    import contextlib
    import io

    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for source in json.load(sys.stdin):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(source, "<cell>", "exec"), names)  # cells are code
        printed.append(out.getvalue())
    json.dump(printed, sys.stdout)


if __name__ == "__main__":
    main_printed()
