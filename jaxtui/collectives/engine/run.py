"""Checks a session's collective, runs it as a program and compares it with its reference."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, tree_util
from jax.sharding import AbstractMesh, Mesh, NamedSharding
from msgspec import UNSET
from msgspec.structs import replace

from jaxtui.collectives.engine import checks as collective_checks
from jaxtui.collectives.engine.checks import AXIS_NAME, VALUE, VIA, Checked
from jaxtui.collectives.engine.provenance import Provenance
from jaxtui.collectives.engine.references import REFERENCES, Expected, wrong
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.meshes import has_explicit
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import evaluation, expressions
from jaxtui.program.engine.prepared import prepare
from jaxtui.results.engine.gathering import Gathered
from jaxtui.session import collective_program
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import (
    ARGUMENTS,
    COLLECTIVE,
    FUNCTION,
    LAYERS,
    OPTIONS,
    PROGRAM,
    SOURCE,
    FieldPath,
)
from jaxtui.session.session import Collective, Session
from jaxtui.wire.base import Composition
from jaxtui.wire.report import Flow

Leaves = list[tuple[str, Any]]  # (keystr path, array), with a row for each device


@dataclass(frozen=True)
class CollectiveResult:
    """A collective's inputs `before` its run and its results `after` it.

    `wrong` counts the elements that differ from the reference, None without a comparison, on which
    `note` comments. `called` holds the values of its options, and its groups.
    """

    before: Leaves
    after: Leaves
    wrong: int | None
    note: str
    called: Checked
    flow: Flow
    seconds: float

    @property
    def checked(self) -> bool | None:
        return None if self.wrong is None else self.wrong == 0


def available() -> dict[str, list[str]]:
    """The collectives of the installed JAX, with the names of the options that each accepts."""
    found = {}
    for name, operation in OPERATIONS.items():
        if function := getattr(lax, name, None):
            accepted = inspect.signature(function).parameters
            found[name] = [o.name for o in operation.options if o.name in accepted]
    return found


def session_of(composition: Composition, collective: Collective) -> Session:
    """The session that the composition and the collective are parts of."""
    return Session(
        devices=composition.devices,
        parameters=composition.parameters,
        program=composition.program,
        collective=collective,
    )


def run(
    session: Session,
    folder: str,
    on_stage: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> CollectiveResult:
    """Check and run the session's collective, and compare its result with the reference.

    Raises Diagnosed at the collective's own fields, and GivenUp once `cancelled()` is true.
    """
    with rehearsal():
        checked = collective_checks.check(session, folder)
    composition = Composition.of(session, folder, collective_program.with_input(session))
    try:
        evaluated = evaluation.run(composition, on_stage, cancelled)
    except Diagnosed as error:
        moved = _moved(error.diagnosis, session)
        raise Diagnosed(moved, error.flow) from error
    before = [(path[3:], leaf) for path, leaf in evaluated.leaves if path.startswith("[0]")]
    after = [(path[3:], leaf) for path, leaf in evaluated.leaves if path.startswith("[1]")]
    _check_rows(after, checked.rows)
    count, note = _compared(checked, before, after)
    return CollectiveResult(
        before, after, count, note, checked, _alone(evaluated.flow, session), evaluated.seconds
    )


def _check_rows(after: Leaves, rows: int) -> None:
    for path, leaf in after:
        if not hasattr(leaf, "shape") or leaf.shape[:1] != (rows,):
            what = path or "the result"
            message = f"{what} has no row for each device; a function returns arrays or numbers"
            raise diagnosed("collective", COLLECTIVE / "operation", message)


def _alone(flow: Flow, session: Session) -> Flow:
    """The flow without the input, which the program returns beside the collective's result."""
    levels = [
        level
        if level.outputs is None
        else replace(
            level,
            outputs=[
                replace(leaf, path=leaf.path[3:])
                for leaf in level.outputs
                if leaf.path.startswith("[1]")
            ],
        )
        for level in flow.levels
    ]
    assert session.collective is not None
    return replace(flow, function=session.collective.operation.strip(), levels=levels)


# ------------------------------------------------------------------------------ the comparison


