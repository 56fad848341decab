"""A composed program as callables: the function, its arguments, each layer with its settings."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtui.engine_base import failures, global_view, processes
from jaxtui.engine_base.devices import DeviceSet
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import adapters, expressions, pmaps
from jaxtui.program.engine.expressions import Names
from jaxtui.program.engine.layer_settings import settings_of, transformation
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import ARGUMENTS, FUNCTION, LAYERS, SOURCE, FieldPath
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Argument, Program
from jaxtui.session.working_folder import working_folder
from jaxtui.text.quantities import counted
from jaxtui.wire.report import Parameter


@dataclass(frozen=True)
class Function:
    """The user's function, the name to show, and its parameters (None if Python cannot tell).

    Where a layer applies what may change them, the parameters are those of what it made, and
    `made` is the signature of that.
    """

    call: Callable[..., Any]
    name: str
    parameters: list[Parameter] | None
    made: inspect.Signature | None = None


@dataclass(frozen=True)
class BuiltLayer:
    """A layer ready to wrap a function; `settings` has the values of the fields that are given."""

    index: int
    kind: AnyLayer
    settings: dict[str, Any]
    devices: DeviceSet

    @property
    def transform(self) -> str:
        return self.kind.transform

    def field(self, name: str) -> FieldPath:
        """The session path of its field `name`; with "", of the layer itself."""
        return LAYERS / self.index / name if name else LAYERS / self.index

    def fault(
        self, name: str, message: str, fixes: Iterable[Fix] = (), kind: Kind = "axes"
    ) -> Diagnosis:
        """A diagnosis at its field `name`."""
        return Diagnosis(kind=kind, field=self.field(name), message=message, fixes=list(fixes))

    def fix(self, name: str, text: str, label: str = "") -> Fix:
        """The fix that puts `text` into its field `name`; the label says just that by default."""
        return Fix(label=label or f"{name} {text}", field=self.field(name), text=text)

    def wrap(self, function: Callable[..., Any], axis_size: int | None) -> Callable[..., Any]:
        """The transformed function; `axis_size` is what a pmap is about to map over.

        Raises Diagnosed where a function of the user's is asked to transform it and does not.
        """
        settings = dict(self.settings)
        if not self.kind.home:
            name = self.kind.needs
            return adapters.applied(settings[name], function, self.field(name))
        if self.kind.adapter:
            return adapters.adapted(self.kind.adapter, function, settings)
        if self.kind.maps_over_devices:
            pmaps.note(function)
        if self.kind.divides and not self.kind.in_mesh:
            settings["mesh"] = self.devices.mesh
        if self.kind.maps_over_devices and processes.several():
            return global_view.GlobalPmap(function, devices=self.devices.devices, **settings)
        if self.kind.maps_over_devices and not self.devices.is_default:
            # With devices given, JAX wants exactly as many as the axis is long.
            settings["devices"] = self.devices.devices[:axis_size]
        transformed: Callable[..., Any] = transformation(self.kind)(function, **settings)
        return self._by_place(transformed) if self.kind.broadcasts else transformed

    def _by_place(self, transformed: Callable[..., Any]) -> Callable[..., Any]:
        """`transformed`, of `jax.numpy.vectorize`, which ignores what it is given by name unless it
        is excluded: that is refused."""

        @functools.wraps(transformed)
        def called(*args: Any, **named: Any) -> Any:
            excluded = self.settings.get("excluded", set())
            if ignored := [name for name in named if name not in excluded]:
                which = ", ".join(ignored)
                message = f"JAX's {self.transform} ignores arguments by name that are not excluded"
                every = sorted({*excluded, *ignored}, key=lambda x: (str(type(x)), x))
                fix = self.fix("excluded", "{" + ", ".join(map(repr, every)) + "}")
                raise Diagnosed(self.fault("excluded", f"{message}: {which}", [fix]))
            return transformed(*args, **named)

        return called


@contextlib.contextmanager
def computed(layers: Sequence[BuiltLayer]) -> Iterator[None]:
    """Hold the settings that are arrays computed in the block, as a script would before its call.

    Outside of it they become parts of the trace that asks for them. Raises Diagnosed.
    """
    settings = [value for layer in layers for value in layer.settings.values()]
    arrays = [value for value in settings if isinstance(value, adapters.Arrays)]
    try:
        for value in arrays:
            value.compute()
        yield
    finally:
        for value in arrays:
            value.forget()


def resolve(program: Program, known: Names, folder: str) -> Function:
    """The function of `program`. Raises Diagnosed at program.source or program.function."""
    reference = program.function.strip()
    if ":" in reference:
        call, name = _imported(reference, folder)
    else:
        call, name = _from_source(program.source, reference, known)
    return Function(call=call, name=name, parameters=signature(call))


def _from_source(source: str, name: str, known: Names) -> tuple[Callable[..., Any], str]:
    if not source.strip():
        field = FUNCTION if name else SOURCE
        raise diagnosed("function", field, "there is no function yet: write one, or name one")
    if name:
        if not callable(known.source.get(name)):
            raise diagnosed("function", FUNCTION, f"the source defines no function {name}")
        return known.source[name], name
    bound = _bound_names(source)
    made = [n for n, value in known.source.items() if _made_by_source(value, known)]
    for candidates in (bound.defined, bound.assigned, bound.imported, made):
        for candidate in reversed(candidates):
            if callable(known.source.get(candidate)):
                return known.source[candidate], candidate
    if bound.coroutines:
        message = f"{bound.coroutines[-1]} is `async def`: JAX calls plain functions, `def`"
        raise diagnosed("function", SOURCE, message)
    raise diagnosed("function", SOURCE, "the source defines no function")


def _made_by_source(value: Any, known: Names) -> bool:
    """Whether `value` is a function whose code is the source's, under whatever name."""
    ours = getattr(value, "__globals__", None) is known.source
    return ours and not inspect.iscoroutinefunction(value)


