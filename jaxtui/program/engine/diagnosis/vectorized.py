"""Why a vectorize refused a call: its signature, what is excluded, dimensions that do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.failures import safe_repr
from jaxtui.program.engine import broadcasting
from jaxtui.program.engine.diagnosis.calls import Call, is_arraylike, short
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.text.quantities import counted

_LIST = r"\((\w+(,\w+)*)?\)(,\((\w+(,\w+)*)?\))*"
_SIGNATURE = re.compile(f"{_LIST}->{_LIST}")


class VectorizeCall(Call):
    """A call to a layer that loops over leading dimensions."""

    def explain(self) -> Diagnosis | None:
        return (
            self._excluded()
            or self._signature()
            or self._arrays()
            or self._count()
            or self._dimensions()
            or self._loops()
        )

    @property
    def _dynamic(self) -> list[tuple[str, int, Any]]:
        """The arguments that are looped over: name, position, value."""
        excluded = broadcasting.excluded_places(self.layer.settings)
        named = enumerate(zip(self.recorder.names, self.args, strict=False))
        return [(name, i, arg) for i, (name, arg) in named if i not in excluded]

    def _excluded(self) -> Diagnosis | None:
        for place in self.layer.settings.get("excluded", ()):
            if not isinstance(place, int | str):
                said = f"{safe_repr(place, 40)} is neither a position nor a name"
                return self.layer.fault("excluded", f"excluded are arguments: {said}")
            if isinstance(place, int) and place < 0:
                fixes = self._excluding(place + len(self.args), without=place)
                message = f"excluded counts from the front: there is no {place}"
                return self.layer.fault("excluded", message, fixes)
        return None

    def _excluding(self, place: int, without: int | None = None) -> list[Fix]:
        before = self.layer.settings.get("excluded", set())
        places = sorted({*before, place} - {without}, key=lambda x: (str(type(x)), x))
        text = "{" + ", ".join(map(repr, places)) + "}"
        return [self.layer.fix("excluded", text)] if place >= 0 else []

    def _signature(self) -> Diagnosis | None:
        signature = self.layer.settings.get("signature")
        if signature is None:
            return None
        if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
            said = safe_repr(signature, 60)
            message = f"a signature is written as in (m,n),(n)->(m); this is {said}"
            plain = re.sub(r"\s", "", signature) if isinstance(signature, str) else ""
            right = [plain] if _SIGNATURE.fullmatch(plain) else []
            fixes = [self.layer.fix("signature", text) for text in right]
            fixes.append(self.layer.fix("signature", "", "without a signature"))
            return self.layer.fault("signature", message, fixes)
        return None

    def _arrays(self) -> Diagnosis | None:
        for name, position, arg in self._dynamic:
            # JAX makes an array of a list or tuple.
            if arg is None or is_arraylike(arg) or isinstance(arg, list | tuple):
                continue
            what = f"{name} is a {type(arg).__name__}"
            message = f"{what}: {self.layer.transform} loops over arrays, each an argument"
            return self.layer.fault("excluded", message, self._excluding(position))
        return None

    def _count(self) -> Diagnosis | None:
        ranks = broadcasting.core_ranks(self.layer.settings)
        dynamic = self._dynamic
        if ranks is None or len(ranks) == len(dynamic):
            return None
        have = counted(len(dynamic), "argument")
        message = f"the signature is of {counted(len(ranks), 'argument')}, and {have} looped over"
        parts, results = self._parts()
        more = [*parts, *["()"] * len(dynamic)][: len(dynamic)]
        fixes = [self.layer.fix("signature", f"{','.join(more)}->{results}")]
        return self.layer.fault("signature", message, fixes)

    def _parts(self) -> tuple[list[str], str]:
        """The parts of the signature for each argument, and that for the results."""
        inputs, results = self.layer.settings["signature"].split("->")
        return re.findall(r"\([^()]*\)", inputs), results

    def named_sizes(self) -> Iterator[tuple[str, int, str]]:
        """Each core dimension of each argument: its name, its size, the argument's name."""
        if broadcasting.core_ranks(self.layer.settings) is None:
            return
        for (name, _, arg), part in zip(self._dynamic, self._parts()[0], strict=False):
            core = [x.strip() for x in part[1:-1].split(",") if x.strip()]
            sizes = shape_of(arg)[len(shape_of(arg)) - len(core) :]
            yield from ((one, size, name) for one, size in zip(core, sizes, strict=False))

    def _dimensions(self) -> Diagnosis | None:
        ranks = broadcasting.core_ranks(self.layer.settings) or []
        for (name, _, arg), rank, part in zip(
            self._dynamic, ranks, self._parts()[0] if ranks else (), strict=False
        ):
            if arg is not None and len(shape_of(arg)) < rank:
                said = short(arg) if is_array(arg) else "a single value"
                message = f"the signature wants {part} of {name}, which is {said}"
                return self.layer.fault("signature", message)
        seen: dict[str, tuple[int, str]] = {}
        for one, size, name in self.named_sizes():
            other, where = seen.setdefault(one, (size, name))
            if other != size:
                message = f"{one} of the signature is {other} in {where} and {size} in {name}"
                return self.layer.fault("signature", message)
        return None

    def _loops(self) -> Diagnosis | None:
        try:
            broadcasting.loop_shape(self.layer.settings, self.args)
        except ValueError:
            counts = dict(broadcasting.looped(self.layer.settings, self.args))
            each = ", ".join(
                f"{name} has {shape_of(arg)[: counts[i]]}"
                for name, i, arg in self._dynamic
                if counts.get(i)
            )
            message = f"the dimensions to loop over do not broadcast: {each}"
            return self.layer.fault("signature", message)
        return None


