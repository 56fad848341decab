"""How much memory a program may take on each device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax

from jaxtui.engine_base import devices
from jaxtui.session.session import Sharding
from jaxtui.sharding.costs import links


@dataclass(frozen=True)
class Budget:
    """So many bytes, and in words whose they are. `shared` ones are for all devices together.

    Of `measured` ones others may take some before the program runs.
    """

    bytes: int
    words: str
    shared: bool = False
    measured: bool = False

    @property
    def with_room(self) -> Budget:
        """The budget for what is to fit by choice: of what is measured, an eighth stays free."""
        return replace(self, bytes=self.bytes - self.bytes // 8) if self.measured else self

    def fits(self, together: int, count: int) -> bool:
        """Whether so many bytes on each of `count` devices fit."""
        return together * (count if self.shared else 1) <= self.bytes


def budget_of(sharding: Sharding | None) -> Budget | None:
    """The memory that is typed, else that of the devices, on CPUs what the host has free.

    None where none of these is known. Raises FieldError at what cannot be read.
    """
    typed = links(sharding).memory if sharding is not None else None
    if typed is not None:
        return Budget(typed, "typed")
    free = devices.available_memory()
    if jax.default_backend() == "cpu":
        return (
            None if free is None else Budget(free, "free on this host", shared=True, measured=True)
        )
    limits = [info.memory_limit for info in devices.environment().devices]
    known = [limit for limit in limits if limit is not None]
    return Budget(min(known), "of a device", measured=True) if known else None
