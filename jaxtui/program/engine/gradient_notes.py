"""Gradients through collectives that are a number of times what one may expect, found in a jaxpr.

In a shard_map that checks what varies, the gradient for a value that is the same on all devices is
summed over them already: a psum of it sums equal values, and a pmean changes nothing. Without that
check, as under pmap, the gradient of a psum is a psum, also of cotangents that are all equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax import lax

from jaxtui.engine_base.failures import SOURCE_NAME
from jaxtui.engine_base.jaxprs import bodies, walk
from jaxtui.program.engine.varying_axes import CALLS, Axes, named, of_spec, results

_SUMS = frozenset({"psum", "psum2", "psum_invariant"})
MOST_NOTES = 3


@dataclass(frozen=True)
class Found:
    """A sum over `axes` of equal values, at `line` of the source (None if it is not there).

    `mean` says that a pmean was called; `checked`, that the shard_map checks what varies.
    """

    axes: tuple[str, ...]
    size: int
    line: int | None
    mean: bool
    checked: bool

    def words(self) -> str:
        names = ", ".join(map(repr, self.axes))
        at = "" if self.line is None else f"line {self.line}: "
        if not self.checked:
            return (
                f"{at}without the check of a shard_map, as under pmap, the gradient of lax.psum is "
                f"a psum: it adds up the derivatives of the losses of all {self.size} devices over "
                f"{names}, each of which is the same sum, and is {self.size} times that of one "
                f"loss. A shard_map with its check has no such factor"
            )
        cast = "lax.pcast(..., to='varying')" if hasattr(lax, "pcast") else "lax.pvary"
        called = "lax.pmean" if self.mean else "lax.psum"
        then = "changes nothing" if self.mean else f"is {self.size} times that sum"
        kind = "mean" if self.mean else "sum"
        return (
            f"{at}the gradient that {called} gets already is the sum over {names}: it is for a "
            f"value that is the same on all {self.size} devices, and for that, grad in a shard_map "
            f"adds up what each of them gives. A {called} of it {then}, and the result is "
            f"{self.size} times the {kind} that pmap gives, or check_vma=False, where a gradient "
            f"is the device's own. {cast} of that value before grad keeps it so here too"
        )


def found_in(jaxpr: Any) -> list[Found]:
    """The sums of equal values that gradients bring, at most MOST_NOTES."""
    found = dict.fromkeys(
        one
        for equations, _ in walk(jaxpr)
        for equation in equations
        if not _differentiated(equation)
        for one in _in_region(equation)
    )
    return list(found)[:MOST_NOTES]


def _in_region(equation: Any) -> Iterator[Found]:
    """What is found in a shard_map or a pmap."""
    name, params = equation.primitive.name, equation.params
    if name == "shard_map" and "in_specs" in params:
        sizes = dict(params["mesh"].shape)
        given = [of_spec(spec) for spec in params["in_specs"]]
        yield from _Body(sizes, bool(params.get("check_vma"))).found(params["jaxpr"], given)
    elif name == "xla_pmap":
        sizes = {params["axis_name"]: params["axis_size"]}
        mapped = frozenset(sizes)
        given = [frozenset() if axis is None else mapped for axis in params["in_axes"]]
        yield from _Body(sizes, checked=False).found(params["call_jaxpr"], given)


class _Body:
    """What one device of a region computes, with the mesh axes over which each value differs."""

    def __init__(self, sizes: Mapping[str, int], checked: bool) -> None:
        self.sizes, self.checked = sizes, checked
        self._differs: dict[Any, Axes] = {}
        self._of_gradient: set[Any] = set()  # values that come from a sum that grad has made

    def found(self, jaxpr: Any, given: Sequence[Axes], summed: Sequence[bool] = ()) -> list[Found]:
        """What is found in a jaxpr whose inputs differ over the axes `given`.

        `summed` says which of them come from a gradient's sum.
        """
        body = getattr(jaxpr, "jaxpr", jaxpr)
        self._differs |= dict(zip(body.invars, given, strict=True))
        self._of_gradient |= {var for var, of in zip(body.invars, summed, strict=False) if of}
        return [one for equation in body.eqns for one in self._of(equation)]

    def _axes(self, atom: Any) -> Axes:
        return frozenset() if hasattr(atom, "val") else self._differs.get(atom, frozenset())

    def _summed(self, atom: Any) -> bool:
        return not hasattr(atom, "val") and atom in self._of_gradient

    def _of(self, equation: Any) -> list[Found]:
        name = equation.primitive.name
        axes = [self._axes(atom) for atom in equation.invars]
        summed = [self._summed(atom) for atom in equation.invars]
        inner = list(bodies(equation.params))
        found: list[Found] = []
        if len(inner) == 1 and len(inner[0].invars) == len(axes) and name in (*CALLS, "scan"):
            found = self._inside(equation, inner[0], axes, summed)
        else:
            if name in _SUMS and (one := self._equal(equation, axes, summed)):
                found = [one]
            self._note(equation, results(equation, axes), any(summed))
        if name in _SUMS and _by_gradient(equation):
            self._of_gradient |= set(equation.outvars)
        return found

    def _inside(
        self, equation: Any, body: Any, axes: list[Axes], summed: list[bool]
    ) -> list[Found]:
        """What is found in a call, or in a scan: its carry differs as what becomes of it."""
        first = equation.params.get("num_consts", 0)
        count = equation.params.get("num_carry", 0)
        for _ in range(len(self.sizes) + 1 if count else 1):
            found = self.found(body, axes, summed)
            out = [self._axes(atom) for atom in body.outvars]
            for at in range(count):
                axes[first + at] = axes[first + at] | out[at]
        of_gradient = [self._summed(atom) for atom in body.outvars]
        for var, differs, of in zip(equation.outvars, out, of_gradient, strict=True):
            self._note_one(var, differs, of)
        return found

    def _note(self, equation: Any, axes: Sequence[Axes], summed: bool) -> None:
        for var, differs in zip(equation.outvars, axes, strict=True):
            self._note_one(var, differs, summed)

    def _note_one(self, var: Any, differs: Axes, summed: bool) -> None:
        self._differs[var] = differs
        if summed:
            self._of_gradient.add(var)

    def _equal(self, equation: Any, axes: Sequence[Axes], summed: Sequence[bool]) -> Found | None:
        """The sum, if it is one of equal values that a gradient brings."""
        over = named(equation.params)
        if not over or over & frozenset().union(*axes):
            return None
        by_gradient = _by_gradient(equation)
        if self.checked and (by_gradient or not any(summed)):
            return None
        if not self.checked and (not by_gradient or _calls(equation, "pmean")):
            return None
        ordered = tuple(axis for axis in self.sizes if axis in over)
        size = 1
        for axis in ordered:
            size *= self.sizes[axis]
        if size == 1:
            return None
        mean = _calls(equation, "pmean")
        return Found(ordered, size, line_of(equation), mean, self.checked)


# ----------------------------------------------------------------------------- where it comes from


def _frames(equation: Any) -> list[tuple[str, str, int]]:
    """The file, the name and the line of each frame, innermost first."""
    traceback = equation.source_info.traceback
    if traceback is None:
        return []
    codes, offsets = traceback.raw_frames()
    return [
        (code.co_filename, code.co_name, offset)
        for code, offset in zip(codes, offsets, strict=True)
    ]


def _in_jax(equation: Any) -> list[tuple[str, str]]:
    """The frames of JAX between the equation and the user's own code: file and name."""
    found = []
    for file, name, _ in _frames(equation):
        if file == SOURCE_NAME or "site-packages" not in file:
            break
        found.append((file.replace("\\", "/").rpartition("/")[2], name))
    return found


