"""Why the out_specs of a shard_map do not fit what the function returns, and what would."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jax import lax, tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import prefix_leaves, shape_of
from jaxtui.engine_base.meshes import entries_of
from jaxtui.program.engine import suggestions
from jaxtui.program.engine.diagnosis import replication
from jaxtui.program.engine.diagnosis.source_edits import changed, part_at, returned
from jaxtui.program.engine.prefix_text import prefix_text
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.spec_trees import axes_of, text_of, with_entries
from jaxtui.program.engine.tracing import Recorder, leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import SOURCE

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


@dataclass(frozen=True)
class Returned:
    """What a shard_map was given back by the function that it wraps."""

    error: BaseException
    layer: BuiltLayer
    recorder: Recorder
    prepared: Prepared

    @property
    def output(self) -> Any:
        return self.recorder.recordings[self.recorder.level_of(self.layer) + 1].output

    def explain(self) -> Diagnosis | None:
        """The diagnosis of what JAX refused in the outputs; None for what is said elsewhere."""
        said = str(self.error)
        if "require replication" in said:
            return self._not_the_same()
        if "too long to be compatible" in said:
            fixes = [*self._shorter(), *self._with_an_axis()]
            return self.layer.fault("out_specs", failures.describe(self.error), fixes)
        return None

    def _specs(self) -> list[Any] | None:
        """The spec of each output; None where they do not fit the outputs."""
        try:
            specs = prefix_leaves(self.layer.settings["out_specs"], self.output)
        except (ValueError, TypeError):
            return None
        return specs if all(isinstance(spec, PartitionSpec) for spec in specs) else None

    def _fix(self, specs: list[Any], label: str = "") -> Iterator[Fix]:
        """The fix that gives each output its spec."""
        text = prefix_text(self.output, specs, self.prepared.known.source, text_of)
        if text is not None:
            yield self.layer.fix("out_specs", text, label)

    # -------------------------------------------------------------------- specs that are too long

    def _shorter(self) -> Iterator[Fix]:
        """Specs as long as the shapes, if the rest traces with them."""
        specs = self._specs()
        if specs is None:
            return
        leaves = tree_util.tree_leaves(self.output)
        short = [
            with_entries(spec, entries_of(spec)[: len(shape_of(leaf))])
            for spec, leaf in zip(specs, leaves, strict=True)
        ]
        tree = tree_util.tree_unflatten(tree_util.tree_structure(self.output), short)
        if suggestions.traces(self.layer, self.recorder, out_specs=tree):
            yield from self._fix(short)

    def _with_an_axis(self) -> Iterator[Fix]:
        """An axis of size 1 for each scalar that is to be divided, in what the source returns."""
        specs = self._specs()
        source = self.prepared.composition.program.source
        places = returned(source, self.prepared.function.name)
        if specs is None or self.layer.index or ":" in self.prepared.composition.program.function:
            return
        leaves = leaves_with_paths(self.output)
        scalars = [
            path
            for spec, (path, leaf) in zip(specs, leaves, strict=True)
            if len(spec) == 1 and not shape_of(leaf)
        ]
        edits: list[tuple[ast.expr | ast.stmt, str]] = []
        for place in places:
            parts = [part_at(place, path) for path in scalars]
            if any(left for _, left in parts):
                text = ast.get_source_segment(source, place)
                at = f"jax.tree_util.keystr(p) in {scalars!r}"
                one = f"lambda p, v: jnp.expand_dims(v, 0) if {at} else v"
                edits.append((place, f"jax.tree.map_with_path({one}, {text})"))
                continue
            for part, _ in parts:
                text = ast.get_source_segment(source, part)
                edits.append((part, f"jnp.expand_dims({text}, 0)"))
        if edits and scalars:
            label = "an axis of size 1 for the scalar: one element from each device"
            yield Fix(label, SOURCE, changed(source, edits))

    # -------------------------------------------------------------------- copies that may differ

    def _not_the_same(self) -> Diagnosis:
        # JAX names the spec in the third paragraph of five.
        said = [
            " ".join(p.split()) for p in str(self.error).split("\n\n") if p.startswith("out_specs")
        ]
        which = f": {failures.plain(said[0])[:500]}" if said else ""
        apart = self._apart()
        if apart is not None and not any(apart):
            then = (
                "The outputs are the same here, which JAX's check cannot infer: gather with "
                "to='invarying', or switch the check off (check_vma=False)"
            )
            if not _takes_to():
                then = (
                    "The outputs are the same here, which JAX's check cannot infer: switch it off "
                    "(check_vma=False)"
                )
        else:
            then = "Make it the same (lax.psum), or divide it"
        message = (
            f"out_specs says that an output is the same on devices where JAX sees that it may "
            f"differ{which}. {then}"
        )
        return self.layer.fault("out_specs", message, list(self._made_the_same(apart)))

    def _apart(self) -> list[frozenset[str]] | None:
        """The axes over which each output differs though its spec does not divide it over them."""
        specs, found = self._specs(), replication.differing(self.layer, self.recorder)
        if specs is None or found is None or len(found) != len(specs):
            return None
        return [
            axes - {axis for entry in entries_of(spec) for axis in axes_of(entry)}
            for spec, axes in zip(specs, found, strict=True)
        ]

    def _made_the_same(self, apart: list[frozenset[str]] | None) -> Iterator[Fix]:
        specs, mesh = self._specs(), dict(self.layer.devices.mesh.shape)
        if specs is None:
            return
        copies = apart is not None and not any(apart)
        if copies:
            yield from self._gathered_alike()
            label = "check_vma False: without the check, since the outputs are the same"
            yield self.layer.fix("check_vma", "False", label)
        every = [axis for axis in mesh if repr(axis) in str(self.error)]
        divided, stacked, used = [], 1, dict.fromkeys(every, False)
        leaves = tree_util.tree_leaves(self.output)
        for number, (spec, leaf) in enumerate(zip(specs, leaves, strict=True)):
            missing = [axis for axis in every if axis not in _axes(spec)]
            if apart is not None and any(apart):
                missing = [axis for axis in mesh if axis in apart[number]]
            if not shape_of(leaf):
                divided.append(spec)
                continue
            used |= dict.fromkeys(missing, True)
            first, *others = entries_of(spec) or [None]
            divided.append(PartitionSpec((*axes_of(first), *missing), *others))
            stacked = max(stacked, *(mesh[axis] for axis in missing), 1)
        names = ", ".join(repr(axis) for axis, divides in used.items() if divides)
        label = f"divide dimension 0 over {names}"
        if copies:
            label += f": this stacks {stacked} copies of the same"
        yield from self._fix(divided, label)

    def _gathered_alike(self) -> Iterator[Fix]:
        """`to='invarying'` at the calls of all_gather in the source, where JAX has it."""
        source = self.prepared.composition.program.source
        if not _takes_to() or ":" in self.prepared.composition.program.function:
            return
        calls = [
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call)
            and "all_gather" in (getattr(node.func, "attr", ""), getattr(node.func, "id", ""))
            and all(keyword.arg != "to" for keyword in node.keywords)
        ]
        label = "all_gather with to='invarying': the same on every device"
        for chosen in [calls, *([call] for call in calls)]:
            edits: list[tuple[ast.expr | ast.stmt, str]] = []
            for call in chosen:
                text = (ast.get_source_segment(source, call) or "").removesuffix(")").rstrip()
                edits.append((call, f"{text.removesuffix(',')}, to='invarying')"))
            if edits:
                yield Fix(label, SOURCE, changed(source, edits))


def _axes(spec: PartitionSpec) -> set[Any]:
    return {axis for entry in entries_of(spec) for axis in axes_of(entry)}


def _takes_to() -> bool:
    """Whether this JAX has an all_gather whose result does not vary."""
    return "to" in inspect.signature(lax.all_gather).parameters
