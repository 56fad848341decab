"""A notebook has the format's shape, runs in bare JAX, and prints what the session gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxtui import lessons
from jaxtui.lessons import book
from jaxtui.session.export import script
from jaxtui.session.notebook import Cell, chapter_code, notebook, session_cells
from jaxtui.session.session import Argument, Program, Session, dumps
from tests.session.test_export import SESSIONS
from tests.support.scripts import names_of
from tests.support.tried import tried

SOON = ("names that only values know", "classes of shardings by their own names")

# Runs the code cells of a notebook as a kernel would: in one process, in its folder, without
# jaxtui; prints what each printed.
RUN = """
import contextlib, io, json, sys
names, printed = {"__name__": "__main__"}, []
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec("".join(cell["source"]), names)
        printed.append(out.getvalue())
assert not any(name.split(".")[0] == "jaxtui" for name in sys.modules)
print(json.dumps(printed))
"""


def run_cells(file: Path) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", RUN, file.name],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: list[str] = json.loads(ran.stdout)
    return found


def check_format(text: str) -> dict[str, Any]:
    """Assert what the schema of version 4.5 asks for, by nbformat as well where it is installed."""
    data: dict[str, Any] = json.loads(text)
    assert data.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (data["nbformat"], data["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in data["cells"]}) == len(data["cells"])
    for cell in data["cells"]:
        assert {"id", "cell_type", "metadata", "source"} <= cell.keys()
        assert all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert {"execution_count", "outputs"} <= cell.keys()
            assert all(
                output.keys() == {"output_type", "name", "text"} for output in cell["outputs"]
            )
        else:
            assert cell["cell_type"] == "markdown"
    try:
        import nbformat
    except ImportError:
        return data
    nbformat.validate(nbformat.reads(text, as_version=4))
    return data


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in SOON else (pytest.mark.long,)) for n in SESSIONS]
)
def test_the_cells_one_after_the_other_are_the_script(name: str) -> None:
    session = SESSIONS[name]
    cells = session_cells(session)
    code = "\n\n".join(cell.source for cell in cells if cell.code)
    ours, wanted = names_of(code)["result"], names_of(script(session))["result"]
    assert str(ours) == str(wanted)


def test_a_session_begins_with_its_title_and_notes_and_ends_with_its_result() -> None:
    cells = session_cells(lessons.load("matrix-vector"))
    assert cells[0].source.startswith("# Batched matrix-vector product\n\nThe function multiplies")
    assert [cell.code for cell in cells] == [False] + [True] * (len(cells) - 1)
    assert cells[-1].source.endswith("print(result)")
    data = check_format(notebook(cells))
    assert data["cells"][1]["source"][0] == "import jax\n"


def test_what_a_cell_printed_is_kept_as_its_output() -> None:
    data = check_format(notebook([Cell("# α"), Cell("print(1)\nprint(2)", True, "1\n2\n")]))
    assert data["cells"][1]["outputs"][0]["text"] == ["1\n", "2\n"]
    assert data["cells"][1]["source"] == ["print(1)\n", "print(2)"]
    assert data["cells"][0]["source"] == ["# α"]


@pytest.mark.long
def test_a_notebook_in_another_folder_finds_the_files_of_its_session(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def triple(x):\n    return 3 * x\n")
    session = Session(
        program=Program(
            function="model.py:triple", arguments=[Argument(name="x", value="arange(3)")]
        )
    )
    (tmp_path / "a.toml").write_text(dumps(session))
    (tmp_path / "elsewhere").mkdir()
    for name in ("elsewhere/a.ipynb", "b.ipynb"):
        command = [sys.executable, "-m", "jaxtui", "export", "a.toml", "-o", name]
        subprocess.run(command, cwd=tmp_path, check=True)
        check_format((tmp_path / name).read_text())
        assert run_cells(tmp_path / name)[-1] == "[0 3 6]\n"


def test_a_mesh_in_context_is_for_its_own_cell_alone() -> None:
    code = chapter_code(lessons.load("mode-explicit"))
    assert code.count("set_mesh(mesh)") == 1
    assert code.endswith("set_mesh(None)")
    assert "set_mesh" not in chapter_code(lessons.load("pmap"))


@pytest.mark.long
def test_the_whole_book_runs_in_bare_jax_and_prints_what_the_lessons_give(tmp_path: Path) -> None:
    file = tmp_path / "book.ipynb"
    command = [sys.executable, "-m", "jaxtui", "lessons", "--notebook", "-o", str(file)]
    subprocess.run(command, check=True)
    data = check_format(file.read_text())
    code = [cell for cell in data["cells"] if cell["cell_type"] == "code"]
    stored = ["".join("".join(o["text"]) for o in cell["outputs"]) for cell in code]
    printed = run_cells(file)
    assert printed == stored
    shown = [name for name in lessons.NAMES if lessons.load(name).benchmark is None]
    assert len(printed) == len(shown) + 1  # with the imports
    for name, text in zip(shown, printed[1:], strict=True):
        lesson = book.lesson(name)
        if lesson.screen == "collectives":
            continue
        leaves = tried(lesson.session, lesson.screen).leaves
        if len(leaves) == 1 and lesson.session.program.arguments:
            numbers = np.array(numbers_of(text))
            assert numbers.size
            np.testing.assert_allclose(numbers, leaves[0].ravel()[: numbers.size], rtol=1e-4)


def numbers_of(text: str) -> list[float]:
    """The numbers of a printed array, up to where NumPy leaves some out."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith("[")), len(lines) - 1)
    plain = " ".join(lines[first:]).partition("...")[0]
    return [float(word) for word in plain.replace("[", " ").replace("]", " ").split()]


@pytest.mark.long
def test_the_book_as_a_document_has_every_text_and_the_values(tmp_path: Path) -> None:
    file = tmp_path / "book.md"
    command = [sys.executable, "-m", "jaxtui", "lessons", "--markdown", "-o", str(file)]
    subprocess.run(command, check=True)
    text = file.read_text()
    for name in book.ORDER:
        session = lessons.load(name)
        assert session.title in text
        assert session.notes.strip() in text
    for chapter in lessons.CHAPTERS:
        assert f"{chapter.title}\n" in text
    assert "```text\n[[ 5. 11.]\n [39. 53.]]\n```" in text
    printed = [part.partition("\n```")[0] for part in text.split("```text\n")[1:]]
    assert max(part.count("\n") + 1 for part in printed) <= 24
    assert re.search(r"^\.\.\. \(\d+ more lines\)$", text, re.MULTILINE)
