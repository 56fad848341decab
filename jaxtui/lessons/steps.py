"""The steps of a lesson: what to do, and how it is seen that it was done."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session, SessionError, with_field

LAYERS = "program.layers"
SOURCE = "program.source"


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to try, which the item of the same number in the lesson's notes words.

    It is done once all that is given here holds at the same time:

    - the fields of `edits` have these texts, spaces aside; of `program.layers` only what is given
      counts;
    - the function's source has the second text of `replace`, which a reader puts for the first,
      or `source_has`, if more than one text would do;
    - `screen` is on view, and with `timed` a benchmark has run;
    - an error stands at the field `error`, or with `fixed` did so before and is gone;
    - else the program's outputs are `outputs`, and the function's arguments `inside`: leaves
      written as `f32[2,3]`.

    `also` are fields that have to change as well, as a reader sees fit; `says` is a part of the
    error's message, `values` the result, and `sent` what the plan of the Sharding screen sends,
    such as `all_gather data`. What a reader sees of these is up to JAX: they are for tests.
    """

    edits: dict[str, Any] = {}
    also: dict[str, Any] = {}
    replace: list[str] = []
    source_has: str = ""
    screen: str = ""
    timed: bool = False
    error: str = ""
    fixed: bool = False
    outputs: list[str] = []
    inside: list[str] = []
    says: str = ""
    values: Any = None
    sent: list[str] | None = None


class Seen(NamedTuple):
    """What a step is held against: plain data from the screen.

    `outputs` is None while the shapes of what is typed are not known; `errors` are the fields that
    an error has stood at since the lesson was opened.
    """

    session: Session
    screen: str
    outputs: list[str] | None = None
    inside: tuple[str, ...] = ()
    error: str = ""
    errors: frozenset[str] = frozenset()
    timed: bool = False


def done(step: Step, seen: Seen) -> bool:
    """Whether a step is done, as far as can be seen."""
    if (step.screen and seen.screen != step.screen) or (step.timed and not seen.timed):
        return False
    typed = all(_has(seen.session, field, text) for field, text in step.edits.items())
    # What a fix has changed is no longer as it was typed.
    if not typed and not step.fixed:
        return False
    if not _source_is_changed(step, seen.session.program.source):
        return False
    if step.fixed:
        mended = step.error in seen.errors and not seen.error and seen.outputs is not None
        return mended and step.outputs in ([], seen.outputs)
    if step.error:
        return seen.error == step.error
    if step.outputs and step.outputs != seen.outputs:
        return False
    return not step.inside or tuple(step.inside) == seen.inside


def with_step(session: Session, step: Step) -> Session:
    """Return `session` as a reader has it who does what `step` says. Raises SessionError."""
    for field, text in {**step.also, **step.edits}.items():
        try:
            session = with_field(session, FieldPath(field), text)
        except KeyError as error:
            raise SessionError(f"there is no field {field}", FieldPath(field)) from error
    if step.replace:
        old, new = step.replace
        source = session.program.source
        if old not in source:
            raise SessionError(f"{old!r} is not in the source", FieldPath(SOURCE))
        session = with_field(session, FieldPath(SOURCE), source.replace(old, new))
    return session


def _source_is_changed(step: Step, source: str) -> bool:
    plain = _plain(source)
    if step.source_has or not step.replace:
        return _plain(step.source_has) in plain
    old, new = map(_plain, step.replace)
    return new in plain and (old in new or old not in plain)


def _has(session: Session, field: str, text: Any) -> bool:
    """Whether the session has `text` at `field`, as if it were typed there."""
    try:
        wanted = with_field(session, FieldPath(field), text)
    except (KeyError, SessionError):
        return False
    if field == LAYERS:
        pairs = zip(session.program.layers, wanted.program.layers, strict=False)
        return len(session.program.layers) == len(wanted.program.layers) and all(
            layer.transform == other.transform
            and all(_plain(layer.typed().get(k, "")) == _plain(v) for k, v in other.typed().items())
            for layer, other in pairs
        )
    return bool(_of(session, field) == _of(wanted, field))


def _of(session: Session, field: str) -> Any:
    """The value of a field: text without its spaces."""
    found: Any = msgspec.to_builtins(session)
    for key in field.split("."):
        if isinstance(found, list):
            found = found[int(key)]
        else:
            found = found.get(key, "") if isinstance(found, dict) else ""
    return _plain(found) if isinstance(found, str) else found


def _plain(text: str) -> str:
    """A text without its spaces and its kind of quotes, which no step is about."""
    return "".join(text.split()).replace('"', "'")
