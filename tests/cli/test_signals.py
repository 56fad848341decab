"""When a signal that ends the process acts."""

from __future__ import annotations

import contextlib
import signal

import pytest

from jaxtui.cli import signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_while_it_is_held_acts_after_the_block(number: signal.Signals) -> None:
    reached = []

    def held() -> None:
        with signals.held():
            signal.raise_signal(number)
            reached.append("the end of the block")
        reached.append("what comes after it")

    with pytest.raises(signals.Terminated) as ended, signals.raised():
        held()
    assert reached == ["the end of the block"]
    assert ended.value.status == 128 + number


def test_a_signal_whose_exception_is_lost_ends_the_process_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    with signals.raised():
        signals.look()
        with contextlib.suppress(signals.Terminated):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # may be in a `finally` block, and is not raised
        with pytest.raises(signals.Terminated):
            signals.look()
        now[0] += signals.AGAIN_SECONDS + 1.0
        with pytest.raises(signals.Terminated):
            signal.raise_signal(signal.SIGHUP)
    with signals.raised():
        signals.look()


def test_an_interrupt_is_held_as_well() -> None:
    with pytest.raises(KeyboardInterrupt), signals.held():
        signal.raise_signal(signal.SIGINT)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
