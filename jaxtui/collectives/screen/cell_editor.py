"""A field over one element of an array, for another value in its place."""

from __future__ import annotations

from jaxtui.screen.field import FieldInput

LEAST = 12  # cells


class CellEditor(FieldInput):
    """Stands where the element stands; enter and escape are its screen's."""

    DEFAULT_CSS = """
    CellEditor { position: absolute; layer: above; height: 1; background: $boost; }
    """

    def __init__(self, text: str, width: int) -> None:
        super().__init__(text)
        self._wide = max(LEAST, width + 4)

    def place(self, x: int, y: int, room: int) -> None:
        """Stand at these cells of the parent, which is `room` cells wide."""
        self.styles.width = self._wide
        self.styles.offset = (max(0, min(x, room - self._wide)), y)

    def on_mount(self) -> None:
        """The next key replaces what is there."""
        self.select_all()
