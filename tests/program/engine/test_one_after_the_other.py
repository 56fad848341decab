"""Programs in one engine, in any order, give what each gives in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition
from tests.support import plain_process
from tests.support.fresh_engine import in_a_process


class Small(NamedTuple):
    """A small program: its source, or its `function` in a module that lies beside it."""

    source: str
    files: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    module: str = ""
    function: str = "f"
    arguments: dict[str, str] = {"x": "arange(3.)"}  # noqa: RUF012


F = "def f(x):\n    return x * 1.5\n"
W64 = "import jax\njax.config.update('jax_enable_x64', True)\n"

SET_MESH = "set_mesh = getattr(jax, 'set_mesh', getattr(jax.sharding, 'set_mesh', None))\n"
SET_MESH += "set_mesh(jax.make_mesh((8,), ('X',)))\n"
DEVICES = "def f(x): return len(jax.jit(lambda y: y * 2)(x).devices())"

PROGRAMS = {
    "plain": Small(F),
    "plain of integers": Small(F, arguments={"x": "arange(3)"}),
    "x64 by the source": Small("jax.config.update('jax_enable_x64', True)\n" + F),
    "x64 in a with that is never left": Small("jax.enable_x64(True).__enter__()\n" + F)
    if hasattr(jax, "enable_x64")
    else Small(F),
    "x64 by a module": Small("import wide\n" + F, {"wide": W64}),
    "x64 by a module of a module": Small(
        "import outer\n" + F, {"outer": "import wide", "wide": W64}),
    "x64 by its file": Small("", {"main": W64 + F}, "main"),
    "ranks are not promoted": Small(
        "jax.config.update('jax_numpy_rank_promotion', 'raise')\n"
        "def f(x): return x + jnp.ones((2, 3))"
    ),
    "ranks are promoted": Small("def f(x): return x + jnp.ones((2, 3))"),
    "another default dtype": Small(
        "jax.config.update('jax_default_dtype_bits', '32')\n" + F, arguments={"x": "arange(3)"}
    ),
    "precision": Small(
        "jax.config.update('jax_default_matmul_precision', 'bfloat16')\n"
        "def f(x): return jax.config.jax_default_matmul_precision == 'bfloat16'"
    ),
    "which precision": Small("def f(x): return jax.config.jax_default_matmul_precision is None"),
    "a default device": Small(
        "jax.config.update('jax_default_device', jax.devices()[3])\n"
        "def f(x): return [d.id for d in jnp.ones(3).devices()]"
    ),
    "which device": Small("def f(x): return [d.id for d in jnp.ones(3).devices()]"),
    "nans are errors": Small(
        "jax.config.update('jax_debug_nans', True)\ndef f(x): return jnp.log(-1 - x)"
    ),
    "nans are none": Small("def f(x): return jnp.isnan(jnp.log(-1 - x))"),
    "a variable of the environment": Small(
        "import os\nos.environ['JAXTUI_SMALL'] = '3'\n"
        "def f(x): return x * int(os.environ['JAXTUI_SMALL'])"
    ),
    "no variable of the environment": Small(
        "import os\ndef f(x): return x * int(os.environ.get('JAXTUI_SMALL', 7))"
    ),
    "the path": Small("import sys\nsys.path.insert(0, '/nowhere')\n" + F),
    "which path": Small("import sys\ndef f(x): return '/nowhere' in sys.path"),
    "arguments of the process": Small("import sys\nsys.argv.append('a')\n"
        "def f(x): return len(sys.argv)"),
    "another folder": Small("import os\nos.chdir('/')\ndef f(x): return os.getcwd() == '/'"),
    "which folder": Small("import os\ndef f(x): return os.getcwd() == '/'"),
    "warnings are errors": Small(
        "import warnings\nwarnings.simplefilter('error')\n"
        "def f(x):\n    warnings.warn('no')\n    return x"
    ),
    "warnings are warnings": Small("import warnings\ndef f(x):\n    warnings.warn('no')\n"
        "    return x"),
    "NumPy raises": Small("np.seterr(all='raise')\ndef f(x): return np.ones(2) / np.zeros(2)"),
    "NumPy does not": Small(
        "import warnings\nwarnings.simplefilter('ignore')\n"
        "def f(x): return np.ones(2) / np.zeros(2)"
    ),
    "seeds": Small(
        "import random\nnp.random.seed(0)\nrandom.seed(0)\n"
        "def f(x): return np.random.rand(2), random.random()"
    ),
    "a seed in a module": Small(
        "import seeded\ndef f(x): return np.random.rand(2)", {"seeded": "import numpy as np\n"
        "np.random.seed(1)"}
    ),
    "logging": Small(
        "import logging\nlogging.basicConfig(level='DEBUG', force=True)\n"
        "def f(x): return logging.getLogger().level"
    ),
    "which logging": Small("import logging\n"
        "def f(x): return logging.getLogger('jax').level, logging.root.level"),
    "a mesh": Small(SET_MESH + DEVICES),
    "no mesh": Small(DEVICES),
    "a mesh of a module": Small("import meshed\n" + DEVICES, {"meshed": "import jax\n" + SET_MESH}),
    "a helper": Small("import helper\ndef f(x): return x * helper.N", {"helper": "N = 2"}),
    "another helper": Small("from helper import N\ndef f(x): return x * N", {"helper": "N = 3"}),
    "a helper in a package": Small(
        "import helper.part\ndef f(x): return x * helper.part.N",
        {"helper/__init__": "", "helper/part": "N = 4"},
    ),
    "no helper": Small("import helper\ndef f(x): return x"),
    "a setting of a module": Small(
        "import cfg\ncfg.N = 9\ndef f(x): return x * cfg.N", {"cfg": "N = 1\n"
        "def g(x): return x * N"}
    ),
    "a counter of a file": Small(
        "", {"counts": "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n\n"}, "counts"
    ),
    "a registered class": Small(
        "from kinds import Pair\n"
        "register = jax.tree_util.register_pytree_node\n"
        "register(Pair, lambda p: ((p.a,), None), lambda _, p: Pair(*p))\n"
        "def f(x): return jax.tree.map(lambda y: y + 1, Pair(x)).a",
        {"kinds": "class Pair:\n    def __init__(self, a): self.a = a\n"},
    ),
    "a donated array of a file": Small(
        "import kept\ndef f(w): return jax.jit(lambda v: v + 1, donate_argnums=0)(w)",
        {"kept": "import jax.numpy as jnp\nW = jnp.arange(3.) * 1\n"},
        arguments={"w": "kept.W"},
    ),
}  # fmt: skip
FEW = ["plain of integers", "x64 by a module", "seeds", "another folder", "a helper", "no helper"]


def written(programs: list[str], folder: Path) -> None:
    """Each program's files, in a folder of its own."""
    for name in programs:
        beside = folder / name.replace(" ", "_")
        beside.mkdir()
        for file, text in PROGRAMS[name].files.items():
            (beside / f"{file}.py").parent.mkdir(exist_ok=True)
            (beside / f"{file}.py").write_text(text)


