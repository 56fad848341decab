"""Addresses and ports at which the first host is reached by the others."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

REACH_SECONDS = 5.0
_BACKLOG = 1024


class Unreachable(Exception):
    """No address can be used; the message is a clause about the host."""


def parts(text: str) -> tuple[str, int]:
    """Split "address:port"; the port is 0 if there is none. Raises ValueError."""
    address, colon, port = text.rpartition(":")
    alone = ":" in address and not address.startswith("[")  # an IPv6 address
    if not colon or alone:
        address, port = text, "0"
    if not address or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no ADDRESS:PORT")
    return address.strip("[]"), int(port)


def joined(address: str, port: int) -> str:
    """Format "address:port"."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def reached_at() -> str:
    """The address of this host towards the starter, as ssh knows it; "" if unknown."""
    with suppress(OSError), socket.socket(fileno=os.dup(0)) as other:
        if other.family in (socket.AF_INET, socket.AF_INET6):
            return str(other.getsockname()[0])
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[2] if len(words) == 4 else ""


def chosen(others: Sequence[str]) -> str:
    """The address of this host to which the others, with these addresses, shall connect.

    Raises Unreachable.
    """
    own = reached_at()
    far = [other for other in others if other and not _is_loopback(other)]
    if own and not (_is_loopback(own) and (far or not all(others))):
        return own
    if far:
        return _towards(far[0])
    try:
        return str(socket.gethostbyname(socket.gethostname()))
    except OSError as error:
        raise Unreachable(
            f"cannot tell at which address the others reach it ({error.strerror}): "
            "give it with --coordinator ADDRESS:PORT"
        ) from error


def on_the_network() -> str:
    """The address of this host at which others are most likely to reach it. Raises Unreachable."""
    with suppress(Unreachable):
        return _towards("192.0.2.1")  # of nobody: the default route is asked for
    return chosen([])


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _towards(other: str) -> str:
    """The address of this host on the way to `other`. Nothing is sent."""
    family = socket.AF_INET6 if ":" in other else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((other, 9))
        except OSError as error:
            raise Unreachable(f"has no route to {other}: {error.strerror}") from error
        return str(probe.getsockname()[0])


def beside(port: int, by: int) -> int:
    """Another port, `by` above this one, or below where there is none above."""
    return port + by if port + by < 65_536 else port - by


def for_lobby(port: int) -> int:
    """The port at which the processes of a launcher meet, from that of JAX's coordinator.

    JAX takes the last four thousand ports, one for each job, so that a port nearby may be that of
    another job on the same host; and those below 32,768 are given to no connection by chance.
    """
    return port - 40_000 if port > 50_000 else port + 2


def bound(address: str, port: int) -> str:
    """The "address:port" to listen at for those who reach this host at `address`.

    A name that stands for this host's loopback interface, as Debian has it, is known to others
    with another address: then it is all interfaces.
    """
    try:
        own = socket.gethostbyname(address)
    except OSError:
        return joined(address, port)
    literal = address == own or address == "localhost"
    return joined("0.0.0.0" if _is_loopback(own) and not literal else address, port)


def listen(address: str, port: int) -> socket.socket:
    """Listen at an address of this host. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        family, _, _, _, place = found[0]
    except OSError as error:
        raise Unreachable(f"does not know the address {address}: {error.strerror}") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        where = joined(address, port)
        if error.errno == errno.EADDRINUSE:
            reason = f"cannot listen at {where}: the port is in use; give another one with "
            raise Unreachable(f"{reason}--coordinator {joined(address, 0)[:-1]}PORT") from error
        reason = f"cannot listen at {where}: {error.strerror}"
        if error.errno == errno.EADDRNOTAVAIL:
            reason = f"has no address {address}; give one that it has with --coordinator"
        raise Unreachable(reason) from error
    return listening


def look(place: str) -> None:
    """Connect to "address:port" and let go at once. Raises Unreachable."""
    try:
        with socket.create_connection(parts(place), REACH_SECONDS):
            pass
    except OSError as error:
        if isinstance(error, TimeoutError):
            reason = f"nothing comes back within {REACH_SECONDS:.0f} s; does a firewall drop it?"
        elif isinstance(error, socket.gaierror):
            reason = "it does not know that name"
        elif error.errno == errno.ECONNREFUSED:
            reason = "refused; does a firewall reject it, or is it another host's address?"
        else:
            reason = str(error.strerror).lower()
        raise Unreachable(reason) from error
