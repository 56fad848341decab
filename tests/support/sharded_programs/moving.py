"""What moves elements: indexing, joining, reshaping, sorting, windows, transforms."""

from __future__ import annotations

from tests.support.sharded_programs.making import BOTH, COLUMNS, ROWS, UP, case

_CUBE = ("ones((8, 4, 16))", "P('data', None, 'model')")
_TABLE = ("ones((64, 16))", "P('model', None)")
_IDS = ("jnp.zeros((8, 4), int)", "P('data')")
_IMAGES = ("ones((8, 4, 8, 8))", "P('data')")

INDEXING = [
    case("slice", "x[1:5]", x=ROWS),
    case("slice along the other", "x[:, 2:10]", x=ROWS),
    case("slice strided", "x[:, ::2]", x=ROWS),
    case("slice of one", "x[3]", x=ROWS),
    case("slice of a column", "x[:, 3]", x=ROWS),
    case("first row", "x[0]", x=ROWS),
    case("last row", "x[-1]", x=ROWS),
    case("last row, kept", "x[-1:] * 2", x=ROWS),
    case("last of each axis", "x[-1, -1]", x=BOTH),
    case("last token", "x[:, -1] * 2", x=("ones((8, 16, 4))", "P('data', 'model')")),
    case("first half", "x[:4]", x=ROWS),
    case("first rows", "x[:2].sum(0)", x=ROWS),
    case("shifted difference", "x[1:] - x[:-1]", x=ROWS),
    case("reversed", "x[:, ::-1]", x=ROWS),
    case("gather", "x[jnp.array([1, 3])]", x=ROWS),
    case("take", "jnp.take(e, i, axis=0)", e=_TABLE, i=_IDS),
    case("embedding by columns", "e[i]", e=("ones((64, 16))", "P(None, 'model')"), i=_IDS),
    case("embedding whole", "e[i]", e=("ones((64, 16))", ""), i=_IDS),
    case(
        "take along axis",
        "jnp.take_along_axis(x, i, 1)",
        x=ROWS,
        i=("jnp.zeros((8, 1), int)", "P('data')"),
    ),
    case("one_hot", "jax.nn.one_hot(i, 16) @ w", i=("jnp.zeros(8, int)", "P('data')"), w=UP),
    case("scatter", "x.at[0].set(1.)", x=ROWS),
    case("scatter a column", "x.at[:, 0].add(1.)", x=ROWS),
    case(
        "scatter add",
        "jnp.zeros((64, 16)).at[i].add(x)",
        x=ROWS,
        i=("jnp.zeros(8, int)", "P('data')"),
    ),
    case("segment sum", "jax.ops.segment_sum(x, i, 4)", x=COLUMNS, i=("jnp.zeros(8, int)", "")),
    case("dynamic", "jax.lax.dynamic_slice(x, (i, 0), (2, 16))", x=ROWS, i=("jnp.int32(1)", "")),
    case(
        "dynamic along the other",
        "jax.lax.dynamic_slice(x, (0, i), (8, 4))",
        x=ROWS,
        i=("jnp.int32(1)", ""),
    ),
    case(
        "cache update",
        "jax.lax.dynamic_update_slice(c, x[:, None], (0, i, 0))",
        c=("ones((8, 4, 16))", "P('data', None, 'model')"),
        x=BOTH,
        i=("jnp.int32(1)", ""),
    ),
    case("triu", "jnp.triu(x @ x.T)", x=ROWS),
    case("diagonal", "jnp.diagonal(x)", x=("ones((16, 16))", "P('data')")),
    case(
        "masked",
        "jnp.where(jnp.arange(16)[None] < n[:, None], x, 0)",
        x=BOTH,
        n=("jnp.zeros(8, int)", "P('data')"),
    ),
]

SHAPES = [
    case("transpose", "x.T", x=BOTH),
    case("transpose of three", "jnp.transpose(x, (2, 0, 1))", x=_CUBE),
    case("moveaxis", "jnp.moveaxis(x, 0, -1)", x=_CUBE),
    case("reshape merge", "x.reshape(128)", x=ROWS),
    case("reshape merge minor", "x.reshape(8, 64)", x=_CUBE),
    case("reshape merge both", "x.reshape(32, 16)", x=_CUBE),
    case("reshape split", "x.reshape(8, 4, 4)", x=BOTH),
    case("reshape split2", "x.reshape(2, 4, 16)", x=ROWS),
    case("reshape heads", "x.reshape(8, 2, 8).swapaxes(0, 1)", x=BOTH),
    case("squeeze", "x[:, None, :].squeeze(1)[None]", x=BOTH),
    case("broadcast_to", "jnp.broadcast_to(x[:, None], (8, 3, 16))", x=BOTH),
    case("tile", "jnp.tile(x, (1, 2))", x=ROWS),
    case("repeat", "jnp.repeat(x, 2, axis=1)", x=ROWS),
    case("concat", "jnp.concatenate([x, x], 0)", x=ROWS),
    case("concat1", "jnp.concatenate([x, y], 1)", x=BOTH, y=BOTH),
    case("concat beside", "jnp.concatenate([x, y], 1)", x=ROWS, y=ROWS),
    case(
        "concat uneven where it is divided",
        "jnp.tanh(jnp.concatenate([y, x], 1)) * 2",
        x=("ones((8, 16))", "P(None, 'data')"),
        y=("ones((8, 1))", "P()"),
    ),
    case("concat uneven", "jnp.concatenate([x, x[:, :3]], 1)", x=ROWS),
    case("stack", "jnp.stack([x, y])", x=BOTH, y=BOTH),
    case("stack behind", "jnp.stack([x, y], -1)", x=ROWS, y=COLUMNS),
    case("split", "jnp.split(x, 2, 1)", x=ROWS),
    case(
        "split three",
        "def f(x):\n    q, k, v = jnp.split(x, 3, axis=-1)\n    return q * k + v\n",
        x=("ones((8, 12))", "P('data')"),
    ),
    case("pad", "jnp.pad(x, 1)", x=ROWS),
    case("pad beside", "jnp.pad(x, ((0, 0), (1, 2)))", x=ROWS),
    case("roll", "jnp.roll(x, 1, 0)", x=ROWS),
    case("roll beside", "jnp.roll(x, 3, 1)", x=ROWS),
    case("uneven sum", "x[:, :3].sum(0)", x=ROWS),
    case("uneven product", "x @ w", x=ROWS, w=("ones((16, 7))", "P('data')")),
    case(
        "space to depth",
        "x.reshape(8, 4, 4, 2, 4, 2).transpose(0, 2, 4, 3, 5, 1).reshape(8, 4, 4, 16)",
        x=_IMAGES,
    ),
]

