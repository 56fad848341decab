"""The far end of a line: `python -m jaxtui.line.keeper MODULE [OPTION...]`, as ssh starts it.

Reads from its standard input who connects. The first time it leaves a process of its own behind,
which runs `python -m MODULE OPTION...` and holds its pipes; each time it hands its standard input
and output on to that process, and waits for it. The folder of the sockets is this user's alone, and
the token comes through the standard input, so that no command line shows it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from jaxtui.line import frames
from jaxtui.line.frames import NoFrameError, heard, told

ENGINE = "jaxtui.engine"
_NAME = re.compile(r"[0-9a-f]{16}")
_LONGEST = 90  # bytes of a socket's path that every system takes
_NEW_SECONDS = 60.0


class UnusableFolderError(Exception):
    """The folder of the sockets is not this user's alone."""


def folder() -> Path:
    """The folder of the sockets. Raises UnusableFolderError, OSError.

    It lies below the folder for temporary files: XDG_RUNTIME_DIR ends with the login, which is when
    a kept engine is needed.
    """
    name = f"jaxtui-{os.getuid()}"
    path = Path(tempfile.gettempdir(), name)
    if len(os.fsencode(path)) > _LONGEST - 24:
        path = Path("/tmp", name)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnusableFolderError(f"{path} is not a folder of this user's")
    if found.st_mode & 0o077:
        raise UnusableFolderError(f"{path} is open to others: chmod 700 it")
    return path


def main() -> NoReturn:
    """Hand the standard input and output on to the program that is kept, or start one."""
    arguments = sys.argv[1:]
    if not arguments or os.isatty(0):
        sys.stderr.write("This is the far end of jaxtui's line to an engine; run `jaxtui`.\n")
        sys.exit(2)
    hello = _hello()
    try:
        address = folder() / f"{hello['session']}.socket"
        peer = _connected(address)
        if peer is None and hello["fresh"]:
            _forget_dead(address.parent)
            _leave_behind(arguments, hello, address)
            peer = _connected(address)
    except (UnusableFolderError, OSError) as error:
        _refuse(str(error))
    if peer is None:
        _refuse("gone")
    socket.send_fds(peer, [frames.told(frames.HELLO, **hello)[5:]], [0, 1])
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    with suppress(OSError):
        while peer.recv(1):
            pass
    os._exit(0)


def _hello() -> dict[str, Any]:
    """Read who connects, and not a byte more."""
    try:
        head = _exactly(5)
        if head[:1] != frames.HELLO or (length := int.from_bytes(head[1:], "big")) > frames.MOST:
            raise NoFrameError("no hello")
        hello = heard(_exactly(length))
    except NoFrameError:
        _refuse("what came is not the line's protocol")
    if hello.get("version") != frames.VERSION:
        _refuse(
            f"the line over there speaks version {frames.VERSION}, and this jaxtui "
            f"{hello.get('version')}: install the same jaxtui on both sides"
        )
    if not _NAME.fullmatch(str(hello.get("session"))):
        _refuse("no name of a session")
    return hello


def _exactly(count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (part := os.read(0, count - len(data))):
            os._exit(0)  # the line broke before anything was said
        data += part
    return data


def _refuse(reason: str) -> NoReturn:
    """Say why nothing is kept here; "gone" is for one that was."""
    os.write(1, frames.MAGIC + told(frames.REFUSED, reason=reason, host=socket.gethostname()))
    os._exit(0)


def _connected(address: Path) -> socket.socket | None:
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(str(address))
    except OSError:
        peer.close()
        return None
    return peer


def _forget_dead(sockets: Path) -> None:
    """Remove the sockets of those that were killed, but for one that is just being made."""
    for address in sockets.glob("*.socket"):
        with suppress(OSError):
            if time.time() - address.stat().st_mtime < _NEW_SECONDS:
                continue
        peer = _connected(address)
        if peer is not None:
            peer.close()
            continue
        with suppress(OSError):
            address.unlink()


def _leave_behind(arguments: list[str], hello: dict[str, Any], address: Path) -> None:
    """Leave a process behind that keeps the program, once it can be connected to."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(4)
    if child := os.fork():
        os.waitpid(child, 0)
        listener.close()
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _keep(arguments, hello, listener, address)
    finally:
        os._exit(0)


def _keep(
    arguments: list[str], hello: dict[str, Any], listener: socket.socket, address: Path
) -> None:
    from jaxtui.line.kept_program import KeptProgram

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # else the login would wait for this process
        os.dup2(nothing, descriptor)
    try:
        KeptProgram(_program(arguments), hello, listener).run()
    finally:
        with suppress(OSError):
            address.unlink()


def _program(arguments: list[str]) -> list[str]:
    """The command of the program: Python as this one was started, options before -m included."""
    given = sys.orig_argv
    before = given[1 : given.index("-m")] if "-m" in given else []
    # The engine has the kernel end it with this process.
    parent = [f"--parent={os.getpid()}"] if arguments[0] == ENGINE else []
    return [sys.executable, *before, "-m", *arguments, *parent]


if __name__ == "__main__":
    main()
