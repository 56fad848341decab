"""An argument's sharding: a spec, a tree of specs or patterns, held against the argument.

What does not fit is said before JAX is asked, at the field, with specs that would fit.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from jax import tree_util
from jax.sharding import NamedSharding, PartitionSpec

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.errors import diagnosed
from jaxtui.program.engine import expressions, path_patterns, pattern_faults, spec_trees
from jaxtui.program.engine.path_patterns import ByPath, KeyPath
from jaxtui.program.engine.prepared import Prepared
from jaxtui.program.engine.spec_trees import axes_of
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import ARGUMENTS, FieldPath
from jaxtui.text.quantities import counted

MOST_FIXES = 4


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
    held = _Held(argument.name, field, argument.sharding, specs, dict(prepared.devices.mesh.shape))
    entries = held.checked(tree)
    if all(spec is None for spec in entries):
        return None
    try:
        mesh = prepared.devices.mesh
        return [None if spec is None else NamedSharding(mesh, spec) for spec in entries]
    except BaseException as error:
        raise diagnosed("axes", field, failures.describe(error)) from error


@dataclass(frozen=True)
class _Held:
    """The `specs` of an argument, as typed in `text`, held against its leaves and the mesh.

    `chosen` is what chose the spec of the leaf that is looked at, if patterns did.
    """

    name: str
    field: FieldPath
    text: str
    specs: Any
    mesh: dict[str, int]
    chosen: _Chosen | None = None

    def checked(self, tree: Any) -> list[PartitionSpec | None]:
        """The spec of each leaf of the argument's `tree`. Raises Diagnosed for what is wrong."""
        try:
            parts = spec_trees.parts(self.specs, tree)
        except (ValueError, TypeError):
            raise self.no_prefix(tree) from None
        entries: list[PartitionSpec | None] = []
        for entry, at, below in parts:
            leaves = tree_util.tree_flatten_with_path(below)[0]
            chosen: list[_Chosen | None] = [None] * len(leaves)
            if isinstance(entry, ByPath):
                chosen = self._by_patterns(entry, at, leaves)
            for one, (path, leaf) in zip(chosen, leaves, strict=True):
                spec = entry if one is None else one.spec
                replace(self, chosen=one).check(spec, tree_util.keystr((*at, *path)), leaf)
                entries.append(spec)
        return entries

    def _by_patterns(
        self, by: ByPath, at: KeyPath, leaves: list[tuple[KeyPath, Any]]
    ) -> list[_Chosen | None]:
        """What each of the leaves below `at` is given by patterns."""
        known = [path_patterns.components(path) for path, _ in leaves]
        found = pattern_faults.fault(by, f"{self.name}{tree_util.keystr(at)}", known)
        if found is not None:
            message, others = found
            raise self._wrong(message, [fix for by_ in others for fix in self._patterns(by, by_)])
        shapes: dict[str, dict[str, set[Any]]] = {}
        for path, (_, leaf) in zip(known, leaves, strict=True):
            last = shapes.setdefault(by.pattern_of(path) or "", {}).setdefault(_last(path), set())
            last.add(shape_of(leaf))
        chosen: list[_Chosen | None] = []
        for path in known:
            pattern = by.pattern_of(path) or ""
            same = len(shapes[pattern][_last(path)]) == 1
            alike = f"{path_patterns.ANY}/{_last(path)}" if same else "/".join(path)
            alone = same and len(shapes[pattern]) == 1
            chosen.append(_Chosen(by, pattern, pattern if alone else alike))
        return chosen

    def _patterns(self, old: ByPath, new: ByPath) -> Iterator[Fix]:
        """The fix that puts other patterns in place of these, if it can be written."""
        yield from self._retyped(spec_trees.exchanged(self.specs, old, new))

    def _retyped(self, specs: Any) -> Iterator[Fix]:
        """The fix that puts other specs in place of these, if they can be written."""
        text = spec_trees.text_of(specs)
        if text is not None:
            patterns = isinstance(specs, ByPath) and isinstance(self.specs, ByPath)
            yield self._fix(text, pattern_faults.change(self.specs, specs) if patterns else "")

    def _wrong(self, message: str, fixes: list[Fix]) -> Exception:
        if self.chosen is not None:
            message = f"{message}; it is matched by {self.chosen.pattern!r}"
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

    def check(self, spec: Any, path: str, leaf: Any) -> None:
        """Raise Diagnosed unless `spec` can be the sharding of `leaf`."""
        if spec is None:
            return
        if not isinstance(spec, PartitionSpec):
            message = (
                f"{failures.safe_repr(spec, 40)} is no PartitionSpec such as P({self._axis!r})"
            )
            raise self._wrong(message, [])
        if not is_array(leaf) and not isinstance(leaf, bool | int | float | complex):
            message = f"{self.name}{path} is no array: None leaves it where it is"
            one = self.chosen
            raise self._wrong(
                message, list(self._patterns(one.by, one.excepted(None))) if one else []
            )
        shape = shape_of(leaf)
        found = self._axes(spec) or self._rank(spec, path, shape) or self._uneven(spec, path, shape)
        if found is not None:
            raise found

    @property
    def _axis(self) -> str:
        return next(iter(self.mesh))

    def _changed(self, old: PartitionSpec, new: list[Any]) -> Iterator[Fix]:
        """The fix that puts a spec of the entries `new` in place of `old`, if it can be written.

        Where a pattern chose it, the leaf gets a pattern of its own before that one is changed.
        """
        chosen = self.chosen
        if chosen is not None and self._has_axes(old):
            yield from self._patterns(chosen.by, chosen.excepted(PartitionSpec(*new)))
        yield from self._retyped(spec_trees.replaced(self.specs, old, PartitionSpec(*new)))

    def _has_axes(self, spec: PartitionSpec) -> bool:
        """Whether a spec has axes of the mesh only, each once: then it may fit another leaf."""
        used = [axis for entry in spec for axis in axes_of(entry)]
        return len(set(used)) == len(used) and set(used) <= set(self.mesh)

    def _axes(self, spec: PartitionSpec) -> Exception | None:
        """Does the mesh have the axes, and each at most once?"""
        used: list[Any] = []
        for dimension, entry in enumerate(spec):
            for axis in axes_of(entry):
                if axis is PartitionSpec.UNCONSTRAINED:
                    continue
                if axis not in self.mesh:
                    return self._unknown(spec, axis)
                if axis in used:
                    return self._twice(spec, dimension, axis)
                used.append(axis)
        return None

    def _unknown(self, spec: PartitionSpec, axis: Any) -> Exception:
        has = ", ".join(map(repr, self.mesh))
        message = f"the mesh has no axis {failures.safe_repr(axis, 40)}; it has {has}"
        near = difflib.get_close_matches(str(axis), self.mesh, n=2, cutoff=0.5)
        taken = {a for entry in spec for a in axes_of(entry)}
        free = [name for name in [*near, *self.mesh] if name not in taken]
        fixes = [
            fix
            for name in dict.fromkeys(free)
            for fix in self._changed(spec, [_with(e, axis, name) for e in spec])
        ]
        fixes += self._changed(spec, [_without(entry, axis) for entry in spec])
        return self._wrong(message, fixes)

    def _twice(self, spec: PartitionSpec, again: int, axis: Any) -> Exception:
        entries = list(spec)
        first = next(i for i, entry in enumerate(entries) if axis in axes_of(entry))
        if first == again:
            where = f"dimension {first} twice"
            once = list(dict.fromkeys(axes_of(entries[first])))
            fixes = list(
                self._changed(spec, [*entries[:first], tuple(once), *entries[first + 1 :]])
            )
        else:
            where = f"dimensions {first} and {again}"
            fixes = [
                fix
                for lost in (again, first)
                for fix in self._changed(
                    spec, [_without(e, axis) if i == lost else e for i, e in enumerate(entries)]
                )
            ]
        return self._wrong(f"{axis!r} divides {where}: it can divide one, once", fixes)

    def _rank(self, spec: PartitionSpec, path: str, shape: tuple[int, ...]) -> Exception | None:
        if len(spec) <= len(shape):
            return None
        message = (
            f"{spec_trees.spec_text(spec)} has {counted(len(spec), 'entry')}, and "
            f"{self.name}{path} {counted(len(shape), 'dimension')}"
        )
        fixes = list(self._changed(spec, list(spec)[: len(shape)]))
        return self._wrong(message, fixes)

    def _parts(self, entry: Any) -> int:
        return math.prod(self.mesh.get(axis, 1) for axis in axes_of(entry))

    def _uneven(self, spec: PartitionSpec, path: str, shape: tuple[int, ...]) -> Exception | None:
        entries = list(spec) + [None] * (len(shape) - len(spec))
        uneven = [i for i, size in enumerate(shape) if size % self._parts(entries[i])]
        if not uneven:
            return None
        dimension = uneven[0]
        entry, size = entries[dimension], shape[dimension]
        axes = " and ".join(repr(axis) for axis in axes_of(entry))
        message = (
            f"dimension {dimension} of {self.name}{path} is {size}, which {axes} cannot divide "
            f"into {self._parts(entry)} equal parts"
        )
        rest = [None if i == dimension else e for i, e in enumerate(entries)]
        fixes = [
            fix
            for other in range(len(shape))
            if other != dimension and rest[other] is None and not shape[other] % self._parts(entry)
            for fix in self._changed(spec, [entry if i == other else e for i, e in enumerate(rest)])
        ]
        taken = {axis for e in rest for axis in axes_of(e)}
        fixes += [
            fix
            for axis, parts in self.mesh.items()
            if axis not in taken and (axis,) != axes_of(entry) and not size % parts
            for fix in self._changed(
                spec, [axis if i == dimension else e for i, e in enumerate(rest)]
            )
        ]
        return self._wrong(message, [*fixes, *self._changed(spec, rest)])


@dataclass(frozen=True)
class _Chosen:
    """The pattern that gives a leaf its spec; `alike` matches it and those of its name and shape,
    and is that pattern if it matches no others."""

    by: ByPath
    pattern: str
    alike: str

    @property
    def spec(self) -> Any:
        return self.by.patterns[self.pattern]

    def excepted(self, spec: PartitionSpec | None) -> ByPath:
        """The patterns with another spec for this leaf and those like it."""
        made: dict[str, Any] = {}
        for pattern, known in self.by.patterns.items():
            if pattern == self.pattern:
                made[self.alike] = spec
            made.setdefault(pattern, known)
        return ByPath(made)


def _last(path: tuple[str, ...]) -> str:
    return path[-1] if path else ""


def _without(entry: Any, axis: Any) -> Any:
    left = tuple(name for name in axes_of(entry) if name != axis)
    return left or None


def _with(entry: Any, axis: Any, name: str) -> Any:
    return tuple(name if a == axis else a for a in axes_of(entry)) or None
