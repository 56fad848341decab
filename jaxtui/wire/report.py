"""What the engine reports: leaves, shape flow, outputs and the environment.

These Structs are parts of messages and, unchanged, of the output of `--json`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.change_report import Changes
from jaxtui.wire.memory_report import MemoryReport


class Leaf(Struct, frozen=True, kw_only=True):
    """A leaf of a pytree: `path` is as from `jax.tree_util.keystr`, `name` is its argument's.

    `dtype` is JAX's name of it, or the name of the Python type if the leaf is not an array.
    """

    name: str
    path: str
    shape: list[int]
    dtype: str


class LayerReport(Struct, frozen=True, kw_only=True):
    """The arguments that a layer passes to the function it wraps.

    `axis_size` is the size of the mapped axis, for shard_map the number of devices in the mesh, and
    None where nothing is mapped.
    """

    transform: str
    axis_size: int | None
    inside: list[Leaf]


class Shard(Struct, frozen=True, kw_only=True):
    """The shard of an output on one device: `index` has [start, stop] for each dimension."""

    device: int
    index: list[list[int]]


def _require_rank(shard: Shard, shape: list[int]) -> None:
    """Raise ValueError unless the shard is one of an array of this shape's rank."""
    blocks = [len(block) == 2 and 0 <= block[0] <= block[1] for block in shard.index]
    if len(blocks) != len(shape) or not all(blocks):
        raise ValueError(f"a shard {shard.index} of an array of shape {shape}")


Placed = Literal["program", "given", "host", "static", "unused", "untold"]


class Input(Leaf, frozen=True, kw_only=True):
    """A leaf of an argument of a run, with the block of it that each device had.

    `placed` says by what: "program" is where the compiled program takes it, or what divides it
    (`pmap`, `shard_map`) puts it; "given" is where it lay when it was handed to a program that
    compiles nothing as a whole. Without shards are "host", a value in the memory of the host;
    "static", a part of the program; "unused", what the compiled program has left out; and
    "untold", where JAX did not tell, or what would have made the message too long.
    """

    placed: Placed = "untold"
    shards: list[Shard] = []

    def __post_init__(self) -> None:
        """Raise ValueError, which refuses the message, unless each shard has the array's rank."""
        for shard in self.shards:
            _require_rank(shard, self.shape)


class Summary(Struct, frozen=True, kw_only=True, rename={"minimum": "min", "maximum": "max"}):
    """Statistics of the finite elements, from a sample unless `exact`; `count` is of all elements.

    `minimum` and `maximum` are None for complex numbers; all statistics are None if no element is
    finite or the dtype is not numeric (PRNG keys).
    """

    minimum: Any
    maximum: Any
    mean: Any
    std: Any
    non_finite: int
    count: int
    exact: bool = True


class Output(Struct, frozen=True, kw_only=True):
    """A leaf of the result, with its `values` as nested lists or with a `summary`."""

    path: str
    shape: list[int]
    dtype: str
    values: Any
    summary: Summary | None
    shards: list[Shard]

    def __post_init__(self) -> None:
        """Raise ValueError, which refuses the message, unless each shard has the array's rank."""
        for shard in self.shards:
            _require_rank(shard, self.shape)


class ProgramReport(Struct, frozen=True, kw_only=True):
    """The report of a program's run.

    `function` is the name of the function that ran, and `notes` say what may not be as one expects.
    """

    function: str = ""
    inputs: list[Input]
    layers: list[LayerReport]
    outputs: list[Output]
    notes: list[Diagnosis] = []


class CollectiveReport(Struct, frozen=True, kw_only=True):
    """The report of a collective's run: inputs `before` and results `after`, one row per device.

    `checked` says whether the result agrees with the NumPy reference; it is None without one (for a
    function of the user's) or if other processes hold a part of the result.
    """

    before: list[Output]
    after: list[Output]
    checked: bool | None


# ------------------------------------------------------------------------------------- shape flow


