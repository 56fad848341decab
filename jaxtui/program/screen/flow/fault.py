"""Locates a diagnosis in the shape flow: the column of its layer and the rows of its leaves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.wire.report import Flow, FlowLeaf

_WORDS = {"syntax": "syntax error", "function": "raised an error", "arguments": "arguments"}


@dataclass(frozen=True)
class Fault:
    """The cells of an error: a column (the function's is one past the last level) and some rows.

    `heading` is the column whose heading is marked. `paths` name leaves or whole arguments; it is
    empty if only the column is known. `word` names the error in a word.
    """

    column: int
    heading: int
    side: Literal["input", "output"]
    paths: tuple[str, ...]
    word: str


def argument_of(path: str) -> str:
    """Return the argument in an input leaf's path: "params" in "params['w'][0]"."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def first_reached(flow: Flow) -> list[FlowLeaf]:
    """Return the input leaves of the outermost level that tracing reached."""
    return next((level.inputs for level in flow.levels if level.inputs is not None), [])


def locate(flow: Flow, diagnosis: Diagnosis | None, arguments: Sequence[str]) -> Fault | None:
    """Locate the diagnosis in the flow; None if its field is not part of it.

    `arguments` are the program's argument names; if empty, they are taken from the flow.
    """
    if diagnosis is None:
        return None
    match diagnosis.field.keys:
        case ["program", "arguments", index, *rest] if index.isdecimal():
            names = list(arguments) or _argument_names(flow)
            if int(index) >= len(names):
                return None
            return Fault(0, 0, "input", (names[int(index)],), rest[0] if rest else "value")
        case ["program", "layers", index, *rest] if index.isdecimal():
            return _layer_fault(flow, diagnosis, int(index), rest[0] if rest else "")
        case ["program", ("source" | "function"), *_]:
            last = len(flow.levels)
            return Fault(last, last, "input", (), _WORDS.get(diagnosis.kind, diagnosis.kind))
    return None


def _layer_fault(flow: Flow, diagnosis: Diagnosis, layer: int, field: str) -> Fault | None:
    columns = [at for at, level in enumerate(flow.levels) if level.layer == layer]
    if not columns:
        return None
    column = columns[0]
    transform = flow.levels[column].transform
    word = field or transform
    kind = LAYER_KINDS[transform]
    # A field may say how inputs and outputs are: then what was reached tells which does not fit.
    outputs = field != kind.input_field or flow.levels[column].outputs is not None
    if field and field == kind.output_field and outputs:
        return Fault(column - 1, column, "output", (), word)
    return Fault(column, column, "input", _named_in(diagnosis.message, flow), word)


def _argument_names(flow: Flow) -> list[str]:
    return list(dict.fromkeys(argument_of(leaf.path) for leaf in first_reached(flow)))


def _named_in(message: str, flow: Flow) -> tuple[str, ...]:
    """Return the leaves that the message names, or else the arguments."""
    for names in ([leaf.path for leaf in first_reached(flow)], _argument_names(flow)):
        named = tuple(name for name in names if _names(message, name))
        if named:
            return named
    return ()


def _names(message: str, name: str) -> bool:
    # The plain search first keeps thousands of leaves cheap. The words around a name tell an
    # argument `a` from the article.
    if name not in message:
        return False
    leaf = re.escape(name)
    spoken_of = rf"(?<![\w.]){leaf}(?='s\b| axis\b| is\b| has\b| \w+\[)|(?<=\bof ){leaf}(?![\w\[.])"
    return bool(re.search(spoken_of, message))