@dataclass
class _Bound:
    """Names bound at the top level of a source, in order."""

    defined: list[str]
    assigned: list[str]
    imported: list[str]
    coroutines: list[str]


@functools.lru_cache(maxsize=8)
def _bound_names(source: str) -> _Bound:
    bound = _Bound([], [], [], [])
    for node in _top_level(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef):
            bound.defined.append(node.name)
        elif isinstance(node, ast.AsyncFunctionDef):
            bound.coroutines.append(node.name)
        elif isinstance(node, ast.ImportFrom):
            bound.imported += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound.assigned += [t.id for t in targets if isinstance(t, ast.Name)]
    return bound


def _top_level(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The statements and those inside `if`, `try`, `with` and loops, not inside definitions."""
    for statement in statements:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (n for n in ast.iter_child_nodes(statement) if isinstance(n, _HOLDERS))
            yield from _top_level(inner)


_HOLDERS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def _imported(reference: str, folder: str) -> tuple[Callable[..., Any], str]:
    place, _, name = reference.rpartition(":")
    try:
        module = _module_of_file(place, folder) if place.endswith(".py") else _module(place, folder)
        call = functools.reduce(getattr, name.split("."), module)
    except BaseException as error:  # also SystemExit: a module may call exit()
        raise Diagnosed(failures.raised_diagnosis(error, "function", FUNCTION)) from error
    if not callable(call):
        raise diagnosed("function", FUNCTION, f"{name} in {place} is no function")
    return call, name.rpartition(".")[2]


def _module(name: str, folder: str) -> Any:
    for path in (
        working_folder(),
        os.path.realpath(Path(working_folder(), folder)) if folder else "",
    ):
        if path and path not in sys.path:
            sys.path.insert(0, path)
    return importlib.import_module(name)


def _module_of_file(file: str, folder: str) -> Any:
    path = expressions.find_file(file, folder).resolve()
    return _loaded(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _loaded(path: Path, _modified: int) -> Any:
    """The module in the file, which runs again only after the file has changed."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}


def signature(call: Callable[..., Any]) -> list[Parameter] | None:
    """The parameters of `call`; None where Python cannot tell them (some builtins)."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except Exception:  # also whatever a __signature__ of the user's raises
        return None
    empty = inspect.Parameter.empty
    return [
        Parameter(
            name=p.name,
            kind=_KINDS[p.kind],  # type: ignore[arg-type]
            default=None if p.default is empty else failures.safe_repr(p.default, 80),
        )
        for p in parameters
    ]


@rehearsal()
def as_called(function: Function, layers: Sequence[BuiltLayer]) -> Function:
    """`function` with the parameters of what the layers that apply something made of it.

    What takes anything (`*args, **kwargs`) is taken to take what it was made from.
    """
    call, found = function.call, function
    for layer in layers:
        call = layer.wrap(call, None)
        if layer.kind.home:
            continue
        parameters = signature(call)
        named = [p for p in parameters or () if not p.kind.startswith("var_")]
        if parameters is not None and (named or not parameters):
            found = replace(found, parameters=parameters, made=inspect.signature(call))
    return found


def split_arguments(
    arguments: list[Argument], function: Function
) -> tuple[list[int], dict[str, int]]:
    """Which arguments are passed by position, in order, and which by keyword (as indices).

    Raises Diagnosed at program.arguments when they do not fit the function's parameters.
    """
    parameters = function.parameters
    if parameters is None:
        return list(range(len(arguments))), {}
    by_name = {p.name: p for p in parameters}
    kinds = {p.kind for p in parameters}
    positional: list[int] = []
    keywords: dict[str, int] = {}
    places = [p for p in parameters if p.kind == "positional"]
    takes_any = "var_keyword" in kinds and "var_positional" not in kinds
    for index, argument in enumerate(arguments):
        parameter = by_name.get(argument.name)
        by_keyword = parameter is not None and parameter.kind == "keyword"
        # A function with **kwargs takes by name what it has no place for.
        left_over = takes_any and parameter is None and len(positional) >= len(places)
        if (by_keyword or left_over) and argument.name not in keywords:
            keywords[argument.name] = index
        else:
            positional.append(index)
    if len(positional) > len(places) and "var_positional" not in kinds:
        extra = arguments[positional[len(places)]].name
        raise diagnosed(
            "arguments",
            ARGUMENTS / positional[len(places)] / "name",
            f"{function.name} takes {counted(len(places), 'argument')}: {extra} is one too many",
        )
    ungiven = places[len(positional) :]
    ungiven += [p for p in parameters if p.kind == "keyword" and p.name not in keywords]
    if missing := [p.name for p in ungiven if p.default is None]:
        message = f"{function.name} also needs {', '.join(missing)}"
        raise diagnosed("arguments", ARGUMENTS, message)
    _check_order([arguments[i].name for i in positional], [p.name for p in places], positional)
    return positional, keywords


def _check_order(given: list[str], places: list[str], indices: list[int]) -> None:
    """Refuse an argument with another parameter's name: its value goes by position."""
    for index, name, place in zip(indices, given, places, strict=False):
        if name != place and name in places:
            field = ARGUMENTS / index / "name"
            fix = Fix(label=f"name it {place}", field=field, text=place)
            message = f"arguments go by position: {name} stands where {place} belongs"
            raise diagnosed("arguments", field, message, [fix] if place not in given else [])


def build_layers(layers: list[AnyLayer], known: Names, devices: DeviceSet) -> list[BuiltLayer]:
    """Each layer with its settings evaluated. Raises Diagnosed at the field that does not fit."""
    return [
        BuiltLayer(index, layer, settings_of(index, layer, known, devices), devices)
        for index, layer in enumerate(layers)
    ]
