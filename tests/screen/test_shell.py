"""Every screen and dialog works in any app that is a shell for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList

from jaxtui import lessons
from jaxtui.app.help import HelpDialog
from jaxtui.screen import commands, dialogs, screens
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.path_dialog import PathDialog
from jaxtui.screen.text_dialogs import TrustDialog
from jaxtui.session.layers import Jit
from jaxtui.session.session import Collective, Devices, Session
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.benchmark import Bench as BenchRequest
from jaxtui.wire.benchmark import PlanBench
from jaxtui.wire.collectives import DescribeCollectives, RunCollective
from tests.support import made_benchmarks, made_collectives
from tests.support import made_events as made
from tests.support.shell_host import Host

PSUM = Collective(operation="psum", value="arange(16.0).reshape(8, 2)")
COLLECTIVE = Session(devices=Devices(platform="cpu", count=8), collective=PSUM)


async def test_map_composes_and_runs() -> None:
    host = Host("map")
    async with host.open() as screen:
        await host.hear(made.traced(host.client.trace.id))
        assert "matrix_vector_product" in host.text
        assert "cpu × 8 · JAX 0.10.2" in host.text
        screen.layer_list.focus()
        await host.pilot.press("a")
        names = [name for name, _ in host.screen._choices]
        await host.pilot.press(*["down"] * names.index("jit"), "enter")
        assert isinstance(host.explorer.work.session.program.layers[-1], Jit)
        await host.pilot.press("f5")
        assert host.explorer.asked == ["run"]
        await host.pilot.press("e", "s", "s")
        assert screen.results.tab == "Output"


@pytest.mark.long
async def test_collectives_runs_and_opens_what_lies_over_it() -> None:
    host = Host("collectives", COLLECTIVE)
    async with host.open() as screen:
        (described,) = host.client.take(DescribeCollectives)
        run = host.client.asked(RunCollective)[-1]
        await host.hear(made_collectives.described(described.id), made_collectives.psum(run.id))
        assert "checked against NumPy" in host.text
        await host.pilot.press("w")
        assert host.explorer.work.session.collective.via == "shard_map"
        await host.pilot.press("b", "m")
        assert host.shown == ["bandwidth", "map"]
        assert screen.collective_work.ran is not None


async def test_benchmark_plans_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    host = Host("benchmark", made.session(parameters={"batch": 64}))
    async with host.open() as screen:
        await host.hear(made_benchmarks.planned(host.client.asked(PlanBench)[-1].id))
        assert "vmap" in host.text
        await host.pilot.press("down", "f5")
        assert len(host.client.asked(BenchRequest)) == 1
        await host.hear(*made_benchmarks.whole(host.client.asked(BenchRequest)[-1].id))
        await host.pilot.press("s")
        assert screen.tab == "samples"
        await host.pilot.press("x", "down", "down", "down", "enter")
        assert len(host.copied) == 1
        assert "vmap" in host.copied[0]


async def test_bandwidth_sweeps_and_leads_back() -> None:
    host = Host("bandwidth", COLLECTIVE)
    async with host.open() as screen:
        assert "F5 sends messages" in host.text
        assert "3 Collectives" in host.text
        await host.pilot.press("f5")
        assert len(host.client.asked(SweepBandwidth)) == 1
        await host.pilot.press("x")
        assert "nothing has been measured yet" in screen.key_line.said
        await host.pilot.press("b")
        assert host.screen is not screen


async def test_learn_opens_the_marked_lesson() -> None:
    host = Host("learn")
    async with host.open():
        assert lessons.load(lessons.NAMES[0]).title in host.text
        await host.pilot.press("down", "enter")
        assert host.shown == [lessons.NAMES[1]]


async def test_devices_applies_the_form() -> None:
    host = Host("devices")
    async with host.open() as screen:
        assert host.explorer.asked == ["describe"]
        assert "Virtual devices: 8 share 4 cores." in host.text
        await host.pilot.press("tab", "tab", "end", "backspace", "4", "enter")
        assert host.explorer.work.session.devices.count == 4
        screen.query(Input)[1].value = "no number"
        await host.pilot.press("enter")
        assert "! " in host.text
        assert host.explorer.work.session.devices.count == 4


CHOICES = [("one", "The first"), ("two", "The second")]
DIALOGS: dict[str, tuple[Any, tuple[str, ...], object]] = {
    "choice": (lambda: dialogs.ChoiceDialog("Which?", CHOICES), ("down", "enter"), "two"),
    "choice refused": (lambda: dialogs.ChoiceDialog("Which?", CHOICES), ("escape",), None),
    "confirm": (lambda: dialogs.ConfirmDialog("Sure?", "It goes.", CHOICES), ("enter",), "one"),
    "trust": (lambda: TrustDialog("a.toml", "source", ""), ("down", "enter"), "run"),
    "path": (
        lambda: PathDialog("Save as", "", must_exist=False),
        ("a", "full_stop", "t", "enter"),
        "a.t",
    ),
    "find": (lambda: dialogs.FindDialog("Find", "", "max", None), ("m", "a", "x", "enter"), "max"),
    "help": (HelpDialog, ("q",), None),
}


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_dialog_answers(name: str) -> None:
    make, keys, answer = DIALOGS[name]
    host = Host()
    async with host.open():
        answers = await host.ask(make())
        assert host.screen.query(".dialog")
        await host.pilot.press(*keys)
        assert answers == [answer]
        assert not host.screen.query(OptionList)


# ------------------------------------------------------------------------- the table of screens


@pytest.mark.parametrize("entry", screens.SCREENS, ids=lambda entry: entry.name)
def test_the_table_names_screens_and_panes_that_there_are(entry: screens.ScreenEntry) -> None:
    shown = screens.load(entry.place)
    assert issubclass(shown, WorkScreen)
    assert entry.name == shown.NAME
    assert (entry.over in screens.BY_NAME) is not bool(entry.key)
    for scope, _ in entry.headings:
        assert list(commands.in_scopes(scope))
    for _, pane in entry.panes:
        assert screens.load(pane).BINDINGS


def test_the_keys_of_screens_count_up() -> None:
    assert [screen.key for screen in screens.KEYED] == list("123456")