def _calls(equation: Any, name: str) -> bool:
    """Whether the equation was made by a call of that collective, such as pmean."""
    return ("parallel.py", name) in _in_jax(equation)


def _by_gradient(equation: Any) -> bool:
    """Whether a gradient made the equation in going backwards."""
    stack = str(equation.source_info.name_stack)
    if "transpose" in stack:
        return True
    if "jvp" in stack:
        return False
    frames = _in_jax(equation)
    if not _calls(equation, "psum"):
        return True
    # Before it has a name stack: JAX goes forward with one more level of tracing than backwards.
    until = [i for i, (file, name) in enumerate(frames) if (file, name) == ("ad.py", "linear_jvp")]
    if not until:
        return False
    levels = [f for f in frames[: until[0]] if f == ("partial_eval.py", "process_primitive")]
    return len(levels) == 1


def _differentiated(equation: Any) -> bool:
    """Whether a region is a part of a gradient that was taken outside of it."""
    stack = str(equation.source_info.name_stack)
    if "jvp" in stack or "transpose" in stack:
        return True
    return any(file == "ad.py" or name.endswith("_jvp") for file, name in _in_jax(equation))


def line_of(equation: Any) -> int | None:
    """The line of the source in which the equation was made; None if it was not there."""
    traceback = equation.source_info.traceback
    if traceback is None:
        return None
    for frame in traceback.frames:
        if frame.file_name == SOURCE_NAME:
            return int(frame.line_num)
    return None
