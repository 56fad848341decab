"""Layers that would give a function what it wants, as fixes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from jaxtui.program.engine.diagnosis import remedies
from jaxtui.program.engine.diagnosis.leafwise import by_size
from jaxtui.program.engine.suggestions import unpacked_text
from jaxtui.program.engine.tracing import Recorder
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import LAYERS
from jaxtui.session.layers import Vmap

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


def one_more_vmap(error: BaseException, recorder: Recorder, prepared: Prepared) -> Iterator[Fix]:
    """A vmap around the function, where JAX wants one value of what it has an array of."""
    args, layers = recorder.recordings[-1].args, prepared.composition.program.layers
    if remedies.plainly(error) is None or not args:
        return
    for _, mapped in by_size(args, [0] * len(args)):
        texts = [one.text(prepared.known.source) for one in mapped]
        if None in texts:
            continue
        axes = unpacked_text([text or "" for text in texts])
        inner = Vmap(in_axes="" if axes == "0" else axes)
        text = msgspec.json.encode([inner, *layers]).decode()
        yield Fix(f"one more vmap inside, with in_axes {axes}", LAYERS, text)
