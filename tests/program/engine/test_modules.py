"""The user's own modules: one of each, under its own name, of this session, and as its file is."""

from __future__ import annotations

import os
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxtui.program.engine import evaluation, modules, process_state, surroundings
from jaxtui.session.layers import Jit
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Traced

STATE = """
from __future__ import annotations
import dataclasses, pickle
import jax, jax.numpy as jnp

@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    step: jax.Array

W = jnp.arange(4.0)
_hidden = 3

def advance(state, x):
    assert isinstance(state, State)
    assert pickle.loads(pickle.dumps(State))is State
    return state.step + 1 + x
def scaled(w, x):
    return w * x
class Model:
    def __init__(self, width=1): self.width = width
    def apply(self, x): return x * self.width
    def __call__(self, x): return x + self.width
    @staticmethod
    def plain(x): return -x
def make_model(width=2): return Model(width)
model = Model(3)
"""


@pytest.fixture(autouse=True)
def an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that was an engine's from here on."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = set(sys.modules)
    for name, value in [("path", sys.path), ("meta_path", sys.meta_path), ("argv", sys.argv)]:
        monkeypatch.setattr(sys, name, list(value))
    for name in ("_loaded", "_libraries"):
        monkeypatch.setattr(modules, name, {})
    monkeypatch.setattr(modules, "_added", [])
    monkeypatch.setattr(surroundings, "_at_start", [])
    for name in ("register_pytree_node", "register_pytree_with_keys"):
        monkeypatch.setattr(jax.tree_util, name, getattr(jax.tree_util, name))
    surroundings.remember()
    yield
    surroundings.restore()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "state_file.py").write_text(STATE)
    return folder


def composition(
    folder: Path, function: str = "", source: str = "", donate: str = "", **values: str
) -> Composition:
    arguments = [Argument(name=n, value=v) for n, v in (values or {"x": "arange(3.)"}).items()]
    layers = [Jit(donate_argnums=donate)] if donate else []
    program = Program(source=source, function=function, arguments=arguments, layers=layers)  # type: ignore[arg-type]
    return Composition(program=program, folder=str(folder))


def result(*given: Any, **named: Any) -> Any:
    asked = composition(*given, **named)
    ran = evaluation.run(asked, lambda stage: None, lambda: False)
    return ran.leaves[0][1].tolist()


def traced(*given: Any, **named: Any) -> Traced:
    return evaluation.trace(composition(*given, **named))


# ------------------------------------------------------------------------------- one of each


def test_a_file_is_a_proper_module_and_the_same_for_values_and_the_source(folder: Path) -> None:
    made = "state_file.State(jnp.zeros(()))"
    ran = result(folder, "state_file.py:advance", "import state_file", state=made, x="ones(2)")
    assert ran == [2.0, 2.0]
    assert result(folder, "state_file:advance", state="State(jnp.zeros(()))", x="1.0") == 2.0


def test_values_and_layers_know_the_public_names_of_the_file(folder: Path) -> None:
    assert result(folder, "state_file.py:scaled", w="W", x="ones(4)") == [0.0, 1.0, 2.0, 3.0]
    both = {"w": "W", "x": "ones(4)"}
    assert result(folder, "state_file.py:scaled", "W = 2.0", **both) == [2.0] * 4
    found = traced(folder, "state_file.py:scaled", w="_hidden", x="ones(4)").diagnosis
    assert found is not None
    assert "_hidden" in found.message


@pytest.mark.parametrize(
    ("name", "shown", "values"),
    [
        ("Model.plain", "plain", [0, -1, -2]),
        ("model.apply", "apply", [0, 3, 6]),
        ("model", "model", [3, 4, 5]),
        ("make_model()", "make_model()", [2, 3, 4]),
        ("make_model(width=8).apply", "make_model(width=8).apply", [0, 8, 16]),
        ("Model(5).__call__", "Model(5).__call__", [5, 6, 7]),
    ],
)
def test_methods_objects_and_calls_are_functions(
    name: str, shown: str, values: list[int], folder: Path
) -> None:
    reference = f"state_file.py:{name}"
    assert traced(folder, reference).function == shown
    assert result(folder, reference, x="arange(3)") == values


