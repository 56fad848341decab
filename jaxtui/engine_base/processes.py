"""An engine of several processes: the leader, whom the client speaks with, and its followers.

A computation over devices of several processes takes place when each of them makes the same calls
in the same order. So whatever the leader evaluates, its followers evaluate too, and afterwards
hand over what their devices hold. They do so in steps, so that no process begins a computation
that another will not join: all prepare, the leader compares and lets all go, all compute, the
leader asks for what they hold.

Without followers everything here does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtui.engine_base.errors import diagnosed
from jaxtui.session.session import Session
from jaxtui.wire.base import Composition


@dataclass(frozen=True)
class Sources:
    """To find what an element of a collective's result was made from, by trying.

    `before` are the arrays that the collective was given: the path of each, its elements (of PRNG
    keys the words) and the keys' implementation.
    """

    session: Session
    folder: str
    result: int
    before: list[tuple[str, Any, str | None]]
    leaf: int
    element: int


Task = Composition | Sources
Leaves = list[tuple[str, Any]]  # (keystr path, array or object)
Given = tuple[str, str]  # what tells a program from others, and arguments from others


@dataclass(frozen=True)
class Place:
    """One process among `processes`, which meet at `coordinator` and have `share` devices each.

    `virtual`: those are CPU devices, of which a process can make as many as it likes.
    """

    process: int
    processes: int
    coordinator: str
    share: int
    virtual: bool


class Member(Protocol):
    """This process as one of several."""

    def joined(self, task: Task) -> Any:
        """A context in which all processes work on `task`."""

    @property
    def together(self) -> bool:
        """Whether all processes compute now, so that this one must not give up alone."""

    def agree(self, given: Given) -> None:
        """Wait until all are ready to compute the same with the same."""

    def gathered(self, leaves: Leaves) -> Leaves:
        """The leaves with what the devices of other processes hold of them."""


_here: list[Member] = []  # one, if there are several processes


def become(member: Member) -> None:
    """Be `member` from now on."""
    _here[:] = [member]


def several() -> bool:
    """Whether this engine is of several processes."""
    return bool(_here)


def together() -> bool:
    """Whether all processes compute now."""
    return any(member.together for member in _here)


@contextmanager
def joined(task: Task) -> Iterator[None]:
    """Work on `task` in all processes: a Composition is evaluated, of Sources one is found."""
    if not _here:
        yield
        return
    with _here[0].joined(task):
        yield


def agree(given: Callable[[], Given]) -> None:
    """Go on when all processes are ready: `given()` tells what to compute, and what with.

    Raises Diagnosed when that differs between them, or when one of them failed before.
    """
    for member in _here:
        member.agree(given())


def gathered(leaves: Leaves) -> Leaves:
    """The leaves of a result, those spread over several processes as Gathered.

    Raises Diagnosed when this process has no memory for them.
    """
    for member in _here:
        return member.gathered(leaves)
    return leaves


def refuse(what: str) -> None:
    """Raise Diagnosed for something that only an engine of one process does."""
    if _here:
        message = f"{what} with the devices of one process: start without --processes"
        raise diagnosed("unsupported", "devices", message)
