"""The last function that a source makes is its function; nothing else callable is."""

from __future__ import annotations

import pytest

from jaxtui.program.engine import evaluation
from jaxtui.session.session import Argument, Program, Session
from jaxtui.wire.base import Composition
from tests.support.wrong import trace

F = "def f(x):\n    return x\n"

SOURCES = [
    ("a derivative after its function", F + "g = jax.hessian(f)\n", "g", ["f", "g"]),
    ("a def after an assignment", "g = lambda x: x\n" + F, "f", ["g", "f"]),
    ("bound twice", F + "g = jax.jit(f)\nf = jax.vmap(f)\n", "f", ["g", "f"]),
    ("a partial", "from functools import partial\n" + F + "g = partial(f)\n", "g", ["f", "g"]),
    ("another name for it", F + "g = f\n", "g", ["f", "g"]),
    ("out of a tuple", F + "init, apply = (lambda: 0), (lambda x: x)\n", "apply", None),
    ("a method of an object", F + "class M:\n    def go(self, x): return x\ng = M().go\n",
        "g", None),
    ("a dtype", F + "dtype = jnp.float32\nother = np.dtype('int8')\n", "f", ["f"]),
    ("a class", F + "class Model:\n    pass\nKind = Model\n", "f", ["f"]),
    ("a key", F + "key = jax.random.key(0)\n", "f", ["f"]),
    ("a mesh", F + "own = jax.make_mesh((1,), ('own',))\n", "f", ["f"]),
    ("a transformation kept for later", """
from functools import partial
def f(x): return x
columns = partial(jax.vmap, in_axes=1)
vmap = jax.vmap
""", "f", ["f"]),
    ("another name for what JAX has", F + "act = jax.nn.relu\n", "f", ["act", "f"]),
    ("an import at the end", F + "from jax.numpy import sin\n", "f", ["sin", "f"]),
    ("nothing but an import", "from jax.numpy import sin, pi\nfrom jax import grad\n", "sin", None),
    ("an object with a __call__", F + "class M:\n    def __call__(self, x): return x\nm = M()\n",
        "f", ["m", "f"]),
    ("a pytree with a __call__", F + """
@jax.tree_util.register_pytree_node_class
class M:
    def __call__(self, x): return x
    def tree_flatten(self): return (), None
    @classmethod
    def tree_unflatten(cls, *parts): return cls()
m = M()
""", "m", ["f", "m"]),
    ("a jitted function", F + "@jax.jit\ndef g(x): return x\n", "g", ["f", "g"]),
    ("a function with its own derivative", "@jax.custom_jvp\ndef g(x): return x\n", "g", ["g"]),
    ("inside an if", F + "if True:\n    g = jax.jit(f)\n", "g", ["f", "g"]),
    ("deleted", F + "g = jax.jit(f)\ndel g\n", "f", ["f"]),
    ("made by exec", "from jax.numpy import sin\nexec('def g(x): return x')\n", "g", ["sin", "g"]),
    ("a value afterwards", F + "w = jnp.ones(3)\nn: int\nbatch = 4\nf.note = print\n", "f", ["f"]),
]  # fmt: skip


def session(source: str, function: str = "") -> Session:
    arguments = [Argument(name="x", value="arange(3.)")]
    return Session(program=Program(source=source, function=function, arguments=arguments))


@pytest.mark.parametrize(
    ("source", "function", "choices"), [pytest.param(*rest, id=id) for id, *rest in SOURCES]
)
def test_the_function_is_the_last_one_that_was_made(
    source: str, function: str, choices: list[str] | None
) -> None:
    traced = trace(session(source))
    assert traced.function == function, traced.diagnosis
    assert traced.choices[-1] == function
    if choices is not None:
        assert traced.choices == choices


def test_a_run_names_its_function_and_any_other_may_be_chosen() -> None:
    source = "def f(x): return x.sum()\ng = jax.grad(f)\n"
    for chosen, ran in [("", "g"), ("f", "f"), ("g", "g")]:
        composition = Composition.of(session(source, chosen), "")
        evaluated = evaluation.run(composition, lambda stage: None, lambda: False)
        assert evaluated.function == ran


def test_a_name_that_is_nearly_that_of_a_function_is_offered() -> None:
    source = "def loss(x): return x\ndef unrelated(x): return x\n"
    found = trace(session(source, "los")).diagnosis
    assert found is not None
    assert [fix.text for fix in found.fixes] == ["loss", ""]


@pytest.mark.parametrize(
    "source",
    [F, F + "h = jax.hessian(f)", F + "h = lambda x: x", F + "h = 3", F + "h=jit(f)\n", "h = 1"],
)
def test_the_name_that_the_text_shows_is_the_one_that_the_engine_finds(source: str) -> None:
    given = session("from jax import jit\n" + source)
    assert given.program.function_name == trace(given).function.replace("jit", "")
