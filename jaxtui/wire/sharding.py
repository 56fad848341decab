"""Messages about sharding: where a program's arrays lie on a mesh, and what is sent for it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.session import Sharding
from jaxtui.wire.base import Composition, Event, Request

CollectiveKind = Literal[
    "all_reduce", "all_gather", "reduce_scatter", "all_to_all", "collective_permute"
]
Spec = list[list[str]]
"""For each dimension the mesh axes that divide it, the major one first.

A part of an axis, as Shardy splits them for a reshape, is written as `axis:(before)size`: the
`size` that follows after the first `before`.
"""


class ShardedArray(Struct, frozen=True, kw_only=True):
    """An input (of argument `name`) or an output, at `path` as from `jax.tree_util.keystr`.

    `per_device` is the shape of the block that one device holds, the largest if they differ, and
    `bytes` the size of it.
    """

    name: str = ""
    path: str
    shape: list[int]
    dtype: str
    spec: Spec
    per_device: list[int]
    bytes: int


class ShardedValue(Struct, frozen=True, kw_only=True):
    """One output of one equation of the program's jaxpr.

    `name` is the variable of the source that is bound to it, "" if none is; `op` is the primitive,
    and `called` the function's name if that is a call, as JAX knows it.
    `line` counts from 1 in the function's source text, or in `file` if it is not "". In manual code
    `shape` is that of one device's block, and `varying` has the axes along which blocks differ.
    `unreduced` are the axes over which a sum is still to be made. `times` is how often the equation
    runs, None if unknown (inside a `while`).
    """

    name: str
    op: str
    called: str = ""
    line: int | None
    file: str = ""
    shape: list[int]
    dtype: str
    spec: Spec
    unreduced: list[str] = []
    varying: list[str] = []
    per_device: list[int]
    bytes: int
    times: int | None


class SentCollective(Struct, frozen=True, kw_only=True):
    """A collective that the program needs; `bytes` is its operand's size on one device.

    `axes` are those of the mesh that it goes over; empty, in a compiled program, if its groups are
    not those of any axes. `parts` is how many arrays a compiled program sends in one: XLA combines
    collectives. `seconds` is the α–β model's time for one turn.
    """

    kind: CollectiveKind
    axes: list[str]
    line: int | None
    file: str = ""
    bytes: int
    parts: int = 1
    times: int | None
    seconds: float


class PlannedMemory(Struct, frozen=True, kw_only=True):
    """Bytes on one device; `peak` by a model: values live until their last use, none is fused."""

    arguments: int
    outputs: int
    peak: int


class CompiledMemory(Struct, frozen=True, kw_only=True):
    """Bytes on one device as XLA's compiler reports them."""

    arguments: int
    outputs: int
    temporaries: int


class CompiledSharding(Struct, frozen=True, kw_only=True):
    """What XLA compiled for the devices that are here."""

    collectives: list[SentCollective]
    memory: CompiledMemory


class Advice(Struct, frozen=True, kw_only=True):
    """Something that costs `bytes` on each device, at `line`, with fixes that were planned."""

    line: int | None
    message: str
    bytes: int
    fixes: list[Fix]


class ShardReport(Struct, frozen=True, kw_only=True):
    """The output of `jaxtui shard --json` for one session, printed on one line.

    `compiled` is None where the mesh is not there.
    """

    session: str
    ok: bool
    mesh: dict[str, int]
    axis_types: dict[str, str]
    inputs: list[ShardedArray]
    values: list[ShardedValue]
    collectives: list[SentCollective]
    outputs: list[ShardedArray]
    memory: PlannedMemory | None
    compiled: CompiledSharding | None
    advice: list[Advice]
    error: Diagnosis | None


class Scope(Struct, frozen=True, kw_only=True):
    """A call or a loop that values stand in: `parent` is the index of the scope around it, or -1.

    `label` names it, such as "relu", "scan" or "shard_map"; `turns` is the loop's length, 1 for a
    call, None if unknown. In a `manual` scope, shapes are those of one device's blocks.
    """

    label: str
    parent: int
    turns: int | None
    manual: bool = False


