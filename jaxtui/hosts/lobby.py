"""Where the processes of a job, started by a launcher on every host, meet the one with the screen.

The process with the screen listens for as long as it lives, and the starter of each of its engines
takes in who has come. So the others notice by the kernel alone when an engine ends, after which
they come again, and when the screen has ended, after which nobody listens.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

from jaxtui import bounded, config
from jaxtui.hosts import launchers, proof
from jaxtui.hosts.addresses import parts

VARIABLE = "JAXTUI_CLUSTER_SECRET"
COME_SECONDS = 60.0  # for the process with the screen to listen, and for the others to come
_KEY_BYTES = 32
_PAUSE_SECONDS = 0.2
_LONG_SECONDS = 7 * 24 * 3600  # to wait for the next engine: as long as the screen lives


class NoSecret(Exception):
    """There is no secret that the processes share; the message is for the user."""


def secret() -> bytes:
    """The secret of this user's processes on all hosts. Raises NoSecret.

    It is in the variable, or in a file of the data folder that only this user can read, which hosts
    that share their home folders share, too.
    """
    text = os.environ.get(VARIABLE, "")
    if text:
        if len(text) < 16:
            raise NoSecret(f"{VARIABLE} has fewer than 16 characters")
        return text.encode()
    path = config.data_folder() / "cluster.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            _make(path)
        status = path.stat()
        key = bounded.read(path, _KEY_BYTES)
    except (OSError, bounded.Unreadable) as error:
        raise NoSecret(f"{path} cannot be used ({error}): set {VARIABLE} on all hosts") from error
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or len(key) != _KEY_BYTES:
        raise NoSecret(f"{path} is not a key that only you can read: remove it")
    return key.hex().encode()


def derived(text: str) -> str:
    """The secret that processes with a common secret make of a text that anybody may know.

    Raises NoSecret.
    """
    return hmac.new(secret(), text.encode(), hashlib.sha256).hexdigest()


def _make(path: Path) -> None:
    """Write a new key, complete before it has its name. Raises FileExistsError if there is one."""
    if path.exists():
        raise FileExistsError
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        os.link(temporary, path)
    finally:
        os.unlink(temporary)


class Lobby:
    """Takes in who connects to the listening descriptor, once they have proven who they are."""

    def __init__(self, descriptor: int, secret: bytes) -> None:
        self.listening = socket.socket(fileno=descriptor)
        self.listening.setblocking(False)
        self._secret = secret
        self._came: SimpleQueue[tuple[int, socket.socket]] = SimpleQueue()

    def accept(self) -> None:
        """Take in who has connected now; who that is comes out of `came`."""
        with suppress(OSError):
            other, _ = self.listening.accept()
            other.setblocking(True)
            threading.Thread(target=self._welcome, args=(other,), daemon=True).start()

    def _welcome(self, other: socket.socket) -> None:
        with suppress(*proof.Refused):
            number, connection = proof.welcome(other, self._secret)
            self._came.put((number, socket.socket(fileno=os.dup(connection.fileno()))))
            connection.close()

    def came(self) -> list[tuple[int, socket.socket]]:
        """The numbers and connections of those who have come since."""
        found = []
        with suppress(Empty):
            while True:
                found.append(self._came.get_nowait())
        return found


def attend(place: str, rank: int, *, again: bool = False) -> NoReturn:
    """Keep an engine's process here for the one with the screen, time and again, while it lives.

    Its lobby is at "address:port". Ends this process with a message if it cannot be reached, and
    without one if this is not the first time (`again`).
    """
    if rank < 0:
        known = launchers.rank()
        if known is None:
            _give_up(rank, "the launcher has given this process no number that is known here")
        rank = known
    try:
        key = secret()
    except NoSecret as error:
        _give_up(rank, str(error))
    end = time.monotonic() + COME_SECONDS
    while True:
        try:
            other = socket.create_connection(parts(place), 5.0)
            break
        except OSError as error:
            if again:
                os._exit(0)  # the screen has ended
            if time.monotonic() > end:
                _give_up(rank, f"does not reach process 0 at {place}: {error}")
            time.sleep(_PAUSE_SECONDS)
    other.settimeout(None)
    proof.notice_cuts(other)
    try:
        # Answered by the next engine's starter, whenever there is one.
        connection = proof.introduce(other, key, rank, _LONG_SECONDS)
    except proof.Refused as error:
        if isinstance(error, EOFError | ConnectionError):
            attend(place, rank, again=True)
        words = f"the secret is not that of process 0: let the hosts share {config.data_folder()}"
        _give_up(rank, f"{words}, or set {VARIABLE}")
    for descriptor in (0, 1):
        os.dup2(connection.fileno(), descriptor)
    command = [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "jaxtui.hosts"]
    os.execv(sys.executable, [*command, "--member", f"--meet={place}", f"--rank={rank}"])


def _give_up(rank: int, reason: str) -> NoReturn:
    which = f"process {rank}" if rank >= 0 else "a process"
    sys.stderr.write(f"jaxtui: {which} on {socket.gethostname()}: {reason}\n")
    sys.stderr.flush()
    os._exit(3)
