"""A lock says whose a file is for as long as its process lives."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxtui.locks import lock

HOLD = """
import os, sys
from jaxtui.locks import lock
print(lock(os.open(sys.argv[1], os.O_RDWR)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("")
    return path


def test_a_lock_is_refused_to_others_until_its_process_is_killed(path: Path) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder,
        path.open("rb+") as file,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with pytest.raises(BlockingIOError):
            lock(file.fileno())
        holder.kill()
        holder.wait()
        assert lock(file.fileno())


def test_a_lock_ends_when_its_file_is_closed(path: Path) -> None:
    first = os.open(path, os.O_RDWR)
    assert lock(first)
    with path.open("rb+") as file:
        with pytest.raises(BlockingIOError):
            lock(file.fileno())
        os.close(first)
        assert lock(file.fileno())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_told_and_no_fault(
    path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    with path.open("rb+") as file:
        assert not lock(file.fileno())


def test_any_other_failure_is_raised(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    os.close(descriptor)
    with pytest.raises(OSError, match="descriptor"):
        lock(descriptor)
