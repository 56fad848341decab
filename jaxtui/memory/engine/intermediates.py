"""The intermediates of a program with the lines that make them, and what the program needs in all.

Where the backend tells, these are the buffers that XLA assigned in the compiled program. Elsewhere
they are the values of the jaxpr, of which a model says how long each lives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jax import tree_util
from jax.extend import core

from jaxtui.engine_base.memory import byte_size
from jaxtui.memory.engine.assignment import Assignment, Buffer, assignment_of
from jaxtui.program.engine import hlo_text
from jaxtui.program.engine.hlo_text import HloInstruction
from jaxtui.sharding.engine import lines, marking
from jaxtui.sharding.engine.compiled import place_among
from jaxtui.sharding.engine.liveness import Life
from jaxtui.text import dtypes

_XLA_NAMES = {"pred": "bool", "s": "i"}  # where JAX's short names of dtypes are others
_ELEMENT = re.compile(r"(?P<dtype>[a-z]+)(?P<rest>\w*)\[(?P<shape>[^\]]*)\]")


@dataclass(frozen=True)
class Needed:
    """The bytes that a compiled program needs on one device.

    `donated` are outputs that take the place of arguments. `devices` are those it runs on.
    """

    arguments: int
    outputs: int
    temporaries: int
    donated: int
    devices: int

    @property
    def together(self) -> int:
        return self.arguments + self.outputs + self.temporaries - self.donated


@dataclass(frozen=True)
class Intermediates:
    """`count` intermediates of one shape that one line makes, `at_peak` of which live at the peak.

    `line` is None for what does not come from the user's code; `file` is "" for the source. `bytes`
    is the size of each.
    """

    line: int | None
    file: str
    shape: str
    bytes: int
    count: int
    at_peak: int


def needed_by(compiled: Any) -> Needed:
    """What `memory_analysis` says of a compiled program."""
    memory = compiled.memory_analysis()

    def bytes_of(kind: str) -> int:
        return int(getattr(memory, f"{kind}_size_in_bytes", 0))

    return Needed(
        arguments=bytes_of("argument"),
        outputs=bytes_of("output"),
        temporaries=bytes_of("temp"),
        donated=bytes_of("alias"),
        devices=_devices(compiled),
    )


def _devices(compiled: Any) -> int:
    """How many devices it runs on, those of other processes too."""
    shardings = tree_util.tree_leaves((compiled.input_shardings, compiled.output_shardings))
    spread = [len(s.device_set) for s in shardings if hasattr(s, "device_set")]
    return max([len(compiled.runtime_executable().local_devices()), *spread])


def compiled_intermediates(compiled: Any) -> tuple[list[Intermediates], Assignment] | None:
    """The intermediates of a compiled program, the largest first, and XLA's assignment of them.

    None where the backend does not tell.
    """
    assignment = assignment_of(compiled)
    if assignment is None:
        return None
    found = hlo_text.instructions(compiled.as_text() or "")
    described = []
    for buffer in assignment.buffers:
        instruction = found.get(buffer.instruction)
        line, file = place_among(instruction.places) if instruction is not None else (None, "")
        described.append((line, file, _shape(instruction, buffer), buffer.bytes, buffer.at_peak))
    return _gathered(described), assignment


def modelled_intermediates(jaxpr: Any) -> list[Intermediates]:
    """The values of a closed jaxpr as a model of its intermediates, on all devices together."""
    marked = marking.marked(jaxpr)
    alive = set(Life(marked.closed.jaxpr).at_most(_bytes))
    results = set(filter(_is_variable, marked.closed.jaxpr.outvars))
    made = {value.variable: value for value in marked.values if _is_variable(value.variable)}
    described = []
    for variable, value in made.items():
        if variable in results or not _bytes(variable):
            continue
        place = lines.place_of(value.equation)
        line, file = (None, "") if place is None else (place.line, place.file)
        shape = f"{dtypes.short(str(variable.aval.dtype))}{_listed(variable.aval.shape)}"
        described.append((line, file, shape, _bytes(variable), variable in alive))
    return _gathered(described)


def _is_variable(atom: Any) -> bool:
    return isinstance(atom, core.Var)


def _bytes(variable: Any) -> int:
    aval = variable.aval
    return byte_size(aval) if hasattr(aval, "dtype") and hasattr(aval, "shape") else 0


def _gathered(described: Iterable[tuple[int | None, str, str, int, bool]]) -> list[Intermediates]:
    """Those alike in line, shape and size as one; what takes most at the peak, then most, first."""
    counts: dict[tuple[int | None, str, str, int], list[bool]] = {}
    for line, file, shape, size, at_peak in described:
        counts.setdefault((line, file, shape, size), []).append(at_peak)
    rows = [Intermediates(*key, len(alive), sum(alive)) for key, alive in counts.items()]
    return sorted(rows, key=lambda row: (-row.bytes * row.at_peak, -row.bytes * row.count))


def _shape(instruction: HloInstruction | None, buffer: Buffer) -> str:
    """The shape of an instruction's result, or of the part that a buffer holds, as JAX writes it;
    "" where it has none, such as the memory that a call of a library works in."""
    text = instruction.shape if instruction is not None else ""
    for index in buffer.part:
        parts = hlo_text.split_top(text.strip()[1:-1])
        text = parts[index] if index < len(parts) else ""
    found = _ELEMENT.match(text.strip())
    if found is None:
        return ""
    name = _XLA_NAMES.get(found["dtype"], found["dtype"]) + found["rest"]
    return f"{name}{_listed(filter(None, found['shape'].split(',')))}"


def _listed(shape: Iterable[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]"
