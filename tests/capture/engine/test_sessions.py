"""The session of a call: arguments in the order in which a session gives them, mesh and specs."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.capture.engine.as_text import Unwritable
from jaxtui.capture.engine.sessions import session_of
from jaxtui.capture.request import Capture
from jaxtui.session.session import Session, loads


class Pair(NamedTuple):
    a: Any
    b: Any


def made(folder: Path, function: Any, *args: Any, values: str = "", **kwargs: Any) -> Session:
    """The session of a call of a function of a script that has the names of this module."""
    script = types.ModuleType("__main__")
    vars(script).update(vars(sys.modules[__name__]))
    capture = Capture(
        script=str(folder / "script.py"),
        function="f",
        output=str(folder / "f.toml"),
        values=str(folder / values) if values else "",
    )
    tree = ast.parse(Path(__file__).read_text())
    return loads(session_of(capture, function, args, kwargs, script, tree).text)


def arguments(session: Session) -> dict[str, str]:
    return {argument.name: argument.value for argument in session.program.arguments}


def call(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


# fmt: off
CALLS = [
    (lambda x, y=2, z=3: 0, call(1), {"x": "1"}),
    (lambda x, y=2, z=3: 0, call(1, z=5), {"x": "1", "y": "2", "z": "5"}),
    (lambda x, y=2, z=3: 0, call(y=1, x=4), {"x": "4", "y": "1"}),
    (lambda x, /, y: 0, call(1, y=2), {"x": "1", "y": "2"}),
    (lambda x, *rest: 0, call(1, 2, 3), {"x": "1", "rest_0": "2", "rest_1": "3"}),
    (lambda x, *, y=1, z=2: 0, call(0, z=3), {"x": "0", "z": "3"}),
    (lambda x, y=2, **more: 0, call(1, k=3), {"x": "1", "y": "2", "k": "3"}),
    (lambda: 0, call(), {}),
]
# fmt: on


@pytest.mark.parametrize(("function", "given", "expected"), CALLS)
def test_arguments_go_by_position_as_far_as_there_are_places(
    tmp_path: Path, function: Any, given: Any, expected: dict[str, str]
) -> None:
    args, kwargs = given
    session = made(tmp_path, function, *args, **kwargs)
    assert list(arguments(session).items()) == list(expected.items())
    assert session.program.function == "script.py:f"


def test_what_a_session_cannot_give_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match=r"k went into \*\*more beside \*rest"):
        made(tmp_path, lambda *rest, **more: 0, 1, k=2)


def test_the_mesh_and_the_specs_of_what_lies_on_it(tmp_path: Path) -> None:
    mesh = Mesh(np.asarray(jax.devices()).reshape(2, 4), ("a", "b"))

    def put(*spec: Any) -> jax.Array:
        return jax.device_put(jnp.ones((8, 8)), NamedSharding(mesh, PartitionSpec(*spec)))

    pair = Pair({"w": put("a", "b"), "n": 3}, [put(None, ("a", "b"))] * 2)
    session = made(tmp_path, lambda x, y, z, s: 0, pair, put("a"), jnp.ones(3), 4)
    assert session.devices.mesh == {"a": 2, "b": 4}
    assert session.devices.order is None
    assert [argument.sharding for argument in session.program.arguments] == [
        "script.Pair(a={'w': P('a', 'b'), 'n': None}, b=P(None, ('a', 'b')))",
        "P('a')",
        "",
        "",
    ]


def test_some_of_the_devices_in_another_order(tmp_path: Path) -> None:
    mesh = Mesh(np.asarray(jax.devices()[6:2:-1]), ("a",))
    x = jax.device_put(jnp.ones(4), NamedSharding(mesh, PartitionSpec("a")))
    assert made(tmp_path, lambda x: 0, x).devices.order == [6, 5, 4, 3]


def test_a_file_has_the_elements_bit_for_bit(tmp_path: Path) -> None:
    x = jnp.linspace(0, 1, 7, dtype=jnp.bfloat16)
    session = made(tmp_path, lambda x, y: 0, x, np.arange(3), values="kept.npz")
    assert arguments(session) == {
        "x": "jnp.asarray(load('kept.npz')['x'].view(jnp.bfloat16))",
        "y": "load('kept.npz')['y']",
    }
    with np.load(tmp_path / "kept.npz") as kept:
        assert kept["x"].tobytes() == np.asarray(x).tobytes()
        assert kept["y"].dtype == np.arange(3).dtype


def test_a_dtype_that_safetensors_has_not_is_refused(tmp_path: Path) -> None:
    x = jnp.arange(4).astype(jnp.int4)
    with pytest.raises(Unwritable, match=r"x is int4, which \.safetensors has not"):
        made(tmp_path, lambda x: 0, x, values="kept.safetensors")
    assert not (tmp_path / "kept.safetensors").exists()


class Doubled:
    """Computes with what it is given, so that shapes do not make it."""

    def __init__(self, x: Any) -> None:
        self.x = x * 1


def test_a_class_that_computes_with_its_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match="x cannot be made from its parts: TypeError"):
        made(tmp_path, lambda x: 0, Doubled(jnp.ones(3)))
