"""Transformations that a source applies itself, taken as layers."""

from __future__ import annotations

import msgspec
import pytest

from jaxtui.program.written import Written, written
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program

POWER = "def power_scale(x, y):\n    return x ** y\n"
EIGHT = Devices(platform="cpu", count=8)


def read(source: str, *arguments: Argument, **program: object) -> Written | None:
    return written(Program(source=source, arguments=list(arguments), **program), EIGHT)  # type: ignore[arg-type]


def taken(source: str, *arguments: Argument) -> tuple[str, list[AnyLayer], dict[str, str]]:
    """The source that is left, the layers, and the values by argument."""
    found = read(source, *arguments)
    assert found is not None
    program = found.program
    return program.source, program.layers, {a.name: a.value for a in program.arguments}


def test_a_call_of_vmap() -> None:
    kept = f"import jax\n\n{POWER}\nxs = jnp.arange(4.)\ny = 2.\n"
    left, layers, values = taken(f"{kept}jax.vmap(power_scale, in_axes=(0, None))(xs, y)\n")
    assert left == kept
    assert layers == [Vmap(in_axes="(0, None)")]
    assert values == {"x": "xs", "y": "y"}


@pytest.mark.parametrize(
    ("applied", "layers"),
    [
        ("jax.vmap(power_scale, (0, None), 1)", [Vmap(in_axes="(0, None)", out_axes="1")]),
        ("jax.pmap(power_scale, 'i', in_axes=0)", [Pmap(in_axes="0", axis_name="i")]),
        ("jax.jit(jax.vmap(power_scale))", [Vmap(), Jit()]),
        ("jax.jit(jax.vmap(jax.grad(power_scale, argnums=(0, 1))))",
         [Grad(argnums="(0, 1)"), Vmap(), Jit()]),
        ("vmap(power_scale, axis_name='batch')", [Vmap(axis_name="batch")]),
        ("jax.vmap(power_scale, in_axes=axes)", [Vmap(in_axes="(0, 1)")]),
        ("jax.vmap(power_scale, in_axes=[0,\n    None])", [Vmap(in_axes="[0, None]")]),
    ],
)  # fmt: skip
def test_settings_and_stacks(applied: str, layers: list[AnyLayer]) -> None:
    left, found, values = taken(f"axes = (0, 1)\n{POWER}print({applied}(xs, 1 + 1))\n")
    assert found == layers
    assert values == {"x": "xs", "y": "1 + 1"}
    assert left == f"axes = (0, 1)\n{POWER}"


def test_names_that_are_imported_or_given() -> None:
    source = (
        "from jax import vmap as batched\nfrom jax.experimental.shard_map import shard_map\n"
        f"{POWER}both = batched(power_scale)\n"
        "sharded = shard_map(both, mesh=mesh, in_specs=(P('i'), P()), out_specs=P('i'))\n"
        "result = sharded(a, y=b)\nprint('result', result)\nshape = result.shape\nprint(shape)\n"
    )
    found = read(source)
    assert found is not None
    assert found.program.layers == [Vmap(), ShardMap(in_specs="(P('i'), P())", out_specs="P('i')")]
    assert [(a.name, a.value) for a in found.program.arguments] == [("x", "a"), ("y", "b")]
    assert found.left_out == ("mesh=mesh",)
    assert found.program.source.endswith(POWER)


@pytest.mark.parametrize(
    ("mesh", "axes"),
    [
        ("jax.make_mesh((4, 2), ('x', 'y'))", {"x": 4, "y": 2}),
        ("Mesh(np.array(jax.devices()), ('i',))", {"i": 8}),
        ("Mesh(jax.devices(), 'i')", {"i": 8}),
    ],
)
def test_a_mesh_that_can_be_read_is_that_of_the_device_set(mesh: str, axes: dict[str, int]) -> None:
    call = "jax.shard_map(power_scale, mesh=mesh, in_specs=P('x'), out_specs=P('x'))(a, b)"
    source = f"mesh = {mesh}\n{POWER}{call}\n"
    found = read(source)
    assert found is not None
    assert found.devices == msgspec.structs.replace(EIGHT, mesh=axes)
    assert not found.left_out


@pytest.mark.parametrize(
    ("over", "layers"),
    [
        ("@jax.vmap\n", [Vmap()]),
        ("@partial(jax.pmap, axis_name='i')\n", [Pmap(axis_name="i")]),
        ("@jax.jit\n@functools.partial(jax.vmap,\n    in_axes=(0, None))\n",
         [Vmap(in_axes="(0, None)"), Jit()]),
        ("@jax.jit(static_argnums=1)\n", [Jit(static_argnums="1")]),
    ],
)  # fmt: skip
def test_decorators(over: str, layers: list[AnyLayer]) -> None:
    given = Argument(name="x", value="ones(3)")
    assert taken(over + POWER, given) == (POWER, layers, {"x": "ones(3)"})
    assert taken(f"{over}{POWER}power_scale(a, b)\n") == (POWER, layers, {"x": "a", "y": "b"})


def test_a_lambda_gets_a_name() -> None:
    left, layers, values = taken("function = 1\njax.vmap(lambda x: x * 2)(arange(3))\n")
    assert left == "function = 1\nfunction_0 = lambda x: x * 2\n"
    assert (layers, values) == ([Vmap()], {"x": "arange(3)"})
    assert taken("double = lambda x: x * 2\nprint(jax.vmap(double)(a))\n")[0] == (
        "double = lambda x: x * 2\n"
    )


def test_a_name_that_nothing_defines_leaves_the_value_that_is_there() -> None:
    source = f"{POWER}jax.vmap(power_scale)(xs, ys)\n"
    found = read(source, Argument(name="x", value="ones(3)"), Argument(name="y"))
    assert found is not None
    assert [(a.name, a.value) for a in found.program.arguments] == [("x", "ones(3)"), ("y", "ys")]
    assert found.left_out == ("xs, which no line defines",)


def test_what_no_field_holds_is_said() -> None:
    found = read(f"{POWER}jax.pmap(power_scale, devices=jax.devices()[:2])(a, b)\n")
    assert found is not None
    assert found.left_out == ("devices=jax.devices()[:2]",)


def test_a_function_before_another_is_named() -> None:
    source = f"{POWER}\ndef helper(x):\n    return x\n\njax.vmap(power_scale)(a, b)\n"
    found = read(source)
    assert found is not None
    assert found.program.function == "power_scale"


@pytest.mark.parametrize(
    "source",
    [
        POWER,
        "def f(",
        "",
        f"{POWER}power_scale(1, 2)\n",
        f"@other\n@jax.jit\n{POWER}",
        f"@jax.jit\n@other\n{POWER}",
        f"@jax.jit\ndef helper(x):\n    return x\n\n{POWER}",
        f"ys = jax.vmap(init)(keys)\n{POWER}",
        f"def vmap(f):\n    return f\n\n{POWER}vmap(power_scale)(1, 2)\n",
        f"{POWER}jax.vmap(power_scale)(*given)\n",
        f"{POWER}jax.vmap(jnp.dot)(a, b)\n",
        f"{POWER}map(power_scale, [1])\n",
        "f = jax.vmap(f)\nf(1)\n",
        f"def outer(a, b):\n    return jax.vmap(power_scale)(a, b)\n{POWER}",
        "(" * 500,
    ],
)
def test_nothing_is_taken(source: str) -> None:
    assert read(source) is None


def test_a_function_from_elsewhere_is_left_alone() -> None:
    source = f"@jax.vmap\n{POWER}"
    assert read(source, function="jax.numpy:dot") is None
