"""The texts of a sharding flow: types with mesh axes, collectives, meshes, sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from jaxtui.sharding import costs
from jaxtui.sharding.blocks import axis_of, device_count, is_whole, size_of
from jaxtui.text import dtypes, quantities
from jaxtui.wire.sharding import SentCollective, ShardedArray, ShardedValue, ShardingPlan, Spec

WHOLE = "P()"
LEFT_TO_JAX = "left to JAX"  # an argument without a sharding
# What a `pmap` or `shard_map` layer itself adds around its code.
_AROUND_MANUAL = frozenset({"shard_map", "jit", "pjit"})
AXIS_ROLES = 4
"""How many roles there are for axes, `axis-0` to `axis-3`; they repeat after the last."""
DEFAULT_MESH = "data = 4, model = 2"


class Part(NamedTuple):
    """A text and its role, which says how to paint it: "" is the plain one."""

    text: str
    role: str = ""


Parts = tuple[Part, ...]
AnyArray = ShardedArray | ShardedValue


def text_of(parts: Iterable[Part]) -> str:
    """The text of parts without their roles."""
    return "".join(part.text for part in parts)


def axis_role(axis: str, mesh: Iterable[str]) -> str:
    """The role of a mesh axis, by its place in the mesh; "" for one that is not of it."""
    names = list(mesh)
    name = axis_of(axis)
    return f"axis-{names.index(name) % AXIS_ROLES}" if name in names else ""


def typed(array: AnyArray, mesh: Mapping[str, int]) -> Parts:
    """An array's type as JAX writes it: `f32[8@data,16]`, `{V:data}` for what varies in manual
    code, `{U:model}` for a sum that is still to be made."""
    dimensions = [
        (Part(str(size)), *_axes(parts, mesh))
        for size, parts in zip(array.shape, _padded(array.spec, len(array.shape)), strict=True)
    ]
    parts: list[Part] = [Part(f"{dtypes.short(array.dtype)}[", "dtype")]
    for number, dimension in enumerate(dimensions):
        parts += [Part(", ")] if number else []
        parts += dimension
    parts.append(Part("]", "dtype"))
    if isinstance(array, ShardedValue):
        for sign, axes in (("V", array.varying), ("U", array.unreduced)):
            if axes:
                parts.append(Part(f"{{{sign}:"))
                parts += _listed(axes, mesh)
                parts.append(Part("}"))
    return tuple(parts)


def _padded(spec: Spec, rank: int) -> Spec:
    return [*spec[:rank], *([[]] * (rank - len(spec)))]


def _axes(parts: Sequence[str], mesh: Mapping[str, int]) -> list[Part]:
    """`@data`, or `@(data,model)` for several axes."""
    if not parts:
        return []
    if len(parts) == 1:
        return [Part(f"@{parts[0]}", axis_role(parts[0], mesh))]
    return [Part("@("), *_listed(parts, mesh), Part(")")]


def _listed(axes: Sequence[str], mesh: Mapping[str, int]) -> list[Part]:
    found: list[Part] = []
    for number, axis in enumerate(axes):
        found += [Part(",")] if number else []
        found.append(Part(axis, axis_role(axis, mesh)))
    return found


def block(per_device: Sequence[int]) -> str:
    """The shape of a block: `2×16`."""
    return "×".join(f"{size}" for size in per_device) or "scalar"


def spec_text(spec: Spec) -> str:
    """A spec as one types it: `P('data', None)`."""
    entries = []
    for parts in spec:
        if not parts:
            entries.append("None")
        elif len(parts) == 1:
            entries.append(repr(parts[0]))
        else:
            entries.append(f"({', '.join(map(repr, parts))})")
    while entries and entries[-1] == "None":
        entries.pop()
    return f"P({', '.join(entries)})"


def way(text: str, chosen: str = "", changed: Mapping[str, str] = MappingProxyType({})) -> str:
    """An argument's sharding in a search: as typed, or left to JAX, with what it then chooses.

    An undivided argument is said to be whole: nothing is left to JAX then. Of a tree, `changed` are
    the specs that differ from what is there now, which are told if that is shorter.
    """
    typed = " ".join(text.split())
    told = ", ".join(f"{pattern} {spec}" for pattern, spec in changed.items())
    if told and len(told) < len(typed):
        return told
    if not typed:
        lies = "whole" if chosen == WHOLE else chosen
        return f"{LEFT_TO_JAX}: {lies}" if lies else LEFT_TO_JAX
    return f"{typed} whole" if typed == WHOLE else typed


def common_spec(arrays: Sequence[AnyArray], mesh: Mapping[str, int]) -> Parts:
    """The spec that arrays have in common, as one types it; "mixed" if they have several."""
    texts = {spec_text(array.spec) for array in arrays}
    if len(texts) != 1:
        return (Part("mixed", "quiet"),)
    # An axis stands in quotes, alone or as the first half of one of its parts.
    pieces = re.split(r"('[^']*')", texts.pop())
    return tuple(
        Part(piece, axis_role(piece.strip("'"), mesh) if piece.startswith("'") else "")
        for piece in pieces
    )


# ---------------------------------------------------------------------------------- collectives


def group_size(collective: SentCollective, mesh: Mapping[str, int]) -> int:
    """How many devices take part together; 1 if the axes are not known."""
    return math.prod(size_of(axis, mesh) for axis in collective.axes)


def sent(collective: SentCollective, mesh: Mapping[str, int]) -> int:
    """Bytes that each device sends in one turn, by the model of `costs`."""
    if not collective.axes:
        return collective.bytes  # groups of no axes: at least what a device has
    return round(costs.sent(collective.kind, group_size(collective, mesh), collective.bytes))


def sent_in_all(collectives: Iterable[SentCollective], mesh: Mapping[str, int]) -> tuple[int, bool]:
    """Bytes that each device sends in all turns, and whether that is at least so many only.

    A collective whose turns are not known counts once.
    """
    total, least = 0, False
    for collective in collectives:
        total += sent(collective, mesh) * (1 if collective.times is None else collective.times)
        least = least or collective.times is None
    return total, least


def collective(collective: SentCollective, mesh: Mapping[str, int]) -> Parts:
    """`all_reduce over model`."""
    over = _listed(collective.axes, mesh) or [Part("groups that are no axes", "quiet")]
    spaced = [Part(", ") if part.text == "," else part for part in over]
    return (Part(collective.kind, "sent"), Part(" over ", "quiet"), *spaced)


def groups(collective: SentCollective, mesh: Mapping[str, int]) -> str:
    """`2 devices in 4 groups`."""
    ranks, devices = group_size(collective, mesh), device_count(mesh)
    if not collective.axes:
        return ""
    if ranks >= devices:
        return f"all {devices:,} devices"
    return f"{ranks:,} devices in {devices // max(1, ranks):,} groups"


def turns(times: int | None) -> str:
    """How often: "" for once, `×24`, and `×?` where it is not known."""
    return "×?" if times is None else ("" if times == 1 else f"×{times:,}")


def price(collective: SentCollective, mesh: Mapping[str, int]) -> str:
    """`sent 128 B ×24 · 1.1 µs`, the time for one turn."""
    often = turns(collective.times)
    size = quantities.size(sent(collective, mesh))
    return f"sent {size}{' ' + often if often else ''} · {quantities.seconds(collective.seconds)}"


# ------------------------------------------------------------------------------------ the plan


def mesh_line(plan: ShardingPlan, platform: str = "") -> Parts:
    """`mesh  data 4 × model 2 = 8 cpu devices   auto   these devices`."""
    parts: list[Part] = [Part("mesh  ", "quiet")]
    for number, (axis, size) in enumerate(plan.mesh.items()):
        parts += [Part(" × ", "quiet")] if number else []
        parts += [Part(axis, axis_role(axis, plan.mesh)), Part(f" {size:,}")]
    count = device_count(plan.mesh)
    devices = "device" if count == 1 else "devices"
    kind = f"{platform} " if plan.here and platform else ""
    parts.append(Part(f" = {count:,} {kind}{devices}"))
    parts.append(Part(f"   {axis_types(plan)}", "quiet"))
    return tuple(parts)


def axis_types(plan: ShardingPlan) -> str:
    """`auto`, or the type of each axis if they differ; `manual` where devices run code of their
    own, as under a `pmap` or `shard_map`."""
    manual = [is_manual(plan, scope) for scope in plan.scopes]
    pairs = zip(manual, plan.values, strict=True)
    if any(manual) and all(own or value.op in _AROUND_MANUAL for own, value in pairs):
        return "manual"
    return f"{_typed_axes(plan)}, in part manual" if any(manual) else _typed_axes(plan)


def is_manual(plan: ShardingPlan, scope: int) -> bool:
    """Whether what stands in a scope is a block of one device's own."""
    for _ in plan.scope_list:
        if scope < 0:
            break
        if plan.scope_list[scope].manual:
            return True
        scope = plan.scope_list[scope].parent
    return False


