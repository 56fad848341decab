"""Parts of models and whole training steps, by the usual ways to divide them."""

from __future__ import annotations

from tests.support.bare_sharding import ShardedCase
from tests.support.sharded_programs.making import case

_HEADS = ("ones((8, 4, 2, 16))", "P('data', None, 'model', None)")

_ATTENTION = (
    "def f(q, k, v):\n"
    "    s = jnp.einsum('bqhd,bkhd->bhqk', q, k) / 4.\n"
    "    return jnp.einsum('bhqk,bkhd->bqhd', jax.nn.softmax(s), v)\n"
)

_LAYER = """
def norm(x, scale):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale

def layer(x, p):
    h = norm(x, p['ln1'])
    q, k, v = (jnp.einsum('bsd,dhk->bshk', h, p[n]) for n in ('q', 'k', 'v'))
    s = jnp.einsum('bqhk,bshk->bhqs', q, k) / 2.
    s = jnp.where(jnp.tril(jnp.ones((4, 4), bool)), s, -1e9)
    a = jnp.einsum('bhqs,bshk->bqhk', jax.nn.softmax(s), v)
    x = x + jnp.einsum('bqhk,hkd->bqd', a, p['o'])
    h = norm(x, p['ln2'])
    return x + jax.nn.gelu(h @ p['up']) @ p['down']
"""
_PARAMETERS = (
    "{'ln1': ones(N + (16,)), 'ln2': ones(N + (16,)), 'q': ones(N + (16, 4, 4)),"
    " 'k': ones(N + (16, 4, 4)), 'v': ones(N + (16, 4, 4)), 'o': ones(N + (4, 4, 16)),"
    " 'up': ones(N + (16, 32)), 'down': ones(N + (32, 16))}"
)
_TENSOR = (
    "{'ln1': P(), 'ln2': P(), 'q': P(*N, None, 'model'), 'k': P(*N, None, 'model'),"
    " 'v': P(*N, None, 'model'), 'o': P(*N, 'model'), 'up': P(*N, None, 'model'),"
    " 'down': P(*N, 'model')}"
)
_FSDP = (
    "{'ln1': P(*N, 'data'), 'ln2': P(*N, 'data'), 'q': P(*N, 'data', 'model'),"
    " 'k': P(*N, 'data', 'model'), 'v': P(*N, 'data', 'model'), 'o': P(*N, 'model', None, 'data'),"
    " 'up': P(*N, 'data', 'model'), 'down': P(*N, 'model', 'data')}"
)
_TOKENS = ("ones((8, 4, 16))", "P('data')")


def _parameters(layers: int = 0) -> str:
    return _PARAMETERS.replace("N +", f"({layers},) +" if layers else "() +")


def _specs(specs: str, *, stacked: bool = False) -> str:
    return specs.replace("*N", "None" if stacked else "*()")


_BLOCKS = [
    case("attention", _ATTENTION, q=_HEADS, k=_HEADS, v=_HEADS),
    case(
        "attention by sequence",
        _ATTENTION,
        q=("ones((8, 4, 2, 16))", "P(None, 'data')"),
        k=("ones((8, 4, 2, 16))", "P(None, 'data')"),
        v=("ones((8, 4, 2, 16))", "P(None, 'data')"),
    ),
    case(
        "attention of jax.nn", "jax.nn.dot_product_attention(q, k, v)", q=_HEADS, k=_HEADS, v=_HEADS
    ),
    case(
        "attention with grouped queries",
        "def f(q, k, v):\n"
        "    s = jnp.einsum('bqngd,bknd->bngqk', q, k)\n"
        "    return jnp.einsum('bngqk,bknd->bqngd', jax.nn.softmax(s), v)\n",
        q=("ones((8, 4, 2, 3, 16))", "P('data', None, 'model')"),
        k=_HEADS,
        v=_HEADS,
    ),
    case(
        "attention heads split",
        "def f(x, w):\n"
        "    q, k, v = jnp.split((x @ w).reshape(8, 4, 3, 4, 4), 3, axis=2)\n"
        "    s = jax.nn.softmax(jnp.einsum('bqohd,bkohd->bhqk', q, k))\n"
        "    return jnp.einsum('bhqk,bkohd->bqhd', s, v).reshape(8, 4, 16)\n",
        x=_TOKENS,
        w=("ones((16, 48))", ""),
    ),
    case(
        "decoding",
        "def f(q, k, v, cache, i):\n"
        "    cache = jax.lax.dynamic_update_slice(cache, k, (0, i, 0, 0))\n"
        "    s = jnp.einsum('bqhd,bkhd->bhqk', q, cache)\n"
        "    return jnp.einsum('bhqk,bkhd->bqhd', jax.nn.softmax(s), cache) + v, cache\n",
        q=("ones((8, 1, 2, 16))", "P('data', None, 'model')"),
        k=("ones((8, 1, 2, 16))", "P('data', None, 'model')"),
        v=("ones((8, 1, 2, 16))", "P('data', None, 'model')"),
        cache=_HEADS,
        i=("jnp.int32(2)", ""),
    ),
    case(
        "gated mlp",
        "(jax.nn.silu(x @ g) * (x @ u)) @ d",
        x=_TOKENS,
        g=("ones((16, 32))", "P(None, 'model')"),
        u=("ones((16, 32))", "P(None, 'model')"),
        d=("ones((32, 16))", "P('model')"),
    ),
    case(
        "mlp fsdp",
        "jax.nn.relu(x @ w1) @ w2",
        x=("ones((8, 16))", "P('data')"),
        w1=("ones((16, 32))", "P('data')"),
        w2=("ones((32, 16))", "P('data')"),
    ),
    case(
        "mlp by sequence",
        "def f(x, w1, w2):\n"
        "    y = jax.nn.relu(x @ w1) @ w2\n"
        "    return jax.lax.with_sharding_constraint(y, NamedSharding(mesh, P('data', 'model')))\n",
        x=("ones((8, 4, 16))", "P('data', 'model')"),
        w1=("ones((16, 32))", "P(None, 'model')"),
        w2=("ones((32, 16))", "P('model')"),
    ),
    case(
        "experts",
        "def f(x, router, w):\n"
        "    gates = jax.nn.softmax(x @ router)\n"
        "    return jnp.einsum('bd,edh,be->bh', x, w, gates)\n",
        x=("ones((8, 16))", "P('data')"),
        router=("ones((16, 4))", ""),
        w=("ones((4, 16, 32))", "P('model')"),
    ),
    case(
        "dropout",
        "jnp.where(jax.random.bernoulli(k, 0.9, x.shape), x / 0.9, 0)",
        k=("jax.random.key(0)", ""),
        x=_TOKENS,
    ),
    case(
        "unembedding loss",
        "def f(x, e, y):\n"
        "    logits = jnp.einsum('bsd,vd->bsv', x, e)\n"
        "    picked = jnp.take_along_axis(logits, y[..., None], -1)[..., 0]\n"
        "    return (jax.nn.logsumexp(logits, -1) - picked).mean()\n",
        x=_TOKENS,
        e=("ones((64, 16))", "P('model')"),
        y=("jnp.zeros((8, 4), int)", "P('data')"),
    ),
]


