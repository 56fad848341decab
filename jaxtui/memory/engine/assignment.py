"""What XLA's buffer assignment of a compiled program says: its buffers, and which make the peak.

XLA gives every intermediate a place in a few allocations, where those that are never needed at the
same time share memory. `memory_analysis` only has the sizes of all allocations together, and the
assignment itself as an encoded message (xla/service/hlo.proto).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtui.memory.engine.protobuf import Message


@dataclass(frozen=True)
class Buffer:
    """An intermediate value of a compiled program: an instruction's result, or a part of one.

    `part` is the index into the instruction's result if that is a tuple. `at_peak` says whether it
    is alive when its allocation holds most.
    """

    instruction: str
    part: tuple[int, ...]
    bytes: int
    at_peak: bool


@dataclass(frozen=True)
class Assignment:
    """The buffers of all temporary allocations, which take `size` bytes together."""

    buffers: tuple[Buffer, ...]
    size: int


# Fields of messages, by the numbers that xla/service/hlo.proto gives them.
_LOGICAL_BUFFERS, _ALLOCATIONS, _TRACES, _PEAKS = 1, 3, 4, 5  # of a BufferAssignmentProto
_ID, _SIZE, _DEFINED_AT = 1, 2, 3  # of a LogicalBufferProto
_SHAPE_INDEX, _INSTRUCTION_ID = 3, 4  # of its location
_INDEX, _ALLOCATED, _ASSIGNED = 1, 2, 9  # of a BufferAllocationProto
_OFFSET = 2  # of what is assigned in it
_THREAD_LOCAL, _PARAMETER, _LIVE_OUT, _CONSTANT = 3, 5, 7, 12
_EVENTS = 1  # of a HeapSimulatorTrace
_KIND, _BUFFER, _SHARES = 1, 2, 5  # of its events
_FREE, _SHARE = 1, 2  # kinds of events; without one it is an allocation
_COMPUTATIONS, _INSTRUCTIONS, _NAME, _UNIQUE_ID = 3, 2, 1, 35  # of an HloModuleProto


def assignment_of(compiled: Any) -> Assignment | None:
    """The assignment of a compiled program; None where this backend does not tell it."""
    memory = compiled.memory_analysis()
    encoded = getattr(memory, "serialized_buffer_assignment_proto", None)
    if not encoded:
        return None
    try:
        names = _names(compiled.runtime_executable().hlo_modules())
        return _assignment(Message(encoded), names)
    except (ValueError, AttributeError, KeyError):  # what another release writes otherwise
        return None


def _names(modules: Sequence[Any]) -> dict[int, str]:
    """The names of all instructions by their ids."""
    return {
        instruction.number(_UNIQUE_ID): instruction.text(_NAME)
        for module in modules
        for computation in Message(module.as_serialized_hlo_module_proto()).messages(_COMPUTATIONS)
        for instruction in computation.messages(_INSTRUCTIONS)
    }


def _assignment(message: Message, names: dict[int, str]) -> Assignment:
    logical = {one.number(_ID): one for one in message.messages(_LOGICAL_BUFFERS)}
    peaks = {one.number(1): one.numbers(2) for one in message.messages(_PEAKS)}
    alive, told = set[int](), set[int]()
    for trace in message.messages(_TRACES):
        events = trace.messages(_EVENTS)
        told.update(event.number(_BUFFER) for event in events)
        alive |= _most_alive(events, logical)
    temporary = [one for one in message.messages(_ALLOCATIONS) if _is_temporary(one)]
    assigned: list[int] = []
    for allocation in temporary:
        places = {one.number(1): one for one in allocation.messages(_ASSIGNED)}
        assigned += places
        if (index := allocation.number(_INDEX)) in peaks:
            told.update(places)
            alive.update(peaks[index])
        # Of those that neither tells of, the ones in the same place are never there together.
        untold = {
            (p.number(_OFFSET), p.number(3)): id for id, p in places.items() if id not in told
        }
        alive.update(untold.values())
    buffers = [_buffer(logical[id], names, id in alive) for id in assigned]
    size = sum(allocation.number(_ALLOCATED) for allocation in temporary)
    return Assignment(tuple(buffers), size)


def _is_temporary(allocation: Message) -> bool:
    kept = (_THREAD_LOCAL, _PARAMETER, _LIVE_OUT, _CONSTANT)
    return not any(allocation.number(field) for field in kept)


def _buffer(logical: Message, names: dict[int, str], at_peak: bool) -> Buffer:
    place = logical.message(_DEFINED_AT)
    return Buffer(
        instruction=names[place.number(_INSTRUCTION_ID)],
        part=tuple(place.numbers(_SHAPE_INDEX)),
        bytes=logical.number(_SIZE),
        at_peak=at_peak,
    )


def _most_alive(events: Sequence[Message], logical: dict[int, Message]) -> set[int]:
    """The buffers that are alive when most bytes are, as XLA's heap simulator laid them out."""
    most, best = 0, set[int]()
    for size, alive in _in_turn(events, logical):
        if size > most:
            most, best = size, set(alive)
    return best


def _in_turn(
    events: Sequence[Message], logical: dict[int, Message]
) -> Iterator[tuple[int, Counter[int]]]:
    """The bytes that are alive after each event, and the buffers, with how many share each."""
    size, alive = 0, Counter[int]()
    shared: dict[int, int] = {}
    for event in events:
        id, kind = event.number(_BUFFER), event.number(_KIND)
        if kind == _SHARE:
            shared[id] = event.number(_SHARES)
        owner = shared.get(id, id)
        if kind == _FREE:
            alive[owner] -= 1
        else:
            alive[owner] += 1
        alive += Counter()  # drops those that none shares any more
        size = sum(logical[one].number(_SIZE) for one in alive)
        yield size, alive
