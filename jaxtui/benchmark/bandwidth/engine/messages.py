"""Messages of any size for a session's collective: their shapes, their data, and their check.

A message's block has the dimensions that the collective's options name, as short as they can be,
and a last one that holds `count` elements: contiguous data, as nccl-tests sends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import NamedSharding
from msgspec.structs import replace

from jaxtui.benchmark.engine.together import processes_of
from jaxtui.collectives.engine import checks as collective_checks
from jaxtui.collectives.engine import references
from jaxtui.collectives.engine import run as collectives
from jaxtui.collectives.engine.checks import VALUE, VIA, Checked
from jaxtui.engine_base import global_view
from jaxtui.engine_base.devices import device_set
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import expressions
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.session import collective_program
from jaxtui.session.collective_catalogue import Convention
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import COLLECTIVE
from jaxtui.session.session import Collective, Session
from jaxtui.wire.bandwidth import Reach
from jaxtui.wire.base import Composition

OPERATION = COLLECTIVE / "operation"
CHECKED_AT_ONCE = 1 << 22  # elements of the result; what bounds the memory of a check


@dataclass(frozen=True)
class SweptCollective:
    """A collective that messages of any size can be made for.

    `lead` are the dimensions of a block before its last. `function` is what each device runs, and
    `layer` what carries it.
    """

    session: Session
    folder: str
    checked: Checked
    convention: Convention
    dtype: Any
    lead: tuple[int, ...]
    function: Callable[..., Any]
    layer: BuiltLayer

    @property
    def operation(self) -> str:
        assert self.checked.operation is not None
        return self.checked.operation.name

    @property
    def rows(self) -> int:
        """The number of devices."""
        return self.checked.rows

    @property
    def ranks(self) -> int:
        """The number of devices that communicate: those of the largest group."""
        return max(map(len, self.checked.groups))

    @property
    def devices(self) -> Sequence[Any]:
        """The devices of the rows."""
        return self.layer.devices.devices[: self.rows]

    @property
    def mine(self) -> bool:
        """Whether this process holds any of the devices."""
        return any(device.process_index == jax.process_index() for device in self.devices)

    @property
    def processes(self) -> list[int]:
        """The processes that hold the devices, in an engine of several."""
        return processes_of(self.devices)

    @property
    def reach(self) -> Reach:
        """How far the messages go, in an engine of several processes."""
        if not self.processes:
            return ""
        holders = [[self.devices[row].process_index for row in g] for g in self.checked.groups]
        return "within a process" if all(len(set(g)) == 1 for g in holders) else "between processes"

    def block(self, count: int) -> tuple[int, ...]:
        return (*self.lead, count)

    def count_for(self, size: int) -> int:
        """The elements of a message of at most `size` bytes, at least one."""
        unit = self.convention.blocks(self.ranks) * self.dtype.itemsize
        return max(1, size // int(unit))

    def bytes_of(self, count: int) -> int:
        """The size S of a message in bytes, by the collective's convention."""
        return int(count * self.convention.blocks(self.ranks) * self.dtype.itemsize)

    def footprint(self, count: int) -> tuple[int, int]:
        """Bytes of one device's input and output."""
        given = jax.ShapeDtypeStruct((self.rows, *self.block(count)), self.dtype)
        made = jax.eval_shape(self.call(), given)
        sizes = [x.size * x.dtype.itemsize // self.rows for x in (given, made)]
        return sizes[0], sizes[1]

    def call(self) -> Callable[..., Any]:
        """A new callable of the collective over the devices, not compiled yet."""
        wrapped = self.layer.wrap(self.function, self.rows)
        # Over several processes a pmap is a shard_map, to be compiled once like any other.
        compiled = self.layer.kind.maps and not self.processes
        return wrapped if compiled else jax.jit(wrapped)

    def placed(self, host: np.ndarray[Any, Any]) -> jax.Array:
        """Put a row of `host` on each device, in the sharding that the collective takes."""
        if self.layer.kind.maps:
            # What a pmap gives back lies as it wants it, in every release of JAX.
            same: jax.Array = self.layer.wrap(lambda block: block, self.rows)(host)
            return same
        sharding = NamedSharding(self.layer.devices.mesh, self.layer.settings["in_specs"])
        put = global_view.place if self.processes else jax.device_put
        placed: jax.Array = put(host, sharding)
        return placed


# --------------------------------------------------------------------------------- from a session


def subject_of(session: Session, folder: str) -> SweptCollective:
    """The collective to sweep. Raises Diagnosed at the field that prevents it."""
    with rehearsal():
        checked = collective_checks.check(session, folder)
        collective = _sweepable(checked, session)
        dtype, rank = _data(session, collective, folder)
        lead, options = _blocks(checked, rank)
        trial = _fitted(session, checked.rows, lead, dtype.name, options)
        # Once, small: whatever the transformation or the backend cannot do is told here.
        collectives.run(trial, folder, lambda _: None, lambda: False)
    return swept(trial, folder, dtype.name, lead)


def swept(trial: Session, folder: str, dtype: str, lead: tuple[int, ...]) -> SweptCollective:
    """The collective of a session whose value has blocks `lead` before the last dimension."""
    with rehearsal():
        checked = collective_checks.check(trial, folder)
    assert checked.operation is not None
    assert checked.operation.convention is not None
    program = collective_program.as_program(trial)
    prepared = prepare(Composition.of(trial, folder, program))
    return SweptCollective(
        session=trial,
        folder=folder,
        checked=checked,
        convention=checked.operation.convention,
        dtype=jnp.dtype(dtype),
        lead=lead,
        function=prepared.function.call,
        layer=prepared.layers[0],
    )


def within_a_process(subject: SweptCollective) -> tuple[SweptCollective | None, str]:
    """The same collective among the devices of this process; or None, and why it cannot be.

    Without a reason it is within a process already.
    """
    if subject.reach != "between processes":
        return None, ""
    mine = [d.id for d in subject.devices if d.process_index == jax.process_index()]
    session = subject.session
    collective = session.collective
    assert collective is not None
    if session.devices.mesh is not None and len(session.devices.mesh) > 1:
        return None, "between processes only: a mesh of several axes is not laid over one of them"
    devices = replace(session.devices, order=mine, mesh=None, axis_types=None)
    if session.devices.mesh is not None:
        devices = replace(devices, mesh=dict.fromkeys(session.devices.mesh, len(mine)))
    rank = len(subject.lead) + 1
    # A block that can be divided among fewer devices as well as among all.
    shape = tuple(len(mine) if size > 1 else 1 for size in subject.lead)
    try:
        narrowed = _fitted(
            replace(session, devices=devices), len(mine), shape, subject.dtype.name, {}
        )
        with rehearsal():
            lead, options = _blocks(collective_checks.check(narrowed, subject.folder), rank)
        fitted = _fitted(narrowed, len(mine), lead, subject.dtype.name, options)
        return swept(fitted, subject.folder, subject.dtype.name, lead), ""
    except Diagnosed as error:
        return None, f"between processes only; within one: {error.diagnosis.message}"


def _fitted(
    session: Session, rows: int, lead: tuple[int, ...], dtype: str, options: dict[str, str]
) -> Session:
    """The session with a value of one element in the last dimension."""
    assert session.collective is not None
    collective = replace(
        session.collective,
        value=f'jnp.ones({(rows, *lead, 1)}, "{dtype}")',
        options={**session.collective.options, **options},
    )
    return replace(session, collective=collective)


def _sweepable(checked: Checked, session: Session) -> Collective:
    collective, operation = session.collective, checked.operation
    assert collective is not None
    if operation is None:
        message = "a function of your own has no message size: a sweep is of one of lax's own"
        raise diagnosed("collective", OPERATION, message)
    if not operation.operand:
        raise diagnosed("collective", OPERATION, f"{operation.name} sends nothing: no bandwidth")
    if operation.convention is None:
        message = f"{operation.name} sends slices of any length: it has no one message size"
        fixes = [Fix("all_to_all", OPERATION, "all_to_all")]
        raise diagnosed("collective", OPERATION, message, fixes)
    if collective.via == "vmap":
        message = "vmap carries it on one device: nothing is sent, so there is no bandwidth"
        fixes = [Fix(label=via, field=VIA, text=via) for via in ("pmap", "shard_map")]
        raise diagnosed("collective", VIA, message, fixes)
    return collective


def _data(session: Session, collective: Collective, folder: str) -> tuple[Any, int]:
    """The dtype of the session's value, and how many dimensions its blocks have."""
    known = expressions.names(
        session.program.source,
        session.parameters,
        device_set(session.devices),
        folder,
    )
    tree = expressions.abstract_value(collective.value, known, VALUE).tree
    leaf = tree_util.tree_leaves(tree)[0]
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        message = "PRNG keys are no message: sweep their words"
        words = f"jax.random.key_data({collective.value.strip()})"
        raise diagnosed("collective", VALUE, message, [Fix("their words", VALUE, words)])
    dtype = jnp.dtype(leaf.dtype)
    if dtype != np.bool_ and not jnp.issubdtype(dtype, jnp.complexfloating):
        info: Any = jnp.iinfo if jnp.issubdtype(dtype, jnp.integer) else jnp.finfo
        if info(dtype).bits < 8:
            message = f"several {dtype} elements share a byte: their bytes cannot be counted"
            raise diagnosed("collective", VALUE, message)
    return dtype, len(leaf.shape) - 1


def _blocks(checked: Checked, rank: int) -> tuple[tuple[int, ...], dict[str, str]]:
    """The dimensions of a block before its last, and the options that name them from the front."""
    operation = checked.operation
    assert operation is not None
    stacks = operation.stacks and not checked.options.get("tiled", False)
    split, concat = operation.names("split"), operation.names("concat")
    axes: dict[str, int] = {}
    for option in operation.options:
        if option.name in (*split, *concat):
            axis = checked.options.get(option.name, int(option.default or 0))
            axes[option.name] = axis % (rank + 1 if stacks else rank)
    # Stacking makes a dimension of its own where the axis says.
    length = max(axes.values(), default=-1) + (0 if stacks else 1)
    lead = [1] * length
    for name in split:
        lead[axes[name]] = len(checked.groups[0])
    return tuple(lead), {name: str(axis) for name, axis in axes.items()}


# ---------------------------------------------------------------------------- the data, its check


def data(subject: SweptCollective, count: int, seed: int) -> np.ndarray[Any, Any]:
    """Random elements, a row for each device: all values of integers, floats from -1 to 1."""
    generator = np.random.default_rng(seed)
    shape, dtype = (subject.rows, *subject.block(count)), subject.dtype
    if dtype == np.bool_:
        return generator.integers(0, 2, shape, dtype=np.uint8).astype(np.bool_)
    if jnp.issubdtype(dtype, jnp.integer):
        size = int(np.prod(shape)) * dtype.itemsize
        words = generator.integers(0, 256, size, dtype=np.uint8)
        return np.frombuffer(words, dtype).reshape(shape)
    wide = dtype in (np.dtype("float64"), np.dtype("complex128"))
    kind: Any = np.float64 if wide else np.float32
    values: np.ndarray[Any, Any] = 2 * generator.random(shape, dtype=kind) - 1
    if jnp.issubdtype(dtype, jnp.complexfloating):
        values = values + 1j * (2 * generator.random(shape, dtype=kind) - 1)
    return values.astype(dtype)


def wrong_elements(
    subject: SweptCollective, host: np.ndarray[Any, Any], result: jax.Array
) -> Iterator[tuple[int, list[int]]]:
    """Yield the number of wrong elements, part by part, against the NumPy reference.

    These are of the rows that this process holds, which come with them.
    """
    held = _held(result)
    rows = sorted(held)
    if result.shape[0] != subject.rows or result.shape[-1] != host.shape[-1]:
        yield max(1, result.size), rows
        return
    per_element = max(1, max(host.size, result.size) // host.shape[-1])
    step = max(1, CHECKED_AT_ONCE // per_element)
    for start in range(0, host.shape[-1], step):
        part = slice(start, start + step)
        wanted = collectives.expected(subject.checked, [host[..., part]])
        scale = None if wanted.scale is None else wanted.scale[rows]
        own = dataclasses.replace(wanted, rows=wanted.rows[rows], scale=scale)
        got = np.stack([held[row][..., part] for row in rows])
        yield references.wrong(got, own), rows


def _held(result: jax.Array) -> dict[int, np.ndarray[Any, Any]]:
    """The rows of `result`, each from its own device."""
    held: dict[int, np.ndarray[Any, Any]] = {}
    for shard in result.addressable_shards:
        block = np.asarray(shard.data)
        start, _, _ = shard.index[0].indices(result.shape[0])
        for offset, row in enumerate(block):
            held[start + offset] = row
    return held
