"""Adapts the argument list to the function's signature without losing what was typed.

The session holds the arguments that are passed. A parameter with a default is passed only when a
value was typed for it; its row in the table is there all the same. A session that was opened is
shown as it is: arguments follow a change of the signature, not the signature itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from jaxtui.program.passing import passing, takers
from jaxtui.program.screen.axes import moved, split
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Argument
from jaxtui.wire.report import Parameter


class ArgumentRow(Struct, frozen=True):
    """A row of the argument table.

    `index` is the argument's place in the session, None where nothing is passed; `default` is what
    is taken then. `place` is its place among the positional arguments, None for a keyword.
    `sharding` is the text of its sharding.
    """

    name: str
    value: str
    index: int | None
    place: int | None
    default: str = ""
    sharding: str = ""

    @property
    def by_position(self) -> bool:
        """Whether it is passed, and by position."""
        return self.place is not None and self.index is not None


def follow(
    arguments: Sequence[Argument],
    before: Sequence[Parameter] | None,
    signature: Sequence[Parameter],
    remembered: dict[str, Argument],
) -> list[Argument]:
    """Return the arguments in the order of the `signature`, which was `before`.

    What a parameter had, it keeps: also one that was renamed, so that a name can be typed letter by
    letter. What a parameter had that is gone is put into `remembered`, and a new parameter takes
    back what is remembered under its name. What belonged to no parameter stays in the list. Without
    a known signature `before`, the arguments were given to this one.
    """
    if before is not None and list(before) == list(signature):
        return list(arguments)
    named = [p for p in signature if p.kind in ("positional", "keyword")]
    names = {p.name for p in named}
    held, free, gone = _sorted_out(arguments, signature if before is None else before, names)
    takes_more = any(p.kind in ("var_positional", "var_keyword") for p in signature)
    for new, old in _renamed(before, named).items():
        known = old in gone and (gone[old].value or gone[old].sharding)
        if known and new not in held and not takes_more:
            held[new] = _called(gone.pop(old), old, new)
    if takes_more:
        taken = set(map(id, held.values()))
        free = [argument for argument in arguments if id(argument) not in taken]
    else:
        for name, argument in gone.items():
            if argument.value or argument.sharding:
                _remember(name, argument, remembered)
    found = [held.get(p.name) or remembered.pop(p.name, None) for p in named]
    for index, parameter in enumerate(named):
        if parameter.kind == "positional" and found[index] is None and free and not takes_more:
            found[index] = free.pop(0)
    return [*_passed(named, found, more=bool(free)), *free]


def _remember(name: str, argument: Argument, remembered: dict[str, Argument]) -> None:
    """Put an argument into `remembered`; one that is there by this name goes by another."""
    older = remembered.get(name)
    remembered[name] = argument
    if older is not None and older.value != argument.value:
        numbered = (f"{older.name}_{number}" for number in itertools.count(2))
        others = itertools.chain([older.name], numbered)
        remembered[next(other for other in others if other not in remembered)] = older


def follow_axes(
    layers: Sequence[AnyLayer],
    before: tuple[Sequence[Argument], Sequence[Parameter]],
    after: tuple[Sequence[Argument], Sequence[Parameter]],
    remembered: dict[tuple[int, str], str],
) -> list[AnyLayer]:
    """Return the layers with the entries of their axes moved, dropped and added as arguments were.

    `before` and `after` are arguments with the signature that they are for. The entries of
    arguments that are gone are put into `remembered`, by the place of the layer and the argument's
    name; an argument that comes back has its entry again.
    """
    old, new = _by_position(*before), _by_position(*after)
    named = [p for p in after[1] if p.kind in ("positional", "keyword")]
    renamed = _renamed(before[1], named)
    sources = [_source(argument, old, renamed) for argument in new]
    kept = {at for at in sources if at is not None}
    followed = []
    for index, layer in enumerate(layers):
        field = layer.fields().get(layer.input_field)
        if field is None or not field.entry:
            followed.append(layer)
            continue
        text = getattr(layer, layer.input_field)
        cells = split(text, len(old), field.entry)
        if cells is not None and not cells.shared:
            gone = (at for at in range(len(old)) if at not in kept)
            remembered.update({(index, old[at].name): cells.texts[at] for at in gone})
        entries = [
            at if at is not None else remembered.pop((index, argument.name), None)
            for at, argument in zip(sources, new, strict=True)
        ]
        text = moved(text, len(old), entries, field.entry)
        followed.append(msgspec.structs.replace(layer, **{layer.input_field: text}))
    return followed


def _by_position(arguments: Sequence[Argument], signature: Sequence[Parameter]) -> list[Argument]:
    places, _ = passing([argument.name for argument in arguments], signature)
    return [arguments[place] for place in places]


def _source(argument: Argument, before: Sequence[Argument], renamed: dict[str, str]) -> int | None:
    """The place that an argument had before, None for a new one."""
    for place, old in enumerate(before):
        was = argument is old or renamed.get(argument.name) == old.name
        if was and old.value == argument.value:
            return place
    return None


def _sorted_out(
    arguments: Sequence[Argument], given_to: Sequence[Parameter], names: set[str]
) -> tuple[dict[str, Argument], list[Argument], dict[str, Argument]]:
    """What the parameters `names` have; what no parameter had; and what those had that are gone."""
    held: dict[str, Argument] = {}
    free: list[Argument] = []
    gone: dict[str, Argument] = {}
    holders = takers([a.name for a in arguments], given_to)
    for argument, holder in zip(arguments, holders, strict=True):
        own = argument.name in names and argument.name not in held
        name = argument.name if own else holder.name if holder is not None else ""
        if holder is None and not own:
            free.append(argument)
        elif name in names and name not in held:
            held[name] = argument
        elif name not in gone and name not in held:
            gone[name] = argument
        else:
            free.append(argument)
    return held, free, gone


def _passed(named: list[Parameter], found: list[Argument | None], *, more: bool) -> list[Argument]:
    """The arguments for the parameters, with those that are required and those before others."""
    positional = [p.kind == "positional" for p in named]
    last = max((i for i, a in enumerate(found) if a and (positional[i] or more)), default=-1)
    passed = []
    for index, (parameter, argument) in enumerate(zip(named, found, strict=True)):
        if argument is not None:
            passed.append(argument)
        elif parameter.default is None or (positional[index] and index < last):
            passed.append(Argument(name=parameter.name, value=parameter.default or ""))
    return passed


def _called(argument: Argument, old: str, new: str) -> Argument:
    """The argument of a parameter that was renamed; one with a name of its own keeps that."""
    return msgspec.structs.replace(argument, name=new) if argument.name == old else argument


def _renamed(before: Sequence[Parameter] | None, named: list[Parameter]) -> dict[str, str]:
    """Return {new name: old name} if exactly one parameter was renamed in its place."""
    old = [p.name for p in before or () if p.kind in ("positional", "keyword")]
    if len(old) != len(named):
        return {}
    changed = [(p.name, was) for p, was in zip(named, old, strict=True) if p.name != was]
    if len(changed) != 1 or changed[0][0] in old:
        return {}
    return dict(changed)


def rows(arguments: Sequence[Argument], signature: Sequence[Parameter] | None) -> list[ArgumentRow]:
    """Return the table's rows: the arguments passed, then those that may be."""
    parameters = signature or ()
    names = [argument.name for argument in arguments]
    positional, _ = passing(names, parameters)
    places = {index: place for place, index in enumerate(positional)}
    holders = takers(names, parameters)
    found = [
        ArgumentRow(
            argument.name,
            argument.value,
            index,
            places.get(index),
            (holder.default or "") if holder is not None else "",
            argument.sharding,
        )
        for index, (argument, holder) in enumerate(zip(arguments, holders, strict=True))
    ]
    place = len(positional)
    for parameter in parameters:
        name, keyword = parameter.name, parameter.kind == "keyword"
        if parameter.kind == "var_positional":
            found.append(ArgumentRow(f"*{name}", "", None, place))
        elif parameter.kind != "var_keyword" and parameter not in holders:
            found.append(
                ArgumentRow(name, "", None, None if keyword else place, parameter.default or "")
            )
            place += not keyword
    return found


