"""Checks a collective's value, options, devices and transformation before it is called.

JAX's own errors are obscure, and in some cases it silently returns wrong results: each check says
what would happen without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, tree_util

from jaxtui.collectives.engine import options as collective_options
from jaxtui.collectives.engine import support as collective_support
from jaxtui.collectives.engine.references import LIMITS, divided, mesh_groups
from jaxtui.engine_base.devices import DeviceSet, device_set
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.program.engine import expressions
from jaxtui.program.engine.expressions import Names
from jaxtui.session import collective_program
from jaxtui.session.collective_catalogue import Operation, Option
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import COLLECTIVE, DEVICES, OPTIONS, FieldPath
from jaxtui.session.session import Collective, Session
from jaxtui.text.quantities import counted

VALUE = COLLECTIVE / "value"
VIA = COLLECTIVE / "via"
AXIS_NAME = OPTIONS / "axis_name"


@dataclass(frozen=True)
class Checked:
    """A collective that can be called, on `rows` rows.

    `operation` is None for the user's own function. `options` are the values of the given options,
    except operands. `groups` are the rows that take part together, in order of their positions.
    """

    operation: Operation | None
    options: dict[str, Any]
    groups: list[list[int]]
    rows: int


@dataclass(frozen=True)
class _Call:
    """The collective with what its checks need; `length` is the size of its axis."""

    operation: Operation
    collective: Collective
    devices: DeviceSet
    options: dict[str, Any]
    leaves: list[Any]
    axes: tuple[str, ...]
    length: int

    @property
    def group_size(self) -> int:
        """The number of devices in the first group."""
        groups = self.options.get("axis_index_groups")
        return len(groups[0]) if groups else self.length

    @property
    def blocks(self) -> list[tuple[int, ...]]:
        """The shape of each leaf of the operand on one device."""
        return [tuple(leaf.shape[1:]) for leaf in self.leaves] if self.operation.operand else []


def check(session: Session, folder: str = "") -> Checked:
    """Check the session's collective. Raises Diagnosed at the field at fault."""
    try:
        operation = collective_program.operation_of(session)
        axes = collective_program.axes_of(session)
        collective_program.as_program(session)
    except collective_program.CollectiveError as error:
        raise diagnosed("collective", error.field, error.message, error.fixes) from error
    collective = session.collective
    assert collective is not None
    if operation is not None:
        _check_installed(operation, collective)
    devices = device_set(session.devices)
    known = expressions.names(session.program.source, session.parameters, devices, folder)
    leaves, options = _values(collective, operation, known)
    rows = _rows(leaves)
    _check_capacity(rows, collective, devices, session)
    if collective.via == "shard_map":
        groups = mesh_groups(dict(devices.mesh.shape), axes)
    else:
        groups = [list(range(rows))]
    if operation is not None:
        call = _Call(operation, collective, devices, options, leaves, axes, len(groups[0]))
        _check_options(call)
        platform = str(devices.devices[0].platform)
        limits = LIMITS[operation.name]
        collective_support.refuse_unsupported(operation, limits, collective, options, platform)
        _check_dtypes(call)
        _check_shapes(call)
        groups = divided(groups, options.get("axis_index_groups"))
    return Checked(operation, options, groups, rows)


def _check_installed(operation: Operation, collective: Collective) -> None:
    function = getattr(lax, operation.name, None)
    if function is None:
        field = COLLECTIVE / "operation"
        raise diagnosed("unsupported", field, f"JAX {jax.__version__} has no {operation.name}")
    accepted = inspect.signature(function).parameters
    for name, text in collective.options.items():
        if text.strip() and name not in accepted:
            message = f"{operation.name} of JAX {jax.__version__} has no {name}"
            raise diagnosed("unsupported", OPTIONS / name, message)


# --------------------------------------------------------------------------------------- the values


def _values(
    collective: Collective, operation: Operation | None, known: Names
) -> tuple[list[Any], dict[str, Any]]:
    """The leaves of all operands as abstract arrays, and the values of the other options."""
    text = collective.value
    if not text.strip() and operation is not None and not operation.operand:
        text = operation.value
    leaves = _operand_leaves(text, VALUE, known)
    options: dict[str, Any] = {}
    for name, given in collective.options.items():
        option = operation.option(name) if operation else None
        field = OPTIONS / name
        if not given.strip() or name == "axis_name":
            continue
        if option is not None and option.kind == "operand":
            leaves += _operand_leaves(given, field, known)
            continue
        value = expressions.setting_value(given, known, field)
        if value is not None:
            options[name] = (
                value if option is None else collective_options.fitting(option, value, field)
            )
    return leaves, options