def test_every_callable_of_the_file_may_be_chosen_and_a_near_name_is_a_fix(folder: Path) -> None:
    found = traced(folder, "state_file.py:scale", w="W", x="ones(4)")
    assert found.diagnosis is not None
    assert [fix.text for fix in found.diagnosis.fixes] == ["state_file.py:scaled"]
    choices = traced(folder, "state_file.py:scaled", w="W", x="ones(4)").choices
    names = ["advance", "scaled", "make_model", "model"]
    assert choices == [f"state_file.py:{name}" for name in names]


def test_a_call_is_made_once_and_takes_literals_only(folder: Path) -> None:
    text = "made = []\ndef make(n):\n    made.append(n)\n    return lambda x: x * len(made)\n"
    (folder / "makes.py").write_text(text)
    assert [result(folder, "makes.py:make(1)") for _ in range(2)] == [[0.0, 1.0, 2.0]] * 2
    found = traced(folder, "makes.py:make(made)").diagnosis
    assert found is not None
    assert found.field == "program.function"


def test_a_file_in_a_package_has_its_dotted_name(folder: Path) -> None:
    inner = folder / "pkg" / "sub"
    inner.mkdir(parents=True)
    for place in (folder / "pkg", inner):
        (place / "__init__.py").write_text("")
    (folder / "pkg" / "base.py").write_text("SCALE = 7\n")
    (inner / "beside.py").write_text("ONE = 1\n")
    text = "from ..base import SCALE\nimport beside\ndef f(x):\n    return x * SCALE + beside.ONE\n"
    (inner / "mod.py").write_text(text + "assert __name__ == 'pkg.sub.mod'\n")
    same = "import pkg.sub.mod as m\nassert m.SCALE == 7"
    assert result(folder, "pkg/sub/mod.py:f", same) == [1.0, 8.0, 15.0]
    assert traced(folder, "pkg.base:abs", "def f(x): return x").diagnosis is not None


@pytest.mark.parametrize("name", ["random", "my-model", "2d", "jax"])
def test_a_file_whose_name_is_taken_or_none_takes_nothing_away(name: str, folder: Path) -> None:
    (folder / f"{name}.py").write_text("def f(x):\n    return x * 2\n")
    source = "import random, jax\nassert random.random() < 1\njax.numpy.ones(3)\n"
    for _ in range(2):
        assert result(folder, f"{name}.py:f", source) == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("compiled", ["__pycache__/helper.{tag}.pyc", "helper.pyc"])
def test_what_runs_of_a_module_is_its_text_and_never_what_was_compiled(
    compiled: str, folder: Path
) -> None:
    helper = folder / "helper.py"
    helper.write_text("ONE = 2\n")
    place = folder / compiled.format(tag=sys.implementation.cache_tag)
    # Python takes what was compiled this way for the module without a look at its text.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(helper), str(place), invalidation_mode=unchecked, doraise=True)
    helper.write_text("ONE = 1\n")
    assert result(folder, "", "import helper\ndef f(x):\n    return x + helper.ONE\n") == [1, 2, 3]
    if place.parent == folder:
        helper.unlink()
        found = traced(folder, "", "import helper\ndef f(x):\n    return x\n").diagnosis
        assert found is not None
        assert "helper" in found.message


def test_no_file_of_the_folder_is_what_a_library_imports(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "drawing.py").write_text(
        "def draw(x):\n"
        "    try:\n        import rich_text\n    except ImportError:\n        return x\n"
    )
    (installed / "making.py").write_text(
        "import importlib, pickle\n"
        "def make(name):\n    return importlib.import_module(name).ONE\n"
        "def made(name):\n    return __import__(name).ONE\n"
        "def unpickled(name):\n    return pickle.loads(b'c' + name.encode() + b'\\nONE\\n.')\n"
    )
    monkeypatch.syspath_prepend(installed)
    surroundings.remember()
    for place in (folder, tmp_path / "elsewhere"):
        (place / "rich_text.py").write_text("ONE = 1\n")
    draws = "import drawing\ndef f(x):\n    return drawing.draw(x)\n"
    assert result(folder, "", draws) == [0.0, 1.0, 2.0]
    # By name, as the user's own source asks for it, a library finds it.
    for way in ("make", "made", "unpickled"):
        (folder / f"to_{way}.py").write_text("ONE = 1\n")
        makes = f"import making\ndef f(x):\n    return x + making.{way}('to_{way}')\n"
        assert result(folder, "", makes) == [1.0, 2.0, 3.0], way


