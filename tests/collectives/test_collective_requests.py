"""Collectives through a real engine, and as `jaxtui run` prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jaxtui.session.session import Collective, Program
from jaxtui.text import collective_tables as plain_collective
from jaxtui.wire.base import Composition, Failed, Printed
from jaxtui.wire.collectives import (
    CollectiveRan,
    CollectivesDescribed,
    DescribeCollectives,
    FindProvenance,
    ProvenanceFound,
    RunCollective,
)
from jaxtui.wire.report import CollectiveReport, Output, Shard
from jaxtui.wire.results import ReadWindow, WindowRead

PSUM = Collective(operation="psum", value="arange(16.0).reshape(8, 2)")


def ask(engine: Any, collective: Collective, source: str = "", values: int | None = 100) -> Any:
    composition = Composition(program=Program(source=source))
    request = RunCollective(
        id=engine.next_id(), composition=composition, collective=collective, values=values
    )
    return engine.ask(request)[0]


def find(engine: Any, result: int, element: list[int], leaf: int = 0) -> Any:
    request = FindProvenance(id=engine.next_id(), result=result, leaf=leaf, element=element)
    return engine.ask(request)[0]


def test_a_run_tells_what_each_device_held_before_and_after(engine: Any) -> None:
    ran = ask(engine, PSUM)
    assert isinstance(ran, CollectiveRan)
    (before,), (after,) = ran.report.before, ran.report.after
    assert before.values[7] == [14.0, 15.0]
    assert after.values == [[56.0, 64.0]] * 8
    assert [(s.device, s.index[0]) for s in after.shards] == [(i, [i, i + 1]) for i in range(8)]
    assert (ran.report.checked, ran.wrong, ran.note) == (True, 0, "")
    assert (ran.groups, ran.options) == ([list(range(8))], {})


def test_the_arrays_are_kept_to_be_looked_at(engine: Any) -> None:
    ran = ask(engine, PSUM, values=None)
    assert ran.report.after[0].values is None
    for leaf, row in ((0, [6.0, 7.0]), (1, [56.0, 64.0])):
        window = ReadWindow(
            id=engine.next_id(),
            result=ran.result,
            leaf=leaf,
            rows=0,
            columns=1,
            index=[[3, 4], [0, 2]],
        )
        read, _ = engine.ask(window)
        assert isinstance(read, WindowRead)
        assert read.cells == [row]


def test_an_element_tells_where_it_is_from(engine: Any) -> None:
    ran = ask(engine, PSUM)
    found = find(engine, ran.result, [3, 1])
    assert isinstance(found, ProvenanceFound)
    assert found.sources == [[1, 3, 5, 7, 9, 11, 13, 15]]
    assert found.words == "device 3 [1] ← sum over devices 0–7 [1]"
    own = "def turn(x):\n    return lax.pshuffle(x, 'devices', [1, 2, 3, 4, 5, 6, 7, 0])\n"
    turned = ask(engine, Collective(operation="turn", via="shard_map", value=PSUM.value), own)
    assert turned.report.checked is None
    assert find(engine, turned.result, [7, 0]).words == "device 7 [0] ← device 0 [0]"


@pytest.mark.parametrize(
    ("element", "leaf", "said"),
    [([8, 0], 0, "no element"), ([0], 0, "no element"), ([0, 0], 1, "there is no 1")],
)
def test_an_element_that_is_not_there_is_refused(
    element: list[int], leaf: int, said: str, engine: Any
) -> None:
    found = find(engine, ask(engine, PSUM).result, element, leaf)
    assert isinstance(found, Failed)
    assert said in found.diagnosis.message


def test_a_result_that_newer_ones_replaced_is_refused(engine: Any) -> None:
    old = ask(engine, PSUM).result
    for _ in range(2):
        ask(engine, PSUM)
    found = find(engine, old, [0, 0])
    assert isinstance(found, Failed)
    assert "no longer kept" in found.diagnosis.message


def test_what_the_source_and_the_function_print_is_printed_once(engine: Any) -> None:
    source = "print('read')\ndef own(x):\n    print('called')\n    return x\n"
    start = len(engine.heard.all)
    ran = ask(engine, Collective(operation="own", value="arange(8)"), source)
    assert find(engine, ran.result, [3]).sources == [[3]]
    printed = [e.text for e in engine.heard.all[start:] if isinstance(e, Printed)]
    assert "".join(printed).split() == ["read", "called"]


def test_a_collective_that_cannot_run_is_a_diagnosis(engine: Any) -> None:
    failed = ask(engine, Collective(operation="psum", value="arange(9)"))
    assert isinstance(failed, Failed)
    assert failed.diagnosis.field == "collective.value"


def test_the_engine_lists_the_collectives_of_its_jax(engine: Any) -> None:
    described, _ = engine.ask(DescribeCollectives(id=engine.next_id()))
    assert isinstance(described, CollectivesDescribed)
    assert described.options["psum"] == ["axis_name", "axis_index_groups"]


# --------------------------------------------------------------------------------- without a screen


SESSION = """
[devices]
platform = "cpu"
count = 4
[program]
source = "def scaled(x): return lax.psum(x, 'devices') * 2"
[collective]
operation = "{operation}"
value = "arange(4.0)"
{more}
"""


def jaxtui(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jaxtui", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_run_prints_before_and_after_as_leaves(tmp_path: Path) -> None:
    (tmp_path / "sum").write_text(SESSION.format(operation="psum", more=""))
    (tmp_path / "own").write_text(SESSION.format(operation="scaled", more='via = "vmap"'))
    more = '\n[[program.arguments]]\nname = "x"\nvalue = "arange(4.0)"\n'
    more += '[[program.layers]]\ntransform = "pmap"\naxis_name = "devices"\n'
    (tmp_path / "both").write_text(SESSION.format(operation="pmax", more="") + more)
    (tmp_path / "bad").write_text(SESSION.format(operation="pmax", more='via = "jit"'))
    ran = jaxtui(tmp_path, "run", "--json", "sum", "own", "both", "bad")
    plain, own, both, bad = (json.loads(line) for line in ran.stdout.splitlines())
    assert list(plain["collective"]) == ["before", "after", "checked"]
    assert plain["program"] is None
    assert plain["ok"]
    assert plain["collective"]["checked"] is True
    assert plain["collective"]["after"][0] == {
        "path": "",
        "shape": [4],
        "dtype": "float32",
        "values": [6.0] * 4,
        "summary": None,
        "shards": [{"device": i, "index": [[i, i + 1]]} for i in range(4)],
    }
    assert own["collective"]["checked"] is None
    assert own["collective"]["after"][0]["values"] == [12.0] * 4
    assert own["collective"]["after"][0]["shards"] == [{"device": 0, "index": [[0, 4]]}]
    assert both["program"]["outputs"][0]["values"] == [12.0] * 4
    assert both["collective"]["after"][0]["values"] == [3.0] * 4
    assert (bad["ok"], bad["collective"], bad["error"]["field"]) == (False, None, "collective.via")
    assert ran.returncode == 1


def test_run_shows_a_row_for_each_device(tmp_path: Path) -> None:
    (tmp_path / "sum").write_text(SESSION.format(operation="all_gather", more=""))
    ran = jaxtui(tmp_path, "run", "sum")
    lines = ran.stdout.splitlines()
    assert "all_gather via pmap  agrees with NumPy" in lines[1]
    assert [line.split() for line in lines[2:5]] == [
        ["device", "before", "after"],
        ["0", "0.", "[0.", "1.", "2.", "3.]"],
        ["1", "1.", "[0.", "1.", "2.", "3.]"],
    ]


def output(values: Any, shape: list[int], devices: list[int]) -> Output:
    whole = [[0, size] for size in shape[1:]]
    shards = [Shard(device=d, index=[[i, i + 1], *whole]) for i, d in enumerate(devices)]
    return Output(path="", shape=shape, dtype="int32", values=values, summary=None, shards=shards)


def test_rows_are_numbered_where_one_device_holds_several() -> None:
    held = output([1, 2], [2], [3, 3])
    report = CollectiveReport(before=[held], after=[held], checked=False)
    text = plain_collective.collective(PSUM, report, "2 elements differ")
    assert "DIFFERS from NumPy: 2 elements differ" in text
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["row", "device", "before", "after"],
        ["0", "3", "1", "1"],
        ["1", "3", "2", "2"],
    ]


def test_blocks_too_wide_for_one_table_are_shown_one_after_the_other() -> None:
    wide = output([list(range(100, 115))] * 2, [2, 15], [0, 1])
    report = CollectiveReport(before=[wide], after=[wide], checked=True)
    text = plain_collective.collective(PSUM, report)
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("device") == 2
