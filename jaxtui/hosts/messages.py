"""What the starter, on the screen's side, and the keepers, one on each host, tell each other.

They travel as frames over the standard input and output of the command that reaches the host. A
keeper's first frame follows MARK, since a host may greet whoever logs in with text of its own.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from jaxtui.wire.framing import FramingError

LOGIN = b"-- jaxtui: logged in --\n"  # written by the host's shell, before Python starts
MARK = b"-- jaxtui: frames follow --\n"
BEAT_SECONDS = 2.0  # between two signs of life
SILENT_SECONDS = 11.0  # without any, after which a host counts as lost
ALONE_SECONDS = 30.0  # without any of the starter, after which a keeper ends its engine
CHUNK = 64 * 1024


class Message(Struct, frozen=True, kw_only=True, tag=True):
    """The base class of all messages."""


class Work(Struct, frozen=True, kw_only=True):
    """What all processes have in common: the hosts, in the order of their processes, the devices
    as in EngineSettings, and the secret by which the followers prove to the leader who they are.
    With `detects`, for the processes of a launcher, JAX finds out by itself which devices belong to
    which process of a host, and the secret is what the one of `lobby` makes of this one.
    """

    hosts: list[str]
    platform: str
    count: int | None
    secret: str
    detects: bool = False


# ------------------------------------------------------------------------------- to a keeper


class Lead(Message, frozen=True, kw_only=True):
    """Start the engine's process 0. `coordinator` is "address:port", or "" to choose them.

    `others` are addresses of the other hosts as ssh reached them, "" where unknown.
    """

    work: Work
    coordinator: str
    others: list[str]


class Follow(Message, frozen=True, kw_only=True):
    """Start the engine's process number `process`, after a look whether it can reach process 0."""

    work: Work
    process: int
    coordinator: str
    link: str


class Go(Message, frozen=True, kw_only=True):
    """All hosts reach the first one: let the engine's process begin."""


class Give(Message, frozen=True, kw_only=True):
    """Bytes for the standard input of the engine."""

    data: bytes


class Beat(Message, frozen=True, kw_only=True):
    """A sign of life, in both directions."""


# ----------------------------------------------------------------------------- from a keeper


class Hello(Message, frozen=True, kw_only=True):
    """The first message: what is installed on the host, "" for what is not.

    `address` is the one at which ssh reached the host, "" if unknown; `name` is its own name.
    """

    name: str = ""
    address: str = ""
    executable: str = ""
    python: str = ""
    jaxtui: str = ""
    jax: str = ""
    jaxlib: str = ""


class Listening(Message, frozen=True, kw_only=True):
    """Process 0 can be reached at these addresses, "address:port"."""

    coordinator: str
    link: str


class Prepared(Message, frozen=True, kw_only=True):
    """The host reaches process 0, and JAX sees these devices there: "" if none were looked for."""

    platform: str
    kinds: str


class Unfit(Message, frozen=True, kw_only=True):
    """The host cannot take part; the reason is a clause about it."""

    reason: str


class Came(Message, frozen=True, kw_only=True):
    """Bytes from the standard output of the engine."""

    data: bytes


class Said(Message, frozen=True, kw_only=True):
    """Bytes that were written to stderr, where that goes nowhere else."""

    data: bytes


class Stopped(Message, frozen=True, kw_only=True):
    """The engine's process is stopped, as by SIGSTOP."""

    pid: int


class Exited(Message, frozen=True, kw_only=True):
    """The engine's process has ended with `status`, negative for a signal.

    `starved` is true if the system has killed a process for want of memory in the meantime.
    """

    status: int
    starved: bool


ToKeeper = Lead | Follow | Go | Give | Beat
FromKeeper = Hello | Listening | Prepared | Unfit | Came | Said | Stopped | Exited | Beat

_encoder = msgspec.msgpack.Encoder()
_to_keeper: msgspec.msgpack.Decoder[ToKeeper] = msgspec.msgpack.Decoder(ToKeeper)
_from_keeper: msgspec.msgpack.Decoder[FromKeeper] = msgspec.msgpack.Decoder(FromKeeper)


def frame(message: Message) -> bytes:
    """Encode a message as a frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def to_keeper(body: bytes) -> ToKeeper:
    """Decode a message to a keeper. Raises FramingError."""
    try:
        return _to_keeper.decode(body)
    except Exception as error:  # as in wire.protocol: whatever is raised, it is no message
        raise FramingError(f"no message to a keeper: {error}") from error


def from_keeper(body: bytes) -> FromKeeper:
    """Decode a message from a keeper. Raises FramingError."""
    try:
        return _from_keeper.decode(body)
    except Exception as error:
        raise FramingError(f"no message from a keeper: {error}") from error


# ----------------------------------------------------------- from a keeper to its engine process


class Joining(Struct, frozen=True, kw_only=True):
    """The place of an engine's process among those of several hosts.

    `link` is where process 0 listens for the others, on its inherited descriptor `listener`, and
    `bind` where it lets JAX's coordinator listen.
    """

    work: Work
    process: int
    coordinator: str
    link: str
    listener: int = -1
    bind: str = ""

    @property
    def hosts(self) -> list[str]:
        return self.work.hosts


GO = b"g"  # follows the frame with the Joining


def joining_frame(joining: Joining) -> bytes:
    """Encode a place as a frame."""
    body = _encoder.encode(joining)
    return len(body).to_bytes(4, "big") + body


def joining(body: bytes) -> Joining:
    """Decode a place."""
    return msgspec.msgpack.decode(body, type=Joining)
