"""The shape flow: what every layer passes inward and returns, recorded while it is called.

The function and each layer are wrapped in a recorder, so that one trace (or one real run) of the
whole program shows every level, and a failure shows between which two levels it happened.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax import tree_util
from jax.sharding import NamedSharding

from jaxtui.engine_base.arrays import dtype_name, is_array
from jaxtui.engine_base.failures import safe_repr
from jaxtui.engine_base.meshes import entries_of, typed_sharding
from jaxtui.program.engine import tree_nodes
from jaxtui.program.engine.mapped_axes import (
    auxiliary,
    axis_size,
    input_marks,
    label,
    output_marks,
)
from jaxtui.program.engine.programs import BuiltLayer, Function, signature
from jaxtui.program.engine.spec_trees import axes_of
from jaxtui.wire.report import Flow, FlowLeaf, Leaf, Level, TreeNode

Spec = list[list[str]]


@dataclass
class Recording:
    """What was seen at one level: level 0 is the whole program's, the last the function's own."""

    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    left: bool = False


@dataclass
class Recorder:
    """Builds the program's callable and records each level the first time it is reached.

    `on_level(level, entering)` is called on every entry and exit, so that a run can tell its stage.
    `given` has the specs of the leaves of each argument that the program is called with. `written`
    are the names that the text of a setting may use.
    """

    function: Function
    layers: Sequence[BuiltLayer]  # innermost first, as in the session
    names: tuple[str, ...]
    on_level: Callable[[int, bool], None] | None = None
    given: dict[str, list[Spec]] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)
    recordings: list[Recording] = field(init=False)
    failed_level: int | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.recordings = [Recording() for _ in range(len(self.layers) + 1)]

    def layer_under(self, level: int) -> BuiltLayer | None:
        """The layer that is called at `level`; None at the function's own."""
        return None if level == len(self.layers) else self.layers[len(self.layers) - 1 - level]

    def level_of(self, layer: BuiltLayer) -> int:
        return len(self.layers) - 1 - layer.index

    @functools.cached_property
    def program(self) -> Callable[..., Any]:
        """The function under all its layers, recording."""
        return self._at(0)

    def outermost(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The outermost layer around the rest as JAX returns it, for a call with `args`."""
        layer = self.layers[-1]
        return layer.wrap(self._at(1), axis_size(layer, args, kwargs))

    def called(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What `program` calls with such arguments: the function, or its outermost layer with what
        that has compiled."""
        if not self.layers:
            return self.function.call
        return self._outermost(axis_size(self.layers[-1], args, kwargs))

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Have a call of the function in the block raise RuntimeError: what was compiled is only
        asked about, and nothing of the user's runs again for that."""
        self._asked = True
        try:
            yield
        finally:
            self._asked = False

    @functools.cached_property
    def _outermost(self) -> Callable[[int | None], Any]:
        """The outermost layer around the rest, by the size of its axis.

        What jit and pmap have compiled is kept with the function that they return.
        """
        return functools.cache(functools.partial(self.layers[-1].wrap, self._at(1)))

    def _at(self, level: int) -> Callable[..., Any]:
        layer = self.layer_under(level)
        if layer is None:
            return self._recorded(level, self.function.call)
        wrapped = (
            functools.cache(functools.partial(layer.wrap, self._at(level + 1)))
            if level
            else self._outermost
        )

        def transformed(*args: Any, **kwargs: Any) -> Any:
            return wrapped(axis_size(layer, args, kwargs))(*args, **kwargs)

        return self._recorded(level, transformed)

    def _recorded(self, level: int, call: Callable[..., Any]) -> Callable[..., Any]:
        recording = self.recordings[level]

        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self._asked:
                raise RuntimeError("what was compiled is asked about, and not called")
            if recording.args is None:
                recording.args = as_shapes(args)
                recording.kwargs = as_shapes(kwargs)
            if self.on_level is not None:
                self.on_level(level, True)
            try:
                output = call(*args, **kwargs)
            except BaseException:
                if self.failed_level is None:
                    self.failed_level = level
                raise
            if not recording.left:
                recording.output = as_shapes(output)
                recording.left = True
            if self.on_level is not None:
                self.on_level(level, False)
            return output

        # grad and jit name the function in their messages.
        recorded.__name__ = recorded.__qualname__ = self.function.name
        # And jit looks names of arguments up in the signature.
        with contextlib.suppress(Exception):  # also whatever a __signature__ of the user's raises
            made = (
                self.function.made
                if self._applied(self.layers[: len(self.layers) - level])
                else None
            )
            recorded.__signature__ = made or inspect.signature(self.function.call)  # type: ignore[attr-defined]
        return recorded

    @staticmethod
    def _applied(layers: Sequence[BuiltLayer]) -> bool:
        """Whether one of `layers` may change what arguments there are."""
        return not all(layer.kind.home for layer in layers)

    @functools.cached_property
    def _own_names(self) -> tuple[str, ...]:
        """The names of the function's own parameters."""
        parameters = signature(self.function.call) or ()
        return tuple(p.name for p in parameters if p.kind == "positional")

    def flow(self) -> Flow:
        """The shape flow as far as it was reached."""
        return Flow(
            function=self.function.name,
            levels=[self._level(level) for level in range(len(self.recordings))],
            axes=list(self.axes),
            given=tree_nodes.of_arguments(self._given_trees(0), self.written),
        )

    def _level(self, level: int) -> Level:
        recording = self.recordings[level]
        outer = self.layer_under(level - 1) if level else None
        above = self.recordings[level - 1]
        size = None
        if outer is not None and above.args is not None:
            size = axis_size(outer, above.args, above.kwargs)
        return Level(
            layer=-1 if outer is None else outer.index,
            transform="" if outer is None else outer.transform,
            label="given" if outer is None else label(outer, size),
            size=size,
            inputs=self._input_leaves(level) if recording.args is not None else None,
            outputs=self._output_leaves(level) if recording.left else None,
            auxiliary=0 if outer is None else auxiliary(outer, recording.output),
            returned=self._returned(level),
        )

    def _returned(self, level: int) -> list[TreeNode] | None:
        recording = self.recordings[level]
        outer = [each.output for each in self.recordings[:level][-1:] if each.left]
        if not recording.left:
            return None
        return tree_nodes.of_output(recording.output, tuple(outer), self.written)

    def _input_leaves(self, level: int) -> list[FlowLeaf]:
        recording = self.recordings[level]
        marks = iter(input_marks(self.layer_under(level), recording.args or (), recording.kwargs))
        given = {name: iter(specs) for name, specs in self.given.items() if level == 0}
        return [
            flow_leaf(name + path, leaf, next(marks), next(given.get(name, iter(())), None))
            for name, path, leaf in self._given_leaves(level)
        ]

    def _output_leaves(self, level: int) -> list[FlowLeaf]:
        recording = self.recordings[level]
        output = recording.output
        marks = output_marks(self.layer_under(level), output, recording.args or ())
        leaves = leaves_with_paths(output)
        return [flow_leaf(path, x, marked) for (path, x), marked in zip(leaves, marks, strict=True)]

    def _given_leaves(self, level: int) -> list[tuple[str, str, Any]]:
        """The input leaves of the call at `level`: (argument name, keystr path, leaf)."""
        return [
            (name, path, leaf)
            for name, tree in self._given_trees(level)
            for path, leaf in leaves_with_paths(tree)
        ]

    def _given_trees(self, level: int) -> list[tuple[str, Any]]:
        """The arguments of the call at `level`, with their names."""
        recording = self.recordings[level]
        # The layers keep the order of the arguments, but for those that apply something.
        others = self._applied(self.layers[len(self.layers) - level :])
        known = (self._own_names if others else ()) or self.names
        names = itertools.chain(known, (f"argument {i}" for i in itertools.count(len(known))))
        positional = zip(names, recording.args or (), strict=False)
        return [*positional, *recording.kwargs.items()]

    def inside(self, level: int) -> list[Leaf]:
        """The inputs seen at `level`, as leaves of their arguments."""
        return [as_leaf(*given) for given in self._given_leaves(level)]


def leaves_with_paths(tree: Any) -> list[tuple[str, Any]]:
    """The leaves of a pytree, each with its path as `jax.tree_util.keystr` writes it."""
    found = tree_util.tree_flatten_with_path(tree)[0]
    return [(tree_util.keystr(path), leaf) for path, leaf in found]


def over_arrays(
    program: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Callable[..., list[Any]], list[jax.ShapeDtypeStruct]]:
    """`program` as a function of arrays only, and the shapes of these.

    Leaves of the arguments that are no ShapeDtypeStruct are bound as they are. The function returns
    the array leaves of the result as a flat list.
    """
    leaves, tree = tree_util.tree_flatten((tuple(args), kwargs))
    shaped = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves]

    def call(*arrays: Any) -> list[Any]:
        given = iter(arrays)
        merged = [next(given) if array else x for x, array in zip(leaves, shaped, strict=True)]
        positional, keywords = tree_util.tree_unflatten(tree, merged)
        output = program(*positional, **keywords)
        return [x for x in tree_util.tree_leaves(output) if is_array(x)]

    return call, [leaf for leaf, array in zip(leaves, shaped, strict=True) if array]


