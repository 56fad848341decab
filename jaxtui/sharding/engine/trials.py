"""A lowered program propagated again and again with other annotations, which costs milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxlib.mlir import ir

from jaxtui.engine_base.errors import diagnosed
from jaxtui.session.field_path import SHARDING
from jaxtui.sharding import costs
from jaxtui.sharding.costs import Links
from jaxtui.sharding.engine import memory, resharding, shardy, terms
from jaxtui.sharding.engine.lowering import LoweredProgram
from jaxtui.wire.sharding import Spec

_MESH_NAME = "jaxtui_mesh"


@dataclass(frozen=True)
class Cost:
    """What a way to shard costs each device: bytes sent, their time in seconds, peak in bytes.

    `inputs` are the specs that the arrays among the arguments have then.
    """

    sent: int
    seconds: float
    memory: int
    inputs: tuple[Spec, ...] = ()


@dataclass
class _Module:
    """A module's operation, which can be copied, with what a module has."""

    operation: Any

    @property
    def context(self) -> Any:
        return self.operation.context

    @property
    def body(self) -> Any:
        return self.operation.regions[0].blocks[0]


class Trials:
    """Propagates copies of a program's module, which itself must not have been planned.

    Raises Diagnosed for a program that JAX cannot lower.
    """

    def __init__(self, program: LoweredProgram, links: Links) -> None:
        self.program = program
        self._links = links
        module = program.module
        if module is None:
            message = f"JAX cannot lower this program: {program.unlowered}"
            raise diagnosed("unsupported", SHARDING / "axis_types", message)
        with module.context:
            self._mesh_name = _mesh_name(module, program.mesh)

    def specs(self) -> list[Spec]:
        """The specs of the arrays among the arguments, as they are annotated."""
        module = self.program.module
        with module.context:
            return [laid.spec for laid in self.program.laid_inputs(module)]

    def copy(self, specs: Mapping[int, Spec | None] | None = None) -> _Module:
        """A copy of the module, in which arrays (by their numbers) have other specs, or none."""
        copy = _Module(self.program.module.operation.clone())
        if specs:
            with copy.context:
                self._annotate(copy, specs)
        return copy

    def _annotate(self, module: _Module, specs: Mapping[int, Spec | None]) -> None:
        main = shardy.main_of(module)
        count = len(main.regions[0].blocks[0].arguments)
        known = shardy.attribute_of(main, "arg_attrs")
        attributes: list[Any] = []
        for number in range(count):
            old: Any = () if known is None else ir.DictAttr(ir.ArrayAttr(known)[number])
            entries = {named.name: named.attr for named in old}
            if number in specs:
                entries.pop("sdy.sharding", None)
                spec = specs[number]
                if spec is not None:
                    entries["sdy.sharding"] = self._attribute(spec, main, number)
            attributes.append(ir.DictAttr.get(entries))
        main.attributes["arg_attrs"] = ir.ArrayAttr.get(attributes)

    def _attribute(self, spec: Spec, main: Any, number: int) -> Any:
        kind = main.regions[0].blocks[0].arguments[number].type
        # An array of PRNG keys has dimensions of its own behind those of the array.
        rank = len(ir.RankedTensorType(kind).shape)
        dimensions = [", ".join(f'"{axis}"' for axis in axes) for axes in spec]
        dimensions += [""] * (rank - len(dimensions))
        text = ", ".join(f"{{{axes}}}" for axes in dimensions)
        return ir.Attribute.parse(f"#sdy.sharding<@{self._mesh_name}, [{text}]>")

    def cost(self, specs: Mapping[int, Spec | None]) -> Cost:
        """What the program costs with these specs. Raises ir.MLIRError."""
        copy = self.copy(specs)
        shardy.propagate(copy)
        with copy.context:
            inputs, values = self.program.laid_inputs(copy), self.program.laid_values(copy)
            resharding.insert_collectives(copy)
            sent = terms.needed(self.program, copy)
        total, seconds = 0, 0.0
        for one in sent:
            known = terms.terms(one, self.program)
            times = known.times or 1
            total += round(costs.sent(one.kind, known.devices, known.bytes)) * times
            once = self._links.seconds(one.kind, known.axes, known.devices, known.bytes)
            seconds += once * times
        lain = tuple(laid.spec for laid in inputs)
        return Cost(total, seconds, memory.peak(self.program, inputs, values), lain)


def _mesh_name(module: Any, mesh: Mapping[str, int]) -> str:
    """The name of the module's mesh with these axes, which is added if there is none."""
    wanted = ", ".join(f'"{axis}"={size}' for axis, size in mesh.items())
    for op in module.body.operations:
        if op.operation.name == "sdy.mesh" and f"<[{wanted}]>" in str(op.attributes["mesh"]):
            return ir.StringAttr(op.attributes["sym_name"]).value
    made = ir.Operation.parse(f"sdy.mesh @{_MESH_NAME} = <[{wanted}]>", context=module.context)
    ir.InsertionPoint.at_block_begin(module.body).insert(made)
    return _MESH_NAME
