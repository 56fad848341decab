"""The session of a call: its function, its arguments as text, and the devices that they lie on."""

from __future__ import annotations

import ast
import inspect
import os
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util

from jaxtui.capture.engine import rewriting, shardings
from jaxtui.capture.engine.as_text import Names, Unwritable, Writer
from jaxtui.capture.engine.leaves import Saved, Shapes
from jaxtui.capture.request import Capture
from jaxtui.engine_base.arrays import is_array
from jaxtui.program.engine import value_helpers
from jaxtui.session.session import Argument, Program, Session, dumps


@dataclass(frozen=True)
class Made:
    """A session as TOML, and what is to be known of it."""

    text: str
    notes: list[str]


def session_of(
    capture: Capture,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    main: types.ModuleType,
    tree: ast.Module,
) -> Made:
    """The session of a call, whose arrays are written to a file if that is asked for.

    `main` is the script's module, and `tree` its syntax. Raises Unwritable.
    """
    given = _arguments(function, args, kwargs)
    notes: list[str] = []
    folder = os.path.dirname(os.path.abspath(capture.output))
    bound = None if capture.home else frozenset(rewriting.names(tree, imported=True))
    names = Names(*_module(capture, main), bound)
    _refuse_tracers(capture, given, notes)
    leaves = Saved(capture.values, folder, names, notes) if capture.values else Shapes(names)
    writer = Writer(names, leaves.text)
    texts = {name: writer.text(value, name) for name, value in given.items()}
    if isinstance(leaves, Saved):
        leaves.write()
    devices, specs = shardings.of_arguments(given, names, notes)
    if rewriting.works_when_imported(tree) and not capture.home:
        notes.append(
            f"`{capture.script}` does its work when it is imported, and so whenever this session "
            'is evaluated. Put it under `if __name__ == "__main__":`.'
        )
    session = Session(
        title=f"{capture.function} of {capture.script}",
        notes=_notes(capture, notes),
        devices=devices,
        program=Program(
            source=_source(names),
            function=_reference(capture, folder),
            arguments=[
                Argument(name=name, value=text, sharding=specs.get(name, ""))
                for name, text in texts.items()
            ],
        ),
    )
    _check(texts, given, names, folder)
    return Made(dumps(session), notes)


def _reference(capture: Capture, folder: str) -> str:
    if capture.home:
        return f"{capture.home}:{capture.function}"
    if capture.is_module:
        return f"{capture.script}:{capture.function}"
    place = os.path.relpath(os.path.abspath(capture.script), folder)
    return f"{place}:{capture.function}"


def _module(capture: Capture, main: types.ModuleType) -> tuple[str, types.ModuleType]:
    """The module that values know, and by which name, as the engine will load it."""
    if capture.home:
        import sys

        return capture.home, sys.modules[capture.home]
    if capture.is_module:
        return capture.script, main
    name = Path(capture.script).stem
    return (name if name.isidentifier() else ""), main


def _source(names: Names) -> str:
    lines = list(names.imports)
    if jax.config.values["jax_enable_x64"]:
        lines.append('jax.config.update("jax_enable_x64", True)')
    return "\n".join([*lines, ""]) if lines else ""


def _notes(capture: Capture, notes: list[str]) -> str:
    place = f"-m {capture.script}" if capture.is_module else capture.script
    words = " ".join(["python", place, *capture.arguments])
    head = f"Call {capture.call} of `{capture.named}` in `{words}`."
    return "\n".join([head, *(f"\n- {note}" for note in notes)]) + "\n"


# ------------------------------------------------------------------------------- the arguments


def _arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The values by the names of the arguments, in the order in which a session gives them.

    A session gives what has a place by position, so that the defaults before it are given too.
    """
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*args, **kwargs).arguments
    except ValueError as error:
        if kwargs:
            message = (
                f"the parameters of the function, which has arguments by name, are unknown: {error}"
            )
            raise Unwritable(message) from error
        return {f"x{number}": value for number, value in enumerate(args)}
    parameters = signature.parameters.values()
    kinds = {p.kind: p.name for p in parameters}
    rest = bound.get(kinds.get(inspect.Parameter.VAR_POSITIONAL, ""), ())
    more = bound.get(kinds.get(inspect.Parameter.VAR_KEYWORD, ""), {})
    if more and inspect.Parameter.VAR_POSITIONAL in kinds:
        raise Unwritable(
            f"{', '.join(more)} went into **{kinds[inspect.Parameter.VAR_KEYWORD]} beside "
            f"*{kinds[inspect.Parameter.VAR_POSITIONAL]}: a session cannot give arguments to both"
        )
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    last = max((i for i, p in enumerate(placed) if p.name in bound), default=-1)
    if more:
        last = len(placed) - 1
    given = {p.name: bound.get(p.name, p.default) for p in placed[: last + 1]}
    for number, value in enumerate(rest):
        given[f"{kinds[inspect.Parameter.VAR_POSITIONAL]}_{number}"] = value
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name in bound]
    return {**given, **{name: bound[name] for name in named}, **more}


def _refuse_tracers(capture: Capture, given: Mapping[str, Any], notes: list[str]) -> None:
    traced = [
        name
        for name, value in given.items()
        if any(isinstance(leaf, jax.core.Tracer) for leaf in tree_util.tree_leaves(value))
    ]
    if not traced:
        return
    listed = ", ".join(traced)
    if capture.values:
        raise Unwritable(
            f"call {capture.call} was made while JAX traced: {listed} had shapes, and no values to "
            "save. Capture the function that is transformed, or leave out --values"
        )
    notes.append(
        f"The call was made while JAX traced: {listed} are what the function sees inside of the "
        "transformations around it."
    )


def _check(texts: Mapping[str, str], given: Mapping[str, Any], names: Names, folder: str) -> None:
    """Refuse a text that gives another tree than the argument's. Raises Unwritable."""
    scope: dict[str, Any] = {
        "jax": jax,
        "jnp": jnp,
        "np": np,
        "P": jax.sharding.PartitionSpec,
        **value_helpers.helpers(lambda file: Path(folder, file), []),
    }
    if names.name:
        root, *path = names.name.split(".")
        module: Any = names.module
        for part in reversed(path):
            module = types.SimpleNamespace(**{part: module})
        scope[root] = module
    for line in names.imports:
        exec(line, scope)
    for name, text in texts.items():
        try:
            made = eval(text, dict(scope))
        except Exception as error:
            kind = type(error).__name__
            message = f"{name} cannot be made from its parts: {kind}: {error}"
            raise Unwritable(message) from error
        if not _alike(made, given[name]):
            raise Unwritable(f"{name}, made again from its parts, is another tree")


def _alike(made: Any, given: Any) -> bool:
    leaves, expected = tree_util.tree_leaves(made), tree_util.tree_leaves(given)
    structures: list[Any] = [tree_util.tree_structure(tree) for tree in (made, given)]
    try:
        if not bool(structures[0] == structures[1]):
            return False
    except Exception:  # static parts that cannot be compared, such as arrays
        return len(leaves) == len(expected)
    return all(
        (tuple(a.shape) == tuple(b.shape)) if is_array(b) else True
        for a, b in zip(leaves, expected, strict=True)
    )
