"""What is sent over any number of broken connections arrives whole, once and in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.line.frames import INPUT, MOST, OUTPUT, Frames, NoFrameError, frame
from jaxtui.line.traffic import WINDOW, Traffic


class End:
    """One end of a line between two of them in this process."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.frames = Frames()
        self.got: list[bytes] = []

    def hear(self, data: bytes) -> None:
        for _, payload in self.frames.feed(data):
            self.traffic.count()
            self.got.append(payload)
            self.traffic.pass_on(payload)


def connect(one: End, other: End) -> None:
    """A fresh connection: what was under way is lost, and each tells what it has."""
    one.frames, other.frames = Frames(), Frames()
    known = one.traffic.known(), other.traffic.known()
    one.traffic.resume(**known[1])
    other.traffic.resume(**known[0])


def sent(end: End) -> bytes:
    return b"".join(iter(lambda: end.traffic.next() or b"", b""))


payloads = st.lists(st.binary(max_size=30), max_size=12)


@given(st.lists(st.tuples(payloads, payloads, st.floats(0, 1), st.floats(0, 1)), max_size=8))
def test_every_frame_arrives_once_wherever_the_connections_are_cut(rounds):
    here, there = End(), End()
    said: tuple[list[bytes], list[bytes]] = ([], [])
    for one, other, cut_one, cut_other in rounds:
        for end, words, kept in ((here, one, said[0]), (there, other, said[1])):
            for word in words:
                end.traffic.put(INPUT, word)
                kept.append(word)
        going, coming = sent(here), sent(there)
        there.hear(going[: round(len(going) * cut_one)])
        here.hear(coming[: round(len(coming) * cut_other)])
        connect(here, there)
    there.hear(sent(here))
    here.hear(sent(there))
    assert there.got == said[0]
    assert here.got == said[1]


def test_what_has_arrived_is_kept_no_longer():
    here, there = End(), End()
    for _ in range(5):
        here.traffic.put(OUTPUT, b"x" * 1000)
    there.hear(sent(here))
    assert here.traffic.waiting > 5000
    here.traffic.hear_beat(there.traffic.beat()[5:])
    assert here.traffic.waiting == 0


def test_no_more_is_sent_than_the_other_end_passes_on():
    here, there = End(), End()
    piece = b"x" * 65536
    for _ in range(3 * WINDOW // len(piece)):
        here.traffic.put(OUTPUT, piece)
    assert here.traffic.full
    going = sent(here)
    assert WINDOW <= len(going) <= WINDOW + len(piece) + 5
    assert here.traffic.next() is None
    for _ in there.frames.feed(going):  # received, but taken by nobody
        there.traffic.count()
    here.traffic.hear_beat(there.traffic.beat()[5:])
    assert here.traffic.next() is None
    there.traffic.pass_on(piece)
    here.traffic.hear_beat(there.traffic.beat()[5:])
    assert here.traffic.next() is not None


@pytest.mark.parametrize("received", [-1, 4])
def test_a_number_of_frames_that_cannot_be_is_refused(received):
    traffic = Traffic()
    for _ in range(3):
        traffic.put(INPUT, b"x")
    with pytest.raises(NoFrameError):
        traffic.resume(received, 0)


@pytest.mark.parametrize("data", [b"Welcome!", b"I" + (MOST + 1).to_bytes(4, "big"), b"\0" * 9])
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(NoFrameError):
        list(Frames().feed(data))


@given(st.lists(st.binary(max_size=50), max_size=10), st.integers(1, 7))
def test_frames_may_arrive_in_any_pieces(words, size):
    data = b"".join(frame(INPUT, word) for word in words)
    frames = Frames()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert [payload for piece in pieces for _, payload in frames.feed(piece)] == words
