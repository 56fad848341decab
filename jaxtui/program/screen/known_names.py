"""The names that may be typed into a program's fields, and what fits what is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from jaxtui.session.session import Session
from jaxtui.wire.names import ListNames, Name, NamesListed
from jaxtui.wire.protocol import AnyRequest

LEAST = 2  # letters, from which on names are offered
MOST = 6  # names that are offered

Kind = Literal["source", "value", "axis"]
"""Where a name is typed: the source, an expression, or a field that takes names of axes."""

ROOTS = ("jax", "jnp", "lax", "np")
HELPERS = ("normal", "uniform", "randint", "keys", "load", "struct")
_TYPED = re.compile(r"(?P<quote>['\"])?(?P<path>(?:[A-Za-z_]\w*\.)*)(?P<prefix>[A-Za-z_]\w*|)$")
_FUNCTION = re.compile(r"^\s*def (\w+)(\([^)\n]*\))", re.MULTILINE)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_STRINGS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|#.*")


class Typed(NamedTuple):
    """What stands before the cursor: `jnp.lin` has the path `jnp` and the prefix `lin`."""

    path: str
    prefix: str
    quoted: bool


def typed_before(text: str) -> Typed | None:
    """What name is being typed at the end of a line's `text`, None if none."""
    found = _TYPED.search(text)
    if found is None or not (found["path"] or found["prefix"]):
        return None
    before = text[: found.start()]
    if before[-1:].isalnum() or before.endswith((".", "_", ")", "]")):
        return None  # a number, or an attribute of what is no module
    # What remains of the line without its strings and comments, if the cursor is in neither.
    plain = _STRINGS.sub("", before)
    commented = "#" in _QUOTED.sub("", before)
    quoted = found["quote"] is not None and not found["path"]
    if commented or (not quoted and (found["quote"] or _in_string(plain))):
        return None
    return Typed(found["path"].rstrip("."), found["prefix"], quoted)


def _in_string(text: str) -> bool:
    return "'" in text or '"' in text


class ModuleNames:
    """The names of modules, asked of the engine when they are first wanted."""

    def __init__(self, send: Callable[[AnyRequest], object], next_id: Callable[[], int]) -> None:
        self._send, self._next_id = send, next_id
        self._known: dict[str, list[Name]] = {}
        self._asked: set[str] = set()

    def of(self, module: str) -> list[Name]:
        """The names of a module; none before the engine has told them."""
        if module not in self._asked and module.partition(".")[0] in ROOTS:
            self._asked.add(module)
            self._send(ListNames(id=self._next_id(), module=module))
        return self._known.get(module, [])

    def take(self, event: NamesListed) -> None:
        self._known[event.module] = event.names

    def forget_engine(self) -> None:
        """What was asked of an engine that is gone is asked again."""
        self._asked = set(self._known)


def fitting(typed: Typed, kind: Kind, session: Session, modules: ModuleNames) -> list[Name]:
    """The names that begin as typed, the session's own first."""
    if not typed.path and len(typed.prefix) < LEAST:
        return []
    found: dict[str, Name] = {}
    for name in _known(typed, kind, session, modules):
        if name.name.startswith(typed.prefix) and name.name != typed.prefix:
            found.setdefault(name.name, name)
        if len(found) == MOST:
            break
    return list(found.values())


def _known(typed: Typed, kind: Kind, session: Session, modules: ModuleNames) -> Iterator[Name]:
    if typed.path:
        yield from modules.of(typed.path)
        return
    if typed.quoted or kind == "axis":
        yield from map(Name, axes(session))
    if typed.quoted:
        return
    program = session.program
    yield from (Name(*found) for found in _FUNCTION.findall(program.source))
    yield from map(Name, session.parameters)
    yield from map(Name, (*ROOTS, "devices", "mesh"))
    if kind == "source":
        yield from map(Name, _words(program.source))
    else:
        yield from map(Name, HELPERS)
        yield from modules.of("jnp")


def _words(source: str) -> Iterable[str]:
    """The identifiers of a source, outside of its strings and comments."""
    counted: dict[str, int] = {}
    for word in _IDENTIFIER.findall(_STRINGS.sub("", source)):
        counted[word] = counted.get(word, 0) + 1
    return counted


def axes(session: Session) -> list[str]:
    """The names of axes: of the mesh, and those that layers give."""
    named = [getattr(layer, "axis_name", "") for layer in session.program.layers]
    plain = [name.strip("'\"") for name in named]
    mesh = list(session.devices.mesh or ()) or ["devices"]
    return list(dict.fromkeys([*mesh, *(name for name in plain if name.isidentifier())]))
