"""A composed program as callables: the function, its arguments, each layer with its settings."""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from jaxtui.engine_base import failures, global_view, processes
from jaxtui.engine_base.devices import DeviceSet
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import adapters, choosing, expressions, modules, pmaps, referents
from jaxtui.program.engine.expressions import Names
from jaxtui.program.engine.layer_settings import settings_of, transformation
from jaxtui.program.passing import passing
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import ARGUMENTS, FUNCTION, LAYERS, SOURCE, FieldPath
from jaxtui.session.layers import AnyLayer
from jaxtui.session.references import Reference, reference_of
from jaxtui.session.session import Argument, Program
from jaxtui.text.quantities import counted
from jaxtui.wire.report import Parameter, ParameterKind


@dataclass(frozen=True)
class Function:
    """The user's function, the name to show, and its parameters (None if Python cannot tell).

    `choices` are what `program.function` may say instead, in the order in which they were made.
    Where a layer applies what may change them, the parameters are those of what it made, and
    `made` is the signature of that.
    """

    call: Callable[..., Any]
    name: str
    parameters: list[Parameter] | None
    choices: list[str] = field(default_factory=list)
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


def file_of(program: Program, folder: str) -> Path | None:
    """The file that the function of `program` lies in, None without one. Raises Diagnosed."""
    reference = reference_of(program.function)
    if reference is None or not reference.is_file:
        return None
    try:
        return expressions.find_file(reference.place, folder).resolve()
    except BaseException as error:  # also what a path of null bytes raises
        raise Diagnosed(failures.raised_diagnosis(error, "function", FUNCTION)) from error


def resolve(program: Program, known: Names, file: Path | None) -> tuple[Function, dict[str, Any]]:
    """The function of `program`, and what the file or module that it lies in offers to values.

    Raises Diagnosed at program.source or program.function.
    """
    reference = reference_of(program.function)
    if reference is None:
        return _from_source(program.source, program.function.strip(), known), {}
    return _from_module(reference, file, known)


def _from_source(source: str, name: str, known: Names) -> Function:
    if not source.strip():
        field = FUNCTION if name else SOURCE
        raise diagnosed("function", field, "there is no function yet: write one, or name one")
    choices = choosing.callables(source, known.source)
    if name:
        if not callable(known.source.get(name)):
            message = f"the source defines no function {name}"
            raise diagnosed("function", FUNCTION, message, _other_functions(name, choices))
    elif choices:
        name = choices[-1]
    elif late := choosing.coroutines(source):
        message = f"{late[-1]} is `async def`: JAX calls plain functions, `def`"
        raise diagnosed("function", SOURCE, message)
    else:
        raise diagnosed("function", SOURCE, "the source defines no function")
    call = known.source[name]
    return Function(call, name, signature(call), choices)


def _other_functions(name: str, choices: list[str], place: str = "") -> list[Fix]:
    """Fixes that take a function of nearly that name; of the source, also the one made last."""
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    fixes = [Fix(f"{name} → {right}", FUNCTION, f"{place}{right}") for right in near]
    if choices and not place:
        fixes.append(Fix(f"{choices[-1]}, the last function of the source", FUNCTION, ""))
    return fixes


def _from_module(
    reference: Reference, file: Path | None, known: Names
) -> tuple[Function, dict[str, Any]]:
    try:
        module = modules.load(reference.place) if file is None else modules.load_file(file)
    except BaseException as error:  # also SystemExit: a module may call exit()
        raise Diagnosed(failures.raised_diagnosis(error, "function", FUNCTION)) from error
    choices = choosing.callables_of(module)
    try:
        call = referents.value(reference.name, module)
    except BaseException as error:
        found = failures.raised_diagnosis(error, "function", FUNCTION)
        near = _other_functions(reference.name, choices, f"{reference.place}:")
        raise Diagnosed(msgspec.structs.replace(found, fixes=near)) from error
    if not callable(call):
        message = f"{reference.name} in {reference.place} is no function"
        raise diagnosed("function", FUNCTION, message)
    offered = {n: value for n, value in vars(module).items() if not n.startswith("_")}
    root = module.__name__.partition(".")[0]
    if root not in known.values:  # as in `train.State(...)`; a file `ones.py` hides no `ones`
        offered.setdefault(root, sys.modules.get(root, module))
    function = Function(
        call,
        referents.shown(reference.name),
        signature(call),
        [f"{reference.place}:{name}" for name in choices],
    )
    return function, offered


_KINDS: dict[Any, ParameterKind] = {
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
            kind=_KINDS[p.kind],
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
    positional, keywords = passing([argument.name for argument in arguments], parameters)
    places = [p for p in parameters if p.kind == "positional"]
    if len(positional) > len(places) and all(p.kind != "var_positional" for p in parameters):
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
    _check_order(arguments, [p.name for p in places], positional)
    return positional, keywords


def _check_order(arguments: list[Argument], places: list[str], positional: list[int]) -> None:
    """Refuse an argument with another parameter's name: its value goes by position."""
    given = [arguments[index].name for index in positional]
    for index, name, place in zip(positional, given, places, strict=False):
        if name != place and name in places:
            field = ARGUMENTS / index / "name"
            fixes = [Fix(label=f"name it {place}", field=field, text=place)]
            if place in given:
                fixes = _in_order(arguments, places, positional)
            message = f"arguments go by position: {name} stands where {place} belongs"
            raise diagnosed("arguments", field, message, fixes)


def _in_order(arguments: list[Argument], places: list[str], positional: list[int]) -> list[Fix]:
    """The fix that puts the arguments, each named like a parameter, in the parameters' order."""
    by_name = {arguments[index].name: arguments[index] for index in positional}
    if len(by_name) < len(positional) or set(by_name) != set(places[: len(by_name)]):
        return []
    rest = [a for index, a in enumerate(arguments) if index not in positional]
    ordered = [by_name[name] for name in places if name in by_name]
    text = msgspec.json.encode([*ordered, *rest]).decode()
    label = f"in the order {', '.join(a.name for a in ordered)}"
    return [Fix(label=label, field=ARGUMENTS, text=text)]


def build_layers(layers: list[AnyLayer], known: Names, devices: DeviceSet) -> list[BuiltLayer]:
    """Each layer with its settings evaluated. Raises Diagnosed at the field that does not fit."""
    return [
        BuiltLayer(index, layer, settings_of(index, layer, known, devices), devices)
        for index, layer in enumerate(layers)
    ]
