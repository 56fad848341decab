"""The base classes of requests and events, and the messages that belong to no feature."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Devices, Program, Session
from jaxtui.wire.report import Environment, Flow

PROTOCOL = 1
"""The version of the messages; another one is needed when an older side cannot read them."""


class Request(Struct, frozen=True, kw_only=True, tag=True):
    """A request to the engine; `id` is unique within one client.

    Light ones, Cancel and Continue are handled at once. All others run on the worker, one at a
    time; unless noted otherwise, a newer one replaces a queued one of the same type.
    """

    id: int


class Composition(Struct, frozen=True, kw_only=True):
    """A program with its parameters and devices.

    `folder` is where relative paths of the program are resolved. `swept` are the values of a
    benchmark's sweep, which override parameters.
    """

    program: Program
    parameters: dict[str, int] = {}
    devices: Devices = Devices()
    folder: str = ""
    swept: dict[str, int | float | str] = {}

    @classmethod
    def of(cls, session: Session, folder: str, program: Program | None = None) -> Composition:
        """The composition of `session`, or of `program` with its parameters and devices."""
        return cls(
            program=session.program if program is None else program,
            parameters=session.parameters,
            devices=session.devices,
            folder=folder,
        )


class Describe(Request, frozen=True, kw_only=True):
    """Ask for the environment with the current memory use of the devices. Light."""


class Cancel(Request, frozen=True, kw_only=True):
    """Cancel request `target`; it ends with `Cancelled` the next time it checks."""

    target: int


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """A message from the engine, or from the client about it.

    `id` is that of the request which it answers, or 0.
    """

    id: int = 0


class Ready(Event, frozen=True, kw_only=True):
    """The engine has started and JAX has its devices. `protocol` is the version that it speaks."""

    environment: Environment
    protocol: int = PROTOCOL


class Stage(Event, frozen=True, kw_only=True):
    """A stage of a Run has begun, or the next comparison of an Inspect of equivalents."""

    stage: Literal["placing", "tracing", "compiling", "running", "reading", "comparing"]


class Failed(Event, frozen=True, kw_only=True):
    """Answers any request that failed."""

    diagnosis: Diagnosis
    flow: Flow | None = None


class Described(Event, frozen=True, kw_only=True):
    """Answers Describe."""

    environment: Environment


class Cancelled(Event, frozen=True, kw_only=True):
    """The request was cancelled, or replaced by a newer one."""


class Spoiled(Event, frozen=True, kw_only=True):
    """User code has changed what the engine goes by: another program needs a fresh engine."""

    what: str


class Printed(Event, frozen=True, kw_only=True):
    """Text that the user's code wrote to `stream` during request `id` (0 when unknown)."""

    stream: Literal["stdout", "stderr"]
    text: str


class Log(Event, frozen=True, kw_only=True):
    """A line that the engine's process wrote to stderr. Created by the client."""

    line: str


class LineState(Event, frozen=True, kw_only=True):
    """What became of the line to an engine that is kept while it is broken. Created by the client.

    The other host was last heard `silent` seconds ago, and keeps its engine for `kept` more;
    `reason` says why the line, or the last attempt to take it up again, failed. When it was
    "measured", `round_trip` is what an answer takes over the line alone, in seconds.
    """

    state: Literal["lost", "connecting", "connected", "measured"]
    silent: float = 0.0
    kept: float = 0.0
    reason: str = ""
    round_trip: float = 0.0


class Gone(Event, frozen=True, kw_only=True):
    """The last event: the engine's process has ended or did not start. Created by the client.

    `status` is the exit status, negative for a signal, or None if the process was not started;
    `wanted` is true if the client ended it; `tail` holds the last lines of its stderr.
    """

    reason: str
    status: int | None
    wanted: bool
    tail: list[str] = []
