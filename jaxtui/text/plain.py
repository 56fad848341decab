"""Reports as plain text for a terminal or a file: arrays, shapes, failures, devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jaxtui.session.diagnosis import Diagnosis, Edit, Fix
from jaxtui.text import dtypes, numbers, quantities
from jaxtui.text.diagnosis import place
from jaxtui.text.signs import ASCII
from jaxtui.wire.report import Environment, Leaf, ProgramReport, Shard, Summary

WIDTH = 100  # columns, where a row of numbers is wrapped
WHOLE = 1_000  # elements; larger arrays show their first and last EDGE along each dimension
EDGE = 3
FIXES = 5  # fixes of a failure that are told
_GAP = object()  # stands for the elements that are left out


# ------------------------------------------------------------------------------------- programs


def program(report: ProgramReport, *, ascii: bool = False) -> str:
    """A program's shapes, layer by layer from outside in, and its results."""
    parts = [_flow(report, "." if ascii else "·")]
    for output in report.outputs:
        where = placement(output.shape, output.shards)
        parts.append(f"out{output.path}  {shape(output.dtype, output.shape)}{where}")
        if output.summary is not None:
            parts.append(_indented(summary(output.summary)))
        elif output.values is not None:
            parts.append(_indented(array(output.values, len(output.shape), output.dtype)))
    table = ASCII if ascii else {}
    parts += [f"note: {note.message.translate(table)} ({note.field})" for note in report.notes]
    return "\n".join(part for part in parts if part)


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
    named: dict[str, Any] = {"min": figures.minimum, "max": figures.maximum}
    named |= {"mean": figures.mean, "std": figures.std}
    known = [(name, value) for name, value in named.items() if value is not None]
    words = [f"{name} {numbers.statistic(value)}" for name, value in known]
    words.append(f"finite {figures.count - figures.non_finite:,} of {figures.count:,}")
    return "  ".join(words if figures.exact else [*words, "(of a sample)"])


def _flow(report: ProgramReport, dot: str) -> str:
    """A table with a row for each leaf and a column for each layer: the shapes inside it.

    The function that ran stands in its corner.
    """
    columns: list[tuple[str, Sequence[Leaf]]] = [("given", report.inputs)]
    for layer in reversed(report.layers):
        size = "" if layer.axis_size is None else f"{dot}{layer.axis_size}"
        columns.append((f"{layer.transform}{size}", layer.inside))
    rows = [[report.function, *(label for label, _ in columns)]]
    for leaf in report.inputs:
        cells = [f"{leaf.name}{leaf.path}"]
        for _, inside in columns:
            found = [x for x in inside if (x.name, x.path) == (leaf.name, leaf.path)]
            cells.append(shape(found[0].dtype, found[0].shape) if found else "-")
        rows.append(cells)
    return aligned(rows) if report.inputs or report.function else ""


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


def array(values: Any, rank: int, dtype: str) -> str:
    """Nested lists of `rank` dimensions as NumPy would print them, the numbers lined up.

    An element is a number, a bool, a text, or `[re, im]` for a complex number.
    """
    if _count(values, rank) > WHOLE:
        values = _abridged(values, rank)
    cells = iter(numbers.texts(_elements(values, rank), dtype))
    return _brackets(values, rank, cells, depth=0).strip()


def rows(values: Any, rank: int, dtype: str) -> list[str]:
    """Each element of the first dimension as `array` would print it, numbers of all lined up."""
    if _count(values, rank) > WHOLE:
        values = [_abridged(value, rank - 1) for value in values]
    cells = iter(numbers.texts(_elements(values, rank), dtype))
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
    if values is _GAP:
        return "..."
    if rank == 0:
        return next(cells)
    parts = [_brackets(value, rank - 1, cells, depth + 1) for value in values]
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


# ----------------------------------------------------------------------- failures, environment


def failure(name: str, diagnosis: Diagnosis, *, ascii: bool = False) -> str:
    """A failure: where, what, the user's own lines of the traceback, and what would help."""
    # Of the words only the signs are surely ours; letters may be those of the user's names.
    table = ASCII if ascii else {}
    said = place(diagnosis) + diagnosis.message.translate(table)
    lines = [": ".join([*filter(None, (name, diagnosis.field)), said])]
    if isinstance(diagnosis.frames, list):
        lines += [_indented(frame) for frame in diagnosis.frames]
    fixes = diagnosis.fixes[:FIXES]
    lines += [f"  fix: {fix.label.translate(table)} ({_edit(fix)})" for fix in fixes]
    if len(diagnosis.fixes) > FIXES:
        lines.append(f"  and {len(diagnosis.fixes) - FIXES} others, which --json gives")
    return "\n".join(lines)


def _edit(fix: Fix) -> str:
    """The changes of a fix, as they are made in the session file."""
    return " and ".join(map(_edited, fix.edits))


def _edited(edit: Edit) -> str:
    if "\n" in edit.text:
        return f"in {edit.field}"
    return f"leave {edit.field} out" if edit.text == "null" else f"{edit.field} = {edit.text!r}"


def device_set(environment: Environment, *, ascii: bool = False) -> str:
    """The devices and the version in a few words: `cpu × 8, JAX 0.10.2`."""
    times = "x" if ascii else "×"
    count = environment.device_count
    return f"{environment.platform} {times} {count}, JAX {environment.jax}"


def mesh(sizes: Mapping[str, int], types: Mapping[str, str], *, ascii: bool = False) -> str:
    """A mesh in words, "data 4 × model 2", with the type of an axis that is not auto."""
    axes = [
        f"{axis} {size}" + (f" ({types[axis]})" if types.get(axis, "auto") != "auto" else "")
        for axis, size in sizes.items()
    ]
    return (" x " if ascii else " × ").join(axes)


def process(seen: Environment, number: int) -> str:
    """The number of a process, with its host if there are several."""
    return f"{number} {_host(seen, number)}".rstrip()


def hosts(seen: Environment) -> str:
    """The hosts of several processes, each once; "" for those of one host."""
    return ", ".join(dict.fromkeys(_host(seen, number) for number in range(len(seen.hosts))))


def _host(seen: Environment, number: int) -> str:
    """The host of a process, without the process that tells it from others on the same host.

    "" if the engine does not say it.
    """
    if not 0 <= number < len(seen.hosts):
        return ""
    return seen.hosts[number].removesuffix(f" (process {number})")


def environment(seen: Environment, *, ascii: bool = False) -> str:
    """What JAX sees, and what it runs on."""
    cores = quantities.counted(seen.cores, "core")
    shared = "those of a host share its cores" if seen.hosts else f"they share {cores}"
    note = f" (simulated: {shared})" if seen.simulated else ""
    rows = [["id", "kind", "platform", "process", "memory used", "limit"]]
    for device in seen.devices:
        memory = (_memory(device.memory_used), _memory(device.memory_limit))
        place = process(seen, device.process)
        rows.append([str(device.id), device.kind, device.platform, place, *memory])
    facts = [
        ("versions", f"jaxlib {seen.jaxlib}, NumPy {seen.numpy}, Python {seen.python}"),
        ("processes", str(seen.process_count)),
        ("hosts", hosts(seen)),
        ("host", seen.host),
        ("CPU", f"{seen.cpu}, {cores}"),
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
            aligned(rows, frozenset({0, 4, 5} if seen.hosts else {0, 3, 4, 5})),
            aligned([[name, value] for name, value in facts if value]),
        ]
    )


def _memory(size: int | None) -> str:
    return "unknown" if size is None else quantities.size(size)
