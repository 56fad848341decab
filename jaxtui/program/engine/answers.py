"""Check the answer to an exercise: run it and a reference on the same arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation
from jaxtui.program.engine.evaluation import Evaluated
from jaxtui.results.engine.gathering import Gathered
from jaxtui.text.dtypes import short_dtype
from jaxtui.wire.base import Composition
from jaxtui.wire.exercises import AnswerChecked, Trial

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # how far floats may differ that were computed in another order
LONGEST = 400  # characters of an array that are shown


def check(
    trials: list[Trial],
    on_stage: Callable[[str], None],
    cancelled: Callable[[], bool],
    *,
    id: int = 0,
) -> AnswerChecked:
    """Run `trials` in turn. Raises GivenUp if `cancelled()` turned true between two stages."""
    for trial in trials:
        wanted = evaluation.run(trial.reference, on_stage, cancelled)
        arguments = _arguments(trial.reference)
        try:
            given = evaluation.run(trial.answer, on_stage, cancelled)
        except Diagnosed as error:
            message = f"{error.diagnosis.field}: {error.diagnosis.message}"
            return AnswerChecked(id=id, right=False, message=message, arguments=arguments)
        if message := _difference(given, wanted):
            return AnswerChecked(
                id=id,
                right=False,
                message=message,
                arguments=arguments,
                given=_text(given),
                wanted=_text(wanted),
            )
    return AnswerChecked(id=id, right=True)


def _difference(given: Evaluated, wanted: Evaluated) -> str:
    """What `given` has that `wanted` has not, "" for nothing."""
    paths = [path for path, _ in given.leaves], [path for path, _ in wanted.leaves]
    if paths[0] != paths[1]:
        return f"the result has the leaves {_named(paths[0])}; wanted are {_named(paths[1])}"
    for (path, leaf), (_, wanted_leaf) in zip(given.leaves, wanted.leaves, strict=True):
        at = f" at {path}" if path else ""
        one, other = _read(leaf), _read(wanted_leaf)
        if one.shape != other.shape:
            return f"the shape{at} is {_leaf(one)}; wanted is {_leaf(other)}"
        if one.dtype.kind != other.dtype.kind:
            return f"the dtype{at} is {one.dtype}; wanted is {other.dtype}"
        if not _close(one, other):
            return f"other values{at}"
    return ""


def _read(leaf: Any) -> np.ndarray:
    if isinstance(leaf, Gathered):
        return leaf.on_host()
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind in "biu":
        return bool(np.array_equal(one, other))
    scale = float(np.max(np.abs(other), initial=0.0, where=np.isfinite(other)))
    near = np.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE * max(scale, 1.0), equal_nan=True)
    return bool(np.all(near))


def _arguments(composition: Composition) -> str:
    """The arguments as a reader could type them: with the numbers that the parameters are."""
    known = composition.parameters
    name = re.compile(rf"\b({'|'.join(map(re.escape, known))})\b(?!\s*=[^=])")
    return "\n".join(
        f"{argument.name} = {name.sub(lambda found: str(known[found[1]]), argument.value)}"
        for argument in composition.program.arguments
    )


def _text(evaluated: Evaluated) -> str:
    parts = []
    for path, leaf in evaluated.leaves:
        text = np.array2string(_read(leaf), precision=4, threshold=24, edgeitems=2)
        parts.append(f"{path} {text}".strip())
    joined = "\n".join(parts)
    return joined if len(joined) <= LONGEST else joined[:LONGEST] + "…"


def _leaf(array: np.ndarray) -> str:
    return f"{short_dtype(str(array.dtype))}[{', '.join(map(str, array.shape))}]"


def _named(paths: list[str]) -> str:
    return ", ".join(path or "(the whole)" for path in paths) or "(none)"
