"""Shardy's propagation on a lowered module: where each value lies.

jaxlib carries the passes that XLA itself partitions with, and runs them without devices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax.sharding import PartitionSpec
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy
from jaxlib.mlir.passmanager import PassManager

from jaxtui.engine_base import meshes
from jaxtui.sharding.blocks import size_of
from jaxtui.sharding.engine import marks
from jaxtui.wire.sharding import Spec

_PROPAGATE = "builtin.module(sdy-propagation-pipeline)"


@dataclass(frozen=True)
class Sharded:
    """How a value lies: the axes of each dimension, and those over which it is yet to be summed."""

    spec: Spec
    unreduced: tuple[str, ...] = ()


def propagate(module: Any) -> None:
    """Give each value of a prepared module its sharding, in place. Raises ir.MLIRError."""
    run(_PROPAGATE, module)


def run(passes: str, module: Any) -> None:
    """Run passes on a module, in place. Raises ir.MLIRError, also if the outcome is not valid.

    What the last pass made is verified, not what each of them did, which takes twice as long as all
    the passes do. A pool of threads for a single function only costs its start.
    """
    with module.context as context:
        context.enable_multithreading(False)
        manager = PassManager.parse(passes)
        manager.enable_verifier(False)
        manager.run(module.operation)
        module.operation.verify()


def operations(operation: Any) -> list[Any]:
    """Every operation inside `operation`, in the order of the text."""
    found: list[Any] = []

    def find(inner: Any) -> Any:
        found.append(inner)
        return ir.WalkResult.ADVANCE

    operation.walk(find, ir.WalkOrder.PRE_ORDER)
    return found[1:]


# ------------------------------------------------------------------------------------- shardings


def sharding_of(value: Any) -> Any:
    """The sharding attribute of an MLIR value, or None if it lies whole on every device."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return _of_argument(value, owner.owner.operation)
    attributes = owner.attributes
    if "sdy.sharding" in attributes:
        result = ir.OpResult(value).result_number
        return _per_value(attributes["sdy.sharding"])[result]
    if "out_sharding" in attributes:  # a collective
        return sdy.TensorShardingAttr(attributes["out_sharding"])
    if owner.name == "sdy.sharding_constraint" or owner.name == "sdy.reshard":
        return sdy.TensorShardingAttr(attributes["sharding"])
    if owner.name == "sdy.manual_computation":
        return _per_value(attributes["out_shardings"])[ir.OpResult(value).result_number]
    return None


def _of_argument(value: Any, owner: Any) -> Any:
    number = ir.BlockArgument(value).arg_number
    if owner.name == "func.func":
        return _attribute_of(owner, "arg_attrs", number)
    if owner.name == "stablehlo.while":
        return sharding_of(owner.results[number])
    return None


def attribute_of(operation: Any, name: str) -> Any:
    """An attribute of an operation, or None."""
    attributes = operation.attributes  # which has no `get` before JAX 0.7
    return attributes[name] if name in attributes else None  # noqa: SIM401


def _attribute_of(function: Any, name: str, number: int) -> Any:
    known = attribute_of(function, name)
    if known is None:
        return None
    attributes = ir.DictAttr(ir.ArrayAttr(known)[number])
    if "sdy.sharding" not in attributes:
        return None
    return sdy.TensorShardingAttr(attributes["sdy.sharding"])


def _per_value(attribute: Any) -> list[Any]:
    shardings = sdy.TensorShardingPerValueAttr(attribute).shardings
    return [sdy.TensorShardingAttr(s) for s in shardings]


def sharded(attribute: Any, rank: int) -> Sharded:
    """A sharding attribute as axes of each of `rank` dimensions."""
    if attribute is None:
        return Sharded([[] for _ in range(rank)])
    key = (str(attribute), rank)
    known = _KNOWN.get(key)
    if known is None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[key] = _read(attribute, rank)
    return known


# By their texts, which keep no module alive: a program has few, and reading one takes longer.
_KNOWN: dict[tuple[str, int], Sharded] = {}
_MOST_KNOWN = 4096


def _read(attribute: Any, rank: int) -> Sharded:
    spec = [
        [_axis_text(sdy.AxisRefAttr(axis)) for axis in sdy.DimensionShardingAttr(dimension).axes]
        for dimension in attribute.dimension_shardings
    ]
    unreduced = getattr(attribute, "unreduced_axes", ())
    # An array of PRNG keys has dimensions of their words behind its own, and the sharding of an
    # array on a single device, as for a callback, has none at all.
    spec = [*spec[:rank], *([] for _ in range(rank - len(spec)))]
    return Sharded(spec, tuple(_axis_text(sdy.AxisRefAttr(axis)) for axis in unreduced))


def by_type(array: Any) -> Sharded:
    """How an array lies by the sharding that is part of its type, or that it was given."""
    said = getattr(getattr(array, "sharding", None), "spec", PartitionSpec())
    spec = [
        list(entry) if isinstance(entry, tuple) else [] if entry is None else [entry]
        for entry in meshes.entries_of(said)
    ]
    spec += [[] for _ in range(rank(array) - len(spec))]
    return Sharded(spec, tuple(sorted(meshes.axes_beside(said).get("unreduced", ()))))


def rank(aval: Any) -> int:
    """The number of dimensions; 0 for a token, which has no shape."""
    return len(getattr(aval, "shape", ()))


def _axis_text(axis: Any) -> str:
    part = axis.sub_axis_info
    if part is None:
        return str(axis.name)
    part = sdy.SubAxisInfoAttr(part)
    return f"{axis.name}:({part.pre_size}){part.size}"


def inputs(module: Any) -> list[Any]:
    """The sharding attribute of each argument of the main function."""
    main = main_of(module)
    count = len(main.regions[0].blocks[0].arguments)
    return [_attribute_of(main, "arg_attrs", n) for n in range(count)]


def outputs(module: Any) -> list[Any]:
    """The sharding attribute of each result of the main function."""
    main = main_of(module)
    returned = list(main.regions[0].blocks[0].operations)[-1].operation.operands
    return [
        _attribute_of(main, "res_attrs", n) or sharding_of(value)
        for n, value in enumerate(returned)
    ]


def main_of(module: Any) -> Any:
    """The main function of a module. Raises ValueError if it has none."""
    for op in module.body.operations:
        named = op.operation.name == "func.func" and op.attributes["sym_name"]
        if named and ir.StringAttr(named).value == "main":
            return op.operation
    raise ValueError("the module has no main function")


def marked_values(module: Any) -> dict[int, Any]:
    """The sharding attribute of each marked value of a propagated module, by its number.

    Of the copies of a constant, that of the mark counts.
    """
    found: dict[int, Any] = {}
    known: dict[Any, list[Any]] = {}
    for op in operations(main_of(module)):
        if results := marks.made(op):
            attribute = attribute_of(op, "sdy.sharding")
            if attribute is not None and attribute not in known:
                known[attribute] = _per_value(attribute)
            for number, result in results:
                told = known.get(attribute)
                found[number] = sharding_of(op.results[result]) if told is None else told[result]
        elif marks.is_mark(op):
            held = zip(marks.numbers(op), op.operands, strict=True)
            found |= {number: sharding_of(value) for number, value in held}
    return found


def block_shape(shape: Sequence[int], spec: Spec, mesh: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of the largest block that a device holds of an array."""
    if not any(spec):
        return tuple(shape)
    axes = [*spec, *([] for _ in range(len(shape) - len(spec)))]
    return tuple(
        -(-size // math.prod(size_of(axis, mesh) for axis in own)) if own else size
        for size, own in zip(shape, axes, strict=True)
    )
