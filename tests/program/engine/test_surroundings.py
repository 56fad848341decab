"""One program after the other in one engine: each begins as a script does, in a fresh process."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation, surroundings
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition

PLAIN = "def f(x):\n    return x * 1.5"


@pytest.fixture(autouse=True)
def an_engine_that_started_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jax.config, "update", jax.config.update)
    for name in ("register_pytree_node", "register_pytree_with_keys"):
        monkeypatch.setattr(jax.tree_util, name, getattr(jax.tree_util, name))
    monkeypatch.setattr(surroundings, "_at_start", [])
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        surroundings.remember()
        yield
        surroundings.restore()


def composition(source: str, value: str = "arange(3.)") -> Composition:
    arguments = [Argument(name="x", value=value)]
    return Composition(program=Program(source=source, arguments=arguments, layers=[Vmap()]))


def result(source: str, value: str = "arange(3.)") -> Any:
    ran = evaluation.run(composition(source, value), lambda stage: None, lambda: False)
    ((_, array),) = ran.leaves
    return array


def traced_dtype(source: str) -> str:
    traced = evaluation.trace(composition(source))
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    (leaf,) = traced.flow.levels[0].inputs or []
    return leaf.dtype


def test_an_option_of_jax_that_one_source_sets_does_not_reach_the_next() -> None:
    assert result(f"jax.config.update('jax_enable_x64', True)\n{PLAIN}").dtype == "float64"
    assert result(PLAIN).dtype == "float32"


def test_an_option_that_the_function_sets_does_not_reach_its_own_next_run() -> None:
    source = "def f(x):\n    jax.config.update('jax_enable_x64', True)\n    return x"
    assert [str(result(source).dtype) for _ in range(2)] == ["float32", "float32"]


def test_an_option_that_a_module_sets_when_it_is_imported_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets_x64.py").write_text("import jax\njax.config.update('jax_enable_x64', True)")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert result(f"import sets_x64\n{PLAIN}").dtype == "float64"
        assert result(f"import sets_x64\n{PLAIN}\n").dtype == "float64"
    finally:
        jax.config.update("jax_enable_x64", False)


def test_shapes_follow_the_options_that_a_source_sets() -> None:
    wide = f"jax.config.update('jax_enable_x64', True)\n{PLAIN}"
    dtypes = [traced_dtype(PLAIN), traced_dtype(wide), traced_dtype(PLAIN)]
    assert dtypes == ["float32", "float64", "float32"]


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ("np.seterr(all='raise')", "y = np.ones(2) / np.zeros(2)", "arange(3.)"),
        ("import warnings\nwarnings.simplefilter('error')", "", "jnp.zeros(3, dtype='float64')"),
        (
            "import sys\nsys.setrecursionlimit(400)",
            "import sys\nassert sys.getrecursionlimit() > 400",
            "arange(3)",
        ),
        ("import io, sys\nsys.stdout = io.StringIO()\nsys.stdout.close()", "print(1)", "arange(3)"),
        ("import sys\nsys.stderr = None", "import sys\nsys.stderr.write('')", "arange(3)"),
        ("import sys\nsys.stdin.close()", "import sys\nassert not sys.stdin.closed", "arange(3)"),
    ],
    ids=["numpy's errors", "warnings", "recursion", "stdout", "stderr", "stdin"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_one_source_does_to_the_process_does_not_reach_the_next(
    before: str, after: str, value: str
) -> None:
    result(f"{before}\n{PLAIN}")
    assert result(f"{after}\n{PLAIN}", value).shape[0] == 3


def test_a_source_may_go_to_another_folder_each_time_it_runs(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    source = f"import os\nos.chdir('below')\n{PLAIN}"
    assert result(source).shape == (3,)
    result(PLAIN)
    assert Path.cwd() == tmp_path


def test_a_source_that_makes_errors_of_warnings_still_does() -> None:
    source = f"import warnings\nwarnings.simplefilter('error')\n{PLAIN}"
    with pytest.raises(Diagnosed):
        result(source, "jnp.zeros(3, dtype='float64')")


REGISTERS = """
from {module} import Outlasting
jax.tree_util.{function}(
    Outlasting, lambda o: ((o.x,), None), lambda _, parts: Outlasting(parts[0] * {factor})
)
def f(x):
    return jax.tree.map(lambda part: part, Outlasting(x)).x
"""


@pytest.fixture
def outlasting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with a class that is registered nowhere yet."""
    name = f"outlasting_{uuid.uuid4().hex}"
    text = "class Outlasting:\n    def __init__(self, x):\n        self.x = x\n"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize(
    ("function", "parts"),
    [("register_pytree_node", "o.x"), ("register_pytree_with_keys", "('x', o.x)")],
)
def test_a_source_may_register_a_class_that_outlasts_it_each_time_it_runs(
    outlasting: str, function: str, parts: str
) -> None:
    text = REGISTERS.replace("{module}", outlasting).replace("{function}", function)
    text = text.replace("((o.x,), None)", f"(({parts},), None)")
    sums = [float(result(text.replace("{factor}", str(factor))).sum()) for factor in (2, 2, 5)]
    assert sums == [6.0, 6.0, 15.0]


def test_a_source_that_registers_a_class_twice_is_told_so(outlasting: str) -> None:
    text = REGISTERS.replace("{module}", outlasting).replace("{factor}", "1")
    text = text.replace("{function}", "register_pytree_node")
    with pytest.raises(Diagnosed, match="Duplicate"):
        result(text + text)


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="older JAX cannot unset a mesh")
def test_a_mesh_that_one_source_sets_does_not_reach_the_next() -> None:
    sets = f"jax.set_mesh(jax.make_mesh((4, 2), ('own', 'other')))\n{PLAIN}"
    assert len(result(sets).sharding.device_set) == 8
    assert len(result(PLAIN).sharding.device_set) == 1