def in_processes_of_their_own(programs: list[str], folder: Path) -> list[Any]:
    asked = [
        [str(folder / name.replace(" ", "_")), p.source, p.module, p.function, p.arguments]
        for name, p in ((name, PROGRAMS[name]) for name in programs)
    ]
    done = subprocess.run(
        [sys.executable, plain_process.__file__],
        input=json.dumps(asked), capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    answers: list[Any] = json.loads(done.stdout)
    return answers


def in_this_engine(name: str, folder: Path) -> Any:
    """The leaves of the result, or the name of the exception."""
    small = PROGRAMS[name]
    reference = f"{small.module}.py:{small.function}" if small.module else small.function
    arguments = [Argument(name=n, value=value) for n, value in small.arguments.items()]
    program = Program(source=small.source, function=reference, arguments=arguments)
    composition = Composition(program=program, folder=str(folder / name.replace(" ", "_")))
    traced = evaluation.trace(composition)
    try:
        leaves = evaluation.run(composition, lambda stage: None, lambda: False).leaves
    except Diagnosed as error:
        assert traced.diagnosis is None or traced.diagnosis.message
        return error.diagnosis.message
    return [[str(getattr(x, "dtype", type(x).__name__)), np.asarray(x).tolist()] for _, x in leaves]


@in_a_process
def in_one_engine(programs: list[str], order: list[str], folder: str) -> None:
    """Run the programs in this `order` in one engine, and compare each with plain JAX."""
    written(programs, Path(folder))
    alone = dict(zip(programs, in_processes_of_their_own(programs, Path(folder)), strict=True))
    for name in order:
        ours, theirs = in_this_engine(name, Path(folder)), alone[name]
        if isinstance(theirs, str):
            assert theirs in str(ours), f"{name}: {ours} is not {theirs}"
        else:
            assert ours == theirs, f"{name}: {ours} is not {theirs}"


def test_programs_one_after_the_other_are_as_each_in_a_process_of_its_own(tmp_path: Path) -> None:
    in_one_engine(FEW, [*FEW, *reversed(FEW)], str(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_programs_in_any_order_in_one_engine_are_as_each_in_a_process_of_its_own(
    seed: int, tmp_path: Path
) -> None:
    order = [*PROGRAMS, *PROGRAMS]
    random.Random(seed).shuffle(order)
    in_one_engine(list(PROGRAMS), order, str(tmp_path))
