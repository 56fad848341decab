"""Which session files may run when opened: those that this user's jaxtui saved or accepted.

A session is code. Its exact text is signed with a key that only this user can read, and a file
whose text has been signed runs without asking. Any change of the text invalidates the signature. If
the function comes from a file or module, the session's folder is signed too, since the same text
beside other files is another program.

Nothing here raises: if the data folder cannot be written, no signature is stored.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from jaxtui import bounded, config, lessons
from jaxtui.session.session import Session

KEY_BYTES = 32
STORE_BYTES = 1024 * 1024  # more than KEPT signatures take
KEPT = 5_000  # signatures; the oldest are forgotten


def folder_run(session: Session, folder: str) -> str:
    """Return the folder whose files the session runs, or "" if it runs only its own text."""
    return os.path.realpath(folder) if session.program.function.strip() else ""


def is_trusted(text: str, folder: str = "") -> bool:
    """Whether this user has signed exactly this text, or it is that of a built-in lesson.

    `folder` is the result of `folder_run`.
    """
    if any(lessons.text(name) == text for name in lessons.NAMES):
        return True
    kept_in = config.data_folder()
    key = _read_key(kept_in)
    if key is None:
        return False
    signature = _signature(key, text, folder)
    return any(hmac.compare_digest(signature, kept) for kept in _read_signatures(kept_in))


def sign(text: str, folder: str = "") -> bool:
    """Sign this session text, with the folder it runs. Return whether that could be stored."""
    kept_in = config.data_folder()
    try:
        kept_in.mkdir(mode=0o700, parents=True, exist_ok=True)
        signature = _signature(_read_key(kept_in) or _make_key(kept_in), text, folder)
        kept = [line for line in _read_signatures(kept_in) if line != signature]
        _replace(kept_in / "trusted", "\n".join([*kept[1 - KEPT :], signature, ""]).encode())
    except OSError:
        return False
    return True


def _signature(key: bytes, text: str, folder: str) -> str:
    signed = f"{text}\0{folder}" if folder else text
    return hmac.new(key, signed.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _read_key(folder: Path) -> bytes | None:
    """Return the key, or None unless there is one that only this user can read and write."""
    try:
        status = (folder / "trust.key").stat()
        key = bounded.read(folder / "trust.key", KEY_BYTES)
    except (OSError, bounded.Unreadable):
        return None
    private = status.st_uid == os.getuid() and not status.st_mode & 0o077
    return key if private and len(key) == KEY_BYTES else None


def _make_key(folder: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    _replace(folder / "trust.key", key)
    return key


def _read_signatures(folder: Path) -> list[str]:
    try:
        return bounded.read(folder / "trusted", STORE_BYTES).decode("ascii").split()
    except (OSError, UnicodeDecodeError, bounded.Unreadable):
        return []


def _replace(path: Path, content: bytes) -> None:
    """Write a file that only this user can read, atomically. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