def test_a_script_sees_no_arguments_and_one_that_exits_is_said_with_its_line(folder: Path) -> None:
    parses = "import argparse\nn = argparse.ArgumentParser().parse_args()\n"
    (folder / "script.py").write_text(parses + "def f(x):\n    return x\n")
    assert result(folder, "script.py:f") == [0.0, 1.0, 2.0]
    needs = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\np.parse_args()\n"
    )
    (folder / "needs.py").write_text(needs)
    found = traced(folder, "needs.py:f").diagnosis
    assert found is not None
    assert found.field == "program.function"
    assert isinstance(found.frames, list)
    assert found.frames[-1].startswith("needs.py:4")


# ----------------------------------------------------------------------- of this session only


def test_two_sessions_have_each_its_own_helper(tmp_path: Path) -> None:
    for number, name in enumerate("ab", 1):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text(f"N = {number}\n")
    source = "import helper\ndef f(x):\n    return x * helper.N"
    for name in "abba":
        expected = [0.0, 1.0, 2.0] if name == "a" else [0.0, 2.0, 4.0]
        assert result(tmp_path / name, "", source) == expected
    only_a = "import only_a\ndef f(x): return x"
    (tmp_path / "a" / "only_a.py").write_text("")
    assert result(tmp_path / "a", "", only_a) == [0.0, 1.0, 2.0]
    found = traced(tmp_path / "b", "", only_a).diagnosis
    assert found is not None
    assert "No module named 'only_a'" in found.message
    assert str(tmp_path / "a") not in sys.path


def test_a_folder_that_a_source_adds_is_gone_for_the_next(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "deep.py").write_text("N = 5\n")
    adds = f"import sys\nsys.path.append({str(tmp_path / 'lib')!r})\n"
    source = "import deep\ndef f(x): return x * deep.N"
    assert result(folder, "", adds + source) == [0.0, 5.0, 10.0]
    assert result(folder, "", adds + source) == [0.0, 5.0, 10.0]
    assert str(tmp_path / "lib") not in result_path(folder)


def result_path(folder: Path) -> list[str]:
    traced(folder, "", "def f(x): return x")
    return list(sys.path)


# ----------------------------------------------------------------------------------- as it is


def edit(file: Path, text: str) -> None:
    """Write `text`, of the same size within the same second, as an editor might."""
    file.write_text(text)
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))


def test_a_changed_file_and_all_that_import_it_are_loaded_anew_and_no_others(folder: Path) -> None:
    (folder / "helper.py").write_text("SCALE = 1\n")
    (folder / "between.py").write_text("from helper import SCALE\n")
    (folder / "apart.py").write_text("import builtins\nbuiltins.loads = builtins.loads + 1\n")
    (folder / "main.py").write_text(
        "import apart\nfrom between import SCALE\ndef f(x):\n    return x * SCALE\n"
    )
    import builtins

    builtins.loads = 0  # type: ignore[attr-defined]
    try:
        for scale in (1, 2, 3):
            edit(folder / "helper.py", f"SCALE = {scale}\n")
            for function, source in [
                ("main.py:f", ""),
                ("", "from main import f"),
                ("", "import helper, main\nf = lambda x: main.f(x) / helper.SCALE * helper.SCALE"),
            ]:
                assert result(folder, function, source) == [0.0, scale, 2.0 * scale]
        assert builtins.loads == 1  # type: ignore[attr-defined]
    finally:
        del builtins.loads  # type: ignore[attr-defined]


def test_a_file_that_breaks_says_so_and_is_mended(folder: Path) -> None:
    file = folder / "state_file.py"
    values = {"w": "W", "x": "ones(4)"}
    assert result(folder, "state_file.py:scaled", **values) == [0.0, 1.0, 2.0, 3.0]
    edit(file, STATE + "def broken(:\n")
    found = traced(folder, "state_file.py:scaled", **values).diagnosis
    assert found is not None
    assert "SyntaxError" in found.message
    edit(file, STATE.replace("w * x", "w + x"))
    assert result(folder, "state_file.py:scaled", **values) == [1.0, 2.0, 3.0, 4.0]


