"""The messages about no feature: requests, events, and what the engine and its process say."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Devices, Program
from jaxtui.wire.report import (
    Environment,
    Flow,
)


class Request(Struct, frozen=True, kw_only=True, tag=True):
    """Something asked of the engine; `id` is unique within one client."""

    id: int


class Composition(Struct, frozen=True, kw_only=True):
    """A program with all that it is evaluated in; `folder` is where its files are looked up.

    `swept` are the values of a benchmark's sweep, which stand in place of parameters.
    """

    program: Program
    parameters: dict[str, int] = {}
    devices: Devices = Devices()
    folder: str = ""
    swept: dict[str, int | float | str] = {}


class Describe(Request, frozen=True, kw_only=True):
    """The environment and the devices' memory now. Light."""


class Cancel(Request, frozen=True, kw_only=True):
    """Give up request `target`; it ends with `Cancelled` at its next yield."""

    target: int


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Something the engine, or the client about the engine, says. `id` 0 answers no request."""

    id: int = 0


class Ready(Event, frozen=True, kw_only=True):
    """The engine has its devices."""

    environment: Environment


class Stage(Event, frozen=True, kw_only=True):
    """A Run has begun a stage; an Inspect of equivalents the next of its comparisons."""

    stage: Literal["placing", "tracing", "compiling", "running", "reading", "comparing"]


class Failed(Event, frozen=True, kw_only=True):
    """Answers any request that could not be done."""

    diagnosis: Diagnosis
    flow: Flow | None = None


class Described(Event, frozen=True, kw_only=True):
    """Answers Describe."""

    environment: Environment


class Cancelled(Event, frozen=True, kw_only=True):
    """The request was given up, or a newer one took its place."""


class Printed(Event, frozen=True, kw_only=True):
    """What the user's code wrote to `stream` while request `id` was worked on (0 when unknown)."""

    stream: Literal["stdout", "stderr"]
    text: str


class Log(Event, frozen=True, kw_only=True):
    """A line that the engine's process wrote to its stderr. Made by the client."""

    line: str


class Gone(Event, frozen=True, kw_only=True):
    """The engine's process has ended, or never started. Made by the client, last of all.

    `status` is its exit status, negative for a signal, None if it could not be started; `wanted`
    says that we ended it; `tail` are the last lines of its stderr.
    """

    reason: str
    status: int | None
    wanted: bool
    tail: list[str] = []