def _layer(name: str, x: str, specs: str) -> ShardedCase:
    return case(
        name,
        f"def f(x, p):\n    return layer(x, p)\n{_LAYER}",
        x=("ones((8, 4, 16))", x),
        p=(_parameters(), _specs(specs)),
    )


def _stack(name: str, specs: str, body: str = "layer") -> ShardedCase:
    return case(
        name,
        "def f(x, p):\n"
        f"    body = {body}\n"
        "    return jax.grad(lambda p: jax.lax.scan(lambda c, q: (body(c, q), None), x, p)[0]"
        f".sum())(p)\n{_LAYER}",
        x=_TOKENS,
        p=(_parameters(3), _specs(specs, stacked=True)),
    )


_LAYERS = [
    _layer("layer data parallel", "P('data')", "P()"),
    _layer("layer over both axes", "P(('data', 'model'))", "P()"),
    _layer("layer tensor parallel", "P('data')", _TENSOR),
    _layer("layer fsdp", "P('data')", _FSDP),
    _layer("layer by sequence", "P('data', 'model')", "P()"),
    _stack("layers data parallel", "P()"),
    _stack("layers tensor parallel", _TENSOR),
    _stack("layers fsdp", _FSDP),
    _stack("layers tensor parallel with remat", _TENSOR, "jax.checkpoint(layer)"),
]

_ADAM = """
def f(state, x, y):
    def loss(p):
        return ((jax.nn.relu(x @ p['up']) @ p['down'] - y) ** 2).mean()
    value, g = jax.value_and_grad(loss)(state['p'])
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state['m'], g)
    v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, state['v'], g)
    p = jax.tree.map(lambda p, m, v: p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), state['p'], m, v)
    return {'p': p, 'm': m, 'v': v, 'n': state['n'] + 1}, value
"""
_WEIGHTS = "{'up': ones((16, 32)), 'down': ones((32, 16))}"
_STATE = f"{{'p': {_WEIGHTS}, 'm': {_WEIGHTS}, 'v': {_WEIGHTS}, 'n': jnp.int32(0)}}"


def _step(name: str, weights: str, x: str = "P('data')") -> ShardedCase:
    state = f"{{'p': {weights}, 'm': {weights}, 'v': {weights}, 'n': P()}}"
    return case(
        name, _ADAM[1:], state=(_STATE, state), x=("ones((8, 16))", x), y=("ones((8, 16))", x)
    )


_STEPS = [
    _step("step data parallel", "P()"),
    _step("step over both axes", "P()", "P(('data', 'model'))"),
    _step("step tensor parallel", "{'up': P(None, 'model'), 'down': P('model')}"),
    _step("step fsdp", "{'up': P('data'), 'down': P('data')}"),
    _step(
        "step fsdp and tensor parallel", "{'up': P('data', 'model'), 'down': P('model', 'data')}"
    ),
    case(
        "step sgd",
        "def f(w, x, y):\n"
        "    value, g = jax.value_and_grad(lambda w: ((x @ w - y) ** 2).mean())(w)\n"
        "    return w - 0.1 * g, value\n",
        w=("ones((16, 4))", ""),
        x=("ones((8, 16))", "P('data')"),
        y=("ones((8, 4))", "P('data')"),
    ),
    case(
        "step with accumulated gradients",
        "def f(w, x):\n"
        "    def add(g, x):\n"
        "        return g + jax.grad(lambda w: ((x @ w) ** 2).mean())(w), None\n"
        "    return w - jax.lax.scan(add, w * 0, x)[0]\n",
        w=("ones((16, 4))", ""),
        x=("ones((3, 8, 16))", "P(None, 'data')"),
    ),
    case(
        "step clipped by the norm",
        "def f(w, x):\n"
        "    g = jax.grad(lambda w: ((x @ w) ** 2).mean())(w)\n"
        "    return w - g / jnp.maximum(1., jnp.sqrt((g ** 2).sum()))\n",
        w=("ones((16, 32))", "P(None, 'model')"),
        x=("ones((8, 16))", "P('data')"),
    ),
]

PROGRAMS = [*_BLOCKS, *_LAYERS, *_STEPS]
