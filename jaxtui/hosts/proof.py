"""How both ends of a connection prove to each other that they know a secret, without telling it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any

SECONDS = 10  # for the other end to prove it
CUT_SECONDS = 10  # without an answer of the other host's kernel

Refused = (AuthenticationError, EOFError, OSError, ValueError, AssertionError)
"""What is raised if the other end does not know the secret, or does not try to prove it."""


def welcome(other: socket.socket, secret: bytes) -> tuple[int, Connection[Any, Any]]:
    """Let whoever has connected prove it, and return its number with the connection.

    Takes `other` over. Raises one of Refused.
    """
    limit(other, SECONDS)
    connection: Connection[Any, Any] = Connection(other.detach())
    try:
        deliver_challenge(connection, secret)
        answer_challenge(connection, secret)
        number = int.from_bytes(connection.recv_bytes(8), "big")
    except BaseException:
        connection.close()
        raise
    unlimit(connection)
    return number, connection


def introduce(
    other: socket.socket, secret: bytes, number: int, seconds: int
) -> Connection[Any, Any]:
    """Prove it to who listens there, who answers within `seconds`, and tell this end's number.

    Takes `other` over. Raises one of Refused.
    """
    limit(other, seconds)
    connection: Connection[Any, Any] = Connection(other.detach())
    try:
        answer_challenge(connection, secret)
        deliver_challenge(connection, secret)
        connection.send_bytes(number.to_bytes(4, "big"))
    except BaseException:
        connection.close()
        raise
    unlimit(connection)
    return connection


def limit(link: socket.socket, seconds: int) -> None:
    """Limit the time that a read may take; 0 for no limit."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", seconds, 0))


def unlimit(connection: Connection[Any, Any]) -> None:
    """Let reads take any time."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        limit(link, 0)


def notice_cuts(link: socket.socket) -> None:
    """Have reads and writes fail once the other host has not answered for CUT_SECONDS."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    for name, number in (
        (idle, 4),
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", (CUT_SECONDS - 4) // 2),
        ("TCP_USER_TIMEOUT", CUT_SECONDS * 1000),
    ):
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), number)
