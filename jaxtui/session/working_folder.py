"""The folder in which the process works, which may have been deleted since."""

from __future__ import annotations

import os


def working_folder() -> str:
    """The path of the working folder; of one that is gone, the path that the shell knows it by."""
    try:
        return os.getcwd()
    except OSError:
        return os.environ.get("PWD") or os.sep
