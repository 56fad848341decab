"""Layers that would give a function what it wants, as fixes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import msgspec

from jaxtui.program.engine.diagnosis import remedies
from jaxtui.program.engine.diagnosis.leafwise import by_size
from jaxtui.program.engine.mapped_axes import static_arguments
from jaxtui.program.engine.suggestions import traces, unpacked, unpacked_text
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


def static(error: BaseException, recorder: Recorder) -> Iterator[Fix]:
    """Plain values as static arguments of a layer, where one is to be known in a trace."""
    if not isinstance(error, TypeError) or isinstance(error, jax.errors.TracerBoolConversionError):
        return
    for layer in recorder.layers:
        name = layer.kind.static_field
        args = recorder.recordings[recorder.level_of(layer)].args
        if not name or not layer.kind.returns_alike or not args:
            continue
        given = static_arguments(layer, len(args))
        plain = [i for i, x in enumerate(args) if isinstance(x, int | str) and i not in given]
        for chosen in [*([i] for i in plain), plain]:
            numbers = unpacked(sorted({*given, *chosen}))
            if chosen and traces(layer, recorder, **{name: numbers}):
                yield layer.fix(name, repr(numbers))
                return