def test_a_module_that_appears_is_found(folder: Path) -> None:
    source = "import late\ndef f(x): return x * late.N"
    assert traced(folder, "", source).diagnosis is not None
    (folder / "late.py").write_text("N = 2\n")
    assert result(folder, "", source) == [0.0, 2.0, 4.0]


def test_names_that_a_program_sets_in_a_module_are_those_of_its_file_for_the_next(
    folder: Path,
) -> None:
    (folder / "cfg.py").write_text("N = 1\ncalls = 0\n")
    sets = "import cfg\ncfg.N = 5\ncfg.more = 2\ndef f(x): return x * cfg.N"
    reads = "import cfg\nassert not hasattr(cfg, 'more')\ndef f(x): return x * cfg.N"
    assert result(folder, "", sets) == [0.0, 5.0, 10.0]
    assert result(folder, "", reads) == [0.0, 1.0, 2.0]


def test_an_array_of_a_module_that_a_run_donated_is_there_for_the_next(folder: Path) -> None:
    given = {"w": "state_file.W", "x": "ones(4)"}
    for _ in range(2):
        ran = result(folder, "state_file.py:scaled", "import state_file", donate="0", **given)
        assert ran == [0.0, 1.0, 2.0, 3.0]


def test_what_a_module_sets_when_it_is_imported_is_set_for_its_programs_only(folder: Path) -> None:
    (folder / "wide.py").write_text(
        "import os, jax\njax.config.update('jax_enable_x64', True)\nos.environ['WIDE'] = '1'\n"
    )
    (folder / "uses.py").write_text("import wide\ndef f(x):\n    return x\n")
    plain = "import os\nassert 'WIDE' not in os.environ\ndef f(x): return x"
    wide = "import os, wide\nassert os.environ['WIDE'] == '1'\ndef f(x): return x"

    def dtype(function: str, source: str) -> str:
        ran = evaluation.run(
            composition(folder, function, source), lambda stage: None, lambda: False
        )
        return str(ran.leaves[0][1].dtype)

    dtypes = [dtype(*given) for given in [("", wide), ("", plain), ("uses.py:f", ""), ("", wide)]]
    assert dtypes == ["float64", "float32", "float64", "float64"]


def test_an_option_that_a_file_sets_is_never_off_while_its_program_is_traced_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = "import jax\njax.config.update('jax_enable_x64', {})\ndef f(x):\n    return x\n"
    (folder / "wide.py").write_text(sets.format(True))
    seen: list[Any] = []
    update = jax.config.update

    def noting(name: str, value: Any) -> None:
        seen.append((name, value))
        update(name, value)

    traced(folder, "wide.py:f")
    monkeypatch.setattr(process_state.jax.config, "update", noting)
    part = process_state._PARTS["jax"]._replace(write=noting)
    monkeypatch.setitem(process_state._PARTS, "jax", part)
    traced(folder, "wide.py:f", x="arange(4.)")
    assert ("jax_enable_x64", False) not in seen
    assert traced_dtype(traced(folder, "", "def f(x): return x")) == "float32"
    assert traced_dtype(traced(folder, "wide.py:f")) == "float64"
    edit(folder / "wide.py", sets.format("False"))
    assert traced_dtype(traced(folder, "wide.py:f")) == "float32"


def traced_dtype(found: Traced) -> str:
    assert found.flow is not None
    (leaf,) = found.flow.levels[0].inputs or []
    return leaf.dtype


def test_what_an_installed_package_sets_in_jax_is_set_for_its_programs_only(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    installed.mkdir()
    text = "import jax\njax.config.update('jax_enable_x64', True)\n"
    (installed / "widelib.py").write_text(text)
    sys.path.append(str(installed))
    surroundings.remember()
    wide, plain = "import widelib\ndef f(x): return x", "def f(x): return x"
    found = [
        traced(folder, "", source).flow.levels[0].inputs[0].dtype  # type: ignore[union-attr, index]
        for source in (wide, plain, wide)
    ]
    assert found == ["float64", "float32", "float64"]
