"""Notes about a program that ran: nothing failed, but it may not be what one expects."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
from jax import tree_util
from msgspec.structs import replace

from jaxtui.engine_base.arrays import is_array
from jaxtui.program.engine import gradient_notes
from jaxtui.program.engine.diagnosis.calls import short
from jaxtui.program.engine.diagnosis.source_edits import changed
from jaxtui.program.engine.tracing import leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis, Edit, Fix
from jaxtui.session.field_path import DEVICES, FUNCTION, SOURCE
from jaxtui.session.layers import Jit

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared

# What JAX and XLA read from the environment when they start, and not again.
_READ_AT_START = ("XLA_FLAGS", "JAX_PLATFORMS", "JAX_NUM_CPU_DEVICES")
_COUNT = re.compile(r"xla_force_host_platform_device_count=(\d+)")


def of_program(prepared: Prepared, jaxpr: Any) -> list[Diagnosis]:
    """What is to be said of the program; `jaxpr` is None where only a run could tell."""
    program = prepared.composition.program
    field = FUNCTION if ":" in program.function else SOURCE
    found: list[gradient_notes.Found] = []
    if jaxpr is not None:
        # The result stands, whatever a release of JAX has in its jaxprs that is not known here.
        with contextlib.suppress(Exception):
            found = gradient_notes.found_in(jaxpr)
    notes = [Diagnosis(kind="note", field=field, message=one.words()) for one in found]
    return [*notes, *_set_too_late(program.source, len(prepared.devices.devices))]


# ---------------------------------------------------------------------------------- what is donated

Donated = list[tuple[str, jax.Array]]


def donated(prepared: Prepared, args: tuple[Any, ...]) -> Donated:
    """The arrays that the outermost layer, if it is a jit, is given to use for its outputs."""
    outermost = prepared.layers[-1] if prepared.layers else None
    if outermost is None or not isinstance(outermost.kind, Jit):
        return []
    numbers, names = (
        outermost.settings.get(name, ()) for name in ("donate_argnums", "donate_argnames")
    )
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers or ())
    names = (names,) if isinstance(names, str) else tuple(names or ())
    chosen = {n % len(args) for n in numbers if args} | {
        at for at, name in enumerate(prepared.argument_names) if name in names
    }
    return [
        (prepared.argument_names[at] + path, leaf)
        for at in sorted(chosen)
        for path, leaf in leaves_with_paths(args[at])
        if isinstance(leaf, jax.Array)
    ]


def of_donated(prepared: Prepared, given: Donated, output: Any) -> list[Diagnosis]:
    """A note for what was donated and is still there: no output could take its memory."""
    left = [(name, array) for name, array in given if not array.is_deleted()]
    if not left:
        return []
    outputs = {(x.shape, x.dtype) for x in tree_util.tree_leaves(output) if is_array(x)}
    like = any((array.shape, array.dtype) in outputs for _, array in left)
    why = "No output is left" if like else "No output has its shape and dtype"
    said = ", ".join(f"{name} {short(array)}" for name, array in left[:4])
    said += f" and {len(left) - 4} more" if len(left) > 4 else ""
    layer = prepared.layers[-1]
    name = "donate_argnums" if "donate_argnums" in layer.settings else "donate_argnames"
    message = f"donated, and not used: {said}. {why} to take the memory, so that JAX keeps it"
    return [Diagnosis(kind="note", field=layer.field(name), message=message)]


# ----------------------------------------------------------------------------- what is set too late


def _set_too_late(source: str, count: int) -> Iterator[Diagnosis]:
    """What the source sets in the environment although JAX has read it already."""
    for line, name, value in _settings_of_environment(source):
        asked = _COUNT.search(value)
        asked_count = int(asked[1]) if asked else None
        if asked_count == count:
            continue
        message = (
            f"line {line}: {name} has no effect here: JAX reads it when it starts, and it "
            f"has started before the source runs"
        )
        fixes = []
        if asked_count is not None:
            message += f". There are {count} devices; how many there are is said in the device set"
            fixes = [Fix(f"{asked_count} virtual devices", DEVICES / "count", str(asked_count))]
        yield Diagnosis(kind="note", field=SOURCE, message=message, fixes=fixes, line=line)


def _settings_of_environment(source: str) -> Iterator[tuple[int, str, str]]:
    """Each place where a variable that is read at the start is set: its name, and its text."""
    if not any(name in source for name in _READ_AT_START):
        return
    for node in ast.walk(ast.parse(source)):
        key: ast.expr | None = None
        if isinstance(node, ast.Assign | ast.AugAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            key = target.slice if isinstance(target, ast.Subscript) else None
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in (
            "setdefault",
            "putenv",
        ):
            key = node.args[0] if node.args else None
        elif isinstance(node, ast.Dict):  # of os.environ.update, or of |=
            names = [k.value for k in node.keys if isinstance(k, ast.Constant)]
            found = [name for name in names if name in _READ_AT_START]
            if found and "environ" in source:
                yield node.lineno, str(found[0]), ast.get_source_segment(source, node) or ""
            continue
        else:
            continue
        if isinstance(key, ast.Constant) and key.value in _READ_AT_START:
            yield node.lineno, str(key.value), ast.get_source_segment(source, node) or ""


def with_count_fix(found: Diagnosis, source: str) -> Diagnosis:
    """`found` with a fix, where it is that the source asks JAX for a number of devices."""
    if found.field != SOURCE or "jax_num_cpu_devices" not in found.message:
        return found
    for statement in ast.walk(ast.parse(source)):
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            continue
        given = statement.value.args
        constants = [x.value for x in given if isinstance(x, ast.Constant)]
        if len(constants) == 2 and constants[0] == "jax_num_cpu_devices":
            count = f"{constants[1]!s}"
            without = changed(source, [(statement, "pass" if statement.col_offset else "")])
            fix = Fix(
                f"{count} devices in the device set, and not in the source",
                DEVICES / "count",
                count,
                (Edit(SOURCE, without),),
            )
            message = (
                f"{found.message} Here JAX has started before the source runs: how many devices "
                f"there are is said in the device set"
            )
            return replace(found, message=message, fixes=[fix])
    return found
