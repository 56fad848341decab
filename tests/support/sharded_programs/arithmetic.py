"""Matrix products, reductions and what is made of them."""

from __future__ import annotations

from tests.support.sharded_programs.making import BOTH, COLUMNS, DOWN, ROWS, UP, case

_BATCHED = ("ones((8, 4, 16))", "P('data', None, 'model')")
_SQUARE = ("ones((16, 16))", "P('data', 'model')")

PRODUCTS = [
    case("mm", "x @ w", x=ROWS, w=UP),
    case("mm contracting", "x @ w", x=COLUMNS, w=("ones((16, 32))", "P('model', None)")),
    case("mm contracting one side", "x @ w", x=COLUMNS, w=("ones((16, 32))", "P(None, None)")),
    case("mm contracting in conflict", "x @ w", x=COLUMNS, w=("ones((16, 32))", "P('data', None)")),
    case("mm same axis outside", "x @ w", x=ROWS, w=("ones((16, 32))", "P(None, 'data')")),
    case("mm rows and contraction", "x @ w", x=BOTH, w=("ones((16, 32))", "P('model', None)")),
    case(
        "both axes",
        "x @ w",
        x=("ones((8, 16))", "P(None, ('data', 'model'))"),
        w=("ones((16, 8))", "P(('data', 'model'), None)"),
    ),
    case("mm vector", "x @ v", x=BOTH, v=("ones(16)", "P('model')")),
    case("mm outer", "jnp.outer(a, b)", a=("ones(8)", "P('data')"), b=("ones(16)", "P('model')")),
    case("mm dot", "jnp.dot(a, b)", a=("ones(16)", "P('data')"), b=("ones(16)", "P('data')")),
    case("mm chain", "x @ w1 @ w2", x=ROWS, w1=UP, w2=DOWN),
    case("mlp", "jax.nn.relu(x @ w1) @ w2", x=ROWS, w1=UP, w2=DOWN),
    case("swap", "jnp.swapaxes(x, 0, 1) @ x", x=ROWS),
    case("gram", "x @ x.T", x=BOTH),
    case(
        "bmm",
        "jnp.matmul(a, b)",
        a=("ones((8, 4, 16))", "P('data')"),
        b=("ones((8, 16, 6))", "P('data', None, 'model')"),
    ),
    case(
        "bmm contracting",
        "jnp.einsum('bij,bjk->bik', a, b)",
        a=_BATCHED,
        b=("ones((8, 16, 6))", "P('data', 'model')"),
    ),
    case(
        "bmm batch only on one",
        "jnp.einsum('bij,bjk->bik', a, b)",
        a=("ones((8, 4, 16))", "P('data')"),
        b=("ones((8, 16, 6))", ""),
    ),
    case(
        "einsum",
        "jnp.einsum('bsd,dh->bsh', x, w)",
        x=_BATCHED,
        w=("ones((16, 32))", "P('model', None)"),
    ),
    case(
        "einsum two contracted",
        "jnp.einsum('bsd,sdh->bh', x, w)",
        x=("ones((8, 4, 16))", "P(None, 'data', 'model')"),
        w=("ones((4, 16, 6))", "P('data', 'model')"),
    ),
    case(
        "einsum trace of a product",
        "jnp.einsum('ij,ji->', x, y)",
        x=_SQUARE,
        y=("ones((16, 16))", "P('model', 'data')"),
    ),
    case(
        "einsum three",
        "jnp.einsum('bi,ij,bj->b', x, w, y)",
        x=ROWS,
        w=("ones((16, 16))", ""),
        y=ROWS,
    ),
    case(
        "tensordot",
        "jnp.tensordot(x, w, 2)",
        x=_BATCHED,
        w=("ones((4, 16, 3))", "P(None, 'model')"),
    ),
    case("kron", "jnp.kron(a, b)", a=("ones((4, 2))", "P('data')"), b=("ones((3, 2))", "")),
    case(
        "bf16",
        "(x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(jnp.float32)",
        x=ROWS,
        w=UP,
    ),
    case(
        "accumulated in f32",
        "jax.lax.dot_general(x.astype('bfloat16'), w.astype('bfloat16'), (((1,), (0,)), ((), ())),"
        " preferred_element_type='float32')",
        x=COLUMNS,
        w=("ones((16, 32))", "P('model', None)"),
    ),
    case(
        "int8",
        "jnp.matmul(x.astype('int8'), w.astype('int8'), preferred_element_type='int32')",
        x=ROWS,
        w=UP,
    ),
    case(
        "complex product", "(x + 1j * x) @ w", x=COLUMNS, w=("ones((16, 32))", "P('model', None)")
    ),
    case(
        "low rank",
        "x @ w + (x @ a) @ b",
        x=ROWS,
        w=UP,
        a=("ones((16, 2))", ""),
        b=("ones((2, 32))", "P(None, 'model')"),
    ),
]