class FlowLeaf(Struct, frozen=True, kw_only=True):
    """A leaf at one level of the flow.

    `marks` are the dimensions (from 0) that the layer between this level and the next one inward
    removes or splits, or, for outputs, that it puts back. `value` is the repr of a leaf that is not
    an array, such as a static argument; its `shape` is then empty and `dtype` its type's name.
    `spec` has the mesh axes that divide each dimension, the major one first; it is empty where the
    sharding is not known or divides nothing.
    """

    path: str
    shape: list[int]
    dtype: str
    marks: list[int] = []
    value: str = ""
    spec: list[list[str]] = []


class TreeNode(Struct, frozen=True, kw_only=True):
    """A node of a pytree that is no leaf, at `path`.

    `kind` is how such a node is written: "dict", "list", "tuple", "None", or the name that a text
    may call its class by, such as `State`; it is "" for a node that no text can write. `keys` are
    the components of its children's paths, in the tree's order, as from `jax.tree_util.keystr`.
    """

    path: str
    kind: str
    keys: list[str]


class Level(Struct, frozen=True, kw_only=True):
    """A column of the shape flow: the inputs and outputs just inside `layer`.

    `layer` indexes the program's layers; -1 is the given level, outside all of them. `label` is
    "given" or, for example, "vmap batch·4". `size` is the size of the mapped axis, None where
    nothing is mapped. `inputs` is None if tracing failed before it reached this level, `outputs` if
    it failed before it returned to it. The last `auxiliary` outputs are what `layer` passes on
    beside what it differentiates (`has_aux`). `returned` are the nodes of the tree of the outputs,
    None where it is not known or the same as one level further out.
    """

    layer: int
    transform: str
    label: str
    size: int | None
    inputs: list[FlowLeaf] | None
    outputs: list[FlowLeaf] | None
    auxiliary: int = 0
    returned: list[TreeNode] | None = None


class Flow(Struct, frozen=True, kw_only=True):
    """The shape flow: `levels` from the given one inward to that of the function itself.

    No layer but an `apply` changes the pytree of the arguments, so an input leaf has the same path
    in every level. The pytree of the outputs may differ from level to level (`grad`), so outputs
    have their own paths. `axes` are those of the mesh. `given` are the nodes of the trees of the
    arguments, whose paths begin with the argument's name.
    """

    function: str
    levels: list[Level]
    axes: list[str] = []
    given: list[TreeNode] = []


ParameterKind = Literal["positional", "keyword", "var_positional", "var_keyword"]


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter of the function's signature; `default` is the default value as text, or None."""

    name: str
    kind: ParameterKind
    default: str | None = None


# ------------------------------------------------------------------------------------ environment


class DeviceInfo(Struct, frozen=True, kw_only=True):
    """A device of JAX's; memory is in bytes, or None if the backend does not report it."""

    id: int
    kind: str
    platform: str
    process: int
    memory_used: int | None = None
    memory_limit: int | None = None


class Environment(Struct, frozen=True, kw_only=True):
    """Where the engine runs: versions, devices, host and configuration.

    `simulated` means that the devices are virtual CPU devices, which share the host's cores.
    `memory_available` is in bytes, as are the memory that the engine's process has resident, all
    that its host has, and what is free of that; None if unknown. `host` is where this process runs,
    and `hosts`, if there are several, those of all processes in their order.
    """

    jax: str
    jaxlib: str
    numpy: str
    python: str
    platform: str
    device_count: int
    process_count: int
    simulated: bool
    devices: list[DeviceInfo]
    host: str
    cpu: str
    cores: int
    memory_available: int | None
    xla_flags: str
    config: dict[str, str]
    engine_memory: int | None = None
    host_memory: int | None = None
    host_free: int | None = None
    hosts: list[str] = []


class RunReport(Struct, frozen=True, kw_only=True):
    """The output of `jaxtui run --json` for one session, printed on one line.

    `changes` is there if the program was held against another (`--against`), `memory` if it was
    compiled for what it takes and not run (`--memory`).
    """

    session: str
    ok: bool
    environment: Environment | None
    program: ProgramReport | None
    collective: CollectiveReport | None
    error: Diagnosis | None
    changes: Changes | UnsetType = UNSET
    memory: MemoryReport | UnsetType = UNSET
