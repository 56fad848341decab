"""Any session that a file may hold, and any signature that its function may turn out to have."""

from __future__ import annotations

import keyword
from typing import Any

from hypothesis import strategies as st

from jaxtui.session.layers import LAYER_KINDS
from jaxtui.session.session import (
    RESERVED_PARAMETERS,
    Argument,
    Benchmark,
    Collective,
    Devices,
    Program,
    Session,
    Sharding,
)
from jaxtui.wire.report import Parameter

AWKWARD = [
    "\r\n",
    "a\tb",
    "\x1b[2J",
    '"""',
    "'''",
    "\\",
    "[bold]",
    " x ",
    "\uff58",
    "x\n",
    "0",
    "{}",
]
TYPICAL = ["x", "y", "a", "0", "(0, None)", "P('i')", "arange(3)", "def f(x):\n    return x\n"]

texts = st.sampled_from(["", *TYPICAL, *AWKWARD]) | st.text(max_size=30)
# Some of the names that signatures have, some of none.
argument_names = st.sampled_from(["x", "y", "z", "k", "a", "b", "xs_0", "", "*x"]) | texts
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in RESERVED_PARAMETERS
)
whole = st.integers(-(2**62), 2**62)
small = st.integers(1, 8)
axes = st.dictionaries(texts, whole | small, max_size=3)
types = st.dictionaries(texts, st.sampled_from(["auto", "explicit"]), max_size=2)


def _layer(kind: str) -> st.SearchStrategy[Any]:
    struct = LAYER_KINDS[kind]
    return st.builds(struct, **dict.fromkeys(struct.fields(), texts))


sessions = st.builds(
    Session,
    title=texts,
    notes=texts,
    devices=st.builds(
        Devices,
        platform=texts,
        count=st.none() | whole,
        order=st.none() | st.lists(whole, max_size=3),
        mesh=st.none() | axes,
        axis_types=st.none() | types,
    ),
    parameters=st.dictionaries(names, whole, max_size=3),
    program=st.builds(
        Program,
        source=texts,
        function=texts,
        arguments=st.lists(
            st.builds(Argument, name=argument_names, value=texts, sharding=texts), max_size=5
        ),
        layers=st.lists(st.sampled_from(sorted(LAYER_KINDS)).flatmap(_layer), max_size=3),
    ),
    collective=st.none()
    | st.builds(
        Collective,
        operation=texts | st.sampled_from(["psum", "all_gather"]),
        via=texts | st.just("pmap"),
        value=texts,
        options=st.dictionaries(texts, texts, max_size=2),
    ),
    benchmark=st.none()
    | st.builds(
        Benchmark,
        strategies=st.lists(texts, max_size=2),
        sweep=st.dictionaries(texts, st.lists(whole | texts, max_size=3), max_size=2),
        rounds=st.none() | whole,
        devices=st.lists(whole, max_size=2),
        baseline=texts,
        mode=st.sampled_from(["latency", "throughput"]),
        quick=st.booleans(),
        budget=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        pad=st.booleans(),
        seed=st.none() | whole,
    ),
    sharding=st.none()
    | st.builds(
        Sharding,
        mesh=st.none() | axes,
        axis_types=st.none() | types,
        machine=texts,
        memory=texts,
        bandwidth=texts | st.dictionaries(texts, texts, max_size=2),
        latency=texts | st.dictionaries(texts, texts, max_size=2),
    ),
)


@st.composite
def signatures(draw: st.DrawFn) -> list[Parameter] | None:
    """The parameters of a function, in Python's order of kinds; None where Python tells none."""
    if draw(st.integers(0, 9)) == 0:
        return None
    taken = draw(st.permutations(["x", "y", "z", "k", "xs", "kw", "a"]))
    counts = [draw(st.integers(0, most)) for most in (3, 1, 2, 1)]
    kinds = ["positional", "var_positional", "keyword", "var_keyword"]
    found: list[Parameter] = []
    for kind, count in zip(kinds, counts, strict=True):
        optional = kind in ("positional", "keyword") and draw(st.booleans())
        for _ in range(count):
            default = "1" if optional else None
            found.append(Parameter(name=taken.pop(), kind=kind, default=default))  # type: ignore[arg-type]
    return found
