"""Adapts the argument list to the function's signature without losing what was typed.

The session holds the arguments that are passed. A parameter with a default is passed only when a
value was typed for it; its row in the table is there all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

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


def follow(
    arguments: Sequence[Argument], signature: Sequence[Parameter], remembered: dict[str, Argument]
) -> list[Argument]:
    """Return the arguments in the order of the signature; remember those without a parameter.

    A parameter that was renamed keeps its value, so that a name can be typed letter by letter. A
    new parameter takes back what is remembered under its name. `remembered` is updated. Arguments
    that a `*args` or `**kwargs` parameter takes stay as they are.
    """
    named = [p for p in signature if p.kind in ("positional", "keyword")]
    names = [p.name for p in named]
    old = {argument.name: argument for argument in arguments}
    lost = [argument for argument in arguments if argument.name not in names]
    takes_more = any(p.kind in ("var_positional", "var_keyword") for p in signature)
    kept = lost if takes_more else []
    renamed = {} if takes_more else _renamed(list(old), names)
    for argument in lost:
        if argument.value and not takes_more and argument.name not in renamed.values():
            remembered[argument.name] = argument
    found = [_found(p, old, renamed, remembered) for p in named]
    positional = [p.kind == "positional" for p in named]
    last = max((i for i, a in enumerate(found) if a and (positional[i] or kept)), default=-1)
    followed = []
    for index, (parameter, passed) in enumerate(zip(named, found, strict=True)):
        if passed is not None:
            followed.append(passed)
        elif parameter.default is None or (positional[index] and index < last):
            followed.append(Argument(name=parameter.name, value=parameter.default or ""))
    return [*followed, *kept]


def rows(arguments: Sequence[Argument], signature: Sequence[Parameter] | None) -> list[ArgumentRow]:
    """Return the table's rows: the arguments passed, then those that may be."""
    parameters = {p.name: p for p in signature or ()}
    found: list[ArgumentRow] = []
    place = 0
    kinds = [parameter.kind for parameter in parameters.values()]
    takes_any = "var_keyword" in kinds and "var_positional" not in kinds
    for index, argument in enumerate(arguments):
        parameter = parameters.get(argument.name)
        # A function with **kwargs takes by name what it has no place for.
        left_over = takes_any and parameter is None and place >= kinds.count("positional")
        keyword = left_over or (parameter is not None and parameter.kind == "keyword")
        default = (parameter.default or "") if parameter is not None else ""
        found.append(
            ArgumentRow(
                argument.name,
                argument.value,
                index,
                None if keyword else place,
                default,
                argument.sharding,
            )
        )
        place += not keyword
    given = {argument.name for argument in arguments}
    for parameter in signature or ():
        name, keyword = parameter.name, parameter.kind == "keyword"
        if parameter.kind == "var_positional":
            found.append(ArgumentRow(f"*{name}", "", None, place))
        elif parameter.kind != "var_keyword" and name not in given:
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
        if not text.strip() and _may_go(arguments, parameters, row):
            return [*arguments[: row.index], *arguments[row.index + 1 :]]
        changed = msgspec.structs.replace(arguments[row.index], value=text)
        return [*arguments[: row.index], changed, *arguments[row.index + 1 :]]
    if not text.strip():
        return list(arguments)
    if row.name.startswith("*"):
        taken = {argument.name for argument in arguments}
        number = next(n for n in range(len(taken) + 1) if f"{row.name[1:]}_{n}" not in taken)
        return [*arguments, Argument(name=f"{row.name[1:]}_{number}", value=text)]
    return follow([*arguments, Argument(name=row.name, value=text)], parameters, {})


def _may_go(arguments: Sequence[Argument], parameters: list[Parameter], row: ArgumentRow) -> bool:
    """Whether the argument is optional, and no positional one after it is passed."""
    assert row.index is not None
    by_name = {p.name: p for p in parameters}
    parameter = by_name.get(row.name)
    if parameter is None:
        is_extra = any(p.kind == "var_positional" for p in parameters)
        return is_extra and row.index == len(arguments) - 1
    if parameter.default is None:
        return False
    after = [by_name.get(argument.name) for argument in arguments[row.index + 1 :]]
    return parameter.kind == "keyword" or all(p and p.kind == "keyword" for p in after)


def _renamed(before: list[str], names: list[str]) -> dict[str, str]:
    """Return {new name: old name} if exactly one parameter was renamed in its place."""
    if len(before) != len(names):
        return {}
    changed = [(new, was) for new, was in zip(names, before, strict=True) if new != was]
    if len(changed) != 1 or changed[0][0] in before:
        return {}
    return dict(changed)


def _found(
    parameter: Parameter,
    old: dict[str, Argument],
    renamed: dict[str, str],
    remembered: dict[str, Argument],
) -> Argument | None:
    name = parameter.name
    if name in old:
        return old[name]
    if name in renamed and old[renamed[name]].value:
        return msgspec.structs.replace(old[renamed[name]], name=name)
    return remembered.pop(name, None)
