"""What several processes do and time in step; a process that is alone does it by itself.

The leader decides what is done next and how often, and every process does it with an object of its
own. Each has a clock of its own, of which only durations are sent: what takes several processes is
done when its slowest process is.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base import processes
from jaxtui.engine_base.processes import Step
from jaxtui.wire.benchmark_report import ProcessTimes


class Together:
    """One long work of all processes.

    `maker` and `number` are those of its steps, `own` is this process' object.
    """

    def __init__(self, maker: str, number: int, own: Any) -> None:
        self._maker = maker
        self._number = number
        self.own = own

    def step(self, method: str, *args: Any, communicates: bool = False) -> list[Any]:
        """Have all processes call `method`; return what each gives, this one's first.

        Raises what it raises here, and Diagnosed for what it raises in another process.
        """
        step = self.as_step(method, *args, communicates=communicates)
        return processes.stepped(step, partial(getattr(self.own, method), *args))

    def as_step(self, method: str, *args: Any, communicates: bool = False) -> Step:
        """The step in which the other processes call `method`."""
        return Step(self._maker, self._number, method, args, communicates)

    def end(self) -> None:
        """Let go of the work in all processes."""
        if processes.several():
            processes.stepped(Step(self._maker, self._number, "end"), lambda: None)

    def sampler(self, method: str, *args: Any) -> SharedSampler:
        """A sampler that has all processes call `method` with `args` and the number of calls."""
        return SharedSampler(self, method, args)


class SharedSampler:
    """Seconds per call until the slowest process is done; `each` has those of every process.

    Processes without a part in what is timed have none.
    """

    def __init__(self, together: Together, method: str, args: tuple[Any, ...]) -> None:
        self._together = together
        self._method = method
        self._args = args
        self.each: list[float] = []

    def __call__(self, calls: int) -> float:
        found = self._together.step(self._method, *self._args, calls, communicates=True)
        self.each = [seconds for seconds in found if seconds is not None]
        return max(self.each)


class Meeting:
    """Where the processes of some devices meet before each begins its clock.

    They leave a sum over one device of each; over gloo on one host within some 20 µs of each other.
    """

    def __init__(self, devices: Sequence[Any]) -> None:
        first = {device.process_index: device for device in reversed(devices)}
        chosen = [first[process] for process in sorted(first)]
        mesh = Mesh(np.array(chosen), ("processes",), axis_types=(AxisType.Auto,))
        spec = PartitionSpec("processes")
        host = np.ones(len(chosen), np.float32)
        self._one = jax.make_array_from_callback(
            host.shape, NamedSharding(mesh, spec), lambda index: host[index]
        )
        self._sum = jax.jit(
            jax.shard_map(
                lambda one: lax.psum(one, "processes"),
                mesh=mesh,
                in_specs=spec,
                out_specs=PartitionSpec(),
            )
        )
        self.wait()  # which compiles it

    def wait(self) -> None:
        """Wait until all processes do."""
        jax.block_until_ready(self._sum(self._one))


def processes_of(devices: Sequence[Any]) -> list[int]:
    """The processes that hold the devices, in an engine of several; [] in one of a single one."""
    found = {device.process_index for device in devices}
    return sorted(found) if processes.several() else []


def each_of(sample: Callable[[int], float]) -> list[float]:
    """The seconds of every process in the last sample; [] of one that a process takes alone."""
    return list(sample.each) if isinstance(sample, SharedSampler) else []


def times_of(each: Sequence[Sequence[float]], taking_part: Sequence[int]) -> list[ProcessTimes]:
    """The samples of every process, given those of every sample by process."""
    if not any(each):
        return []
    return [
        ProcessTimes(process=process, median=statistics.median(samples), samples=list(samples))
        for process, samples in zip(taking_part, zip(*each, strict=True), strict=True)
    ]