def _operand_leaves(text: str, field: FieldPath, known: Names) -> list[Any]:
    leaves = tree_util.tree_leaves(expressions.abstract_value(text, known, field).tree)
    if not leaves:
        raise diagnosed("collective", field, "holds no array: a row for each device is needed")
    for leaf in leaves:
        if not getattr(leaf, "shape", ()):
            raise _no_rows(leaf, text, field)
    return leaves


def _no_rows(leaf: Any, text: str, field: FieldPath) -> Diagnosed:
    fixes = []
    if text.strip().startswith("["):
        fixes.append(Fix(label="make it an array", field=field, text=f"array({text.strip()})"))
        what = "a list is a pytree of its elements, not an array"
    else:
        what = f"a {getattr(leaf, 'dtype', type(leaf).__name__)} without dimensions has no rows"
        if hasattr(leaf, "dtype"):
            full = f"full(devices, {text.strip()})"
            fixes.append(Fix(label="the same on every device", field=field, text=full))
    return diagnosed("collective", field, f"{what}: each device needs a row of it", fixes)


def _rows(leaves: Sequence[Any]) -> int:
    rows = {int(leaf.shape[0]) for leaf in leaves}
    if len(rows) > 1:
        sizes = ", ".join(map(str, sorted(rows)))
        raise diagnosed(
            "collective",
            VALUE,
            f"every array needs as many rows as there are devices: {sizes} differ",
        )
    if rows == {0}:
        raise diagnosed("collective", VALUE, "has no rows: each device needs one")
    return rows.pop()


def _check_capacity(
    rows: int, collective: Collective, devices: DeviceSet, session: Session
) -> None:
    # With too many rows, pmap says "cannot select an axis to squeeze out", and shard_map would give
    # every device several of them.
    have = len(devices.devices)
    if collective.via == "vmap" or rows == have or (collective.via == "pmap" and rows < have):
        return
    fixes = [Fix(label="vmap carries any number on one device", field=VIA, text="vmap")]
    if rows < have:
        message = f"{counted(rows, 'block')} for {have} devices: shard_map needs one for each"
        fixes.insert(0, Fix(label="pmap takes as many devices as needed", field=VIA, text="pmap"))
    else:
        places = f"{collective.via} places one block on each"
        message = f"{rows} blocks, but {counted(have, 'device')}: {places}"
        simulated = devices.devices[0].platform == "cpu" and devices.is_default
        if simulated and session.devices.mesh is None:
            fixes.append(Fix(f"{rows} virtual devices", DEVICES / "count", str(rows)))
    raise diagnosed("collective", VALUE, message, fixes)


# -------------------------------------------------------------------------------------- the options


def _check_options(call: _Call) -> None:
    for option in call.operation.options:
        value, field = call.options.get(option.name), OPTIONS / option.name
        if value is None:
            continue
        if option.kind == "groups":
            collective_options.check_groups(value, call.length, call.operation)
        elif option.kind == "pairs":
            collective_options.check_pairs(value, call.length, field)
            via = call.collective.via
            collective_support.refuse_partial_permutation(value, call.length, via, field)
        elif option.kind == "permutation":
            collective_options.check_permutation(value, call.length, field)
        elif option.kind == "position":
            collective_options.check_positions([value], call.length, field)
        if option.kind in ("pairs", "permutation"):
            _check_order_of_axes(call)


def _check_order_of_axes(call: _Call) -> None:
    # JAX before 0.12 permutes in the mesh's order, whatever the order of the tuple is.
    order = tuple(name for name in call.devices.mesh.axis_names if name in call.axes)
    if call.collective.via == "shard_map" and call.axes != order:
        field = AXIS_NAME
        message = f"{call.operation.name} numbers positions in the mesh's order: {', '.join(order)}"
        raise diagnosed("unsupported", field, message, [Fix("that order", field, str(order))])


