"""Where devices lie in a mesh, and the mesh as a grid of their ids."""

from __future__ import annotations

import numpy as np
import pytest

from jaxtui.screen.cells import text_of, width_of
from jaxtui.screen.mesh_picture import MeshPlaces, axes_css, axis_style, lines
from jaxtui.text.signs import in_ascii


@pytest.mark.parametrize(
    ("axes", "order"),
    [
        ({"x": 4, "y": 2}, None),
        ({"data": 2, "model": 2, "z": 2}, [3, 2, 1, 0, 7, 6, 5, 4]),
        ({"x": 2}, [5, 1]),
        (None, None),
    ],
)
def test_devices_lie_where_numpy_puts_them(
    axes: dict[str, int] | None, order: list[int] | None
) -> None:
    mesh = MeshPlaces.over(range(8), order, axes)
    assert mesh is not None
    sizes = axes or {"devices": 8}
    grid = np.array(order or range(8)).reshape(tuple(sizes.values()))
    for place in np.ndindex(*grid.shape):
        assert mesh.coordinates(int(grid[place])) == dict(zip(sizes, place, strict=True))


def test_a_mesh_that_does_not_fit_the_devices_is_none() -> None:
    assert MeshPlaces.over(range(8), None, {"x": 3}) is None
    assert MeshPlaces.over([], None, None) is None


def test_one_outside_the_mesh_has_no_place() -> None:
    mesh = MeshPlaces.over(range(8), [0, 1], None)
    assert mesh is not None
    assert mesh.coordinates(5) == {}
    assert mesh.words(1) == "devices=1"


def test_the_last_axis_runs_across() -> None:
    mesh = MeshPlaces.over(range(4), None, {"x": 2, "y": 2})
    assert mesh is not None
    shown = [text_of(line).rstrip() for line in lines(mesh, 40)]
    assert [line.split() for line in shown] == [
        ["x", "↓", "y", "→", "0", "1"],
        ["0", "0", "1"],
        ["1", "2", "3"],
    ]
    assert shown[0].index("0") == shown[1].rindex("0")
    assert axis_style(mesh, "y") == "mesh-1"
    assert ".a--mesh-1 { color: $mesh-1" in axes_css("a--")


@pytest.mark.parametrize("width", [20, 40, 78])
def test_what_has_no_room_is_counted(width: int) -> None:
    mesh = MeshPlaces.over(range(1024), None, {"data": 32, "model": 32})
    assert mesh is not None
    drawn = lines(mesh, width)
    assert "more" in text_of(drawn[0])
    assert text_of(drawn[-1]) == "… 20 more rows"
    assert max(map(width_of, drawn[1:])) <= max(width, 40)
    assert in_ascii("".join(map(text_of, drawn))).isascii()
