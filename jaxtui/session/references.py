"""What `program.function` refers to: a name of the source, or code of a file or of a module."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Reference(NamedTuple):
    """`place` is a path ending in `.py` or the dotted name of a module, and `name` what it has."""

    place: str
    name: str

    @property
    def is_file(self) -> bool:
        return self.place.endswith(".py")


def reference_of(function: str) -> Reference | None:
    """The reference to a file or module; None for a name of the source."""
    function = function.strip()
    if ".py:" in function:
        place, _, name = function.partition(".py:")
        return Reference(f"{place}.py", name.strip())
    if ":" not in function:
        return None
    place, _, name = function.partition(":")
    return Reference(place.strip(), name.strip())


class ModuleName(NamedTuple):
    """The `folder` that a module is imported from, and its dotted `name` there."""

    folder: Path
    name: str


def module_name(file: Path) -> ModuleName:
    """How the `file` is imported: by a dotted name if it lies in a package."""
    folder, names = file.parent, [] if file.name == "__init__.py" else [file.stem]
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        names.insert(0, folder.name)
        folder = folder.parent
    return ModuleName(folder, ".".join(names) or file.stem)