ORDERS = [
    case("cumsum", "jnp.cumsum(x, 0)", x=ROWS),
    case("cumsum1", "jnp.cumsum(x, 1)", x=ROWS),
    case("cumprod and cummax", "jnp.cumprod(x, 1) + jax.lax.cummax(x, 1)", x=ROWS),
    case("cumlogsumexp", "jax.lax.cumlogsumexp(x, 1)", x=ROWS),
    case("sort", "jnp.sort(x, 0)", x=ROWS),
    case("sort1", "jnp.sort(x, 1)", x=ROWS),
    case("sort both", "jnp.sort(x, 1)", x=BOTH),
    case("argsort", "jnp.argsort(x, 1)", x=ROWS),
    case("argsort along the axis", "jnp.argsort(x, 0)", x=ROWS),
    case("sort pairs", "jax.lax.sort((x, y), dimension=1, num_keys=1)", x=ROWS, y=ROWS),
    case("median", "jnp.median(x, 1)", x=ROWS),
    case("top_k", "jax.lax.top_k(x, 2)[0]", x=ROWS),
    case("top_k along the axis", "jax.lax.top_k(x, 2)", x=COLUMNS),
    case("router", "jax.lax.top_k(jax.nn.softmax(x @ w), 2)", x=ROWS, w=("ones((16, 8))", "")),
    case("searchsorted", "jnp.searchsorted(v, x)", v=("arange(8.)", ""), x=ROWS),
]

WINDOWS = [
    case(
        "conv",
        "jax.lax.conv(x, k, (1, 1), 'SAME')",
        x=("ones((8, 3, 8, 8))", "P('data')"),
        k=("ones((4, 3, 3, 3))", "P()"),
    ),
    case(
        "conv output channels",
        "jax.lax.conv(x, k, (1, 1), 'SAME')",
        x=_IMAGES,
        k=("ones((6, 4, 3, 3))", "P('model')"),
    ),
    case(
        "conv input channels",
        "jax.lax.conv(x, k, (1, 1), 'SAME')",
        x=("ones((8, 4, 8, 8))", "P(None, 'model')"),
        k=("ones((6, 4, 3, 3))", "P(None, 'model')"),
    ),
    case(
        "conv batch and channels",
        "jax.lax.conv(x, k, (2, 2), 'VALID')",
        x=("ones((8, 4, 8, 8))", "P('data', 'model')"),
        k=("ones((6, 4, 3, 3))", "P(None, 'model')"),
    ),
    case(
        "conv spatial",
        "jax.lax.conv(x, k, (1, 1), 'SAME')",
        x=("ones((8, 4, 8, 8))", "P(None, None, 'data')"),
        k=("ones((6, 4, 3, 3))", ""),
    ),
    case(
        "conv pointwise",
        "jax.lax.conv(x, k, (1, 1), 'VALID')",
        x=("ones((8, 4, 8, 8))", "P(None, None, 'data')"),
        k=("ones((6, 4, 1, 1))", ""),
    ),
    case(
        "conv nhwc",
        "jax.lax.conv_general_dilated(x, k, (1, 1), 'SAME',"
        " dimension_numbers=('NHWC', 'HWIO', 'NHWC'))",
        x=("ones((8, 8, 8, 4))", "P('data')"),
        k=("ones((3, 3, 4, 6))", "P(None, None, None, 'model')"),
    ),
    case(
        "max pool",
        "jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), 'VALID')",
        x=_IMAGES,
    ),
    case(
        "convolve", "jax.vmap(lambda v: jnp.convolve(v, k, 'same'))(x)", x=ROWS, k=("ones(3)", "")
    ),
]

TRANSFORMS = [
    case("fft", "jnp.fft.fft(x, axis=1)", x=ROWS),
    case("fft along the axis", "jnp.fft.fft(x, axis=0)", x=COLUMNS),
    case("rfft and back", "jnp.fft.irfft(jnp.fft.rfft(x, axis=1), axis=1)", x=ROWS),
    case("cholesky", "jnp.linalg.cholesky(x @ x.T + jnp.eye(8))", x=ROWS),
    case("cholesky batched", "jnp.linalg.cholesky(x)", x=("ones((8, 4, 4)) + eye(4)", "P('data')")),
    case(
        "triangular solve",
        "jax.scipy.linalg.solve_triangular(a, x, lower=True)",
        a=("eye(8)", ""),
        x=COLUMNS,
    ),
    case("qr", "jnp.linalg.qr(x)[0]", x=("ones((8, 4, 4)) + eye(4)", "P('data')")),
    case("eigh", "jnp.linalg.eigh(x)[0]", x=("ones((8, 4, 4)) + eye(4)", "P('data')")),
]

PROGRAMS = [*INDEXING, *SHAPES, *ORDERS, *WINDOWS, *TRANSFORMS]