class ShardingPlan(Struct, frozen=True, kw_only=True):
    """The sharding flow of a program, with what a screen needs to fold and to draw it.

    `scopes` of values are indices into `scope_list`, -1 outside all; `before` has for each
    collective the index of the value in front of which it stands (the number of values for one in
    front of the outputs). `lines` are the source's lines by file and number. `here` says that the
    mesh is that of the devices, so that the program can be compiled. `unplanned` is the reason, in
    JAX's words, for which only what tracing knows is shown.
    """

    mesh: dict[str, int]
    axis_types: dict[str, str]
    here: bool
    inputs: list[ShardedArray]
    values: list[ShardedValue]
    collectives: list[SentCollective]
    outputs: list[ShardedArray]
    memory: PlannedMemory
    scopes: list[int]
    scope_list: list[Scope]
    before: list[int]
    lines: dict[str, dict[int, str]]
    unplanned: str = ""


class PlanSharding(Request, frozen=True, kw_only=True):
    """Plan a composition on a mesh: that of `sharding`, else that of the devices. Light.

    A newer one replaces a queued one.
    """

    composition: Composition
    sharding: Sharding = Sharding()


class ShardingPlanned(Event, frozen=True, kw_only=True):
    """Answers PlanSharding: `plan` is None if there is a `diagnosis`."""

    plan: ShardingPlan | None
    diagnosis: Diagnosis | None
    seconds: float


class CompileSharding(Request, frozen=True, kw_only=True):
    """Compile a composition for the devices that are here, to compare it with its plan.

    Of `sharding` only the links matter.
    """

    composition: Composition
    sharding: Sharding = Sharding()


class ShardingCompiled(Event, frozen=True, kw_only=True):
    """Answers CompileSharding."""

    compiled: CompiledSharding


class AdviseSharding(Request, frozen=True, kw_only=True):
    """Look for what a plan wastes, and plan the remedies. Light; as PlanSharding."""

    composition: Composition
    sharding: Sharding = Sharding()


class ShardingAdvised(Event, frozen=True, kw_only=True):
    """Answers AdviseSharding."""

    advice: list[Advice]


class ExplainSharding(Request, frozen=True, kw_only=True):
    """Ask why dimension `dimension` of value `value` (an index into the plan's) lies as it does.

    `value` counts inputs as -1, -2, ... Light; as PlanSharding.
    """

    composition: Composition
    sharding: Sharding = Sharding()
    value: int
    dimension: int


class Origin(Struct, frozen=True, kw_only=True):
    """An annotation that a dimension's sharding comes from: a field of the session, or a line.

    Without it the dimension would be divided by `without`: by the same, if others ask for it too.
    """

    label: str
    field: str
    line: int | None
    without: list[str]


class ShardingExplained(Event, frozen=True, kw_only=True):
    """Answers ExplainSharding: where the axes come from, or where an axis was lost and at what."""

    axes: list[str]
    origins: list[Origin]
    lost: list[str]


class SearchShardings(Request, frozen=True, kw_only=True):
    """Try shardings of the arguments, at most `limit`; `fixed` are the names of those to keep.

    Found ones come as ShardingsFound events, the last of them with `done`.
    """

    composition: Composition
    sharding: Sharding = Sharding()
    fixed: list[str]
    limit: int = 200


class FoundSharding(Struct, frozen=True, kw_only=True):
    """One way to shard the arguments: `specs` by argument, as typed in a session.

    `sent` are the bytes that each device sends, `seconds` their time by the model, and `memory` the
    peak on one device. `best` marks those that no other beats in both seconds and memory. `chosen`
    has what JAX chooses for those without a text, and `changed` the specs of the groups of a tree
    that are others than now, by their patterns.
    """

    specs: dict[str, str]
    chosen: dict[str, str] = {}
    changed: dict[str, dict[str, str]] = {}
    sent: int
    seconds: float
    memory: int
    best: bool
    fits: bool


class SearchedGroup(Struct, frozen=True, kw_only=True):
    """Arrays of an argument that a search divides alike, those whose paths match `pattern`.

    `pattern` is "" for an argument that is one array. `ways` is how many specs they can have.
    """

    argument: str
    pattern: str
    arrays: int
    bytes: int
    ways: int


class ShardingsFound(Event, frozen=True, kw_only=True):
    """Answers SearchShardings, with all that were found so far, the cheapest first.

    Of ways to type the same, one is listed, so that these may be fewer than were tried. `groups`
    are what was divided, those with the most bytes of each argument first. `refused` says why there
    is nothing to search.
    """

    found: list[FoundSharding]
    tried: int
    done: bool
    refused: str = ""
    groups: tuple[SearchedGroup, ...] = ()