# -------------------------------------------------------------------------------- dtypes and shapes


def _check_dtypes(call: _Call) -> None:
    name, text = call.operation.name, call.collective.value.strip()
    limits = LIMITS[name]
    for leaf in call.leaves if call.operation.operand else []:
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        if key and call.operation.made:
            message = f"PRNG keys have no {call.operation.made}: gather or permute them"
            raise diagnosed("collective", VALUE, message)
        across = call.collective.via != "vmap"
        to_vmap = [Fix(label="vmap can", field=VIA, text="vmap")]
        if key and limits.gathers_no_keys and across:
            message = f"{call.collective.via} gathers no PRNG keys; their words can be gathered"
            words = Fix("their words", VALUE, f"jax.random.key_data({text})")
            raise diagnosed("unsupported", VALUE, message, [*to_vmap, words])
        complex_ = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
        if complex_ and call.operation.compares and across:
            message = f"XLA has no {call.operation.made} of complex numbers between devices"
            raise diagnosed("unsupported", VALUE, message, to_vmap)
        if leaf.dtype == jnp.bool_ and limits.adds_no_bools:
            fixes = [Fix("count them as integers", VALUE, f"({text}).astype(int)")]
            raise diagnosed("unsupported", VALUE, f"{name} adds no bool (psum does)", fixes)


def _check_shapes(call: _Call) -> None:
    # Without this, psum_scatter under vmap returns zeros for a dimension that does not fit.
    for option in call.operation.options:
        if option.kind not in ("split", "concat"):
            continue
        for block in call.blocks:
            if call.operation.stacks:
                _check_stacked(call, option, block)
            else:
                _check_dimension(call, option, block, divides=option.kind == "split")


def _check_stacked(call: _Call, option: Option, block: tuple[int, ...]) -> None:
    axis, tiled = call.options.get(option.name, 0), call.options.get("tiled", False)
    rank = len(block) + (0 if tiled else 1)
    if tiled and not block:
        message = "a single number on each device cannot be tiled: stack them instead"
        field = OPTIONS / "tiled"
        raise diagnosed("collective", field, message, [Fix("stack", field, "False")])
    if not -rank <= axis < rank:
        field = OPTIONS / option.name
        message = f"the result has {counted(rank, 'dimension')}; there is no dimension {axis}"
        raise diagnosed("collective", field, message, [Fix(f"{option.name} 0", field, "0")])


def _check_dimension(call: _Call, option: Option, block: tuple[int, ...], *, divides: bool) -> None:
    name, rank = call.operation.name, len(block)
    dimension = call.options.get(option.name, 0)
    field = OPTIONS / option.name
    shape = f"blocks of shape {list(block)}"
    if not rank:
        message = f"each device holds a single number: {name} needs a dimension to cut"
        raise diagnosed(
            "collective", VALUE, message, [Fix("a square", VALUE, call.operation.value)]
        )
    if not -rank <= dimension < rank:
        message = f"{shape} have {counted(rank, 'dimension')}; there is no dimension {dimension}"
        raise diagnosed("collective", field, message, [Fix("the first", field, "0")])
    if dimension < 0 and not collective_support.takes_negative_dimensions():
        message = f"{name} of JAX {jax.__version__} takes no negative {option.name}"
        text = str(dimension + rank)
        raise diagnosed("unsupported", field, message, [Fix(f"{option.name} {text}", field, text)])
    if not divides:
        return
    size, parts = block[dimension], call.group_size
    tiled = bool(call.options.get("tiled", False))
    if size == parts or (tiled and size % parts == 0):
        return
    fitting = [
        Fix(f"{option.name} {i}", field, str(i))
        for i, n in enumerate(block)
        if n == parts or (tiled and n % parts == 0)
    ]
    if not tiled and size % parts == 0 and call.operation.option("tiled"):
        fitting.append(Fix("cut it into parts", OPTIONS / "tiled", "True"))
    devices = f"{parts} devices" + (" of a group" if "axis_index_groups" in call.options else "")
    must = f"a multiple of the {devices}" if tiled else f"as long as the {devices}"
    message = f"dimension {dimension} of {shape} is {size} long, and has to be {must}"
    raise diagnosed("collective", field, message, fitting)
