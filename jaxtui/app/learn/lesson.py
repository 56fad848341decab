"""The title and the notes of a lesson, which are about its function and no other."""

from __future__ import annotations

import msgspec

from jaxtui.session.session import Session


def followed(session: Session, lesson: Session) -> Session:
    """Return `session` without the title and notes of the `lesson` once its function is another.

    It has them again when the lesson's function is back. What somebody else wrote stays.
    """
    told, own = (session.title, session.notes), (lesson.title, lesson.notes)
    same = session.program.function_name == lesson.program.function_name
    wanted = own if same else ("", "")
    if told not in (own, ("", "")) or told == wanted:
        return session
    return msgspec.structs.replace(session, title=wanted[0], notes=wanted[1])
