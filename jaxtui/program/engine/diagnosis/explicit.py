"""Why an operation over explicit axes was refused, and changes of the source that may mend it.

Over explicit axes a sharding is a part of an array's type, and JAX refuses what leaves the type of
the result open. The changes are only proposed here; which of them trace is tried by who asks.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from msgspec.structs import replace

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import shape_of
from jaxtui.engine_base.meshes import entries_of, typed_sharding, types_of
from jaxtui.program.engine import spec_trees
from jaxtui.program.engine.diagnosis.source_edits import Place, place_of
from jaxtui.program.engine.spec_trees import axes_of
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FUNCTION, SOURCE

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared

MOST_PROPOSED = 32
MOST_AXES = 3  # of the mesh, in proposed specs

# What JAX says, and the same in plain words. Groups of the pattern may stand in the words.
_WORDS = [
    (
        r"Contracting dimensions are sharded.*lhs_contracting_spec=\((?P<axes>.*?),?\) and",
        "the dimension that is summed over is divided over {axes} in both operands: each device "
        "has a part of every sum, and where the sums are to lie is open",
    ),
    (
        r"(?P<op>\w+) operation with inputs: (?P<inputs>.*?),? produces an illegally sharded "
        r"result: (?P<result>\S+)",
        "{op} of {inputs} would give {result}: an axis can divide one dimension only",
    ),
    (
        r"(?P<op>\w+) got incompatible shardings for broadcasting: (?P<specs>.*)\.",
        "{op} wants operands that are divided alike; these are divided {specs}",
    ),
    (
        r"select cases must have the same shardings",
        "the cases to choose from are divided in different ways",
    ),
    (
        r"All operands should have the same sharding",
        "the operands are divided in different ways, and the result can lie in one only",
    ),
    (
        r"This reshape is not supported.* new sizes: (?P<sizes>\([\d, ]*\))",
        "the reshape to {sizes} takes divided dimensions apart or together: where its result is to "
        "lie is open",
    ),
    (
        r"Use `\.at\[\.\.\.\]\.(?:get|set)",
        "what an index picks from a divided dimension may lie on any device: where the result is "
        "to lie is open",
    ),
    (
        r"(?P<op>[\w-]+) on sharded dims where out dim \((?P<size>\d+)\) is not divisible by mesh "
        r"axes \((?P<parts>\d+)\) with spec \((?P<axis>.*?)\)",
        "{axis} divides a dimension into {parts} parts, and the result has {size} of it, which "
        "cannot be divided so",
    ),
    (
        r"must be unsharded over the sorting dimension|should be unsharded over the axis being",
        "the dimension that this works along is divided over devices",
    ),
    (
        r"`with_sharding_constraint` acts as an assert.*array sharding: (?P<has>P\(.*?\)) did not "
        r"match the sharding provided: (?P<wanted>P\(.*?\))\.",
        "over explicit axes with_sharding_constraint only asserts: the array is divided {has}, not "
        "{wanted}; jax.sharding.reshard moves it",
    ),
    (
        r"The spec of NamedSharding passed to with_sharding_constraint can only refer to Auto",
        "over explicit axes with_sharding_constraint divides nothing: a reshard does",
    ),
    (
        r"0th dimension of all xs should be replicated\. Got (?P<spec>\S+\(.*\))",
        "scan goes along the first dimension, which is divided {spec}: each device must have all "
        "of it",
    ),
    (
        r"can map every mesh axis to at most one positional dimension, but (?P<result>P\(.*?\)) "
        r"has duplicate entries for `(?P<axis>\w+)`",
        "this would be divided {result}: {axis} can divide one dimension only",
    ),
    (r"Please pass sharding to `jnp\.repeat`", "where the repeated array is to lie is open"),
]


def explain(error: BaseException, prepared: Prepared) -> Diagnosis | None:
    """The diagnosis of an operation that JAX refused for the shardings in its operands' types."""
    refused = type(error).__name__ == "ShardingTypeError"
    said = failures.describe(error, 2000).partition(": ")[2]
    words = _words(said.replace("PartitionSpec(", "P("))  # as older JAX writes a spec
    if not refused and words is None:
        return None
    program = prepared.composition.program
    code = FUNCTION if ":" in program.function else SOURCE
    found = failures.raised_diagnosis(error, "function", code)
    if words is not None:
        line = failures.source_line(error)
        found = replace(found, message=words if line is None else f"line {line}: {words}")
    place = place_of(error, program.source)
    fixes = list(itertools.islice(_fixes(place, prepared), MOST_PROPOSED)) if place else []
    return replace(found, fixes=fixes)


def _words(message: str) -> str | None:
    for pattern, words in _WORDS:
        if match := re.search(pattern, message):
            given = match.groupdict()
            if "specs" in given:
                each = re.findall(r"\(.*?\)", given["specs"])
                given["specs"] = " and ".join(f"P{spec}" for spec in each)
            return words.format(**given)
    return None


def _fixes(place: Place, prepared: Prepared) -> Iterator[Fix]:
    """Propose changes of the expression, the likeliest first, none of them twice."""
    mesh = types_of(prepared.devices.mesh)
    axes = [axis for axis, kind in mesh.items() if kind is AxisType.Explicit][:MOST_AXES]
    seen = {place.source}
    for label, old, new in _edits(place, axes):
        text = place.changed(old, new)
        if text not in seen:
            seen.add(text)
            yield Fix(label=label, field=SOURCE, text=text)


Edit = tuple[str, ast.expr, str]