def as_shapes(tree: Any) -> Any:
    """`tree` with each array or tracer as its ShapeDtypeStruct, so that no array is kept alive.

    A pytree class of the user's that computes with its leaves can hold no shapes: then the tree is
    returned as it is.
    """
    leaves, structure = tree_util.tree_flatten(tree)
    shapes = [_as_shape(x) if is_array(x) else x for x in leaves]
    try:
        return tree_util.tree_unflatten(structure, shapes)
    except Exception:  # whatever the class raises
        return tree


def _as_shape(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=typed_sharding(array))


def spec_of(sharding: Any) -> Spec:
    """The mesh axes that divide each dimension, as far as a NamedSharding says; [] if none does."""
    if not isinstance(sharding, NamedSharding):
        return []
    spec = [list(map(str, axes_of(entry))) for entry in entries_of(sharding.spec)]
    return spec if any(spec) else []


def flow_leaf(path: str, leaf: Any, marks: list[int], spec: Spec | None = None) -> FlowLeaf:
    """`leaf`, an array's shape or any other object, as a FlowLeaf.

    Without a `spec`, that of its type is taken.
    """
    if not is_array(leaf):
        plain, dtype = _plain_number(leaf)
        return FlowLeaf(path=path, shape=[], dtype=dtype, value=safe_repr(plain, 40))
    shape = [int(size) for size in leaf.shape]
    divided = spec or spec_of(typed_sharding(leaf))
    dtype = dtype_name(leaf.dtype)
    return FlowLeaf(path=path, shape=shape, dtype=dtype, marks=marks, spec=divided)


def _plain_number(leaf: Any) -> tuple[Any, str]:
    """`leaf` and the name of its type; of a number to which JAX has given a dtype, the dtype's."""
    dtype = getattr(leaf, "dtype", None) if isinstance(leaf, int | float | complex) else None
    if dtype is None:
        return leaf, type(leaf).__name__
    plain = next(kind for kind in (int, float, complex) if isinstance(leaf, kind))
    return plain(leaf), str(dtype)


def as_leaf(name: str, path: str, leaf: Any) -> Leaf:
    """`leaf` as a Leaf; a Python number counts as the array that JAX makes of it."""
    if isinstance(leaf, bool | int | float | complex):
        dtype = str(jax.dtypes.canonicalize_dtype(np.result_type(type(leaf))))
        return Leaf(name=name, path=path, shape=[], dtype=dtype)
    if not is_array(leaf):
        return Leaf(name=name, path=path, shape=[], dtype=type(leaf).__name__)
    return Leaf(
        name=name, path=path, shape=[int(n) for n in leaf.shape], dtype=dtype_name(leaf.dtype)
    )
