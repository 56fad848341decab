"""The functions that texts of a session know, as an exported script defines them."""

from __future__ import annotations

HELPERS = {
    "normal": """\
def normal(*shape, seed=0, dtype=float):
    return jax.random.normal(jax.random.key(seed), shape, dtype)
""",
    "uniform": """\
def uniform(*shape, seed=0, minval=0.0, maxval=1.0, dtype=float):
    return jax.random.uniform(jax.random.key(seed), shape, dtype, minval, maxval)
""",
    "randint": """\
def randint(*shape, seed=0, minval=0, maxval=10, dtype=int):
    return jax.random.randint(jax.random.key(seed), shape, minval, maxval, dtype)
""",
    "keys": """\
def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)
""",
    "load": """\
def load(file):
    return np.load(file)
""",
}

BY_PATH = """\
def by_path(patterns):
    \"\"\"The spec of each leaf of a tree: that of the first pattern that matches its path.\"\"\"
    from fnmatch import fnmatchcase

    def matches(pattern, path):
        reached = {0}  # how much of the path the components so far can stand for
        for part in filter(None, pattern.split("/")):
            if part == "**":
                reached = set(range(min(reached, default=len(path) + 1), len(path) + 1))
            else:
                reached = {n + 1 for n in reached if n < len(path) and fnmatchcase(path[n], part)}
        return len(path) in reached

    def spec_of(keys):
        path = jax.tree_util.keystr(keys, simple=True, separator="/")
        path = [part for part in path.split("/") if part]
        spec = next(spec for pattern, spec in patterns.items() if matches(pattern, path))
        return spec if spec is None or isinstance(spec, P) else P(spec)

    return lambda tree: [spec_of(keys) for keys, _ in jax.tree_util.tree_leaves_with_path(tree)]


def put_by_path(tree, specs):
    \"\"\"`tree` with its leaves where `specs`, a prefix of it, puts them on the mesh.\"\"\"
    shardings = []

    def add(spec, below):
        specs = spec(below) if callable(spec) else [spec] * len(jax.tree.leaves(below))
        shardings.extend(
            None if x is None else jax.sharding.NamedSharding(mesh, x) for x in specs
        )

    jax.tree.map(add, specs, tree, is_leaf=lambda x: x is None or isinstance(x, P))
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, jax.device_put(leaves, shardings))
"""