REDUCTIONS = [
    case("sum all", "x.sum()", x=BOTH),
    case("sum0", "x.sum(0)", x=BOTH),
    case("sum kept", "x.sum(0, keepdims=True)", x=BOTH),
    case("mean1", "x.mean(1)", x=BOTH),
    case("max", "x.max(1)", x=BOTH),
    case("min and max", "(x.min(0), x.max(0))", x=BOTH),
    case("prod", "x.prod(1)", x=BOTH),
    case("any and all", "((x > 0).any(1), (x > 0).all(0))", x=BOTH),
    case("var", "x.var(0)", x=ROWS),
    case("std both", "x.std()", x=BOTH),
    case("sum of three axes", "x.sum((0, 2))", x=_BATCHED),
    case("sum over two axes", "x.sum(0)", x=("ones((16, 4))", "P(('data', 'model'))")),
    case("norm of a vector", "jnp.linalg.norm(x)", x=("ones(16)", "P(('data', 'model'))")),
    case("frobenius", "jnp.sqrt((x ** 2).sum())", x=BOTH),
    case("count nonzero", "jnp.count_nonzero(x, axis=0)", x=ROWS),
    case("trace", "jnp.trace(x)", x=("ones((16, 16))", "P('data', 'model')")),
    case("softmax", "jax.nn.softmax(x, axis=-1)", x=BOTH),
    case("softmax over rows", "jax.nn.softmax(x, axis=0)", x=BOTH),
    case("log_softmax", "jax.nn.log_softmax(x, axis=-1)", x=BOTH),
    case("logsumexp", "jax.nn.logsumexp(x, axis=1)", x=BOTH),
    case(
        "norm",
        "(x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)",
        x=BOTH,
    ),
    case(
        "layer norm",
        "def f(x, scale, shift):\n"
        "    mean = x.mean(-1, keepdims=True)\n"
        "    spread = ((x - mean) ** 2).mean(-1, keepdims=True)\n"
        "    return (x - mean) * jax.lax.rsqrt(spread + 1e-5) * scale + shift\n",
        x=ROWS,
        scale=("ones(16)", "P('model')"),
        shift=("ones(16)", "P('model')"),
    ),
    case(
        "rms norm",
        "x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale",
        x=BOTH,
        scale=("ones(16)", "P('model')"),
    ),
    case("batch norm", "(x - x.mean(0)) / (x.std(0) + 1e-5)", x=ROWS),
    case(
        "group norm",
        "def f(x):\n"
        "    g = x.reshape(8, 4, 4)\n"
        "    return ((g - g.mean(-1, keepdims=True)) * 2).reshape(8, 16)\n",
        x=BOTH,
    ),
    case(
        "cross entropy",
        "def f(x, w, y):\n"
        "    logits = jax.nn.log_softmax(x @ w)\n"
        "    return -jnp.mean(jnp.sum(jax.nn.one_hot(y, 32) * logits, -1))\n",
        x=ROWS,
        w=UP,
        y=("jnp.zeros(8, int)", "P('data')"),
    ),
    case("argmax", "jnp.argmax(x, 1)", x=BOTH),
    case("argmin", "jnp.argmin(x, 0)", x=BOTH),
    case("argmax undivided", "jnp.argmax(x, 1)", x=ROWS),
    case(
        "reduce of two",
        "jax.lax.reduce((x, y), (0., 0.), lambda a, b: (a[0] + b[0], a[1] * b[1]), (1,))",
        x=ROWS,
        y=ROWS,
    ),
]

ELEMENTWISE = [
    case("replicated", "x + 1", x=("ones((8, 16))", "")),
    case("where", "jnp.where(x > 0, x, y)", x=ROWS, y=COLUMNS),
    case("broadcast a row", "x + v", x=BOTH, v=("ones(16)", "P('model')")),
    case("broadcast a whole row", "x * v", x=BOTH, v=("ones(16)", "")),
    case("axes in conflict", "x + y", x=ROWS, y=("ones((8, 16))", "P('model', 'data')")),
    case("gelu", "jax.nn.gelu(x)", x=BOTH),
    case("clip and select", "jnp.clip(x, 0, 1) + jax.nn.relu(x) ** 2", x=BOTH),
    case("mixed precision", "(x.astype('bfloat16') * 2).astype('float32') + x", x=BOTH),
    case("integers", "(x.astype(int) % 3) << 2", x=BOTH),
    case(
        "special functions",
        "jax.scipy.special.erf(x) + jnp.sinh(x) + jax.lax.lgamma(x + 1.)",
        x=BOTH,
    ),
    case("keys", "jax.random.normal(jax.random.key(0), (8, 16)) + x", x=ROWS),
    case(
        "an argument's key",
        "x * jax.random.bernoulli(k, 0.5, (8, 16))",
        x=ROWS,
        k=("jax.random.key(1)", ""),
    ),
    case(
        "keys split",
        "jax.vmap(lambda k, v: v + jax.random.normal(k, (16,)))"
        "(jax.random.split(jax.random.key(3), 8), x)",
        x=ROWS,
    ),
]

PROGRAMS = [*PRODUCTS, *REDUCTIONS, *ELEMENTWISE]
