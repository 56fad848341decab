"""An argument's sharding: one spec or a tree of specs, read and held against the argument.

What does not fit is said before JAX is asked, at the field, with specs that would fit.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jax import tree_util
from jax.sharding import NamedSharding, PartitionSpec

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.meshes import entries_of
from jaxtui.program.engine import expressions, path_patterns, pattern_faults, spec_trees
from jaxtui.program.engine.chosen_specs import Chosen, chosen_specs
from jaxtui.program.engine.path_patterns import ByPath
from jaxtui.program.engine.prefix_text import prefix_text
from jaxtui.program.engine.prepared import Prepared
from jaxtui.program.engine.resizing import resized, would_do
from jaxtui.program.engine.spec_trees import axes_of
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import ARGUMENTS, FieldPath
from jaxtui.text.quantities import counted

MOST_FIXES = 5


def sharding_field(index: int) -> FieldPath:
    """The session's field of the sharding of the argument at `index`."""
    return ARGUMENTS / index / "sharding"


def shardings(index: int, tree: Any, prepared: Prepared) -> list[NamedSharding | None] | None:
    """The sharding of each leaf of the argument at `index`, whose value is `tree`.

    The text is a PartitionSpec, or a dict, list or tuple of them that is a prefix of the argument's
    tree: a spec holds for all leaves below it, and None leaves them where they are, as in
    `jax.device_put`. A name or a tuple of names stands for the PartitionSpec of it, and `by_path`
    gives the leaves below it specs by patterns of their paths from there. The result is None
    without a text, or if all stays where it is. Raises Diagnosed at the argument's field.
    """
    argument = prepared.composition.program.arguments[index]
    if not argument.sharding.strip():
        return None
    field = sharding_field(index)
    given = expressions.setting_value(
        argument.sharding, prepared.known, field, path_patterns.HELPERS
    )
    specs = spec_trees.read(given)
    held = Held(
        argument.name,
        field,
        argument.sharding,
        specs,
        dict(prepared.devices.mesh.shape),
        tree,
        prepared.known.source,
        argument.value,
    )
    held.check_all()
    if all(spec is None for spec in held.entries):
        return None
    try:
        mesh = prepared.devices.mesh
        return [None if spec is None else NamedSharding(mesh, spec) for spec in held.entries]
    except BaseException as error:
        raise diagnosed("axes", field, failures.describe(error)) from error


