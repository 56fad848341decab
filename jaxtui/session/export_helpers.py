"""What an exported script defines for itself: the helpers of values and shardings, as text."""

from __future__ import annotations

import re

_LOAD_BEGINS = re.compile(r"^def load\(.*\):\n", re.MULTILINE)
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
    "load_any": """\
import os


def load(file, nested=False):
    if os.path.isdir(file):
        import orbax.checkpoint as ocp

        item = os.path.join(os.path.abspath(file), "default")
        item = item if os.path.isdir(item) else os.path.abspath(file)
        saved = ocp.PyTreeCheckpointer()
        tree = saved.metadata(item).item_metadata.tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        args = ocp.args.PyTreeRestore(restore_args=as_numpy)
        return jax.tree.map(jnp.asarray, saved.restore(item, args=args))
    if file.endswith(".safetensors"):
        from safetensors.flax import load_file

        found = load_file(file)
    else:
        found = np.load(file)
    if isinstance(found, np.ndarray):
        return found
    found = dict(found)
    if not nested:
        return found
    separator = nested
    if nested is True:
        separator = "/" if any("/" in name for name in found) else "."
    tree = {}
    for name, array in found.items():
        *above, last = name.split(separator)
        place = tree
        for key in above:
            place = place.setdefault(key, {})
        place[last] = array
    return tree
""",
    "struct": """\
import re

_LONG = {"bf": "bfloat", "f": "float", "c": "complex", "u": "uint", "i": "int"}


def struct(shape, dtype=float, *, weak_type=False):
    if isinstance(dtype, str) and dtype.startswith("key<"):
        impl = {"fry": "threefry2x32", "urbg": "unsafe_rbg"}.get(dtype[4:-1], dtype[4:-1])
        dtype = jax.eval_shape(lambda: jax.random.key(0, impl=impl)).dtype
    elif isinstance(dtype, str):
        long = re.sub(r"^(bf|f|c|u|i)(?=\\d)", lambda short: _LONG[short[1]], dtype)
        dtype = getattr(jnp, long)
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not jnp.issubdtype(dtype, jax.dtypes.extended):
        dtype = jax.dtypes.canonicalize_dtype(dtype)
    return jax.ShapeDtypeStruct(shape, dtype, weak_type=weak_type)
""",
}

# For a script some of whose arguments may be only shapes.
PLACED = """\
def placed(tree, shardings):
    # `shardings` are a prefix of `tree`. Arrays are moved, shapes are marked.
    def put(sharding, x):
        if sharding is None or not isinstance(x, jax.ShapeDtypeStruct):
            return x if sharding is None else jax.device_put(x, sharding)
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

    return jax.tree.map(
        lambda sharding, below: jax.tree.map(lambda x: put(sharding, x), below),
        shardings,
        tree,
        is_leaf=lambda x: x is None,
    )
"""
EVALUATED = """\
def evaluated(function, *args, **kwargs):
    # What `function` returns; its shapes if only shapes of arguments are given.
    leaves, tree = jax.tree.flatten((args, kwargs))
    if not any(isinstance(x, jax.ShapeDtypeStruct) for x in leaves):
        return function(*args, **kwargs)
    arrays = [x for x in leaves if hasattr(x, "dtype")]

    def call(*arrays):
        given = iter(arrays)
        found = [next(given) if hasattr(x, "dtype") else x for x in leaves]
        args, kwargs = jax.tree.unflatten(tree, found)
        return function(*args, **kwargs)

    return jax.eval_shape(call, *arrays)
"""

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
    put = [
        jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
        if isinstance(x, jax.ShapeDtypeStruct)
        else jax.device_put(x, sharding)
        for x, sharding in zip(leaves, shardings)
    ]
    return jax.tree.unflatten(structure, put)
"""


def loading_from(folder: str, load: str) -> str:
    """The helper `load` for files whose paths are relative to `folder`, an expression."""
    return _LOAD_BEGINS.sub(lambda line: f"{line[0]}    file = str({folder} / file)\n", load)