def _typed_axes(plan: ShardingPlan) -> str:
    kinds = [plan.axis_types.get(axis, "auto") for axis in plan.mesh]
    if len(set(kinds)) <= 1:
        return kinds[0] if kinds else "auto"
    return ", ".join(f"{axis} {kind}" for axis, kind in zip(plan.mesh, kinds, strict=True))


def parts_of_axes(plan: ShardingPlan) -> list[str]:
    """What each part of an axis in the plan's types means, such as `data:(2)2`."""
    arrays: list[AnyArray] = [*plan.inputs, *plan.values, *plan.outputs]
    found = {axis for array in arrays for axes in array.spec for axis in axes if ":" in axis}
    return [told for part in sorted(found) if (told := _part_of_axis(part, plan.mesh))]


def _part_of_axis(part: str, mesh: Mapping[str, int]) -> str:
    axis, size = axis_of(part), size_of(part, mesh)
    if axis == part or axis not in mesh:
        return ""
    before = int(part[len(axis) + 2 :].partition(")")[0])
    behind = mesh[axis] // max(1, before * size)
    factors = [f"{factor}" for factor in (before, size, behind) if factor != 1]
    place = "first" if before == 1 else "last" if behind <= 1 else "middle"
    return (
        f"{part} is a part of {axis}: the {place} factor of its {mesh[axis]:,} = "
        f"{' × '.join(factors)} devices"
    )


