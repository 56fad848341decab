"""What the screen and the engine say to each other, and how it is framed.

A frame is a 4-byte big-endian length followed by that many bytes of msgpack: one Request on the
way to the engine, one Event on the way back. Requests carry specifications and windows, never
whole arrays, and an Event answers the request whose `id` it carries.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from jaxtui.session.session import Benchmark, Collective, Devices, Program
from jaxtui.wire.bandwidth import SizeReport, SweepPlan
from jaxtui.wire.benchmark import (
    ArmStatistics,
    BenchStageName,
    Conditions,
    Correct,
    Flag,
    Noise,
    Peak,
    PlannedPoint,
    Stages,
    StrategyInfo,
)
from jaxtui.wire.framing import MAX_FRAME, FramingError
from jaxtui.wire.report import (
    CollectiveReport,
    Diagnosis,
    Environment,
    Flow,
    Parameter,
    ProgramReport,
    Summary,
)

ProgramView = Literal["equivalents", "jaxpr", "stablehlo", "hlo", "cost"]


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


class Trace(Request, frozen=True, kw_only=True):
    """Shapes of a composition, by tracing. Light; a newer Trace replaces a waiting one."""

    composition: Composition


class Run(Request, frozen=True, kw_only=True):
    """Evaluate a composition and keep the result on the devices.

    Works on the worker; a newer Run replaces a waiting one. Outputs of at most `values` elements
    carry their values, larger ones a summary; `values` None leaves both to later requests.
    """

    composition: Composition
    values: int | None = None


class ReadWindow(Request, frozen=True, kw_only=True):
    """Read a part of output `leaf` of `result`. Light.

    `index` has an entry for each dimension of the leaf: [start, stop] for the row and the column
    dimension (`rows` and `columns`, None when the rank is too small for them), [i, i+1] for all
    others. With `device`, dimensions and indices are those of that device's own block.
    """

    result: int
    leaf: int
    rows: int | None
    columns: int | None
    index: list[list[int]]
    device: int | None = None


class Summarize(Request, frozen=True, kw_only=True):
    """Statistics of an output leaf, or of a device's block: of a sample first if it is large."""

    result: int
    leaf: int
    device: int | None = None


class FindCell(Request, frozen=True, kw_only=True):
    """Find the next element of a result that meets a condition: see `jaxtui.results.condition`.

    Looks on from the element after `after` (an index of the leaf, or of the block on `device`), in
    row-major order and then from the start. A newer one replaces a waiting one.
    """

    result: int
    leaf: int
    wanted: str
    after: list[int]
    device: int | None = None


class Inspect(Request, frozen=True, kw_only=True):
    """What JAX and XLA make of a composition, as text; all but the jaxpr compile it.

    Its equivalents are run: other ways to compute the same, held against the result.

    Works on the worker; a newer Inspect replaces a waiting one.
    """

    composition: Composition
    view: ProgramView


class RunCollective(Request, frozen=True, kw_only=True):
    """Run a collective over the devices and keep what each held before and after it.

    `composition.program` is the session's own: its source is what the value and the operation may
    use. Works on the worker; a newer RunCollective replaces a waiting one. `values` as in Run.
    """

    composition: Composition
    collective: Collective
    values: int | None = None


class FindProvenance(Request, frozen=True, kw_only=True):
    """Which input elements one element of a collective's result was made from.

    `leaf` counts the outputs after the collective, and `element` is an index in that output, the
    row of the device first. Works on the worker; a newer FindProvenance replaces a waiting one.
    """

    result: int
    leaf: int
    element: list[int]


class DescribeCollectives(Request, frozen=True, kw_only=True):
    """The collectives of the installed JAX. Light."""


class Describe(Request, frozen=True, kw_only=True):
    """The environment and the devices' memory now. Light."""


class PlanBench(Request, frozen=True, kw_only=True):
    """What a Bench of this would time, and why it would skip what it skips. Light.

    A newer PlanBench replaces a waiting one. Nothing is compiled or computed.
    """

    composition: Composition
    benchmark: Benchmark


class Bench(Request, frozen=True, kw_only=True):
    """Time the strategies of `benchmark` over its sweep, on the worker.

    A second Bench waits for the first to end. Cancel ends a running one at the next gap between
    two samples: it then ends with BenchFinished (`stopped`), and what was measured holds. With
    `paced`, at each BenchGap the engine waits for Continue, or for 0.1 s, so that a screen can be
    painted while nothing is timed.
    """

    composition: Composition
    benchmark: Benchmark
    paced: bool = False


