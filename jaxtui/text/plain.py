"""Reports as plain text for a terminal or a file: arrays, shapes, failures, devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.text import dtypes, quantities
from jaxtui.text.dtypes import shortest, significand_bits
from jaxtui.wire.report import Environment, Leaf, ProgramReport, Shard, Summary

WIDTH = 100  # columns, where a row of numbers is wrapped
WHOLE = 1_000  # elements; larger arrays show their first and last EDGE along each dimension
EDGE = 3
_GAP = object()  # stands for the elements that are left out


# ------------------------------------------------------------------------------------- programs


def program(report: ProgramReport, *, ascii: bool = False) -> str:
    """A program's shapes, layer by layer from outside in, and its results."""
    parts = [_flow(report)]
    for output in report.outputs:
        where = placement(output.shape, output.shards)
        parts.append(f"out{output.path}  {shape(output.dtype, output.shape)}{where}")
        if output.summary is not None:
            parts.append(_indented(summary(output.summary)))
        elif output.values is not None:
            parts.append(_indented(array(output.values, len(output.shape), output.dtype)))
    text = "\n".join(part for part in parts if part)
    return text if not ascii else text.replace("·", "*")


def shape(dtype: str, dimensions: Iterable[int]) -> str:
    """Dtype and shape as JAX writes them in short: `f32[2, 3]`; a Python type as its name."""
    if dtypes.family(dtype) == "text" and not dtypes.is_key(dtype):
        return dtype
    return f"{dtypes.short(dtype)}[{', '.join(map(str, dimensions))}]"


def placement(dimensions: list[int], shards: list[Shard]) -> str:
    """Where an output lies, in words; "" on a single device."""
    devices = {shard.device for shard in shards}
    if len(devices) < 2:
        return ""
    blocks = {tuple(stop - start for start, stop in shard.index) for shard in shards}
    if blocks == {tuple(dimensions)}:
        return f"  whole on each of {len(devices)} devices"
    each = f", {list(blocks.pop())} on each" if len(blocks) == 1 else ""
    return f"  over {len(devices)} devices{each}"


def summary(figures: Summary) -> str:
    """Statistics in one line."""
    named = [
        (name, getattr(figures, field))
        for name, field in (
            ("min", "minimum"),
            ("max", "maximum"),
            ("mean", "mean"),
            ("std", "std"),
        )
    ]
    words = [f"{name} {_figure(value)}" for name, value in named if value is not None]
    words.append(f"finite {figures.count - figures.non_finite:,} of {figures.count:,}")
    return "  ".join(words if figures.exact else [*words, "(of a sample)"])


def _flow(report: ProgramReport) -> str:
    """One row a leaf, one column a layer: its shape as that layer hands it on."""
    columns: list[tuple[str, list[Leaf]]] = [("given", report.inputs)]
    for layer in reversed(report.layers):
        size = "" if layer.axis_size is None else f"·{layer.axis_size}"
        columns.append((f"{layer.transform}{size}", layer.inside))
    rows = [["", *(label for label, _ in columns)]]
    for leaf in report.inputs:
        cells = [f"{leaf.name}{leaf.path}"]
        for _, inside in columns:
            found = [x for x in inside if (x.name, x.path) == (leaf.name, leaf.path)]
            cells.append(shape(found[0].dtype, found[0].shape) if found else "-")
        rows.append(cells)
    return aligned(rows) if report.inputs else ""


