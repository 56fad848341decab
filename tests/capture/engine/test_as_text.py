"""Trees of arrays become text that gives them again, or what cannot is named with its path."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import sys
import types
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import tree_util

from jaxtui.capture.engine.as_text import Names, Unwritable, Writer
from jaxtui.capture.engine.leaves import Shapes
from jaxtui.program.engine import value_helpers


class Pair(NamedTuple):
    first: Any
    second: Any = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    params: Any
    step: Any
    rate: float = dataclasses.field(default=0.1, metadata={"static": True})


@jax.tree_util.register_pytree_node_class
class Node:
    def __init__(self, given: Any) -> None:
        self.children, self.tag = [given], "tag"

    def tree_flatten(self) -> tuple[Any, Any]:
        return tuple(self.children), self.tag

    @classmethod
    def tree_unflatten(cls, tag: Any, children: Any) -> Node:
        made = cls(*children)
        made.tag = tag
        return made


class Kind(enum.Enum):
    LARGE = 1


class Model:
    def __init__(self, width: int, *, depth: int = 2) -> None:
        self.width = width
        self._depth = depth


class Optimizer(NamedTuple):
    init: Any
    update: Any


def make_optimizer() -> Optimizer:
    return Optimizer(lambda params: params, lambda grads: grads)


OPTIMIZER = make_optimizer()


def helper(x: Any) -> Any:
    return x


ARRAY = jnp.ones((2, 3), jnp.bfloat16)


def names() -> Names:
    return Names("script", sys.modules[__name__])


def text(value: Any) -> str:
    found = names()
    return Writer(found, Shapes(found).text).text(value, "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ARRAY, "struct((2, 3), bf16)"),
        (jnp.float32(1.0), "struct((), f32)"),
        (jnp.asarray(1.0), "struct((), f32, weak_type=True)"),
        (np.arange(3), "struct((3,), i64)"),
        (np.float16(3), "struct((), f16)"),
        (np.array([True]), "struct((1,), bool)"),
        (jax.random.key(0), "struct((), 'key<fry>')"),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ("text", "'text'"),
        (2 + 1j, "(2+1j)"),
        (math.inf, "float('inf')"),
        (-math.inf, "float('-inf')"),
        ([1, (2,), ()], "[1, (2,), ()]"),
        ({"a": ARRAY, 3: {(1, 2): None}}, "{'a': struct((2, 3), bf16), 3: {(1, 2): None}}"),
        ({3}, "set([3])"),
        (OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (defaultdict(list, a=1), "defaultdict(list, {'a': 1})"),
        (Pair(ARRAY, 1), "script.Pair(first=struct((2, 3), bf16), second=1)"),
        (
            State({"w": ARRAY}, 0, rate=0.5),
            "script.State(params={'w': struct((2, 3), bf16)}, step=0, rate=0.5)",
        ),
        (Node(ARRAY), "script.Node.tree_unflatten('tag', (struct((2, 3), bf16),))"),
        (Kind.LARGE, "script.Kind.LARGE"),
        (Model(3, depth=4), "script.Model(width=3, depth=4)"),
        (OPTIMIZER, "script.OPTIMIZER"),
        (helper, "script.helper"),
        (functools.partial(helper, x=2), "functools.partial(script.helper, x=2)"),
        (jnp.bfloat16, "bfloat16"),
        (np.dtype("float32"), "jnp.dtype('float32')"),
        (jax.sharding.PartitionSpec("x", None), "P('x', None)"),
        (int, "int"),
        (dataclasses.replace, "replace"),
    ],
)
def test_a_tree_is_written_as_python(value: Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"a": ARRAY, "b": [1.5, None, Pair(ARRAY)]},
        State(OrderedDict(w=ARRAY), jnp.int32(3), rate=0.25),
        Node({"a": ARRAY}),
        (Pair(1, Node(Pair(ARRAY, ARRAY))),),
    ],
)
def test_the_text_gives_the_same_tree(value: Any) -> None:
    found = names()
    writer = Writer(found, Shapes(found).text)
    written = writer.text(value, "x")
    scope = {"script": sys.modules[__name__], **value_helpers.short_dtypes()}
    scope["struct"] = value_helpers.struct
    for line in found.imports:
        exec(line, scope)
    made = eval(written, scope)
    assert tree_util.tree_structure(made) == tree_util.tree_structure(value)
    for leaf, expected in zip(*map(tree_util.tree_leaves, (made, value)), strict=True):
        if isinstance(expected, jax.Array):
            assert (leaf.shape, leaf.dtype) == (expected.shape, expected.dtype)
        else:
            assert leaf == expected


def test_what_is_imported_from_elsewhere_is_imported_by_the_source() -> None:
    found = names()
    assert Writer(found, Shapes(found).text).text(types.SimpleNamespace, "x") == "SimpleNamespace"
    assert list(found.imports) == ["from types import SimpleNamespace"]


def local_class() -> Any:
    class Local(NamedTuple):
        x: Any

    return Local(1)


class Computed:
    def __init__(self, width: int) -> None:
        self.table = width * 2


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ({"tx": make_optimizer()}, "x['tx'].init", "<lambda>, for which there is no Python text"),
        ([lambda x: x], "x[0]", "bind it to a name at the top level of script"),
        (local_class(), "x", "a class that no module has at its top level"),
        (Computed(3), "x", "a tests.capture.engine.test_as_text.Computed"),
        ({Pair(1): 1}, "a key of x", "no Python text"),
        (object(), "x", "builtins.object"),
        (iter([]), "x", "list_iterator"),
        (np.array(["a"]), "x", "which JAX does not take"),
    ],
)
def test_what_no_text_gives_is_named_with_its_path(value: Any, path: str, words: str) -> None:
    with pytest.raises(Unwritable) as error:
        text(value)
    assert str(error.value).startswith(f"{path} is a") or str(error.value).startswith(
        f"{path} is the function"
    )
    assert words in str(error.value)


def test_a_script_with_a_struct_of_its_own_has_jaxs() -> None:
    script = types.ModuleType("script")
    vars(script).update(struct=3, f32=4)
    shapes = Shapes(Names("script", script))
    assert shapes.text(jnp.ones(3), "x") == "jax.ShapeDtypeStruct((3,), jnp.dtype('float32'))"
    with pytest.raises(Unwritable, match="its own meaning of `struct`"):
        shapes.text(jax.random.key(0), "x")
    del vars(script)["struct"]
    assert shapes.text(jnp.ones(3), "x") == "struct((3,), 'float32')"