def explain_returned(layer: BuiltLayer, call: VectorizeCall, output: Any) -> Diagnosis | None:
    """Why `layer` cannot put the `output` of the function together."""
    results = output if isinstance(output, tuple) else (output,)
    for result in results:
        if not is_arraylike(result):
            message = (
                f"{layer.transform} needs a function that returns an array, or a tuple of arrays; "
                f"this one returns a {type(result).__name__}"
            )
            return layer.fault("", message)
    ranks = broadcasting.core_ranks(layer.settings, 1)
    shapes = [shape_of(result) for result in results]
    if ranks is None:
        return None
    inputs, said = call._parts()
    known = {size: name for name, size, _ in call.named_sizes()}
    text = ",".join(_part(shape, known) for shape in shapes)
    if _fits(said, shapes, {name: size for name, size, _ in call.named_sizes()}):
        return None
    shown = ", ".join(short(result) if is_array(result) else "a number" for result in results)
    message = f"the signature says that the function returns {said}; it returns {shown}"
    fix = layer.fix("signature", f"{','.join(inputs)}->{text}")
    return layer.fault("signature", message, [fix])


def _fits(said: str, shapes: Sequence[tuple[int, ...]], sizes: dict[str, int]) -> bool:
    """Whether results of these shapes are as `said`, where dimensions have these `sizes`."""
    parts = [part.split(",") if part else [] for part in re.findall(r"\(([^)]*)\)", said)]
    if [len(part) for part in parts] != [len(shape) for shape in shapes]:
        return False
    for part, shape in zip(parts, shapes, strict=True):
        for name, size in zip(part, shape, strict=True):
            if sizes.setdefault(name, size) != size:
                return False
    return True


def _part(shape: tuple[int, ...], known: dict[int, str]) -> str:
    """The part of a signature for `shape`, with a new letter for each size that has no name."""
    free = (letter for letter in "klmnopqrstuvwxyz" if letter not in known.values())
    return f"({','.join(known.get(size) or known.setdefault(size, next(free)) for size in shape)})"
