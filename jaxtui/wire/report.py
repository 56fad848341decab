"""What the engine finds out: leaves, shape flow, outputs, diagnoses, the environment.

These Structs go over the wire to the screen and, as they are, into `--json`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis


class Leaf(Struct, frozen=True, kw_only=True):
    """One leaf of a pytree: `path` is `jax.tree_util.keystr`, `name` the argument it belongs to.

    `dtype` is JAX's name; for a leaf that is no array it is the Python type's name.
    """

    name: str
    path: str
    shape: list[int]
    dtype: str


class LayerReport(Struct, frozen=True, kw_only=True):
    """What a layer passes on to what it wraps. `axis_size` is None where nothing is mapped.

    For shard_map `axis_size` is the number of devices of its mesh.
    """

    transform: str
    axis_size: int | None
    inside: list[Leaf]


class Shard(Struct, frozen=True, kw_only=True):
    """The block of an output on one device: `index` is a [start, stop] for each dimension."""

    device: int
    index: list[list[int]]


class Summary(Struct, frozen=True, kw_only=True, rename={"minimum": "min", "maximum": "max"}):
    """Statistics over the finite elements; `count` is of all elements, `exact` of all or a sample.

    `minimum` and `maximum` are None for complex numbers; all are None where nothing is finite or
    the dtype is no number (PRNG keys).
    """

    minimum: Any
    maximum: Any
    mean: Any
    std: Any
    non_finite: int
    count: int
    exact: bool = True


class Output(Struct, frozen=True, kw_only=True):
    """One leaf of the result. `values` are nested lists or null, and then there is a `summary`."""

    path: str
    shape: list[int]
    dtype: str
    values: Any
    summary: Summary | None
    shards: list[Shard]


class ProgramReport(Struct, frozen=True, kw_only=True):
    """A program that ran."""

    inputs: list[Leaf]
    layers: list[LayerReport]
    outputs: list[Output]


class CollectiveReport(Struct, frozen=True, kw_only=True):
    """A collective that ran: what each device held, a row each, `before` and `after` it.

    `checked` says whether the result agrees with the NumPy reference; None when there is none
    (a function of the user's own) or when other processes hold a part of the result.
    """

    before: list[Output]
    after: list[Output]
    checked: bool | None


# ------------------------------------------------------------------------------------- shape flow


class FlowLeaf(Struct, frozen=True, kw_only=True):
    """A leaf at one level of the flow.

    `marks` are the dimensions (from 0) that the layer between this level and the next one inward
    takes away or divides (for outputs: that it put back). `value` is the repr of a leaf that is
    no array, such as a static argument; its `shape` is then empty and `dtype` its type's name.
    """

    path: str
    shape: list[int]
    dtype: str
    marks: list[int] = []
    value: str = ""


class Level(Struct, frozen=True, kw_only=True):
    """One column of the shape flow: what is seen just inside `layer`.

    `layer` indexes the program's layers; -1 is the given level, outside all of them. `label` is
    "given" or such as "vmap batch·4". `size` is the mapped axis' size, None where nothing is
    mapped. `outputs` is None when tracing did not come back to this level, `inputs` is None when
    tracing failed before it reached this level. The last `auxiliary` of the outputs are what
    `layer` hands on beside what it differentiates (`has_aux`).
    """

    layer: int
    transform: str
    label: str
    size: int | None
    inputs: list[FlowLeaf] | None
    outputs: list[FlowLeaf] | None
    auxiliary: int = 0


class Flow(Struct, frozen=True, kw_only=True):
    """The shape flow: `levels` from the given one inward to the function's own.

    An input leaf is the same row in every level, as long as the layers keep the tree of the
    arguments (all of ours do). Output trees may differ from level to level (`grad`), so outputs
    carry their own paths.
    """

    function: str
    levels: list[Level]


class Parameter(Struct, frozen=True, kw_only=True):
    """One parameter of the function's signature; `default` is its text or None."""

    name: str
    kind: Literal["positional", "keyword", "var_positional", "var_keyword"]
    default: str | None = None


# ------------------------------------------------------------------------------------ environment


class DeviceInfo(Struct, frozen=True, kw_only=True):
    """A device as JAX sees it; memory in bytes where the backend tells, else None."""

    id: int
    kind: str
    platform: str
    process: int
    memory_used: int | None = None
    memory_limit: int | None = None


class Environment(Struct, frozen=True, kw_only=True):
    """Where the engine runs. `simulated` devices are virtual CPU devices that share the cores."""

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


class RunReport(Struct, frozen=True, kw_only=True):
    """What `jaxtui run --json` prints for one session, on one line."""

    session: str
    ok: bool
    environment: Environment | None
    program: ProgramReport | None
    collective: CollectiveReport | None
    error: Diagnosis | None