def _compared(checked: Checked, before: Leaves, after: Leaves) -> tuple[int | None, str]:
    if checked.operation is None:
        return None, "a function of your own: nothing to compare it with"
    if not all(_is_readable(leaf) for _, leaf in (*before, *after)):
        return None, "not checked: other processes hold a part of it"
    count = sum(
        wrong(_host(got), expected(checked, [_host(x) for x in given]))
        for given, got in _pairs(checked, before, after)
    )
    return count, _note(count, checked, before)


def _pairs(checked: Checked, before: Leaves, after: Leaves) -> list[tuple[list[Any], Any]]:
    """Pair each leaf of the result with the operands that it was computed from."""
    assert checked.operation is not None
    operands = checked.operation.names("operand")
    results = [leaf for _, leaf in after]
    if not operands:
        # Each array of a pytree is reduced or moved by itself. A collective without an operand
        # is called once.
        given = [leaf for _, leaf in before] if checked.operation.operand else [before[0][1]]
        return [([x], got) for x, got in zip(given, results, strict=True)]
    named = {path.strip("[]'"): leaf for path, leaf in before}
    return [([named[name] for name in ("x", *operands)], results[0])]


def expected(checked: Checked, operands: list[Any]) -> Expected:
    """The reference's result for `operands`, NumPy arrays with a row for each device."""
    assert checked.operation is not None
    options = {k: v for k, v in checked.options.items() if k != "axis_index_groups"}
    first, *others = operands
    return REFERENCES[checked.operation.name](first, checked.groups, *others, **options)


def _host(array: Any) -> Any:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        gathered = isinstance(array, Gathered)
        words = array.on_host() if gathered else np.asarray(jax.random.key_data(array))
        # One element for each key, so that the array has the same rank as in JAX.
        kind = np.dtype((np.void, words.dtype.itemsize * words.shape[-1]))
        return np.ascontiguousarray(words).view(kind).reshape(array.shape)
    if not array.size:
        # Gathering the empty blocks of an array that lies on several devices fails in JAX 0.10.
        return np.empty(array.shape, array.dtype)
    return array.on_host() if isinstance(array, Gathered) else np.asarray(array)


def _is_readable(leaf: Any) -> bool:
    array = isinstance(leaf, jax.Array) and leaf.is_fully_addressable
    return array or isinstance(leaf, Gathered)


def _note(count: int, checked: Checked, before: Leaves) -> str:
    if not count:
        return ""
    assert checked.operation is not None
    if checked.operation.compares and any(_has_nan(leaf) for _, leaf in before):
        return (
            f"the {checked.operation.made} of NaN and a number is NaN; between these devices XLA "
            "leaves NaN out"
        )
    elements = "element differs" if count == 1 else "elements differ"
    return f"{count} {elements} from the NumPy reference"


def _has_nan(leaf: Any) -> bool:
    array = _host(leaf)
    return bool(np.any(array != array))


# ------------------------------------------------------------------------------ the provenance


def provenance(session: Session, folder: str, before: Leaves) -> Provenance:
    """The Provenance of the collective's results, for the inputs `before`.

    It does not depend on the types of the mesh's axes; all are auto here, since over explicit ones
    every array on the way would have to lie divided.
    """
    session = replace(session, devices=replace(session.devices, axis_types=None))
    program = collective_program.as_program(session)
    prepared = prepare(Composition.of(session, folder, program))
    names = prepared.argument_names
    values = [
        expressions.abstract_value(argument.value, prepared.known, VALUE).tree
        for argument in program.arguments
    ]
    # Several operands are returned in a dict, whose leaves are in the order of its keys.
    order = sorted(range(len(names)), key=lambda i: names[i])
    trees: list[Any] = [tree_util.tree_structure(values[i]) for i in order]

    def function(*blocks: Any) -> Any:
        left = iter(blocks)
        given: dict[int, Any] = {}
        for i, tree in zip(order, trees, strict=True):
            leaves = [next(left) for _ in range(tree.num_leaves)]
            given[i] = tree_util.tree_unflatten(tree, leaves)
        return prepared.function.call(*(given[i] for i in range(len(names))))

    layer = prepared.layers[0]
    rows = before[0][1].shape[0]

    def carry(body: Callable[..., Any]) -> Callable[..., Any]:
        wrapped = layer.wrap(body, rows)
        return wrapped if layer.kind.maps_over_devices else jax.jit(wrapped)

    kept = 1 if layer.kind.divides else 0
    given_before = [_untyped(leaf, prepared.devices.mesh) for _, leaf in before]
    return Provenance(function, carry, given_before, kept)


