"""Which session files may run when opened: those that this user's jaxtui saved or accepted.

A session is code. What accepting it covers is signed with a key that only this user can read:
its exact text; its folder, whenever anything can be imported from it; and the content of the
function's file and of what is imported from the folder. A file of which all this was signed runs
without asking, and any change asks again, with what changed since it was accepted; `watched` says
what holds while a session is open. That holds in the explorer and `jaxtui screenshot`; `run`,
`bench` and `export` are told to take a file by name.

Nothing here raises: if the data folder cannot be written, no signature is stored.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from jaxtui import bounded, config, lessons
from jaxtui.app.covered import Covered

KEY_BYTES = 32
STORE_BYTES = 1024 * 1024  # more than KEPT signatures take
ACCEPTED = 200  # sessions of which the accepted texts are kept, to show what changed
ACCEPTED_BYTES = 32 * 1024 * 1024
KEPT = 5_000  # signatures; the oldest are forgotten


NOTHING = Covered()


def is_trusted(text: str, beside: Covered = NOTHING) -> bool:
    """Whether this user has signed exactly this text, or it is that of a built-in lesson.

    `beside` is what the text runs besides itself, the result of `covered`.
    """
    if any(lessons.text(name) == text for name in lessons.NAMES):
        return True
    kept_in = config.data_folder()
    key = _read_key(kept_in)
    if key is None:
        return False
    signature = _signature(key, text, beside)
    return any(hmac.compare_digest(signature, kept) for kept in _read_signatures(kept_in))


def sign(text: str, beside: Covered = NOTHING, path: str | None = None) -> bool:
    """Sign this text, with all that it runs. Return whether that could be stored.

    With the session's `path`, what was accepted there is kept to be compared with what changed.
    """
    kept_in = config.data_folder()
    try:
        kept_in.mkdir(mode=0o700, parents=True, exist_ok=True)
        signature = _signature(_read_key(kept_in) or _make_key(kept_in), text, beside)
        kept = [line for line in _read_signatures(kept_in) if line != signature]
        _replace(kept_in / "trusted", "\n".join([*kept[1 - KEPT :], signature, ""]).encode())
        if path is not None:
            (kept_in / "accepted").mkdir(mode=0o700, exist_ok=True)
            _replace(_accepted_file(path), msgspec.json.encode({"": text, **beside.files}))
            _forget_oldest(kept_in / "accepted")
    except OSError:
        return False
    return True


def signature(text: str, beside: Covered = NOTHING) -> str | None:
    """Return the signature of a text, for a caller that keeps it itself; None if there is no key.

    `beside` is what the text runs besides itself, the result of `covered`.
    """
    kept_in = config.data_folder()
    try:
        kept_in.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _signature(_read_key(kept_in) or _make_key(kept_in), text, beside)
    except OSError:
        return None


def is_signature(claimed: str, text: str, beside: Covered = NOTHING) -> bool:
    """Whether `claimed` is the `signature` of exactly this text and what it runs."""
    key = _read_key(config.data_folder())
    return key is not None and hmac.compare_digest(
        _signature(key, text, beside).encode(), claimed.encode("utf-8", "replace")
    )


def changes(path: str | None, text: str, beside: Covered) -> str:
    """What differs from what was last accepted of the session at `path`, "" if none was."""
    try:
        data = bounded.read(_accepted_file(path or ""), ACCEPTED_BYTES)
        before = msgspec.json.decode(data, type=dict[str, str])
    except (OSError, bounded.Unreadable, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    import difflib

    now = {"": text, **beside.files}
    lines: list[str] = []
    for name in sorted(before.keys() | now.keys()):
        old, new = (texts.get(name, "").splitlines() for texts in (before, now))
        label = name or os.path.basename(path or "")
        lines += difflib.unified_diff(old, new, f"{label}, accepted", f"{label}, now", lineterm="")
    return "\n".join(lines)


def _accepted_file(path: str) -> Path:
    name = hashlib.sha256(os.path.realpath(path).encode("utf-8", "surrogateescape")).hexdigest()
    return config.data_folder() / "accepted" / f"{name}.json"


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[:-ACCEPTED]:
        file.unlink(missing_ok=True)


def _signature(key: bytes, text: str, beside: Covered) -> str:
    parts = [text, beside.folder, *(part for pair in sorted(beside.files.items()) for part in pair)]
    signed = "\0".join(f"{len(part)}:{part}" for part in parts) if beside.folder else text
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
