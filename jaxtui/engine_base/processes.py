"""An engine of several processes: a leader, which the client talks to, and its followers.

JAX computes over the devices of several processes when each process makes the same calls in the
same order (multi-controller JAX). So the followers evaluate everything that the leader evaluates.
So that no process begins a computation that another does not join, this is done in steps:

1. Every process prepares the computation.
2. `agree`: the leader compares what they are about to compute, and lets all go on.
3. Every process computes.
4. `gathered`: the leader is told of the shards that the followers' devices hold, and reads windows
   of them when they are looked at.

What is done step by step, such as a benchmark, is a task for each step: `stepped`. Between two
steps all processes are free for other tasks.

In an engine of a single process, the functions below do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from jaxtui.engine_base.errors import diagnosed
from jaxtui.session.field_path import ARGUMENTS, PROGRAM
from jaxtui.session.session import Session
from jaxtui.wire.base import Composition


@dataclass(frozen=True)
class Sources:
    """The task to find, by experiment, which inputs an element of a collective's result came from.

    `before` are the collective's inputs as (path, elements, implementation): for PRNG keys the
    elements are the key data and the implementation is the keys', else it is None.
    """

    session: Session
    folder: str
    result: int
    before: list[tuple[str, Any, str | None]]
    leaf: int
    element: int


@dataclass(frozen=True)
class Step:
    """The task to make one step of a long work, such as a benchmark.

    `maker` says what the work is, as "module:class": each process has an object of it for every
    `number`, made by its first step, of which `method` is called with `args`. In a step that
    `communicates`, devices of one process may wait for those of another.
    """

    maker: str
    number: int
    method: str
    args: tuple[Any, ...] = ()
    communicates: bool = False


Task = Composition | Sources | Step
Leaves = list[tuple[str, Any]]  # (keystr path, array or object)
Given = tuple[str, str]  # digests of the program and of its arguments


@dataclass(frozen=True)
class Place:
    """The place of a process among several.

    `process` is its index of `processes`, `coordinator` the host:port at which they connect, and
    `share` the number of devices of each, which are CPU devices if `virtual`; with 0, it has all
    the devices of its host. `address` is where the others reach this one, "" for its own name's,
    and `bind` where the coordinator listens, "" for `coordinator`. With `detects`, JAX goes by the
    launcher for which of a host's devices are this process'.
    """

    process: int
    processes: int
    coordinator: str
    share: int
    virtual: bool
    address: str = ""
    bind: str = ""
    detects: bool = False


class Member(Protocol):
    """This process as the leader or a follower. See the functions of the same names below."""

    def joined(self, task: Task) -> AbstractContextManager[None]: ...

    @property
    def together(self) -> bool: ...

    def agree(self, given: Given) -> None: ...

    def gathered(self, leaves: Leaves) -> Leaves: ...

    def stepped(self, step: Step, own: Callable[[], Any]) -> list[Any]: ...


_member: list[Member] = []  # this process, if it is one of several
_hosts: list[str] = []


def become(member: Member) -> None:
    """Make this process the leader or a follower."""
    _member[:] = [member]


def name_hosts(hosts: Sequence[str]) -> None:
    """Say which hosts the processes run on, in their order."""
    _hosts[:] = hosts


def hosts() -> list[str]:
    """The hosts of the processes, empty if there is one host only."""
    return list(_hosts)


def several() -> bool:
    """Whether this engine has several processes."""
    return bool(_member)


def together() -> bool:
    """Whether all processes are computing, so that this one must not give up alone."""
    return any(member.together for member in _member)


def joined(task: Task) -> AbstractContextManager[None]:
    """Return a context in which all processes work on `task`."""
    return _member[0].joined(task) if _member else nullcontext()


def agree(given: Callable[[], Given]) -> None:
    """Wait until all processes are ready to compute the same; `given()` returns the digests.

    Raises Diagnosed when the digests differ, or when another process failed in its preparation.
    """
    for member in _member:
        member.agree(given())


def require_same(name: str, mine: Given, given: Given) -> None:
    """Raise Diagnosed if the process `name` is about to compute something else than this one."""
    message = (
        f"{name} {{}} than process 0, and they have to be the same in all: what is "
        "random needs a seed, and nothing may depend on the process"
    )
    if mine[0] != given[0]:
        raise diagnosed("function", PROGRAM, message.format("makes another program"))
    if mine[1] != given[1]:
        raise diagnosed("function", ARGUMENTS, message.format("has other arguments"))


def gathered(leaves: Leaves) -> Leaves:
    """Replace the leaves that are spread over several processes by Gathered arrays.

    Raises Diagnosed when a process holds other blocks than it should.
    """
    return _member[0].gathered(leaves) if _member else leaves


def stepped(step: Step, own: Callable[[], Any]) -> list[Any]:
    """Make a step in all processes, here by `own`; return what each gives, this one's first.

    Raises what `own` raises, and Diagnosed when another process failed.
    """
    return _member[0].stepped(step, own) if _member else [own()]
