"""Programs whose arguments are sharded over a mesh of 4 × 2, by what they do with the axes."""

from __future__ import annotations

from tests.support.bare_sharding import ShardedCase

_X = ("ones((8, 16))", "P('data', None)")
_XM = ("ones((8, 16))", "P('data', 'model')")
_W1 = ("ones((16, 32))", "P(None, 'model')")
_W2 = ("ones((32, 16))", "P('model', None)")


def _case(name: str, body: str, **arguments: tuple[str, str]) -> ShardedCase:
    """A case whose function returns the expression `body`, or is the `def` that it is."""
    if not body.startswith("def "):
        body = f"def f({', '.join(arguments)}):\n    return {body}\n"
    return ShardedCase(name, body, arguments)


PROGRAMS = [
    _case("mm", "x @ w", x=_X, w=_W1),
    _case(
        "mm contracting",
        "x @ w",
        x=("ones((8,16))", "P(None,'model')"),
        w=("ones((16,32))", "P('model',None)"),
    ),
    _case("mlp", "jax.nn.relu(x @ w1) @ w2", x=_X, w1=_W1, w2=_W2),
    _case("softmax", "jax.nn.softmax(x, axis=-1)", x=_XM),
    _case("sum all", "x.sum()", x=_XM),
    _case("sum0", "x.sum(0)", x=_XM),
    _case("mean1", "x.mean(1)", x=_XM),
    _case("transpose", "x.T", x=_XM),
    _case("reshape merge", "x.reshape(128)", x=_X),
    _case("reshape split", "x.reshape(8,4,4)", x=_XM),
    _case("reshape split2", "x.reshape(2,4,16)", x=_X),
    _case("concat", "jnp.concatenate([x, x], 0)", x=_X),
    _case("concat1", "jnp.concatenate([x, y], 1)", x=_XM, y=_XM),
    _case("slice", "x[1:5]", x=_X),
    _case("gather", "x[jnp.array([1,3])]", x=_X),
    _case(
        "take",
        "jnp.take(e, i, axis=0)",
        e=("ones((64,16))", "P('model',None)"),
        i=("jnp.zeros((8,4),int)", "P('data')"),
    ),
    _case("scatter", "x.at[0].set(1.)", x=_X),
    _case("cumsum", "jnp.cumsum(x,0)", x=_X),
    _case("cumsum1", "jnp.cumsum(x,1)", x=_X),
    _case("sort", "jnp.sort(x,0)", x=_X),
    _case("sort1", "jnp.sort(x,1)", x=_X),
    _case("argmax", "jnp.argmax(x,1)", x=_XM),
    _case(
        "einsum",
        "jnp.einsum('bsd,dh->bsh',x,w)",
        x=("ones((8,4,16))", "P('data',None,'model')"),
        w=("ones((16,32))", "P('model',None)"),
    ),
    _case("grad", "jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w)**2))(w)", x=_X, w=_W1),
    _case("norm", "(x - x.mean(-1,keepdims=True)) / jnp.sqrt(x.var(-1,keepdims=True)+1e-5)", x=_XM),
    _case(
        "constraint",
        "jax.lax.with_sharding_constraint(x @ w, NamedSharding(mesh, P('data', None)))",
        x=_X,
        w=_W1,
    ),
    _case(
        "constraint gather",
        "jax.lax.with_sharding_constraint(x * 2, NamedSharding(mesh, P()))",
        x=_XM,
    ),
    _case(
        "a2a",
        "jax.lax.with_sharding_constraint(x * 2, NamedSharding(mesh, P(None,'data')))",
        x=_X,
    ),
    _case("vmap", "jax.vmap(lambda v: v @ w)(x)", x=_X, w=_W1),
    _case("roll", "jnp.roll(x,1,0)", x=_X),
    _case("where", "jnp.where(x > 0, x, y)", x=_X, y=("ones((8,16))", "P(None,'model')")),
    _case(
        "conv",
        "jax.lax.conv(x,k,(1,1),'SAME')",
        x=("ones((8,3,8,8))", "P('data')"),
        k=("ones((4,3,3,3))", "P()"),
    ),
    _case(
        "scan",
        "def f(x, w):\n"
        "    def body(c, w):\n"
        "        return jnp.tanh(c @ w), c.sum()\n"
        "    return jax.lax.scan(body, x, w)\n",
        x=_X,
        w=("ones((3,16,16))", "P(None,None,'model')"),
    ),
    _case(
        "while",
        "def f(x):\n"
        "    def body(c):\n"
        "        return c[0] * 2, c[1] + 1\n"
        "    return jax.lax.while_loop(lambda c: c[1] < 3, body, (x, 0))[0]\n",
        x=_X,
    ),
    _case(
        "cond",
        "def f(x):\n"
        "    return jax.lax.cond(x.sum() > 0, lambda a: a @ a.T, lambda a: a @ a.T * 2, x)\n",
        x=_X,
    ),
    _case(
        "remat",
        "jax.grad(lambda x: jax.checkpoint(lambda v: jnp.sin(jnp.sin(v)))(x).sum())(x)",
        x=_X,
    ),
    _case(
        "attention",
        "def f(q,k,v):\n"
        "    s = jnp.einsum('bqhd,bkhd->bhqk', q, k) / 4.\n"
        "    return jnp.einsum('bhqk,bkhd->bqhd', jax.nn.softmax(s), v)\n",
        q=("ones((8,4,2,16))", "P('data',None,'model',None)"),
        k=("ones((8,4,2,16))", "P('data',None,'model',None)"),
        v=("ones((8,4,2,16))", "P('data',None,'model',None)"),
    ),
    _case("inner jit", "jax.jit(lambda a: a @ a.T)(x) + 1", x=_X),
    _case(
        "shard_map",
        "def f(x):\n"
        "    def block(b):\n"
        "        return jax.lax.psum(b.sum(0), 'data')\n"
        "    return jax.shard_map(block, mesh=mesh, in_specs=P('data'), out_specs=P())(x)\n",
        x=_X,
    ),
    _case("replicated", "x + 1", x=("ones((8,16))", "")),
    _case(
        "both axes",
        "x @ w",
        x=("ones((8,16))", "P(None,('data','model'))"),
        w=("ones((16,8))", "P(('data','model'),None)"),
    ),
    _case(
        "bf16", "(x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(jnp.float32)", x=_X, w=_W1
    ),
    _case("top_k", "jax.lax.top_k(x, 2)[0]", x=_X),
    _case("fft", "jnp.fft.fft(x,axis=1)", x=_X),
    _case("cholesky", "jnp.linalg.cholesky(x @ x.T + jnp.eye(8))", x=_X),
    _case("keys", "jax.random.normal(jax.random.key(0), (8,16)) + x", x=_X),
    _case("pad", "jnp.pad(x,1)", x=_X),
    _case("dynamic", "jax.lax.dynamic_slice(x,(i,0),(2,16))", x=_X, i=("jnp.int32(1)", "")),
    _case("one_hot", "jax.nn.one_hot(i, 16) @ w", i=("jnp.zeros(8,int)", "P('data')"), w=_W1),
    _case("logsumexp", "jax.nn.logsumexp(x,axis=1)", x=_XM),
    _case("triu", "jnp.triu(x @ x.T)", x=_X),
    _case("swap", "jnp.swapaxes(x,0,1)@x", x=_X),
]
