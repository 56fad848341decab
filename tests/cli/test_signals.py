"""When a signal that ends the process acts."""

from __future__ import annotations

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


def test_an_interrupt_is_held_as_well() -> None:
    with pytest.raises(KeyboardInterrupt), signals.held():
        signal.raise_signal(signal.SIGINT)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
