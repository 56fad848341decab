"""The connections between the leader and the followers of an engine on several hosts.

Both sides prove that they know the secret before anything is unpickled. The kernel notices when the
network between two hosts is cut, so that nobody takes a host that computes for one that is lost.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from queue import Empty, SimpleQueue
from typing import Any

from jaxtui.hosts.addresses import parts

MEET_SECONDS = 120.0  # for all followers to import JAX and connect
_PROVE_SECONDS = 10  # for one that connects to prove that it knows the secret
_CUT_SECONDS = 10  # without an answer of the other host's kernel


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
    _limit(other, _PROVE_SECONDS)
    _notice_cuts(other)
    connection: Connection[Any, Any] = Connection(other.detach())
    try:
        deliver_challenge(connection, secret)
        answer_challenge(connection, secret)
        process = int.from_bytes(connection.recv_bytes(8), "big")
    except (AuthenticationError, EOFError, OSError, ValueError, AssertionError):
        connection.close()  # somebody else, or a look whether the port can be reached
        return
    _unlimit(connection)
    came.put((process, connection))


def connected(place: str, secret: str, process: int) -> Connection[Any, Any]:
    """Connect process number `process` to the leader at "address:port".

    Raises OSError or AuthenticationError.
    """
    other = socket.create_connection(parts(place), MEET_SECONDS)
    other.settimeout(None)
    # The leader answers once it has imported JAX.
    _limit(other, round(MEET_SECONDS))
    _notice_cuts(other)
    connection: Connection[Any, Any] = Connection(other.detach())
    answer_challenge(connection, secret.encode())
    deliver_challenge(connection, secret.encode())
    connection.send_bytes(process.to_bytes(4, "big"))
    _unlimit(connection)
    return connection


def own_address(connection: Connection[Any, Any]) -> str:
    """The address of this host on the way to the leader."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        return str(link.getsockname()[0])


def _limit(link: socket.socket, seconds: int) -> None:
    """Limit the time that a read may take; 0 for no limit."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", seconds, 0))


def _unlimit(connection: Connection[Any, Any]) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        _limit(link, 0)


def _notice_cuts(link: socket.socket) -> None:
    """Have reads and writes fail once the other host has not answered for _CUT_SECONDS."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    for name, number in (
        (idle, 4),
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", (_CUT_SECONDS - 4) // 2),
        ("TCP_USER_TIMEOUT", _CUT_SECONDS * 1000),
    ):
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), number)