def _edits(place: Place, axes: list[str]) -> Iterator[Edit]:
    yield from _reshards_instead(place)
    natural = _natural(place)
    yield from (edit for spec in natural for edit in _with_out_sharding(place, spec))
    unlike = [spec for spec in _specs(axes) if spec not in natural]
    whole, others = unlike[:1], unlike[1:]
    yield from (edit for spec in whole for edit in _with_out_sharding(place, spec))
    yield from _operands_alike(place)
    yield from (edit for spec in whole for edit in _resharded(place, spec))
    yield from (edit for spec in others for edit in _with_out_sharding(place, spec))
    yield from (edit for spec in others for edit in _resharded(place, spec))


def _specs(axes: list[str]) -> list[str]:
    """Specs over the axes: nothing divided, one axis at a dimension, then two."""
    specs: list[tuple[str | None, ...]] = [()]
    specs += ((axis,) for axis in axes)
    specs += ((None, axis) for axis in axes)
    specs += itertools.permutations(axes, 2)
    return [spec_trees.spec_text(PartitionSpec(*spec)) for spec in specs]


# ------------------------------------------------------------------------------------------ edits


def _name_of(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _takes_out_sharding(name: str) -> bool:
    """Whether the function of JAX, or the method of an array, can be told where its result lies."""
    if name in ("get", "set", "add", "multiply", "reshape", "ravel"):
        return True
    homes = (jnp, lax)
    functions = [getattr(home, name, None) for home in homes]
    return any("out_sharding" in _parameters(function) for function in functions)


def _parameters(function: Any) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _with_out_sharding(place: Place, spec: str) -> Iterator[Edit]:
    """The expression with the `out_sharding` of its result."""
    node, label = place.node, f"out_sharding={spec}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        function = "jnp.matmul" if _takes_out_sharding("matmul") else "jnp.dot"
        left, right = place.text(node.left), place.text(node.right)
        yield label, node, f"{function}({left}, {right}, out_sharding={spec})"
    elif isinstance(node, ast.Subscript):
        value, index = place.text(node.value), place.text(node.slice)
        yield label, node, f"{value}.at[{index}].get(out_sharding={spec})"
    elif isinstance(node, ast.Call) and _takes_out_sharding(_name_of(node)):
        given = [place.text(argument) for argument in node.args]
        for keyword in node.keywords:
            value = place.text(keyword.value)
            if keyword.arg != "out_sharding":
                given.append(f"{keyword.arg}={value}" if keyword.arg else f"**{value}")
        called = ", ".join([*given, f"out_sharding={spec}"])
        yield label, node, f"{place.text(node.func)}({called})"


def _operands(place: Place) -> list[ast.expr]:
    node = place.node
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Subscript):
        return [node.value]
    if not isinstance(node, ast.Call):
        return []
    found: list[ast.expr] = []
    if isinstance(node.func, ast.Attribute) and not _is_module(place, node.func.value):
        found.append(node.func.value)  # that of a method
    for argument in node.args:
        found += argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
    return [x for x in found if not isinstance(x, ast.Starred | ast.Constant)]


def _is_module(place: Place, node: ast.expr) -> bool:
    """Whether the expression is a module, such as `jnp` or `jax.lax`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(place.value(node), types.ModuleType)


def _resharded(place: Place, spec: str) -> Iterator[Edit]:
    """The expression with one of its operands resharded."""
    if not hasattr(jax.sharding, "reshard"):
        return
    for operand in _operands(place):
        text = place.text(operand)
        shown = text if len(text) <= 20 else f"{text[:19]}…"
        yield f"reshard {shown} to {spec}", operand, f"jax.sharding.reshard({text}, {spec})"


def _spec_at(place: Place, node: ast.expr) -> PartitionSpec | None:
    """The spec in the type of what a name is bound to; None for anything else."""
    value = place.value(node)
    if not isinstance(value, jax.Array):
        return None
    sharding = typed_sharding(value)
    return PartitionSpec() if sharding is None else sharding.spec


def _operands_alike(place: Place) -> Iterator[Edit]:
    """Each operand resharded as another one lies."""
    operands = _operands(place)
    specs = [_spec_at(place, operand) for operand in operands]
    for spec in dict.fromkeys(spec for spec in specs if spec is not None):
        text = spec_trees.text_of(spec)
        for label, operand, new in _resharded(place, text or "P()"):
            if _spec_at(place, operand) != spec:
                yield label, operand, new


def _natural(place: Place) -> list[str]:
    """The specs that a product's free dimensions have by themselves, if its operands are names."""
    node = place.node
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
    product = product or (
        isinstance(node, ast.Call) and _name_of(node) in ("dot", "matmul") and len(node.args) == 2
    )
    operands = _operands(place)[-2:]
    if not product or len(operands) != 2:
        return []
    values = [place.value(operand) for operand in operands]
    specs = [_spec_at(place, operand) for operand in operands]
    if None in specs:
        return []
    left, right = (
        _padded(spec, len(shape_of(value))) for spec, value in zip(specs, values, strict=True)
    )
    free = [*left[:-1], *right[:-2], *right[-1:]] if len(right) > 1 else left[:-1]
    used: set[Any] = set()
    entries = []
    for entry in free:
        kept = tuple(axis for axis in axes_of(entry) if axis not in used)
        used |= set(kept)
        entries.append(kept or None)
    text = spec_trees.text_of(PartitionSpec(*entries))
    return [text] if text is not None else []


def _padded(spec: PartitionSpec | None, rank: int) -> list[Any]:
    entries = list(() if spec is None else entries_of(spec))
    return entries + [None] * (rank - len(entries))


def _reshards_instead(place: Place) -> Iterator[Edit]:
    """`jax.sharding.reshard` in place of a constraint."""
    node = place.node
    if isinstance(node, ast.Call) and _name_of(node) == "with_sharding_constraint":
        arguments = ", ".join(place.text(argument) for argument in node.args)
        yield "reshard instead", node, f"jax.sharding.reshard({arguments})"