class SweepBandwidth(Request, frozen=True, kw_only=True):
    """Time a collective over the message sizes in `benchmark.sweep["bytes"]`, on the worker.

    `composition` as in RunCollective; of the collective's value only the dtype and the number of
    rows are looked at. It waits and is cancelled as a Bench is, and `paced` at BandwidthMeasured.
    """

    composition: Composition
    collective: Collective
    benchmark: Benchmark
    paced: bool = False


class Continue(Request, frozen=True, kw_only=True):
    """The screen has painted what it got of the paced Bench or SweepBandwidth `target`."""

    target: int


class Cancel(Request, frozen=True, kw_only=True):
    """Give up request `target`; it ends with `Cancelled` at its next yield."""

    target: int


AnyRequest = (
    Trace
    | Run
    | Inspect
    | FindCell
    | RunCollective
    | FindProvenance
    | ReadWindow
    | Summarize
    | DescribeCollectives
    | Describe
    | PlanBench
    | Bench
    | SweepBandwidth
    | Continue
    | Cancel
)


class Event(Struct, frozen=True, kw_only=True, tag=True):
    """Something the engine, or the client about the engine, says. `id` 0 answers no request."""

    id: int = 0


class Ready(Event, frozen=True, kw_only=True):
    """The engine has its devices."""

    environment: Environment


class Traced(Event, frozen=True, kw_only=True):
    """Answers Trace. With a `diagnosis`, the flow holds the levels that were reached before it.

    `signature` is None when there is no function to ask. `cost` is an upper guess of the elements
    that a run touches (inputs, outputs and intermediates), None when the trace failed.
    `deferred` means that the function looks at values, so that only a run can tell its shapes.
    """

    function: str
    signature: list[Parameter] | None
    flow: Flow | None
    diagnosis: Diagnosis | None
    cost: int | None = None
    deferred: bool = False
    seconds: float = 0.0


class Stage(Event, frozen=True, kw_only=True):
    """A Run has begun a stage; an Inspect of equivalents the next of its comparisons."""

    stage: Literal["placing", "tracing", "compiling", "running", "reading", "comparing"]


class Ran(Event, frozen=True, kw_only=True):
    """Answers Run: the result is kept under `result` (= the request's id) until two newer ones."""

    result: int
    report: ProgramReport
    flow: Flow
    seconds: float


class CollectiveRan(Event, frozen=True, kw_only=True):
    """Answers RunCollective: what each device held, before and after, is kept under `result`.

    As leaves of that result come first those of `report.before`, then those of `report.after`.
    `wrong` counts the elements that differ from the NumPy reference, None without a comparison;
    `note` says what else there is to know of it. `groups` are the rows that take part together, in
    the order of their positions, and `options` the values of the options that were given (but for
    operands and groups). The flow is that of the collective's program.
    """

    result: int
    report: CollectiveReport
    wrong: int | None
    note: str
    groups: list[list[int]]
    options: dict[str, Any]
    flow: Flow
    seconds: float


class ProvenanceFound(Event, frozen=True, kw_only=True):
    """Answers FindProvenance: `sources[i]` are flat indices in `report.before[i]`, sorted.

    Not `exact` means that the search was ended early, so that elements may be among them that do
    not matter. `words` say it, such as "device 3 [1] ← sum over devices 0–7 [1]".
    """

    result: int
    leaf: int
    element: list[int]
    sources: list[list[int]]
    exact: bool
    words: str


class CollectivesDescribed(Event, frozen=True, kw_only=True):
    """Answers DescribeCollectives: each collective of the installed JAX with its options' names."""

    options: dict[str, list[str]]


class BenchPlanned(Event, frozen=True, kw_only=True):
    """Answers PlanBench; `strategies` are all that there are. A `diagnosis` holds for the whole."""

    strategies: list[StrategyInfo]
    points: list[PlannedPoint]
    notes: list[str]
    diagnosis: Diagnosis | None = None


class BenchStarted(Event, frozen=True, kw_only=True):
    """A Bench begins; `points` are the values of its sweep in order."""

    environment: Environment
    conditions: Conditions
    points: list[dict[str, int | float | str]]
    notes: list[str]


class BenchPoint(Event, frozen=True, kw_only=True):
    """A point begins, as planned; sent again when its baseline falls out and another takes over."""

    point: PlannedPoint


class BenchProgram(Event, frozen=True, kw_only=True):
    """The program as it ran at the first point, its output that of the baseline."""

    report: ProgramReport


class BenchStage(Event, frozen=True, kw_only=True):
    """A stage of `arm` (None: of the point or the whole run) has begun."""

    point: int
    arm: int | None
    stage: BenchStageName


