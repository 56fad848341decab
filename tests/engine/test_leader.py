"""The leader lets its followers go together, and ends all when they are out of step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, Pipe
from typing import Any

import pytest

from jaxtui.engine import leader as module
from jaxtui.engine.leader import Leader
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.processes import Step
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Program
from jaxtui.wire.base import Composition

ASKED = Composition(program=Program())
FAILURE = Diagnosis(kind="function", field=FieldPath("program.source"), message="ValueError: no")


class Led:
    """A leader with one follower, which the test plays; `died` lists the reasons of `die`."""

    def __init__(self) -> None:
        ours, self.follower = Pipe()
        self.died: list[str] = []
        self.leader = Leader([module.Follower(1, None, ours)])
        self.leader.listen(lambda stream, text: None, lambda found: None)

    def told(self) -> tuple[str, Any]:
        assert self.follower.poll(5)
        return self.follower.recv()

    def plays(self, *said: tuple[str, Any]) -> None:
        """Have the follower send these messages, each after it has received one."""

        def play(connection: Connection[Any, Any]) -> None:
            for message in said:
                while connection.recv() == ("stop", None) and message[0] == "prepared":
                    pass  # meant for the job before, which had ended already
                connection.send(message)

        threading.Thread(target=play, args=(self.follower,), daemon=True).start()


class Died(BaseException):
    """Raised where the real `die` would end the process."""


@pytest.fixture
def led(monkeypatch: pytest.MonkeyPatch) -> Iterator[Led]:
    led = Led()

    def die(reason: str) -> None:
        led.died.append(reason)
        raise Died

    monkeypatch.setattr(module, "die", die)
    monkeypatch.setattr(module, "_lost", lambda follower, error: None)
    monkeypatch.setattr(module, "_ALONE_SECONDS", 0.5)
    monkeypatch.setattr(module, "_END_SECONDS", 0.2)
    yield led
    led.follower.close()
    for thread in threading.enumerate():
        if thread.name == "process 1":
            thread.join(5)


@pytest.mark.parametrize(
    ("asked", "there", "share"),
    [
        (("cpu", 8, 2), ("none", 0), (4, True)),
        (("cpu", None, 2), ("cpu", 6), (3, True)),
        (("", 8, 4), ("cpu", 8), (2, True)),
        (("gpu", None, 2), ("gpu", 4), (2, False)),
        (("", None, 8), ("gpu", 8), (1, False)),
    ],
)
def test_each_process_gets_an_equal_share(
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[str, int | None, int],
    there: tuple[str, int],
    share: tuple[int, bool],
) -> None:
    monkeypatch.setattr(module, "_probed", lambda platform, count: there)
    assert module._share(*asked) == share


@pytest.mark.parametrize(
    ("asked", "there", "field", "fixes"),
    [
        (("cpu", 8, 3), ("none", 0), "devices.count", ["9"]),
        (("cpu", 1, 2), ("none", 0), "devices.count", ["2"]),
        (("gpu", None, 2), ("gpu", 1), "devices.count", []),
        (("", None, 2), ("tpu", 4), "devices.platform", []),
    ],
)
def test_devices_without_an_equal_share_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[str, int | None, int],
    there: tuple[str, int],
    field: str,
    fixes: list[str],
) -> None:
    monkeypatch.setattr(module, "_probed", lambda platform, count: there)
    with pytest.raises(Diagnosed) as raised:
        module._share(*asked)
    assert raised.value.diagnosis.field == field
    assert [fix.text for fix in raised.value.diagnosis.fixes] == fixes


def evaluate(led: Led, body: Callable[[], None] = lambda: None) -> None:
    """All processes agree, then the leader runs `body`."""
    with led.leader.joined(ASKED):
        led.leader.agree(("p", "v"))
        body()


def fail() -> None:
    raise diagnosed("function", FieldPath("program.source"), "ValueError: no")


def test_all_go_when_all_were_given_the_same(led: Led) -> None:
    led.plays(("prepared", ("p", "v")), ("holds", []), ("ended", None))
    with led.leader.joined(ASKED):
        assert not led.leader.together
        led.leader.agree(("p", "v"))
        assert led.leader.together
        leaves = [("", 3)]
        assert led.leader.gathered(leaves) == leaves
        assert not led.leader.together
    assert led.died == []


@pytest.mark.parametrize(
    ("given", "field"), [(("q", "v"), "program"), (("p", "w"), "program.arguments")]
)
def test_none_go_when_one_was_given_something_else(
    led: Led, given: tuple[str, str], field: str
) -> None:
    led.plays(("prepared", given), ("ended", None))
    with pytest.raises(Diagnosed) as raised:
        evaluate(led)
    assert raised.value.diagnosis.field == field
    assert "process 1" in raised.value.diagnosis.message
    assert led.died == []


def test_a_failure_before_all_go_is_told_with_its_process(led: Led) -> None:
    led.plays(("ended", FAILURE))
    with pytest.raises(Diagnosed, match="in process 1: ValueError: no"):
        evaluate(led)
    assert led.died == []


def test_the_same_failure_of_all_is_a_failure_of_the_program(led: Led) -> None:
    led.plays(("prepared", ("p", "v")), ("ended", FAILURE))
    with pytest.raises(Diagnosed, match="no"):
        evaluate(led, fail)
    assert led.died == []


@pytest.mark.parametrize(
    "ended", [None, Diagnosis(kind="runtime", field=FieldPath(""), message="gone")]
)
def test_a_failure_of_the_leader_alone_ends_all(led: Led, ended: Diagnosis | None) -> None:
    led.plays(("prepared", ("p", "v")), ("ended", ended))
    with pytest.raises(Died):
        evaluate(led, fail)
    assert "process 0 failed" in led.died[0]


def test_an_error_without_a_diagnosis_is_enough_of_a_failure(led: Led) -> None:
    led.plays(("prepared", ("p", "v")), ("ended", FAILURE))
    with pytest.raises(ZeroDivisionError):
        evaluate(led, lambda: print(1 / 0))
    assert led.died == []


def test_a_follower_that_never_ends_ends_all(led: Led) -> None:
    led.plays(("prepared", ("p", "v")))
    with pytest.raises(Died):
        evaluate(led, fail)
    assert "out of step" in led.died[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_follower_that_fails_alone_ends_all_but_not_a_later_job(led: Led) -> None:
    def fail_late() -> None:
        time.sleep(0.3)
        fail()

    def fail_too_late() -> None:
        time.sleep(0.35)  # the time of the first is up
        assert led.died == []
        time.sleep(0.5)
        assert "process 1 failed" in led.died[0]
        fail()

    for body in (fail_late, fail_too_late):
        led.plays(("prepared", ("p", "v")), ("ended", FAILURE))
        with pytest.raises(Diagnosed):
            evaluate(led, body)


# -------------------------------------------------------------------------------- step by step


STEP = Step("module:class", 3, "method", (1,))
TOGETHER = Step("module:class", 3, "method", (1,), communicates=True)


def test_a_step_gives_what_each_process_gives(led: Led) -> None:
    led.plays(("given", "theirs"), ("ended", None))
    assert led.leader.stepped(STEP, lambda: "mine") == ["mine", "theirs"]
    assert led.died == []


@pytest.mark.parametrize("step", [STEP, TOGETHER])
def test_a_step_that_only_another_process_fails_is_told_with_its_name(led: Led, step: Step) -> None:
    led.plays(("ended", FAILURE))
    with pytest.raises(Diagnosed, match="in process 1: ValueError: no"):
        led.leader.stepped(step, lambda: "mine")
    assert led.died == []


def test_a_step_of_its_own_may_fail_in_the_leader_alone(led: Led) -> None:
    led.plays(("given", 5), ("ended", None))
    with pytest.raises(Diagnosed, match="no"):
        led.leader.stepped(STEP, fail)
    assert led.died == []


def test_a_step_in_common_that_fails_in_the_leader_alone_ends_all(led: Led) -> None:
    led.plays(("given", 5), ("ended", None))
    with pytest.raises(Died):
        led.leader.stepped(TOGETHER, fail)
    assert "process 0 failed" in led.died[0]


def test_a_step_of_its_own_may_take_another_process_long(led: Led) -> None:
    def play() -> None:
        led.follower.recv()
        time.sleep(0.5)  # more than it gets for what is done together
        led.follower.send(("given", "late"))
        led.follower.send(("ended", None))

    threading.Thread(target=play, daemon=True).start()
    assert led.leader.stepped(STEP, lambda: "mine") == ["mine", "late"]


def test_what_is_held_elsewhere_is_asked_for_and_let_go(led: Led) -> None:
    def play() -> None:
        kind, (number, question) = led.told()
        assert (kind, question) == ("ask", "where?")
        led.follower.send(("answers", (number, True, "there")))
        kind, (number, _) = led.told()
        led.follower.send(("answers", (number, False, "KeyError: gone")))

    threading.Thread(target=play, daemon=True).start()
    assert led.leader._ask(1, "where?") == "there"
    with pytest.raises(RuntimeError, match="gone"):
        led.leader._ask(1, "where?")
    led.leader._questions.forget(7)
    led.plays(("ended", None))
    led.leader.stepped(STEP, lambda: None)
    assert led.leader._questions.forgotten() == []
