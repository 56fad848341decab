"""Messages of any size for a session's collective: their shapes, their data, and their check.

A message's block has the dimensions that the collective's options name, as short as they can be,
and a last one that holds `count` elements: contiguous data, as nccl-tests sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import NamedSharding
from msgspec.structs import replace

from jaxtui.collectives.engine import checks as collective_checks
from jaxtui.collectives.engine import references
from jaxtui.collectives.engine import run as collectives
from jaxtui.collectives.engine.checks import VALUE, VIA, Checked
from jaxtui.engine_base.devices import device_set
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import expressions
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.session import collective_program
from jaxtui.session.collective_catalogue import Convention
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import COLLECTIVE, DEVICES
from jaxtui.session.session import Collective, Session
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
        return wrapped if self.layer.kind.maps else jax.jit(wrapped)

    def placed(self, host: np.ndarray[Any, Any]) -> jax.Array:
        """Put a row of `host` on each device, in the sharding that the collective takes."""
        if self.layer.kind.maps:
            # What a pmap gives back lies as it wants it, in every release of JAX.
            same: jax.Array = self.layer.wrap(lambda block: block, self.rows)(host)
            return same
        spec = self.layer.settings["in_specs"]
        placed: jax.Array = jax.device_put(host, NamedSharding(self.layer.devices.mesh, spec))
        return placed


# --------------------------------------------------------------------------------- from a session


def subject_of(session: Session, folder: str) -> SweptCollective:
    """The collective to sweep. Raises Diagnosed at the field that prevents it."""
    with rehearsal():
        checked = collective_checks.check(session, folder)
        convention, collective = _sweepable(checked, session)
        dtype, rank = _data(session, collective, folder)
        lead, options = _blocks(checked, rank)
        fitted = replace(
            collective,
            value=f'jnp.ones({(checked.rows, *lead, 1)}, "{dtype.name}")',
            options={**collective.options, **options},
        )
        trial = replace(session, collective=fitted)
        # Once, small: whatever the transformation or the backend cannot do is told here.
        collectives.run(trial, folder, lambda _: None, lambda: False)
        checked = collective_checks.check(trial, folder)
    program = collective_program.as_program(trial)
    prepared = prepare(Composition.of(trial, folder, program))
    return SweptCollective(
        session=trial,
        folder=folder,
        checked=checked,
        convention=convention,
        dtype=dtype,
        lead=lead,
        function=prepared.function.call,
        layer=prepared.layers[0],
    )


def _sweepable(checked: Checked, session: Session) -> tuple[Convention, Collective]:
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
    if jax.process_count() > 1:
        message = "other processes hold a part of the devices: a sweep is of one process' own"
        raise diagnosed("unsupported", DEVICES, message)
    return operation.convention, collective


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
) -> Iterator[int]:
    """Yield the number of wrong elements, part by part, against the NumPy reference."""
    held = _held(result)
    if sorted(held) != list(range(subject.rows)) or result.shape[-1] != host.shape[-1]:
        yield max(1, result.size)
        return
    per_element = max(1, max(host.size, result.size) // host.shape[-1])
    step = max(1, CHECKED_AT_ONCE // per_element)
    for start in range(0, host.shape[-1], step):
        part = slice(start, start + step)
        wanted = collectives.expected(subject.checked, [host[..., part]])
        got = np.stack([held[row][..., part] for row in range(subject.rows)])
        yield references.wrong(got, wanted)


def _held(result: jax.Array) -> dict[int, np.ndarray[Any, Any]]:
    """The rows of `result`, each from its own device."""
    held: dict[int, np.ndarray[Any, Any]] = {}
    for shard in result.addressable_shards:
        block = np.asarray(shard.data)
        start, _, _ = shard.index[0].indices(result.shape[0])
        for offset, row in enumerate(block):
            held[start + offset] = row
    return held
