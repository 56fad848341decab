"""Whatever the function does inside: the engine gives bit for bit what bare JAX gives."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import Vmap
from tests.support.bare import Case, case, check

pytestmark = pytest.mark.long

# fmt: off
INSIDE = [
    case(
        name,
        source,
        given,
        Vmap(in_axes=axes) if axes else Vmap(),
        f"jax.vmap(f{', in_axes=' + axes if axes else ''})({names})",
        size,
    )
    for name, source, given, axes, names, size in (
        ("scan", "x: lax.scan(lambda c, y: (c + y, c * y), 0., x)",
            "x = arange(12.).reshape(3, 4)", "", "x", 3),
        ("scan with a shared part", "x, w: lax.scan(lambda c, y: (c @ w + y, c), x[0], x)",
            "x = arange(24.).reshape(2, 3, 4)\nw = ones((4, 4))", "(0, None)", "x, w", 2),
        ("while_loop", "x: lax.while_loop(lambda v: v < 100., lambda v: v * 2 + 1, x)",
            "x = arange(5.)", "", "x", 5),
        ("fori_loop", "x: lax.fori_loop(0, 4, lambda i, v: v + i, x)", "x = arange(5.)", "", "x",
            5),
        ("cond on a mapped predicate", "p, x: lax.cond(p, jnp.sin, jnp.cos, x)",
            "p = array([True, False, True])\nx = arange(3.)", "", "p, x", 3),
        ("cond on a shared predicate", "p, x: lax.cond(p, jnp.sin, jnp.cos, x)",
            "p = array(True)\nx = arange(3.)", "(None, 0)", "p, x", 3),
        ("switch", "i, x: lax.switch(i, [jnp.sin, jnp.cos, lambda v: v * 0], x)",
            "i = array([0, 2, 1])\nx = arange(3.)", "", "i, x", 3),
        ("lax.map", "x: lax.map(lambda v: v ** 2, x)", "x = arange(6.).reshape(2, 3)", "", "x", 2),
        ("associative_scan", "x: lax.associative_scan(jnp.add, x)", "x = arange(12).reshape(3, 4)",
            "", "x", 3),
        ("a gather by mapped index", "x, i: x[i]",
            "x = arange(12).reshape(3, 4)\ni = array([0, 3, 1])", "", "x, i", 3),
        ("a gather from shared", "x, i: x[i]", "x = arange(5)\ni = array([[0, 1], [4, 4]])",
            "(None, 0)", "x, i", 2),
        ("a slice", "x: x[::-2, None, 1:]", "x = arange(24).reshape(2, 4, 3)", "", "x", 2),
        ("scatter add", "x, i: x.at[i].add(10)", "x = zeros((3, 4))\ni = array([0, 3, 1])", "",
            "x, i", 3),
        ("scatter set of shared", "x, i: x.at[i].set(1)",
            "x = zeros(4)\ni = array([[0, 1], [2, 2]])", "(None, 0)", "x, i", 2),
        ("dynamic_slice", "x, i: lax.dynamic_slice(x, (i,), (2,))",
            "x = arange(12).reshape(3, 4)\ni = array([0, 2, 9])", "", "x, i", 3),
        ("dynamic_update_slice", "x, i: lax.dynamic_update_slice(x, jnp.ones(2), (i,))",
            "x = zeros((3, 4))\ni = array([0, 2, 9])", "", "x, i", 3),
        ("take_along_axis", "x, i: jnp.take_along_axis(x, i, 0)",
            "x = arange(6).reshape(2, 3)\ni = array([[2, 0, 1], [1, 1, 1]])", "", "x, i", 2),
        ("sort", "x: jnp.sort(x)", "x = array([[3, 1, 2], [9, 7, 8]])", "", "x", 2),
        ("argsort and top_k", "x: (jnp.argsort(x), lax.top_k(x, 2))",
            "x = array([[3., 1., 2.], [9., 7., 8.]])", "", "x", 2),
        ("cumsum and cumprod", "x: (jnp.cumsum(x), jnp.cumprod(x))",
            "x = arange(1, 7).reshape(2, 3)", "", "x", 2),
        ("where", "x: jnp.where(x > 2, x, -x)", "x = arange(6).reshape(2, 3)", "", "x", 2),
        ("reductions", "x: (x.max(), x.argmin(), x.any(), x.prod(), x.std())",
            "x = arange(6.).reshape(2, 3)", "", "x", 2),
        ("a cholesky", "a: jnp.linalg.cholesky(a @ a.T + jnp.eye(3))",
            "a = arange(18.).reshape(2, 3, 3)", "", "a", 2),
        ("a solve", "a, b: jnp.linalg.solve(a + 5 * jnp.eye(3), b)",
            "a = arange(18.).reshape(2, 3, 3)\nb = ones((2, 3))", "", "a, b", 2),
        ("qr and svd", "a: (jnp.linalg.qr(a), jnp.linalg.svd(a, compute_uv=False))",
            "a = arange(18.).reshape(3, 3, 2)", "", "a", 3),
        ("eigh", "a: jnp.linalg.eigh(a + a.T)", "a = arange(18.).reshape(2, 3, 3)", "", "a", 2),
        ("a determinant", "a: jnp.linalg.det(a)", "a = arange(8.).reshape(2, 2, 2)", "", "a", 2),
        ("a convolution", "x, k: jnp.convolve(x, k)", "x = arange(10.).reshape(2, 5)\nk = ones(3)",
            "(0, None)", "x, k", 2),
        ("conv_general_dilated", "x, k: lax.conv(x, k, (1, 1), 'SAME')",
            "x = arange(64.).reshape(2, 1, 2, 4, 4)\nk = ones((2, 3, 2, 2, 2))", "", "x, k", 2),
        ("fft", "x: jnp.fft.fft(x)", "x = arange(8.).reshape(2, 4)", "", "x", 2),
        ("rfft and back", "x: jnp.fft.irfft(jnp.fft.rfft(x))", "x = arange(8.).reshape(2, 4)", "",
            "x", 2),
        ("einsum", "a, b: jnp.einsum('ij,jk->ki', a, b)",
            "a = arange(12.).reshape(2, 2, 3)\nb = arange(24.).reshape(2, 3, 4)", "", "a, b", 2),
        ("concatenate and stack", "a, b: (jnp.concatenate([a, b]), jnp.stack([a, a]))",
            "a = arange(4).reshape(2, 2)\nb = arange(3)", "(0, None)", "a, b", 2),
        ("pad and reshape", "x: jnp.pad(x, 1).reshape(-1, 1)", "x = arange(6).reshape(2, 3)", "",
            "x", 2),
        ("transposition", "x: x.T", "x = arange(24).reshape(2, 3, 4)", "2", "x", 4),
        ("a custom_jvp", "x: jax.nn.relu(x)", "x = arange(-3., 3.)", "", "x", 6),
        ("softmax and logsumexp", "x: (jax.nn.softmax(x), jax.nn.logsumexp(x))",
            "x = arange(6.).reshape(2, 3)", "", "x", 2),
        ("a jacobian", "x: jax.jacfwd(lambda v: jnp.sin(v) * v[0])(x)",
            "x = arange(6.).reshape(2, 3)", "", "x", 2),
        ("a hessian", "x: jax.hessian(lambda v: (v ** 3).sum())(x)",
            "x = arange(6.).reshape(2, 3)", "", "x", 2),
        ("rows of a vjp", "ct: jax.vjp(jnp.sin, jnp.arange(3.))[1](ct)", "ct = eye(3)", "", "ct",
            3),
        ("columns of a jvp", "t: jax.jvp(jnp.sin, (jnp.arange(3.),), (t,))", "t = eye(3)", "", "t",
            3),
        ("checkpoint", "x: jax.grad(jax.checkpoint(lambda v: jnp.sin(v) ** 2))(x)",
            "x = arange(3.)", "", "x", 3),
        ("vectorize", "x: jnp.vectorize(lambda v: v + 1)(x)", "x = arange(6).reshape(2, 3)", "",
            "x", 2),
        ("nonzero of a size", "x: jnp.nonzero(x, size=2)", "x = array([[0, 1, 1], [1, 0, 0]])", "",
            "x", 2),
        ("searchsorted", "x, v: jnp.searchsorted(x, v)", "x = arange(5.)\nv = array([.5, 3.5])",
            "(None, 0)", "x, v", 2),
    )
]

DTYPES = [
    case(
        f"elements of {dtype}",
        "x: (x, x + x, x.T)",
        f"x = arange(6).reshape(2, 3).astype('{dtype}')",
        Vmap(in_axes="1"),
        "jax.vmap(f, in_axes=1)(x)",
        3,
    )
    for dtype in (
        "int8",
        "uint8",
        "int16",
        "uint32",
        "float16",
        "bfloat16",
        "float32",
        "complex64",
        "float8_e4m3fn",
        "float8_e5m2",
    )
] + [
    case("booleans", "x: ~x & (x | True)", "x = array([[True, False], [False, False]])", Vmap(),
        "jax.vmap(f)(x)", 2),
    case("keys", "k: jax.random.normal(k, (3,))", "k = jax.random.split(jax.random.key(0), 4)",
        Vmap(), "jax.vmap(f)(k)", 4),
    case("keys as integers", "k: jax.random.uniform(k)",
        "k = jax.random.split(jax.random.PRNGKey(1), 4)", Vmap(), "jax.vmap(f)(k)", 4),
    case("keys out", "k: jax.random.split(k)", "k = jax.random.split(jax.random.key(0), 4)",
        Vmap(), "jax.vmap(f)(k)", 4),
    case("one key for all", "k, x: jax.random.normal(jax.random.fold_in(k, x))",
        "k = jax.random.key(0)\nx = arange(4)", Vmap(in_axes="(None, 0)"),
        "jax.vmap(f, in_axes=(None, 0))(k, x)", 4),
    case("other random numbers", "k: (jax.random.permutation(k, 5), jax.random.bernoulli(k))",
        "k = jax.random.split(jax.random.key(0), 3)", Vmap(), "jax.vmap(f)(k)", 3),
    case("NumPy arrays", "x: x * 2", "x = np.arange(6).reshape(2, 3)", Vmap(), "jax.vmap(f)(x)",
        2),
    case("NumPy float64", "x: x * 2", "x = np.linspace(0, 1, 4)", Vmap(), "jax.vmap(f)(x)", 4),
    case("infinities and NaN", "x: (x, x - x)", "x = array([jnp.inf, -jnp.inf, jnp.nan, -0.0])",
        Vmap(), "jax.vmap(f)(x)", 4),
    case("weak types", "x, y: x * y", "x = arange(3).astype('bfloat16')\ny = 2.5",
        Vmap(in_axes="(0, None)"), "jax.vmap(f, in_axes=(0, None))(x, y)", 3),
    case("a number out", "x: 3", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("numbers of several kinds out", "x: (1, 2.5, True, 1j, np.float32(2))", "x = arange(3)",
        Vmap(), "jax.vmap(f)(x)", 3),
    case("a constant out", "x: jnp.eye(2)", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
]
# fmt: on


@pytest.mark.parametrize("case", [*INSIDE, *DTYPES])
def test_whatever_the_function_does_vmap_gives_what_bare_vmap_gives(case: Case) -> None:
    check(case)
