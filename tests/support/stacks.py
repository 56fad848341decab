"""A stack of layers whose parameters are a tree, and a step of its training."""

from __future__ import annotations

from jaxtui.session.layers import Jit
from jaxtui.session.session import Argument, Devices, Program, Session

COUNT = 3
SOURCE = """
def loss(params, x):
    for layer in params['layers']:
        h = jax.nn.relu(x @ layer['up']['kernel'] + layer['up']['bias'])
        x = x + h @ layer['down']['kernel']
    return jnp.sum((x @ params['head']) ** 2)

def step(params, opt, x):
    grads = jax.grad(loss)(params, x)
    mu = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, opt[0], grads)
    new = jax.tree.map(lambda p, m: p - 1e-3 * m, params, mu)
    return new, (mu, opt[1] + 1)
"""
PARAMS = (
    "{'layers': [{'up': {'kernel': ones((16, 64)), 'bias': ones(64)}, "
    f"'down': {{'kernel': ones((64, 16))}}}} for _ in range({COUNT})], 'head': ones((16, 8))}}"
)
LAYER = "{'up': {'kernel': P(None, 'model'), 'bias': P('model')}, 'down': {'kernel': P('model')}}"
PATTERNS = {
    "params": (
        "by_path({'**/up/kernel': P(None, 'model'), '**/up/bias': P('model'), "
        "'**/down/kernel': P('model'), '**': P()})"
    ),
    "opt": (
        "by_path({'**/up/kernel': P(None, 'model'), '**/up/bias': P('model'), "
        "'**/down/*': P('model'), '**': P()})"
    ),
}
TREES = {
    "params": f"{{'layers': [{', '.join([LAYER] * COUNT)}], 'head': P()}}",
    "opt": f"[{{'layers': [{', '.join([LAYER] * COUNT)}], 'head': P()}}, P()]",
}


def training(shardings: dict[str, str], mesh: dict[str, int] | None = None) -> Session:
    """A step of training, with these shardings of `params` and of its momentum in `opt`."""
    arguments = [
        Argument(name="params", value=PARAMS, sharding=shardings.get("params", "")),
        Argument(name="opt", value=f"[{PARAMS}, ones(())]", sharding=shardings.get("opt", "")),
        Argument(name="x", value="ones((8, 16))", sharding="P('data')"),
    ]
    return Session(
        program=Program(source=SOURCE, function="step", arguments=arguments, layers=[Jit()]),
        devices=Devices(mesh=mesh or {"data": 4, "model": 2}),
    )