def _untyped(leaf: Any, mesh: Mesh | AbstractMesh) -> Any:
    """An array over explicit axes as one over the auto axes of `mesh`."""
    sharding = getattr(leaf, "sharding", None)
    if not isinstance(sharding, NamedSharding) or not has_explicit(sharding.mesh):
        return leaf
    return jax.device_put(leaf, NamedSharding(mesh, sharding.spec))


def row_devices(array: Any) -> list[int]:
    """The id of the device that holds each row of an array, the first one if several do."""
    devices: dict[int, int] = {}
    for device, start, stop in _held_rows(array):
        for row in range(start, stop):
            devices.setdefault(row, device)
    return [devices.get(row, -1) for row in range(array.shape[0])]


def _held_rows(array: Any) -> Iterator[tuple[Any, int, int]]:
    """Yield each device's id with the range (start, stop) of the rows that it holds."""
    if isinstance(array, Gathered):
        for block in array.blocks:
            yield (block.device, *block.index[0])
        return
    for shard in array.addressable_shards:
        start, stop, _ = shard.index[0].indices(array.shape[0])
        yield shard.device.id, start, stop


# ------------------------------------------------------------------- failures of the program itself


def _moved(diagnosis: Diagnosis, session: Session) -> Diagnosis:
    """Move a diagnosis of the collective's program to the corresponding field of the collective."""
    collective = session.collective
    assert collective is not None
    own = collective.operation.strip() in collective_program.own_functions(session.program.source)
    field = diagnosis.field
    if field.under(ARGUMENTS):
        place = _argument_field(field, collective)
        moved = [replace(fix, field=place) for fix in diagnosis.fixes if fix.field == field]
        return _at(diagnosis, place, moved)
    if field.under(LAYERS):
        places = {"axis_name": AXIS_NAME, "out_specs": VIA, "out_axes": VIA}
        return _at(diagnosis, places.get(field.name, VALUE))
    if field not in (PROGRAM, SOURCE, FUNCTION):
        return diagnosis
    if own:
        return _of_own_function(diagnosis, collective)
    if collective.options.get("to", "").strip():
        fixes = [Fix("shard_map", VIA, "shard_map")] if collective.via != "shard_map" else []
        return _at(diagnosis, OPTIONS / "to", fixes, lines=False)
    return _at(diagnosis, COLLECTIVE / "operation", lines=False)


def _of_own_function(diagnosis: Diagnosis, collective: Collective) -> Diagnosis:
    field = SOURCE if diagnosis.field != PROGRAM else PROGRAM
    unbound = re.search(r"unbound axis name: '?(\w+)", diagnosis.message)
    if unbound is None or collective.via == "shard_map":
        return _at(diagnosis, field)
    return _at(diagnosis, field, [Fix(f"name the axis {unbound[1]}", AXIS_NAME, unbound[1])])


def _argument_field(field: FieldPath, collective: Collective) -> FieldPath:
    operation = OPERATIONS.get(collective.operation.strip())
    operands = operation.names("operand") if operation else []
    index = int((field.under(ARGUMENTS) or ("0",))[0])
    return OPTIONS / operands[index - 1] if index else VALUE


def _at(
    diagnosis: Diagnosis, field: FieldPath, fixes: list[Fix] | None = None, *, lines: bool = True
) -> Diagnosis:
    """The diagnosis at another field; without `lines`, also without places in the composed source.

    Its own fixes are dropped: they apply to fields of the composed program, not of the session.
    """
    moved = replace(diagnosis, field=field, fixes=fixes or [])
    if lines:
        return moved
    return replace(
        moved,
        kind="collective" if diagnosis.kind in ("axes", "function") else diagnosis.kind,
        message=re.sub(r"^line \d+: ", "", diagnosis.message),
        line=UNSET,
        column=UNSET,
        frames=UNSET,
    )
