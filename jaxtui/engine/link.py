"""The connections between the leader and the followers of an engine on several hosts.

Both sides prove that they know the secret before anything is unpickled. The kernel notices when the
network between two hosts is cut, so that nobody takes a host that computes for one that is lost.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

from jaxtui.hosts import proof
from jaxtui.hosts.addresses import parts

MEET_SECONDS = 120.0  # for all followers to import JAX and connect


def accepted(listener: int, secret: str, followers: int) -> dict[int, Connection[Any, Any]]:
    """Wait on a listening descriptor for the followers, and return their connections by process.

    Raises TimeoutError, naming the processes that have not come.
    """
    came: SimpleQueue[tuple[int, Connection[Any, Any]]] = SimpleQueue()
    listening = socket.socket(fileno=listener)
    threading.Thread(
        target=_accept, args=(listening, secret.encode(), came), name="link", daemon=True
    ).start()
    connections: dict[int, Connection[Any, Any]] = {}
    try:
        while len(connections) < followers:
            process, connection = came.get(timeout=MEET_SECONDS)
            connections[process] = connection
    except Empty:
        missing = sorted(set(range(1, followers + 1)) - set(connections))
        raise TimeoutError(
            f"processes {', '.join(map(str, missing))} have not connected within "
            f"{MEET_SECONDS:.0f} s"
        ) from None
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # wakes the thread up
        listening.close()
    return connections


def _accept(
    listening: socket.socket,
    secret: bytes,
    came: SimpleQueue[tuple[int, Connection[Any, Any]]],
) -> None:
    while True:
        try:
            other, _ = listening.accept()
        except OSError:  # all are there
            return
        # Whoever connects and says nothing must not keep the others waiting.
        threading.Thread(target=_welcome, args=(other, secret, came), daemon=True).start()


def _welcome(
    other: socket.socket,
    secret: bytes,
    came: SimpleQueue[tuple[int, Connection[Any, Any]]],
) -> None:
    proof.notice_cuts(other)
    with suppress(*proof.Refused):  # somebody else, or a look whether the port can be reached
        came.put(proof.welcome(other, secret))


def connected(place: str, secret: str, process: int) -> Connection[Any, Any]:
    """Connect process number `process` to the leader at "address:port".

    Raises one of proof.Refused.
    """
    other = socket.create_connection(parts(place), MEET_SECONDS)
    other.settimeout(None)
    proof.notice_cuts(other)
    # The leader answers once it has imported JAX.
    return proof.introduce(other, secret.encode(), process, round(MEET_SECONDS))


def own_address(connection: Connection[Any, Any]) -> str:
    """The address of this host on the way to the leader."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        return str(link.getsockname()[0])
