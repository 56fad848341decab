"""The place of this process among those of several hosts, as its keeper tells it."""

from __future__ import annotations

import os
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from jaxtui.engine import link
from jaxtui.engine.leader import Follower, Leader
from jaxtui.engine_base import processes
from jaxtui.engine_base.processes import Place
from jaxtui.hosts import messages
from jaxtui.hosts.messages import Joining
from jaxtui.wire.framing import read_body


def told(descriptor: int) -> Joining:
    """Read the place from the keeper. Exits if the keeper has ended."""
    body = read_body(partial(os.read, descriptor))
    if body is None:
        os._exit(0)
    return messages.joining(body)


def wait_for_go(descriptor: int) -> None:
    """Wait until all hosts reach each other. Exits if the keeper has ended instead."""
    if os.read(descriptor, 1) != messages.GO:
        os._exit(0)
    os.close(descriptor)


def lead(descriptor: int) -> tuple[Leader, Place]:
    """Wait for the followers, and return the leader with its place. Raises TimeoutError."""
    joining = told(descriptor)
    processes.name_hosts(joining.hosts)
    import_jax()
    connections = link.accepted(joining.listener, joining.work.secret, len(joining.hosts) - 1)
    followers = [
        Follower(process, None, connection, host=joining.hosts[process])
        for process, connection in sorted(connections.items())
    ]
    wait_for_go(descriptor)
    address = link.own_address(next(iter(connections.values())))
    return Leader(followers), place(joining, address)


def follow(descriptor: int) -> tuple[Connection[Any, Any], Place]:
    """Connect to the leader, and return the connection to it with this process' place.

    Raises OSError, AuthenticationError and the like: see `hosts.proof`.
    """
    joining = told(descriptor)
    processes.name_hosts(joining.hosts)
    import_jax()
    connection = link.connected(joining.link, joining.work.secret, joining.process)
    wait_for_go(descriptor)
    return connection, place(joining, link.own_address(connection))


def import_jax() -> None:
    """Import JAX while the hosts are still looked at."""
    from jaxtui.engine_base import devices  # noqa: F401  # imported for what that imports


def place(joining: Joining, address: str) -> Place:
    """The place of this process, as JAX is told of it; the others reach it at `address`."""
    count, number = joining.work.count, len(joining.hosts)
    return Place(
        process=joining.process,
        processes=number,
        coordinator=joining.coordinator,
        share=0 if count is None else count // number,
        virtual=count is not None,
        address=address,
        bind=joining.bind,
        detects=joining.work.detects,
    )
