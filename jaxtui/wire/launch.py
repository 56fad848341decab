"""What the explorer and the headless commands start from: a session and the engine to run it on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from jaxtui.session.session import Session, SessionError
from jaxtui.wire.process import EngineProcess, EngineSettings

if TYPE_CHECKING:
    from jaxtui.wire.client import EngineClient


class Choice(Struct, frozen=True, kw_only=True):
    """What the command line says about the engine; None and () leave it to the session.

    `command` is another way to start the engine, such as `("ssh", "host", "python", "-m",
    "jaxtui.engine")`; `processes` is over how many processes it spreads the devices.
    """

    platform: str | None = None
    count: int | None = None
    command: tuple[str, ...] = ()
    processes: int = 1

    def applied_to(self, session: Session) -> Session:
        """The session on the devices that the command line asks for.

        Another platform than the session's has other devices, so the session's count of virtual
        CPU devices, its order and its mesh do not carry over to it.
        """
        devices = session.devices
        if self.platform is not None and self.platform != devices.platform:
            devices = type(devices)(platform=self.platform)
        if self.count is not None:
            devices = msgspec.structs.replace(devices, count=self.count)
        return msgspec.structs.replace(session, devices=devices)

    def settings_for(self, session: Session) -> EngineSettings:
        """How to start the engine for `session`, which the choice was applied to before."""
        devices = session.devices
        return EngineSettings(
            platform=devices.platform,
            count=devices.count,
            command=self.command,
            processes=self.processes,
        )


class StartedEngine:
    """An engine that starts before what speaks with it is loaded. Never raises for its settings."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._client: EngineClient | None = None
        try:
            self._process: EngineProcess | None = EngineProcess(settings)
        except (OSError, ValueError):
            self._process = None  # the client tries again, and tells why it cannot be

    def client(self) -> EngineClient:
        """The client, made at the first call, which owns the engine from then on."""
        from jaxtui.wire.client import EngineClient

        if self._client is None:
            self._client = EngineClient(self._settings)
            self._client.start(self._process)
        return self._client

    def close(self) -> None:
        """End the engine."""
        if self._client is not None:
            self._client.close()
        elif self._process is not None:
            self._process.kill()
            while not self._process.ended:
                time.sleep(0.005)
            self._process.dispose()


def read(path: str | os.PathLike[str]) -> str:
    """The text of the session file at `path`. Raises SessionError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SessionError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SessionError("cannot be read: not UTF-8 text") from error


def folder_of(path: str | os.PathLike[str]) -> str:
    """The folder in which a session's own files (`load("x.npy")`, `file.py:name`) are found."""
    return str(Path(path).absolute().parent)
