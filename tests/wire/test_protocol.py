"""Any message survives any split of the stream, and a stream without frames is refused."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.layers import Pmap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire import client, client_loop
from jaxtui.wire.base import Cancel, Composition, Describe, Failed, Printed
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.collectives import DescribeCollectives
from jaxtui.wire.framing import MAX_FRAME, FramingError, read_body
from jaxtui.wire.process import FrameBuffer
from jaxtui.wire.program import Ran, Run, Trace
from jaxtui.wire.protocol import AnyEvent, AnyRequest, decode_event, decode_request, frame
from jaxtui.wire.results import ReadWindow, Summarize, WindowRead
from tests.support.asking import Asker

ids = st.integers(0, 2**63 - 1)
small = st.integers(0, 2**31)
texts = st.text(max_size=40)
programs = st.builds(
    Program,
    source=texts,
    arguments=st.lists(st.builds(Argument, name=texts, value=texts), max_size=3),
    layers=st.lists(st.builds(Vmap, in_axes=texts) | st.builds(Pmap, axis_size=texts), max_size=3),
)
compositions = st.builds(
    Composition,
    program=programs,
    parameters=st.dictionaries(texts, small, max_size=3),
    devices=st.builds(Devices, count=st.none() | small),
)
requests = st.one_of(
    st.builds(Trace, id=ids, composition=compositions),
    st.builds(Run, id=ids, composition=compositions, values=st.none() | small),
    st.builds(
        ReadWindow,
        id=ids,
        result=ids,
        leaf=small,
        rows=st.none() | small,
        columns=st.none() | small,
        index=st.lists(st.lists(small, min_size=2, max_size=2), max_size=3),
    ),
    st.builds(Cancel, id=ids, target=ids),
)
cells = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.booleans() | texts
events = st.one_of(
    st.builds(Printed, id=ids, stream=st.sampled_from(["stdout", "stderr"]), text=st.text()),
    st.builds(
        Failed,
        id=ids,
        diagnosis=st.builds(
            Diagnosis,
            kind=st.sampled_from(["axes", "engine"]),
            field=texts,
            message=texts,
            fixes=st.lists(st.builds(Fix, label=texts, field=texts, text=texts), max_size=2),
        ),
    ),
    st.builds(
        WindowRead,
        id=ids,
        result=ids,
        leaf=small,
        device=st.none() | small,
        rows=st.none() | small,
        columns=st.none() | small,
        index=st.just([[0, 1]]),
        cells=st.lists(st.lists(cells, max_size=3), max_size=3),
    ),
)


def reader(data: bytes, sizes: Iterator[int]) -> Callable[[int], bytes]:
    """A raw file of `data` whose reads return at most the next of `sizes` bytes each."""
    stream = io.BytesIO(data)
    return lambda count: stream.read(min(count, next(sizes, count)))


def bodies(read: Callable[[int], bytes]) -> list[bytes]:
    found = []
    while (body := read_body(read)) is not None:
        found.append(body)
    return found


pieces = st.lists(st.integers(1, 7), max_size=200)


@pytest.mark.long
@given(st.lists(requests, max_size=4), pieces)
def test_requests_come_through_however_the_stream_is_cut(sent, sizes):
    stream = b"".join(map(frame, sent))
    assert [decode_request(body) for body in bodies(reader(stream, iter(sizes)))] == sent


@given(st.lists(events, max_size=4), pieces)
def test_events_come_through_however_the_stream_is_cut(sent, sizes):
    stream = b"".join(map(frame, sent))
    assert [decode_event(body) for body in bodies(reader(stream, iter(sizes)))] == sent
    buffer, received = FrameBuffer(), []
    while stream:
        size = sizes.pop() if sizes else len(stream)
        received += [decode_event(body) for body in buffer.feed(stream[:size])]
        stream = stream[size:]
    assert received == sent


@given(events, st.data())
def test_a_stream_that_ends_inside_a_frame_is_an_error(event, data):
    whole = frame(event)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(FramingError, match="ended inside a frame"):
        bodies(reader(whole[:cut], iter(())))


def test_the_end_of_the_stream_between_frames_is_no_error():
    assert read_body(io.BytesIO(b"").read) is None


@given(st.integers(MAX_FRAME + 1, 2**32 - 1), st.binary(max_size=20))
def test_a_length_over_the_limit_is_refused_before_anything_is_read(length, rest):
    stream = io.BytesIO(length.to_bytes(4, "big") + rest)
    with pytest.raises(FramingError, match="over the limit"):
        read_body(stream.read)
    assert stream.tell() == 4


def test_the_frames_before_a_false_length_still_arrive_and_its_words_are_quoted():
    event = Printed(id=1, stream="stdout", text="before")
    bodies = FrameBuffer().feed(frame(event) + b"Welcome to the host\n")
    assert decode_event(next(bodies)) == event
    with pytest.raises(FramingError, match="Welcome to the host"):
        next(bodies)


@given(st.binary(max_size=100))
def test_garbage_in_a_frame_is_a_framing_error_and_nothing_else(body):
    for decode in (decode_request, decode_event):
        try:
            message = decode(body)
        except FramingError:
            continue
        assert decode(frame(message)[4:]) == message


def test_an_event_is_no_request():
    with pytest.raises(FramingError, match="not a request"):
        decode_request(frame(Printed(stream="stdout", text=""))[4:])


def test_a_message_over_the_limit_is_not_framed():
    with pytest.raises(FramingError, match="over the limit"):
        frame(Printed(stream="stdout", text="x" * (MAX_FRAME + 1)))


def test_a_frame_of_many_megabytes_comes_through_in_pipe_sized_pieces():
    event = Printed(id=3, stream="stdout", text="x" * 8_000_000)
    stream, buffer, received = frame(event), FrameBuffer(), []
    for start in range(0, len(stream), 65536):
        received += list(buffer.feed(stream[start : start + 65536]))
    assert [decode_event(body) for body in received] == [event]


DEEP = b"\x81\xa1a" * 5000 + b"\xc0"
BAD_UTF8 = b"\x81\xa4type\xa1\xff"
LYING_LENGTH = b"\xdd\xff\xff\xff\xff"


@pytest.mark.parametrize("decode", [decode_request, decode_event])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BAD_UTF8, id="bad UTF-8"),
        pytest.param(DEEP, id="deep maps"),
        pytest.param(b"\x91" * 100_000, id="deep arrays"),
        pytest.param(LYING_LENGTH, id="a lying length"),
    ],
)
def test_a_frame_that_msgspec_itself_does_not_refuse_is_a_framing_error(decode, body):
    with pytest.raises(FramingError):
        decode(body)


# ------------------------------------------------------------------------------- real traffic

MUTATED = 100_000


def traffic(monkeypatch: pytest.MonkeyPatch) -> tuple[list[bytes], list[bytes]]:
    """The bodies of the requests to a real engine and of its events, of every lane."""
    requests: list[bytes] = []
    events: list[bytes] = []

    def sent(message: AnyRequest) -> bytes:
        requests.append(frame(message)[4:])
        return frame(message)

    def heard(body: bytes) -> AnyEvent:
        events.append(body)
        return decode_event(body)

    monkeypatch.setattr(client, "frame", sent)
    monkeypatch.setattr(client_loop, "decode_event", heard)
    engine = Asker(EngineSettings(platform="cpu", count=4))
    try:
        source = "def f(x):\n    print('é', x)\n    return jax.lax.psum(x, 'i'), {'a': x[None] * 2}"
        for layer, wrong in ((Vmap, ""), (Pmap, ""), (Vmap, "7")):
            program = Program(
                source=source,
                arguments=[Argument(name="x", value="arange(8.0).reshape(4, 2)")],
                layers=[layer(axis_name="'i'", in_axes=wrong)],
            )
            composition = Composition(program=program, parameters={"n": 3})
            run = Run(id=engine.next_id(), composition=composition, values=100)
            engine.ask(Trace(id=engine.next_id(), composition=composition))
            engine.ask(run)
            views: list[AnyRequest] = [
                Summarize(id=engine.next_id(), result=run.id, leaf=0),
                ReadWindow(
                    id=engine.next_id(),
                    result=run.id,
                    leaf=0,
                    rows=0,
                    columns=1,
                    index=[[0, 2], [0, 2]],
                ),
                DescribeCollectives(id=engine.next_id()),
                Describe(id=engine.next_id()),
            ]
            for request in views:
                engine.ask(request)
    finally:
        engine.client.close()
    return requests, events


def mutated(body: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Change `body` in one to four places: a byte, a cut, a splice, a lie about a length."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                other = chance.choice(others)
                start = chance.randrange(len(other))
                data[at:at] = other[start : start + chance.randint(1, 60)]
            case 4:
                deep = chance.choice([b"\x91", b"\x81\xa1a", b"\x92\xc0"])
                data[at:at] = deep * chance.randint(1, 3000)
            case 5:
                heads = [b"\xdb", b"\xdd", b"\xdf", b"\xc6", b"\xd9\xff", b"\xc9", b"\xd3", b"\xcf"]
                data[at : at + 1] = chance.choice(heads) + chance.randbytes(4)
            case _ if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.long
def test_no_mutation_of_real_traffic_raises_anything_but_a_framing_error(monkeypatch):
    chance = random.Random(10)
    for decode, bodies in zip((decode_request, decode_event), traffic(monkeypatch), strict=True):
        assert len(bodies) > 15
        refused = 0
        for _ in range(MUTATED):
            body = mutated(chance.choice(bodies), bodies, chance)
            try:
                message = decode(body)
            except FramingError:
                refused += 1
            else:
                assert decode(frame(message)[4:]) == message or "nan" in repr(message)
        assert MUTATED / 2 < refused < MUTATED  # some are messages still


@pytest.mark.parametrize(
    "index", [[], [[0, 2]], [[0, 2], [0]], [[2, 1], [0, 2]], [[-1, 2], [0, 2]]]
)
def test_a_shard_that_is_no_block_of_its_array_is_refused(index: list[list[int]]) -> None:
    output = {"path": "", "shape": [2, 2], "dtype": "float32", "values": None, "summary": None}
    report = {"inputs": [], "layers": [], "outputs": [output | {"shards": []}]}
    ran: dict[str, Any] = {
        "type": "Ran",
        "id": 1,
        "result": 1,
        "report": report,
        "flow": {"function": "f", "levels": []},
        "seconds": 0.1,
    }
    assert isinstance(decode_event(msgspec.msgpack.encode(ran)), Ran)
    report["outputs"] = [output | {"shards": [{"device": 0, "index": index}]}]
    with pytest.raises(FramingError, match="a shard"):
        decode_event(msgspec.msgpack.encode(ran))
