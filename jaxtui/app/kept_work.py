"""What is composed and in no file: kept on disk as one types, and found again by a later start.

An explorer with unsaved changes has one file in the state folder, `unsaved-*.toml`. It is a session
file, whose first lines say in comments where the session came from. The explorer holds a lock on
it for as long as it runs, so a file that can be locked was left by one that ended without saving.

Such a file is trusted if what it holds was trusted when it was written: it then bears the signature
that the trust store would keep of it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from jaxtui.locks import lock
from jaxtui.session.session import Session, SessionError, dumps, loads

if TYPE_CHECKING:
    from jaxtui.app.covered import Covered

REST = 1.0  # seconds after the last change until it is written
LONGEST = 10.0  # seconds until a change is written while others follow it
RETRY = 10.0  # seconds until what could not be written is tried again
STALE = 60.0  # seconds after which a file that was being written was given up
_NOTE, _SEAL = "# from ", "# signed "
_ABOUT = "# Kept by jaxtui: this was composed, and is in no other file.\n"


class Origin(Struct, frozen=True, kw_only=True):
    """Where kept work came from: `text` is the session before the changes, `path` its file."""

    path: str = ""
    text: str = ""
    written: float = 0.0  # seconds since 1970
    host: str = ""
    process: int = 0


class Work(NamedTuple):
    """A changed session; with `trusted` the file that keeps it is signed, for this `folder`.

    It is not if it runs a file which is not one that `accepts` takes for accepted.
    """

    session: Session
    origin: Origin
    trusted: bool
    folder: str
    accepts: Callable[[Covered], bool] | None = None

    def file_text(self) -> str:
        """The text of the file that keeps this work, as of now."""
        from jaxtui.app import trust
        from jaxtui.app.covered import covered

        origin = msgspec.structs.replace(
            self.origin, written=time.time(), host=os.uname().nodename, process=os.getpid()
        )
        # Escaped, since a comment in TOML holds no control characters.
        note = msgspec.json.encode(origin).decode().replace("\x7f", "\\u007f")
        signed = f"{_NOTE}{note}\n{dumps(self.session)}"
        beside = covered(self.session, self.folder)
        trusted = self.trusted and (self.accepts is None or self.accepts(beside))
        signature = trust.signature(signed, beside) if trusted else None
        return f"{_ABOUT}{_SEAL}{signature or 'by nobody'}\n{signed}"


class KeptWork:
    """The file of this explorer's unsaved changes, written by a thread of its own.

    `keep` and `drop` never wait for the disk. Any thread may call `write`.
    """

    def __init__(self, folder: Path, failed: Callable[[str], object]) -> None:
        """`failed` is called, on any thread, with the reason why a change cannot be kept."""
        self._folder = folder
        self._failed = failed
        self._changed = threading.Condition()  # guards the four below
        self._work: Work | None = None
        self._due: float | None = None  # when the file is to be brought up to date
        self._oldest = 0.0  # when the oldest change was made that is not written
        self._thread: threading.Thread | None = None
        self._disk = threading.RLock()  # guards the four below, and is held while writing
        self._path: Path | None = None
        self._descriptor: int | None = None  # of the locked file
        self._failing = False
        self._closed = False

    def keep(self, work: Work) -> None:
        """Have `work` written once no change has come for REST seconds."""
        now = time.monotonic()
        with self._changed:
            waiting = self._due is not None
            if not waiting:
                self._oldest = now
            self._work, self._due = work, min(now + REST, self._oldest + LONGEST)
            if not waiting:  # else the thread looks again by itself
                self._wake()

    def drop(self) -> None:
        """Have the file removed: nothing is unsaved."""
        with self._changed:
            if self._work is not None:
                self._work, self._due = None, time.monotonic()
                self._wake()

    def write(self) -> str | None:
        """Write the last change at once, if it is not written. Return the file's path, or None."""
        self._bring_up_to_date()
        with self._disk:
            return str(self._path) if self._path is not None and not self._failing else None

    def adopt(self, left: LeftWork) -> None:
        """Take over a file that another explorer left, and bring it up to date."""
        with self._disk:
            with contextlib.suppress(OSError):
                self._remove()
            self._path, self._descriptor = left.path, left.taken()
            with self._changed:
                self._due = time.monotonic()
                self._wake()

    def close(self, *, discard: bool) -> None:
        """Let the file go, removed if its work is to be discarded. Later calls do nothing."""
        with self._disk:
            if discard:
                with contextlib.suppress(OSError):
                    self._remove()
            self._release()
            self._closed = True

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kept work", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while (left := self._seconds_left()) is None or left > 0:
                    self._changed.wait(left)
            self._bring_up_to_date()

    def _seconds_left(self) -> float | None:
        return None if self._due is None else self._due - time.monotonic()

    def _bring_up_to_date(self) -> None:
        with self._disk:
            with self._changed:
                due, self._due = self._due, None
                work = self._work
            if due is None or self._closed:
                return
            try:
                if work is None:
                    self._remove()
                else:
                    self._write(work)
                self._failing = False
            except (OSError, ValueError) as error:
                with self._changed:
                    if self._due is None:
                        self._oldest = self._due = time.monotonic() + RETRY
                if not self._failing:
                    reason = getattr(error, "strerror", None) or str(error)
                    self._failed(f"cannot keep what is unsaved in {self._folder}: {reason}")
                self._failing = True

    def _write(self, work: Work) -> None:
        """Replace the file by a new one, which is locked before it gets the file's name."""
        data = work.file_text().encode("utf-8", "replace")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path or self._folder / f"unsaved-{os.getpid()}-{os.urandom(4).hex()}.toml"
        temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            lock(descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(descriptor)
            os.replace(temporary, path)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        self._release()
        self._path, self._descriptor = path, descriptor

    def _remove(self) -> None:
        path = self._path
        self._release()
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._path = self._descriptor = None


class LeftWork:
    """A file that another explorer left. It is locked until it is taken, deleted or released."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self.session: Session | None = None
        self.problem = ""  # why there is no session
        with open(descriptor, "rb", closefd=False) as file:
            status, data = os.fstat(descriptor), file.read()
        self.text = data.decode("utf-8", "replace")
        self.signed, self._signature, self.origin = _parsed(self.text)
        if not self.origin.written:
            self.origin = Origin(written=status.st_mtime)
        try:
            # Without the comment that holds all of the session before.
            _, _, session = self.signed.partition("\n")
            self.session = loads(session if self.signed.startswith(_NOTE) else self.text)
        except SessionError as error:
            self.problem = error.message

    def accepted_in(self, folder: str) -> Covered | None:
        """What this runs in `folder`, if all was trusted when it was written and still is."""
        from jaxtui.app import trust
        from jaxtui.app.covered import covered

        assert self.session is not None
        beside = covered(self.session, folder)
        return beside if trust.is_signature(self._signature, self.signed, beside) else None

    def taken(self) -> int:
        """Return the locked file's descriptor, which is now the caller's to close."""
        assert self._descriptor is not None
        descriptor, self._descriptor = self._descriptor, None
        return descriptor

    def delete(self) -> None:
        """Remove the file. Raises OSError."""
        os.unlink(self.path)
        self.release()

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


def left_works(folder: Path) -> list[LeftWork]:
    """Lock and return what other explorers left in `folder`, the newest first."""
    found = []
    try:
        names = os.listdir(folder)
    except OSError:
        return []  # there is no such folder, so nothing was ever kept
    for name in names:
        path = folder / name
        if name.startswith("unsaved-") and name.endswith(".toml"):
            with contextlib.suppress(OSError):
                if (descriptor := _locked(path)) is not None:
                    found.append(LeftWork(path, descriptor))
        elif name.startswith(".unsaved-"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()
    return sorted(found, key=lambda left: -left.origin.written)


def _locked(path: Path) -> int | None:
    """Lock a file and return its descriptor, or None if an explorer has it. Raises OSError."""
    # A file system over a network locks only what is open for writing.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        free = lock(descriptor) or not _owner_lives(descriptor)
        status = os.fstat(descriptor)
        # Its explorer may just have replaced the file that was opened.
        if free and stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.stat(path)):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _owner_lives(descriptor: int) -> bool:
    """Whether the explorer that wrote a file may still run; one on another host may."""
    with open(descriptor, "rb", closefd=False) as file:
        _, _, origin = _parsed(file.read().decode("utf-8", "replace"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    if origin.host != os.uname().nodename:
        return bool(origin.host)
    try:
        os.kill(origin.process, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number of that size
        return False
    except PermissionError:
        return True
    return True


def _parsed(text: str) -> tuple[str, str, Origin]:
    """Split a kept file into the signed text, its signature and its origin."""
    about, _, rest = text.partition("\n")
    seal, _, signed = rest.partition("\n")
    note = signed.partition("\n")[0]
    if about + "\n" != _ABOUT or not seal.startswith(_SEAL) or not note.startswith(_NOTE):
        return text, "", Origin()
    try:
        origin = msgspec.json.decode(note.removeprefix(_NOTE), type=Origin)
    except msgspec.MsgspecError:
        return text, "", Origin()
    return signed, seal.removeprefix(_SEAL), origin