def aligned(rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """Rows of cells as columns, two spaces apart; the columns in `right` line up on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.split("\n"))


# --------------------------------------------------------------------------------------- arrays


def array(values: Any, rank: int, dtype: str = "float64") -> str:
    """Nested lists of `rank` dimensions as NumPy would print them, the numbers lined up.

    An element is a number, a bool, a text, or `[re, im]` for a complex number; a float shows no
    more digits than its `dtype` has.
    """
    if _count(values, rank) > WHOLE:
        values = _abridged(values, rank)
    cells = iter(_lined_up(list(_elements(values, rank)), significand_bits(dtype)))
    return _brackets(values, rank, cells, depth=0)


def rows(values: Any, rank: int, dtype: str) -> list[str]:
    """Each element of the first dimension as `array` would print it, numbers of all lined up."""
    if _count(values, rank) > WHOLE:
        values = [_abridged(value, rank - 1) for value in values]
    cells = iter(_lined_up(list(_elements(values, rank)), significand_bits(dtype)))
    if rank == 1:
        return list(cells)
    return [_brackets(value, rank - 1, cells, depth=0) for value in values]


def _count(values: Any, rank: int) -> int:
    return 1 if rank == 0 else sum(_count(value, rank - 1) for value in values)


def _abridged(values: Any, rank: int) -> Any:
    if rank == 0:
        return values
    if len(values) > 2 * EDGE:
        values = [*values[:EDGE], _GAP, *values[-EDGE:]]
    return [value if value is _GAP else _abridged(value, rank - 1) for value in values]


def _elements(values: Any, rank: int) -> Iterator[Any]:
    if rank == 0:
        yield values
        return
    for value in values:
        if value is not _GAP:
            yield from _elements(value, rank - 1)


def _brackets(values: Any, rank: int, cells: Iterator[str], depth: int) -> str:
    if rank == 0:
        return next(cells).strip()
    parts = ["..." if v is _GAP else "" for v in values]
    for number, value in enumerate(values):
        if value is not _GAP:
            inner = next(cells) if rank == 1 else _brackets(value, rank - 1, cells, depth + 1)
            parts[number] = inner
    margin = " " * (depth + 1)
    body = _wrapped(parts, margin) if rank == 1 else ("\n" * (rank - 1) + margin).join(parts)
    return f"[{body}]"


def _wrapped(cells: list[str], margin: str) -> str:
    lines: list[str] = []
    line = ""
    for cell in cells:
        if line and len(margin) + len(line) + 1 + len(cell) >= WIDTH:
            lines.append(line)
            line = cell
        else:
            line = f"{line} {cell}" if line else cell
    return f"\n{margin}".join([*lines, line])


def _lined_up(elements: list[Any], bits: int) -> list[str]:
    """The elements' texts, all of one width, decimal points under each other."""
    if any(isinstance(element, list) for element in elements):
        real = _lined_up([float(element[0]) for element in elements], bits)
        imaginary = [e.strip() for e in _lined_up([float(e[1]) for e in elements], bits)]
        signed = [text if text[0] in "+-" else f"+{text}" for text in imaginary]
        return _padded([f"{re}{im}j" for re, im in zip(real, signed, strict=True)], str.ljust)
    if any(isinstance(element, float) for element in elements):
        return _floats([shortest(float(element), bits) for element in elements])
    return _padded([str(element) for element in elements], str.rjust)


def _floats(numbers: list[float]) -> list[str]:
    """At most 8 decimals, as NumPy has it, or exponents when the range of sizes asks for them."""
    sizes = [abs(number) for number in numbers if number and math.isfinite(number)]
    scientific = bool(sizes) and (
        max(sizes) >= 1e8 or min(sizes) < 1e-4 or max(sizes) / min(sizes) > 1e6
    )
    return _on_the_point([_scientific(x) if scientific else _decimal(x) for x in numbers])


def _decimal(number: float) -> str:
    return f"{number:.8f}".rstrip("0") if math.isfinite(number) else str(number)


def _scientific(number: float) -> str:
    if not math.isfinite(number):
        return str(number)
    mantissa, _, exponent = f"{number:.8e}".partition("e")
    return f"{mantissa.rstrip('0')}e{exponent}"


def _on_the_point(texts: list[str]) -> list[str]:
    heads = _padded([text.partition(".")[0] for text in texts], str.rjust)
    tails = _padded(["".join(text.partition(".")[1:]) for text in texts], str.ljust)
    return [head + tail for head, tail in zip(heads, tails, strict=True)]


def _padded(texts: list[str], justify: Callable[[str, int], str]) -> list[str]:
    width = max(map(len, texts), default=0)
    return [justify(text, width) for text in texts]


def _figure(value: Any) -> str:
    if isinstance(value, list):
        return f"{_figure(value[0])}{float(value[1]):+.6g}j"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# ----------------------------------------------------------------------- failures, environment


def failure(name: str, diagnosis: Diagnosis) -> str:
    """A failure: where, what, the user's own lines of the traceback, and what would help."""
    place = [name, diagnosis.field]
    said = f"line {diagnosis.line}" in diagnosis.message or "(column " in diagnosis.message
    if isinstance(diagnosis.line, int) and not said:
        column = f", column {diagnosis.column}" if isinstance(diagnosis.column, int) else ""
        place.append(f"line {diagnosis.line}{column}")
    lines = [": ".join([*filter(None, place), diagnosis.message])]
    if isinstance(diagnosis.frames, list):
        lines += [_indented(frame) for frame in diagnosis.frames]
    lines += [f"  fix: {fix.label} ({_edit(fix)})" for fix in diagnosis.fixes]
    return "\n".join(lines)


def _edit(fix: Fix) -> str:
    """The change of a fix as one makes it in the session file."""
    return f"leave {fix.field} out" if fix.text == "null" else f"{fix.field} = {fix.text!r}"


def device_set(environment: Environment, *, ascii: bool = False) -> str:
    """The devices and the version in a few words: `cpu × 8, JAX 0.10.2`."""
    times = "x" if ascii else "×"
    count = environment.device_count
    return f"{environment.platform} {times} {count}, JAX {environment.jax}"


def environment(seen: Environment, *, ascii: bool = False) -> str:
    """What JAX sees, and what it runs on."""
    note = f" (simulated: they share {_counted(seen.cores, 'core')})" if seen.simulated else ""
    rows = [["id", "kind", "platform", "process", "memory used", "limit"]]
    for device in seen.devices:
        memory = (_memory(device.memory_used), _memory(device.memory_limit))
        rows.append([str(device.id), device.kind, device.platform, str(device.process), *memory])
    facts = [
        ("versions", f"jaxlib {seen.jaxlib}, NumPy {seen.numpy}, Python {seen.python}"),
        ("processes", str(seen.process_count)),
        ("host", seen.host),
        ("CPU", f"{seen.cpu}, {_counted(seen.cores, 'core')}"),
        ("memory", f"{_memory(seen.memory_available)} available"),
        ("XLA_FLAGS", seen.xla_flags),
        *(
            (f"jax_{key}" if not key.startswith("jax") else key, seen.config[key])
            for key in seen.config
        ),
    ]
    return "\n\n".join(
        [
            device_set(seen, ascii=ascii) + note,
            aligned(rows, frozenset({0, 3, 4, 5})),
            aligned([[name, value] for name, value in facts if value]),
        ]
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _memory(size: int | None) -> str:
    return "unknown" if size is None else quantities.size(size)