class BenchPrepared(Event, frozen=True, kw_only=True):
    """An arm is compiled, warm (sent again), or falls out (`skipped` says why).

    `stablehlo` is a hash of its program, which was compiled `compilations` times.
    """

    point: int
    arm: int
    stages: Stages
    correct: Correct | None = None
    stablehlo: str | None = None
    compilations: int = 1
    calls: int = 1
    skipped: str | None = None


class BenchSample(Event, frozen=True, kw_only=True):
    """One sample: seconds per call, averaged over the arm's `calls` of one of its compilations."""

    point: int
    arm: int
    round: int
    order: int
    compilation: int
    seconds: float


class BenchGap(Event, frozen=True, kw_only=True):
    """Of a `paced` Bench: nothing is timed until Continue, so that what came can be painted.

    Samples and rounds that came before it are to be painted now, and not when they came.
    """

    point: int


class BenchRound(Event, frozen=True, kw_only=True):
    """A round is over. `flags` are those of every round of the point so far, this one last.

    `rounds` is how many there will be as far as is known, `seconds_left` an estimate for the point.
    """

    point: int
    round: int
    rounds: int
    seconds_left: float
    noise: Noise
    flags: list[list[Flag]]
    statistics: list[ArmStatistics]


class BenchPeaks(Event, frozen=True, kw_only=True):
    """What the devices reach at most, measured after the points."""

    peaks: list[Peak]


class BenchFinished(Event, frozen=True, kw_only=True):
    """Ends a Bench or a SweepBandwidth; `stopped`: a Cancel ended it. For every point of a Bench
    that has samples a BenchRound with more exact statistics precedes it."""

    stopped: bool
    seconds: float


class BandwidthStarted(Event, frozen=True, kw_only=True):
    """A SweepBandwidth begins. BenchStages tell what it is at, their points counting the sizes."""

    environment: Environment
    plan: SweepPlan


class BandwidthMeasured(Event, frozen=True, kw_only=True):
    """One message size is done: measured, skipped, or as far as it came when it was stopped."""

    point: int
    size: SizeReport


class Failed(Event, frozen=True, kw_only=True):
    """Answers any request that could not be done."""

    diagnosis: Diagnosis
    flow: Flow | None = None


class WindowRead(Event, frozen=True, kw_only=True):
    """Answers ReadWindow. `cells[row][column]`; without a row dimension one row, likewise columns.

    A cell is an int, float (the shortest that gives the element back), bool, str (PRNG key data in
    hexadecimal, or an object's repr), or [re, im].
    """

    result: int
    leaf: int
    device: int | None
    rows: int | None
    columns: int | None
    index: list[list[int]]
    cells: list[list[Any]]


class CellFound(Event, frozen=True, kw_only=True):
    """Answers FindCell; `index` is None when no element meets the condition."""

    index: list[int] | None


class Inspected(Event, frozen=True, kw_only=True):
    """Answers Inspect."""

    view: ProgramView
    text: str


class Summarized(Event, frozen=True, kw_only=True):
    """Answers Summarize, more than once when the first is a sample."""

    result: int
    leaf: int
    device: int | None
    summary: Summary


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


AnyEvent = (
    Ready
    | Traced
    | Stage
    | Ran
    | CollectiveRan
    | ProvenanceFound
    | CollectivesDescribed
    | BenchPlanned
    | BenchStarted
    | BenchPoint
    | BenchProgram
    | BenchStage
    | BenchPrepared
    | BenchSample
    | BenchGap
    | BenchRound
    | BenchPeaks
    | BenchFinished
    | BandwidthStarted
    | BandwidthMeasured
    | Failed
    | WindowRead
    | Inspected
    | CellFound
    | Summarized
    | Described
    | Cancelled
    | Printed
    | Log
    | Gone
)

_encoder = msgspec.msgpack.Encoder()
_request_decoder: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_event_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)


def frame(message: AnyRequest | AnyEvent) -> bytes:
    """The message as one frame. Raises FramingError when it is larger than MAX_FRAME."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise FramingError(f"a message of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return len(body).to_bytes(4, "big") + body


def decode_request(body: bytes) -> AnyRequest:
    """The Request in a frame's body. Raises FramingError when it is none."""
    try:
        return _request_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise FramingError(f"not a request: {error}") from error


def decode_event(body: bytes) -> AnyEvent:
    """The Event in a frame's body. Raises FramingError when it is none."""
    try:
        return _event_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise FramingError(f"not an event: {error}") from error
