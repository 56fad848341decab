"""Small programs of one device each, and any number of devices, that every accelerator can run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jaxtui.session import layers
from jaxtui.session.session import Argument, Devices, Program, Session, save

MLP = """
def layer(x, w):
    return jax.nn.relu(x @ w).sum(0)
"""
TALKING = """
def spread(x):
    return x - lax.pmean(x, "i"), lax.all_gather(x, "i")
"""


def sessions(platform: str, count: int | None, devices: int) -> dict[str, Session]:
    """The sessions by name; `devices` is how many there are, `count` how many virtual ones."""
    on = Devices(platform=platform, count=count)

    def made(source: str, *values: str, around: tuple[layers.AnyLayer, ...] = ()) -> Session:
        names = [f"a{number}" for number in range(len(values))]
        arguments = [Argument(name=n, value=v) for n, v in zip(names, values, strict=True)]
        program = Program(source=source, arguments=arguments, layers=list(around))
        return Session(title="", devices=on, program=program)

    one = "def f(x):\n    return "
    matrix, batch = "normal(64, 48)", "normal(16, 64, 48)"
    two = "def f(x, y):\n    return "
    return {
        "vmap": made(MLP, batch, "normal(48, 32)", around=shared_second()),
        "jit": made(one + "jnp.tanh(x) @ x.T", matrix, around=(layers.Jit(),)),
        "grad": made(one + "jnp.sum(jnp.sin(x) ** 2)", matrix, around=(layers.Grad(),)),
        "hessian": made(one + "jnp.sum(x ** 3)", "arange(4.0)", around=(layers.Hessian(),)),
        "bfloat16": made(two + "x @ y", f"{matrix}.astype(bfloat16)", f"{matrix}.T"),
        "float16": made(one + "(x @ x.T).astype('float16')", matrix),
        "int8": made(one + "x * 3 // 2", "arange(-8, 8, dtype=int8)"),
        "complex": made(one + "jnp.fft.fft(x)", "normal(32)"),
        "sort": made(one + "jnp.sort(x, axis=1), jnp.argmax(x)", matrix),
        "scan": made(one + "lax.scan(lambda c, y: (c + y.sum(), c), 0.0, x)", matrix),
        "keys": made(one + "jax.random.normal(x, (4,))", "keys(8)", around=(layers.Vmap(),)),
        "convolution": made(
            two + "lax.conv(x, y, (1, 1), 'SAME')", "normal(2, 3, 16, 16)", "normal(4, 3, 3, 3)"
        ),
        "solve": made(one + "jnp.linalg.solve(x @ x.T + 64 * jnp.eye(64), x)", matrix),
        "pmap": made(
            TALKING,
            "arange(devices * 4.0).reshape(devices, 4)",
            around=(layers.Pmap(axis_name="i"),),
        ),
        "shard_map": made(
            TALKING.replace('"i"', '"devices"'),
            f"normal({2 * devices}, 4)",
            around=(layers.ShardMap(in_specs="P('devices')", out_specs="P('devices')"),),
        ),
    }


def shared_second() -> tuple[layers.AnyLayer, ...]:
    """A vmap over the first of two arguments."""
    return (layers.Vmap(in_axes="(0, None)"),)


def written(folder: Path, platform: str, count: int | None, devices: int) -> Iterator[Path]:
    """Write the sessions into `folder`; their paths."""
    for name, session in sessions(platform, count, devices).items():
        path = folder / f"{name}.toml"
        save(session, path)
        yield path
