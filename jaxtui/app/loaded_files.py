"""The files that values load, as `load("weights.npz")` does, and what they were when looked at."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from jaxtui.app.stamps import Stamp, stamp
from jaxtui.session.working_folder import working_folder

# Half-typed texts are looked at too, which no parser takes.
_LOAD = re.compile(r"""\b(?:load|loadtxt|fromfile|memmap)\(\s*(["'])(?P<file>[^"'\n]+)\1""")

Stamps = dict[str, Stamp]
"""The stamps by path."""


def stamps(texts: Iterable[str], folder: str) -> Stamps:
    """Look at every file that one of `texts` loads, in `folder` or the working folder."""
    named = [match["file"] for text in texts for match in _LOAD.finditer(text)]
    roots = dict.fromkeys([folder, working_folder()])
    return again(os.path.join(root, Path(file).expanduser()) for file in named for root in roots)


def again(paths: Iterable[str]) -> Stamps:
    """Look at these files."""
    return {path: stamp(path) for path in paths}
