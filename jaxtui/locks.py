"""Locks on open files, by which a process says that a file is its own as long as it lives.

The system lets a lock go when the process ends, however it ends, so that a file which can be locked
was left by one that is gone. Where the file system has no locks, that cannot be told.
"""

from __future__ import annotations

import errno
import fcntl

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed. Return whether its file system has locks.

    Raises BlockingIOError if another process has it, and OSError.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True
