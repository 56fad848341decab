"""Checkpoints of Orbax, which only who has some needs installed: trees of arrays in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import tree_util

from jaxtui.engine_base import failures
from jaxtui.program.engine.lazy_arrays import Unreadable, canonical, tracing

_MARKS = ("_METADATA", "manifest.ocdbt", "checkpoint")  # of an item's folder


def load(path: Path) -> Any:
    """The tree in the checkpoint at `path`; of a step with several items a dict of them.

    Its arrays are JAX's. While JAX traces, only their shapes are read. Raises Unreadable.
    """
    if _is_item(path):
        return _item(path)
    items = {below.name: below for below in _folders(path) if _is_item(below)}
    if items:
        trees = {name: _item(below) for name, below in items.items()}
        return trees["default"] if list(trees) == ["default"] else trees
    steps = [below.name for below in _folders(path) if any(map(_is_item, _folders(below)))]
    if steps:
        named = f"{path.name}/{max(steps, key=lambda name: (len(name), name))}"
        listed = ", ".join(steps[:10])
        raise Unreadable(f"{path.name} has the steps {listed}: name one, such as {named}")
    raise Unreadable(f"{path.name} is a folder, and no checkpoint of Orbax")


def _folders(path: Path) -> list[Path]:
    return sorted(below for below in path.iterdir() if below.is_dir())


def _is_item(path: Path) -> bool:
    return any((path / mark).exists() for mark in _MARKS)


def _item(path: Path) -> Any:
    try:
        import orbax.checkpoint as ocp
    except ImportError as error:
        message = f"{path.name} is a checkpoint of Orbax, to read which it has to be installed"
        raise Unreadable(f"{message}: pip install 'orbax-checkpoint>=0.11,<0.13'") from error
    try:
        # Orbax knows no path but absolute ones.
        with ocp.PyTreeCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(path.absolute()).item_metadata.tree
            leaves, tree = tree_util.tree_flatten(metadata)
            if tracing() and all(hasattr(leaf, "shape") for leaf in leaves):
                shapes = [jnp.zeros(leaf.shape, canonical(leaf.dtype)) for leaf in leaves]
                return tree_util.tree_unflatten(tree, shapes)
            arguments = [
                ocp.RestoreArgs(restore_type=np.ndarray if hasattr(leaf, "shape") else None)
                for leaf in leaves
            ]
            restored = checkpointer.restore(
                path.absolute(),
                args=ocp.args.PyTreeRestore(restore_args=tree_util.tree_unflatten(tree, arguments)),
            )
    except Exception as error:  # whatever Orbax and tensorstore raise
        message = f"{path.name} cannot be read by Orbax: {failures.describe(error)}"
        raise Unreadable(message) from error
    return tree_util.tree_map(lambda x: jnp.asarray(x) if hasattr(x, "dtype") else x, restored)