def with_value(
    arguments: Sequence[Argument],
    signature: Sequence[Parameter] | None,
    row: ArgumentRow,
    text: str,
) -> list[Argument]:
    """Set the value of `row` to `text`; "" stops passing an argument that is optional.

    Nothing changes for a row whose argument has gone since `text` was typed.
    """
    parameters = list(signature or ())
    if row.index is not None:
        if [argument.name for argument in arguments[row.index : row.index + 1]] != [row.name]:
            return list(arguments)
        if not text.strip() and _may_go(arguments, parameters, row.index):
            return [*arguments[: row.index], *arguments[row.index + 1 :]]
        changed = msgspec.structs.replace(arguments[row.index], value=text)
        return [*arguments[: row.index], changed, *arguments[row.index + 1 :]]
    if not text.strip():
        return list(arguments)
    if row.name.startswith("*"):
        taken = {argument.name for argument in arguments}
        number = next(n for n in range(len(taken) + 1) if f"{row.name[1:]}_{n}" not in taken)
        return [*arguments, Argument(name=f"{row.name[1:]}_{number}", value=text)]
    return _with_parameter(arguments, parameters, Argument(name=row.name, value=text))


def _with_parameter(
    arguments: Sequence[Argument], parameters: list[Parameter], added: Argument
) -> list[Argument]:
    """The arguments with one more, named like its parameter, and the defaults in places before."""
    if any(p.kind == "keyword" and p.name == added.name for p in parameters):
        return [*arguments, added]
    positional, _ = passing([argument.name for argument in arguments], parameters)
    open_places = [p for p in parameters if p.kind == "positional"][len(positional) :]
    before: list[Argument] = []
    for parameter in open_places:
        if parameter.name == added.name:
            break
        before.append(Argument(name=parameter.name, value=parameter.default or ""))
    at = max(positional, default=-1) + 1
    return [*arguments[:at], *before, added, *arguments[at:]]


def _may_go(arguments: Sequence[Argument], parameters: list[Parameter], index: int) -> bool:
    """Whether the argument is optional or one too many, and none by position comes after it."""
    names = [argument.name for argument in arguments]
    positional, _ = passing(names, parameters)
    if not parameters or (index in positional and index != positional[-1]):
        return False
    parameter = takers(names, parameters)[index]
    return parameter is None or parameter.default is not None