@dataclass(frozen=True)
class Held:
    """The `specs` of a tree, as typed in `text` of `field`, held against its leaves and the mesh.

    `name` is what the tree is called, `names` are those that a text of specs may use, and `value`
    is the text of an argument's value, "" for what is no argument.
    """

    name: str
    field: FieldPath
    text: str
    specs: Any
    mesh: dict[str, int]
    tree: Any
    names: Mapping[str, Any]
    value: str = ""

    def _wrong(self, message: str, fixes: list[Fix], number: int | None = None) -> Exception:
        """What to raise for what is wrong, with the leaf `number`."""
        chosen = None if number is None else self._chosen[number]
        if chosen is not None:
            message = f"{message}; it is matched by {chosen.pattern!r}"
        unlike = [fix for fix in fixes if fix.text != self.text.strip()]
        return diagnosed("axes", self.field, message, unlike[:MOST_FIXES])

    def _fix(self, text: str, label: str = "") -> Fix:
        return Fix(label=label or text, field=self.field, text=text)

    def no_prefix(self, tree: Any) -> Exception:
        """What to raise for specs that are no prefix of the argument's `tree`."""
        path, given, wanted = spec_trees.mismatch(self.specs, tree)
        message = f"{self.name}{path} is {wanted}, and its sharding {given}"
        fixes = [
            self._fix(text)
            for fitting in spec_trees.fitting(self.specs, tree)
            if (text := spec_trees.text_of(fitting)) is not None
        ]
        return self._wrong(message, fixes)

    @property
    def entries(self) -> list[Any]:
        """The spec of each leaf. Raises Diagnosed where the specs are no prefix of the tree."""
        return [spec if chosen is None else chosen.spec for spec, chosen in self._given]

    @functools.cached_property
    def _given(self) -> list[tuple[Any, Chosen | None]]:
        """For each leaf what stands in the tree of specs, and what patterns there chose."""
        try:
            parts = spec_trees.parts(self.specs, self.tree)
        except (ValueError, TypeError):
            raise self.no_prefix(self.tree) from None
        given: list[tuple[Any, Chosen | None]] = []
        for entry, at, below in parts:
            leaves = tree_util.tree_flatten_with_path(below)[0]
            if not isinstance(entry, ByPath):
                given += [(entry, None)] * len(leaves)
                continue
            paths = [path_patterns.components(path) for path, _ in leaves]
            found = pattern_faults.fault(entry, f"{self.name}{tree_util.keystr(at)}", paths)
            if found is not None:
                message, others = found
                raise self._wrong(message, [f for by in others for f in self._patterns(entry, by)])
            chosen = chosen_specs(entry, paths, [shape_of(leaf) for _, leaf in leaves])
            given += [(entry, one) for one in chosen]
        return given

    @property
    def _chosen(self) -> list[Chosen | None]:
        return [chosen for _, chosen in self._given]

    def _patterns(self, old: ByPath, new: ByPath) -> Iterator[Fix]:
        """The fix that puts other patterns in place of these, if it can be written."""
        yield from self._retyped(spec_trees.exchanged(self.specs, old, new))

    def _retyped(self, specs: Any) -> Iterator[Fix]:
        """The fix that puts other specs in place of these, if they can be written."""
        text = spec_trees.text_of(specs)
        if text is not None:
            patterns = isinstance(specs, ByPath) and isinstance(self.specs, ByPath)
            yield self._fix(text, pattern_faults.change(self.specs, specs) if patterns else "")

    def check_all(self) -> None:
        """Raise Diagnosed unless each leaf can have its spec."""
        paths = tree_util.tree_flatten_with_path(self.tree)[0]
        for number, (spec, (path, leaf)) in enumerate(zip(self.entries, paths, strict=True)):
            self._check(spec, tree_util.keystr(path), leaf, number)

    def _check(self, spec: Any, path: str, leaf: Any, number: int) -> None:
        if spec is None:
            return
        if not isinstance(spec, PartitionSpec):
            message = (
                f"{failures.safe_repr(spec, 40)} is no PartitionSpec such as P({self._axis!r})"
            )
            raise self._wrong(message, [])
        if not is_array(leaf) and not isinstance(leaf, bool | int | float | complex):
            message = f"{self.name}{path} is no array: None leaves it where it is"
            one = self._chosen[number]
            others = list(self._patterns(one.by, one.excepted(None))) if one else []
            raise self._wrong(message, others, number)
        shape = shape_of(leaf)
        found = (
            self._axes(spec, number)
            or self._rank(spec, path, shape, number)
            or self._uneven(spec, path, leaf, number)
        )
        if found is not None:
            raise found

    @property
    def _axis(self) -> str:
        return next(iter(self.mesh))

    def _changed(self, number: int, new: list[Any]) -> Iterator[Fix]:
        """The fix that gives the leaf `number` a spec of the entries `new`, if it can be written.

        Other leaves keep what they can have of their specs. Where a pattern chose it, the leaf gets
        a pattern of its own before that one is changed.
        """
        chosen, old = self._chosen[number], self.entries[number]
        if chosen is not None and self._has_axes(old):
            yield from self._patterns(chosen.by, chosen.excepted(PartitionSpec(*new)))
        if any(self._chosen):
            yield from self._retyped(spec_trees.replaced(self.specs, old, PartitionSpec(*new)))
            return
        leaves = tree_util.tree_leaves(self.tree)
        kept = [
            self._held_to(spec, shape_of(leaf))
            for spec, leaf in zip(self.entries, leaves, strict=True)
        ]
        kept[number] = spec_trees.trimmed(PartitionSpec(*new))
        text = prefix_text(self.tree, kept, self.names, spec_trees.text_of)
        if text is not None:
            yield self._fix(text)

    def _has_axes(self, spec: PartitionSpec) -> bool:
        """Whether a spec has axes of the mesh only, each once: then it may fit another leaf."""
        used = [axis for entry in entries_of(spec) for axis in axes_of(entry)]
        return len(set(used)) == len(used) and set(used) <= set(self.mesh)

    def _held_to(self, spec: Any, shape: tuple[int, ...]) -> Any:
        """What of `spec` an array of `shape` can have."""
        if not isinstance(spec, PartitionSpec):
            return spec
        known = all(axis in self.mesh for entry in entries_of(spec) for axis in axes_of(entry))
        if not known:
            return spec
        kept = [
            None if size % self._parts(entry) else entry
            for size, entry in zip(shape, entries_of(spec), strict=False)
        ]
        return spec_trees.trimmed(PartitionSpec(*kept))

    def _axes(self, spec: PartitionSpec, number: int) -> Exception | None:
        """Does the mesh have the axes, and each at most once?"""
        used: list[Any] = []
        for dimension, entry in enumerate(entries_of(spec)):
            for axis in axes_of(entry):
                if axis is PartitionSpec.UNCONSTRAINED:
                    continue
                if axis not in self.mesh:
                    return self._unknown(spec, axis, number)
                if axis in used:
                    return self._twice(spec, dimension, axis, number)
                used.append(axis)
        return None

    def _unknown(self, spec: PartitionSpec, axis: Any, number: int) -> Exception:
        has = ", ".join(map(repr, self.mesh))
        message = f"the mesh has no axis {failures.safe_repr(axis, 40)}; it has {has}"
        near = difflib.get_close_matches(str(axis), self.mesh, n=2, cutoff=0.5)
        taken = {a for entry in entries_of(spec) for a in axes_of(entry)}
        free = [name for name in [*near, *self.mesh] if name not in taken]
        fixes = [
            fix
            for name in dict.fromkeys(free)
            for fix in self._changed(number, [_with(e, axis, name) for e in entries_of(spec)])
        ]
        fixes += self._changed(number, [_without(entry, axis) for entry in entries_of(spec)])
        return self._wrong(message, fixes, number)

    def _twice(self, spec: PartitionSpec, again: int, axis: Any, number: int) -> Exception:
        entries = list(entries_of(spec))
        first = next(i for i, entry in enumerate(entries) if axis in axes_of(entry))
        if first == again:
            where = f"dimension {first} twice"
            once = list(dict.fromkeys(axes_of(entries[first])))
            fixes = list(
                self._changed(number, [*entries[:first], tuple(once), *entries[first + 1 :]])
            )
        else:
            where = f"dimensions {first} and {again}"
            fixes = [
                fix
                for lost in (again, first)
                for fix in self._changed(
                    number, [_without(e, axis) if i == lost else e for i, e in enumerate(entries)]
                )
            ]
        return self._wrong(f"{axis!r} divides {where}: it can divide one, once", fixes, number)

    def _rank(
        self, spec: PartitionSpec, path: str, shape: tuple[int, ...], number: int
    ) -> Exception | None:
        if len(spec) <= len(shape):
            return None
        has = f"has {counted(len(shape), 'dimension')}" if shape else "is a scalar"
        message = (
            f"{spec_trees.spec_text(spec)} has {counted(len(spec), 'entry')}, and "
            f"{self.name}{path} {has}"
        )
        fixes = list(self._changed(number, list(entries_of(spec))[: len(shape)]))
        return self._wrong(message, fixes, number)

    def _parts(self, entry: Any) -> int:
        return math.prod(self.mesh.get(axis, 1) for axis in axes_of(entry))

    def _uneven(self, spec: PartitionSpec, path: str, leaf: Any, number: int) -> Exception | None:
        shape = shape_of(leaf)
        entries = list(entries_of(spec)) + [None] * (len(shape) - len(spec))
        uneven = [i for i, size in enumerate(shape) if size % self._parts(entries[i])]
        if not uneven:
            return None
        dimension = uneven[0]
        entry, size = entries[dimension], shape[dimension]
        axes = " and ".join(repr(axis) for axis in axes_of(entry))
        message = (
            f"dimension {dimension} of {self.name}{path} is {size}, which {axes} cannot divide "
            f"into {self._parts(entry)} equal parts: {would_do(size, self._parts(entry))}"
        )
        rest = [None if i == dimension else e for i, e in enumerate(entries)]
        fixes = [
            fix
            for other in range(len(shape))
            if other != dimension and rest[other] is None and not shape[other] % self._parts(entry)
            for fix in self._changed(
                number, [entry if i == other else e for i, e in enumerate(rest)]
            )
        ]
        taken = {axis for e in rest for axis in axes_of(e)}
        fixes += [
            fix
            for axis, parts in self.mesh.items()
            if axis not in taken and (axis,) != axes_of(entry) and not size % parts
            for fix in self._changed(
                number, [axis if i == dimension else e for i, e in enumerate(rest)]
            )
        ]
        fixes += [*self._changed(number, rest), *self._resized(leaf, dimension, entry)]
        return self._wrong(message, fixes, number)

    def _resized(self, leaf: Any, dimension: int, entry: Any) -> list[Fix]:
        """An argument that is one array, cut or filled up to a size that divides evenly."""
        if leaf is not self.tree or not self.value.strip():
            return []
        field = FieldPath(self.field.rpartition(".")[0]) / "value"
        parts = self._parts(entry)
        return [
            Fix(label, field, text)
            for label, text in resized(self.value.strip(), leaf.shape, leaf.dtype, dimension, parts)
        ]


def _without(entry: Any, axis: Any) -> Any:
    left = tuple(name for name in axes_of(entry) if name != axis)
    return left or None


def _with(entry: Any, axis: Any, name: str) -> Any:
    return tuple(name if a == axis else a for a in axes_of(entry)) or None
