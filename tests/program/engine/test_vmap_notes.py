"""A collective over a vmap's axis is said to send nothing, and only where that is so."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.program.engine import evaluation, inspection
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition

BATCH = Vmap(axis_name="'b'")
# JAX's check does not know an axis of a vmap.
ROWS_OF_DEVICES = ShardMap(in_specs="P('devices')", out_specs="P('devices')", check_vma="False")
SHARE = "def f(x):\n    return x / lax.psum(x, 'b')\n"
ROWS = "arange(16.).reshape(8, 2) + 1"


def composition(source: str, value: str, layers: list[AnyLayer], sharding: str = "") -> Composition:
    argument = Argument(name="x", value=value, sharding=sharding)
    return Composition(program=Program(source=source, arguments=[argument], layers=layers))


def notes(asked: Composition) -> list[Diagnosis]:
    ran = evaluation.run(asked, lambda stage: None, lambda: False)
    return [note for note in ran.notes if "sends nothing" in note.message]


SPEAK: dict[str, tuple[str, str, list[AnyLayer], str]] = {
    "a psum": (SHARE, ROWS, [BATCH], "psum or pmean over 'b'"),
    "a psum under jit": (SHARE, ROWS, [BATCH, Jit()], "psum or pmean over 'b'"),
    "a pmean and a pmax": (
        "def f(x):\n    return (x - lax.pmean(x, 'b')) / lax.pmax(x, 'b')\n",
        ROWS,
        [BATCH],
        "psum or pmean and pmax over 'b'",
    ),
    "inside of a pmap that sums as well": (
        "def f(x):\n    return lax.psum(x, 'b') + lax.psum(x, 'd')\n",
        "ones((8, 3, 2))",
        [BATCH, Pmap(axis_name="'d'")],
        "psum or pmean over 'b'",
    ),
    "inside of a shard_map": (
        "def f(x):\n    return x - lax.pmean(x, 'b')\n",
        "ones((16, 2))",
        [BATCH, ROWS_OF_DEVICES],
        "psum or pmean over 'b'",
    ),
    "below a gradient": (
        "def f(x):\n    return (x * lax.psum(x, 'b')).sum()\n",
        ROWS,
        [Grad(), BATCH],
        "psum or pmean over 'b'",
    ),
    "a gathered batch": (
        "def f(x):\n    return lax.all_gather(x, 'b')\n",
        ROWS,
        [BATCH],
        "all_gather over 'b'",
    ),
}
QUIET: dict[str, tuple[str, str, list[AnyLayer], str]] = {
    "a pmap": (SHARE, ROWS, [Pmap(axis_name="'b'")], ""),
    "a name that nobody speaks to": ("def f(x):\n    return x * 2\n", ROWS, [BATCH], ""),
    "the size of the axis": ("def f(x):\n    return x / lax.psum(1, 'b')\n", ROWS, [BATCH], ""),
    "the place in the batch": (
        "def f(x):\n    return x * lax.axis_index('b')\n",
        ROWS,
        [BATCH],
        "",
    ),
    "a batch that is divided among devices": (SHARE, ROWS, [BATCH, Jit()], "P('devices')"),
    "a sum over the pmap around it": (
        "def f(x):\n    return lax.psum(x, 'd')\n",
        "ones((8, 3, 2))",
        [BATCH, Pmap(axis_name="'d'")],
        "",
    ),
}


@pytest.mark.parametrize(
    ("source", "value", "layers", "said"),
    [
        pytest.param(*case, id=name, marks=() if at < 1 else (pytest.mark.long,))
        for at, (name, case) in enumerate(SPEAK.items())
    ],
)
def test_a_collective_inside_one_device_is_said_to_be(
    source: str, value: str, layers: list[AnyLayer], said: str
) -> None:
    (note,) = notes(composition(source, value, layers))
    assert note.message.startswith(said)
    assert note.kind == "note"
    assert str(note.field) == f"program.layers.{layers.index(BATCH)}.axis_name"


@pytest.mark.parametrize(
    ("source", "value", "layers", "sharding"),
    [
        pytest.param(*case, id=name, marks=() if at < 1 else (pytest.mark.long,))
        for at, (name, case) in enumerate(QUIET.items())
    ],
)
def test_nothing_is_said_where_devices_speak_or_nobody_does(
    source: str, value: str, layers: list[AnyLayer], sharding: str
) -> None:
    assert notes(composition(source, value, layers, sharding)) == []


@pytest.mark.long
@pytest.mark.parametrize("sharding", ["", "P('devices')"])
def test_what_is_said_is_what_xla_compiles(sharding: str) -> None:
    asked = composition(SHARE, ROWS, [BATCH, Jit()], sharding)
    sends = bool(inspection.collectives(inspection.inspect(asked, "hlo")))
    assert sends == (notes(asked) == []) == bool(sharding)
    mesh = Mesh(np.array(jax.devices()), ("devices",))
    x: Any = jnp.arange(16.0).reshape(8, 2) + 1
    x = jax.device_put(x, NamedSharding(mesh, P("devices"))) if sharding else x
    bare = jax.jit(jax.vmap(lambda x: x / lax.psum(x, "b"), axis_name="b"))
    assert sends == ("all-reduce" in bare.lower(x).compile().as_text())
