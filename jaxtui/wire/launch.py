"""Reading a session file, and choosing and starting the engine for it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from jaxtui import bounded
from jaxtui.session.session import AxisTypeName, Session, SessionError
from jaxtui.session.working_folder import working_folder
from jaxtui.wire.early import EarlyEngine
from jaxtui.wire.process import EngineProcess, EngineSettings, Launched, Reach

if TYPE_CHECKING:
    from jaxtui.wire.client import EngineClient


class Choice(Struct, frozen=True, kw_only=True):
    """The command line's options for the engine; None and () leave the choice to the session.

    `command`, `processes`, `keep`, `hosts`, `reach` and `launched` are as in EngineSettings;
    `hosts` takes precedence over the session's, and () is for this host alone. `axis_types` belongs
    to `mesh`.
    """

    platform: str | None = None
    count: int | None = None
    command: tuple[str, ...] = ()
    processes: int = 1
    keep: float = 0.0
    hosts: tuple[str, ...] | None = None
    reach: Reach = Reach()
    launched: Launched | None = None
    mesh: dict[str, int] | None = None
    axis_types: dict[str, AxisTypeName] | None = None

    def applied_to(self, session: Session) -> Session:
        """Return the session with the devices that the command line asks for.

        A platform other than the session's has other devices, so the session's count, order and
        mesh are dropped with it.
        """
        devices = session.devices
        if self.platform is not None and self.platform != devices.platform:
            devices = type(devices)(platform=self.platform, hosts=devices.hosts)
        if self.count is not None:
            devices = msgspec.structs.replace(devices, count=self.count)
        if self.hosts:
            devices = msgspec.structs.replace(devices, hosts=list(self.hosts))
        if self.mesh is not None:
            types = self.axis_types or None
            devices = msgspec.structs.replace(devices, mesh=self.mesh, axis_types=types)
        return msgspec.structs.replace(session, devices=devices)

    def settings_for(self, session: Session, *, trusted: bool = True) -> EngineSettings:
        """The engine for a session.

        The hosts that it names are reached only if it is `trusted`, or the command line has them.
        """
        devices = session.devices
        hosts = tuple(devices.hosts or ())
        if self.hosts == () or not (trusted or hosts == self.hosts):
            hosts = ()
        return EngineSettings(
            platform=devices.platform,
            count=devices.count,
            command=self.command,
            processes=self.processes,
            hosts=hosts,
            reach=self.reach,
            launched=self.launched,
            keep=self.keep,
        )


class StartedEngine:
    """An engine that is started before its client is imported.

    Settings that cannot be used raise nothing here; the client reports them.
    """

    def __init__(self, settings: EngineSettings, early: EarlyEngine | None = None) -> None:
        """`early` is an engine that waits for its settings; it is used if it suits them."""
        self._settings = settings
        self._client: EngineClient | None = None
        started = early.take() if early is not None and settings.on_this_host else None
        try:
            self._process: EngineProcess | None = EngineProcess(settings, started)
        except (OSError, ValueError):
            self._process = None  # the client tries again and reports the error

    def client(self) -> EngineClient:
        """Return the client, which is created by the first call and then owns the engine."""
        from jaxtui.wire.client import EngineClient

        if self._client is None:
            self._client = EngineClient(self._settings)
            self._client.start(self._process)
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        elif self._process is not None:
            self._process.kill()
            while not self._process.ended:
                time.sleep(0.005)
            self._process.dispose()


def read(path: str | os.PathLike[str]) -> str:
    """Read the session file at `path`. Raises SessionError."""
    try:
        return bounded.read_text(path)
    except OSError as error:
        raise SessionError(f"cannot be read: {error.strerror}") from error
    except bounded.Unreadable as error:
        raise SessionError(f"cannot be read: {error}") from error


def folder_of(path: str | os.PathLike[str]) -> str:
    """The folder to which a session's own files (`load("x.npy")`, `file.py:name`) are relative."""
    return str(Path(working_folder(), path).parent)
