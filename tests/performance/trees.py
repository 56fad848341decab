"""A tree of 10,000 leaves against one of 10, on the Map screen: unfolded, scrolled, searched."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from typing import Any, NamedTuple

import msgspec
from textual.events import Key

from jaxtui.program.screen.path_finder import find_path
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program, Session
from jaxtui.wire.report import Flow, Parameter, TreeNode
from tests.performance.table import Row
from tests.support import made_events as made
from tests.support.made_flows import leaf, level
from tests.support.painting import painted
from tests.support.shell_host import Host

SIZES = {"10": (2, 5), "10,000": (100, 100), "10,000 side by side": (1, 10_000)}
MOST = 1.5  # times
ROUNDS = 8  # for each of the repeats
TURNS = 4


class Step(NamedTuple):
    """What is done to a list of rows: its name, the key (or what is looked for), and where from."""

    name: str
    key: str
    row: int = 1
    wanted: str = ""


STEPS = (
    Step("unfold a node", "enter"),
    Step("a page down", "pagedown"),
    Step("a row down", "down"),
    Step("find a path", "", 0, "*w4']"),
    Step("find none", "", 0, "nowhere"),
    Step("fold a node", "enter"),
)


def rows(repeats: int) -> list[Row]:
    """Return how many times as long each step takes, and what a new flow costs once."""
    times = asyncio.run(_all(repeats * ROUNDS))
    found = []
    for where in ("argument", "shapes"):
        for step in STEPS:
            small, *large = (times[where, size, step.name] for size in SIZES)
            for size, seconds in zip(list(SIZES)[1:], large, strict=True):
                detail = f"{1e3 * seconds:.1f} ms against {1e3 * small:.1f} ms of 10 leaves"
                name = f"{step.name}, {where}, {size}"
                found.append(Row(name, seconds / small, "times", MOST, detail))
    return found


async def _all(rounds: int) -> dict[tuple[str, str, str], float]:
    """Return the seconds of each step, by where it is done, size and name.

    They are the first quartiles, since others use the machine.
    """
    times: dict[tuple[str, str, str], list[float]] = {}
    # In turns, as a machine may be busy for a while.
    for size in [*SIZES] * TURNS:
        layers, leaves = SIZES[size]
        host = Host("map", _session())
        async with host.open((80, 24)) as screen:
            traced = made.traced(host.client.trace.id, signature=SIGNATURE)
            await host.hear(msgspec.structs.replace(traced, flow=flow(layers, leaves)))
            row = screen.arguments._rows[0]
            row.label.action_turn()
            await host.pilot.pause()
            screen.flow_view.focus()
            await _press(host, "enter")  # the first argument of the shapes
            lists = {"argument": row.unfolded.rows, "shapes": screen.flow_view}
            for where, view in lists.items():
                view.focus()
                await host.pilot.pause()
                gc.collect()
                for _ in range(rounds // TURNS):
                    for step in STEPS:
                        seconds = await _step(host, view, step)
                        times.setdefault((where, size, step.name), []).append(seconds)
    return {key: statistics.quantiles(each, n=4)[0] for key, each in times.items()}


async def _step(host: Host, view: Any, step: Step) -> float:
    """Return the seconds from a key, or from what is looked for, to the painted screen."""
    if step.key != "down" and step.key != "pagedown":
        view.action_edge(-1)
        view.action_move(step.row)
        await host.pilot.pause()
    if step.key:
        return await _press(host, step.key)
    began = time.perf_counter()
    find_path(view, step.wanted)
    await _settled(host)
    return time.perf_counter() - began


async def _press(host: Host, key: str) -> float:
    began = time.perf_counter()
    host.post_message(Key(key, None))
    await _settled(host)
    return time.perf_counter() - began


async def _settled(host: Host) -> None:
    """Wait until all messages are handled, and paint."""
    await host.pilot._wait_for_screen()
    painted(host)


SIGNATURE = [Parameter(name=name, kind="positional") for name in ("params", "x")]


def _session() -> Session:
    arguments = [Argument(name="params", value="model()"), Argument(name="x", value="ones(4)")]
    source = "def f(params, x):\n    return x\n"
    return Session(program=Program(source=source, arguments=arguments, layers=[Vmap()]))


def flow(layers: int, leaves: int) -> Flow:
    """A vmap over `params`, a dict of layers of so many leaves, and over x."""
    names = [f"params['layer{i:03}']" for i in range(layers)]
    paths = [f"{name}['w{j}']" for name in names for j in range(leaves)]
    nodes = [TreeNode(path="params", kind="dict", keys=["['head']", *(n[6:] for n in names)])]
    keys = [f"['w{j}']" for j in range(leaves)]
    nodes += [TreeNode(path=name, kind="dict", keys=keys) for name in names]
    given = [leaf("params['head']", 4, 8), *(leaf(path, 4, 16, 16) for path in paths)]
    inside = [leaf("params['head']", 8), *(leaf(path, 16, 16) for path in paths)]
    return Flow(
        function="f",
        levels=[
            level("given", [*given, leaf("x", 4)], [leaf("", 4)]),
            level("vmap of 4", [*inside, leaf("x")], [leaf("")], 0),
        ],
        given=nodes,
    )
