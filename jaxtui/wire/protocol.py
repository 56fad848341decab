"""The protocol between the screen and the engine: all its messages, and their encoding.

A frame is a 4-byte big-endian length followed by that many bytes of msgpack: one Request on the way
to the engine, one Event on the way back. An Event carries the `id` of the request that it answers.
No message carries whole arrays of any size, only windows of them and summaries.
"""

from __future__ import annotations

import functools

import msgspec

from jaxtui.session.field_path import decoded, encoded
from jaxtui.wire import (
    bandwidth,
    base,
    benchmark,
    changes,
    collectives,
    exercises,
    names,
    program,
    results,
    sharding,
)
from jaxtui.wire.framing import MAX_FRAME, FramingError

AnyRequest = (
    program.Trace
    | program.Run
    | program.Inspect
    | exercises.CheckAnswer
    | names.ListNames
    | changes.TakeFigures
    | changes.CompareResults
    | results.FindCell
    | collectives.RunCollective
    | collectives.FindProvenance
    | results.ReadWindow
    | results.Summarize
    | collectives.DescribeCollectives
    | sharding.PlanSharding
    | sharding.CompileSharding
    | sharding.AdviseSharding
    | sharding.ExplainSharding
    | sharding.SearchShardings
    | base.Describe
    | benchmark.PlanBench
    | benchmark.Bench
    | bandwidth.SweepBandwidth
    | benchmark.Continue
    | base.Cancel
)

AnyEvent = (
    base.Ready
    | program.Traced
    | base.Stage
    | program.Ran
    | exercises.AnswerChecked
    | collectives.CollectiveRan
    | collectives.ProvenanceFound
    | collectives.CollectivesDescribed
    | sharding.ShardingPlanned
    | sharding.ShardingCompiled
    | sharding.ShardingAdvised
    | sharding.ShardingExplained
    | sharding.ShardingsFound
    | benchmark.BenchPlanned
    | benchmark.BenchStarted
    | benchmark.BenchPoint
    | benchmark.BenchProgram
    | benchmark.BenchStage
    | benchmark.BenchPrepared
    | benchmark.BenchSample
    | benchmark.BenchGap
    | benchmark.BenchRound
    | benchmark.BenchPeaks
    | benchmark.BenchFinished
    | bandwidth.BandwidthStarted
    | bandwidth.BandwidthMeasured
    | base.Failed
    | results.WindowRead
    | program.Inspected
    | names.NamesListed
    | changes.FiguresTaken
    | changes.ResultsCompared
    | results.CellFound
    | results.Summarized
    | base.Described
    | base.Cancelled
    | base.Spoiled
    | base.Printed
    | base.Log
    | base.LineState
    | base.Gone
)

_encoder = msgspec.msgpack.Encoder(enc_hook=encoded)


# Made when they are first needed: either side reads only what the other sends, and a decoder takes
# milliseconds of the start.


@functools.cache
def _request_decoder() -> msgspec.msgpack.Decoder[AnyRequest]:
    return msgspec.msgpack.Decoder(AnyRequest, dec_hook=decoded)


@functools.cache
def _event_decoder() -> msgspec.msgpack.Decoder[AnyEvent]:
    return msgspec.msgpack.Decoder(AnyEvent, dec_hook=decoded)


def frame(message: AnyRequest | AnyEvent) -> bytes:
    """Encode a message as a frame. Raises FramingError if it is larger than MAX_FRAME."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise FramingError(f"a message of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return len(body).to_bytes(4, "big") + body


# msgspec also raises UnicodeDecodeError for bad UTF-8, RecursionError for deep nesting and
# MemoryError for a length that nothing follows: whatever a decoder raises, the body is no message.


def decode_request(body: bytes) -> AnyRequest:
    """Decode the Request in a frame's body. Raises FramingError if it is not one."""
    try:
        return _request_decoder().decode(body)
    except Exception as error:
        raise FramingError(f"not a request: {error}") from error


def decode_event(body: bytes) -> AnyEvent:
    """Decode the Event in a frame's body. Raises FramingError if it is not one."""
    try:
        event = _event_decoder().decode(body)
    except Exception as error:
        _require_same_version(body)
        raise FramingError(f"not an event: {error}") from error
    if isinstance(event, base.Ready):
        _require_same_version(body)
    return event


class OtherVersionError(FramingError):
    """The other side speaks another version of the protocol."""


class _Version(msgspec.Struct):
    """What the Ready of every version has."""

    type: str
    protocol: int = base.PROTOCOL


_version_decoder = msgspec.msgpack.Decoder(_Version)


def _require_same_version(body: bytes) -> None:
    """Raise OtherVersionError for an event of an engine that speaks another version."""
    try:
        version = _version_decoder.decode(body).protocol
    except Exception:  # no event of any version
        return
    if version != base.PROTOCOL:
        raise OtherVersionError(
            f"the engine speaks version {version} of the protocol, and this jaxtui version "
            f"{base.PROTOCOL}: install the same jaxtui on both sides"
        )