def made_by(value: ShardedValue) -> str:
    """The operation that makes a value; of a call, the function's name."""
    return value.called or value.op


def footing(plan: ShardingPlan) -> list[str]:
    """What the plan costs on each device, as clauses: the peak, what is sent, what lies whole."""
    total, least = sent_in_all(plan.collectives, plan.mesh)
    number = len(plan.collectives)
    clauses = [f"peak {quantities.size(plan.memory.peak)} on each device"]
    if number:
        about = "at least " if least else ""
        size = quantities.size(total)
        clauses.append(f"sent {about}{size} on each in {quantities.counted(number, 'collective')}")
    else:
        clauses.append("nothing is sent")
    clauses.append(whole_words(plan))
    return [clause for clause in clauses if clause]


def whole_words(plan: ShardingPlan) -> str:
    """Which arguments every device holds whole, "" on one device."""
    devices = device_count(plan.mesh)
    if devices < 2 or not plan.inputs:
        return ""
    whole = [array for array in plan.inputs if is_whole(array.spec, plan.mesh)]
    if not whole:
        return "every argument is divided"
    size = sum(array.bytes for array in whole)
    names = list(dict.fromkeys(array.name for array in whole))
    named = f" ({', '.join(names)})" if len(names) <= 3 else ""
    return (
        f"{len(whole)} of {len(plan.inputs)} arguments whole on all {devices:,} devices{named}: "
        f"{quantities.size(size)} each"
    )


def nothing_yet(plan: ShardingPlan | None, arguments: bool) -> str:
    """What to type for something to be seen, "" where there is something.

    `arguments` says whether any argument of the session has a sharding.
    """
    if plan is None:
        return ""
    if device_count(plan.mesh) == 1:
        return (
            "The mesh has one device, so nothing is divided. Type a mesh above, such as "
            f"{DEFAULT_MESH}: its devices need not be there, and nothing runs."
        )
    if not plan.inputs and not plan.values:
        return "The program has no arrays: type a function and its arguments on Map (key 1)."
    if not arguments and not any(parts for array in plan.inputs for parts in array.spec):
        axis = next(iter(plan.mesh))
        return (
            f"No argument is divided. Type P({axis!r}) beside one above, and see what follows; "
            "s searches for the cheapest way."
        )
    return ""
