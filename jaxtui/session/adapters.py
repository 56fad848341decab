"""What makes of `jax.jvp`, `jax.lax.scan` and others a function of the program's arguments alone.

JAX calls these with the function and its arguments at once. Each text here is the definition that
an exported script has, and that the engine runs. Arguments by name are bound as they are, but those
of a map are mapped; `for_each` makes of tangents an entry for each of the primals, where that of a
single one may stand alone, and `ones_like` has float0 for what has no other tangent.
"""

from __future__ import annotations

DEFINITIONS = {
    "ones_like": """\
def ones_like(tree):
    def ones(leaf):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return jnp.ones_like(leaf)
        return np.zeros(jnp.shape(leaf), jax.dtypes.float0)

    return jax.tree.map(ones, tree)
""",
    "for_each": """\
def for_each(primals, tangents):
    if tangents is None:
        return ones_like(primals)
    same = jax.tree.structure(primals) == jax.tree.structure(tangents)
    several = same or len(primals) != 1
    return tangents if several else (tangents,)
""",
    "as_jvp": """\
def as_jvp(f, tangents=None, **settings):
    def of_arguments(*primals, **named):
        given = for_each(primals, tangents)
        return jax.jvp(lambda *args: f(*args, **named), primals, given, **settings)

    return of_arguments
""",
    "as_vjp": """\
def as_vjp(f, cotangents=None, **settings):
    def of_arguments(*primals, **named):
        out, pull, *aux = jax.vjp(lambda *args: f(*args, **named), *primals, **settings)
        given = ones_like(out) if cotangents is None else cotangents
        return out, pull(given), *aux

    return of_arguments
""",
    "as_linearize": """\
def as_linearize(f, tangents=None, **settings):
    def of_arguments(*primals, **named):
        out, push, *aux = jax.linearize(lambda *args: f(*args, **named), *primals, **settings)
        return out, push(*for_each(primals, tangents)), *aux

    return of_arguments
""",
    "as_scan": """\
def as_scan(f, **settings):
    def of_arguments(init, xs=None, **named):
        step = (lambda carry, x: f(carry, x, **named)) if named else f
        return jax.lax.scan(step, init, xs, **settings)

    return of_arguments
""",
    "as_map": """\
def as_map(f, **settings):
    def of_arguments(*args, **named):
        if len(args) == 1 and not named:
            return jax.lax.map(f, args[0], **settings)
        return jax.lax.map(lambda xs: f(*xs[0], **xs[1]), (args, named), **settings)

    return of_arguments
""",
}
# What each of them calls.
_CALLED = {
    "as_jvp": ["ones_like", "for_each"],
    "as_vjp": ["ones_like"],
    "as_linearize": ["ones_like", "for_each"],
}


def definitions(name: str) -> dict[str, str]:
    """The definition of the adapter `name`, "" for none, after those of what it calls."""
    names = [*_CALLED.get(name, ()), name] if name else []
    return {name: DEFINITIONS[name] for name in names}
