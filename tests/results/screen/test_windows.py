"""Which windows of an array are read, and how far ahead of what is visible."""

from __future__ import annotations

from jaxtui.results.screen.model import PlaneView, Rectangle, WindowRequest, Windows

VIEW = PlaneView.of((1000, 100))
PAGE = 20  # rows


def visible(page: float) -> Rectangle:
    top = round(page * PAGE)
    return Rectangle(top, top + PAGE, 10, 20)


def cells(wanted: WindowRequest) -> list[list[int]]:
    return [[0] * (wanted.part.right - wanted.part.left)] * (wanted.part.bottom - wanted.part.top)


def answered(windows: Windows, wanted: WindowRequest | None) -> None:
    assert wanted is not None
    windows.keep(wanted, cells(wanted))


def test_a_page_around_what_is_visible_is_read():
    windows = Windows()
    wanted = windows.next(VIEW, None, visible(5))
    assert wanted is not None
    assert wanted.part == Rectangle(80, 140, 0, 30)
    answered(windows, wanted)
    assert windows.next(VIEW, None, visible(5)) is None


def test_pages_that_are_turned_are_read_ahead_of_an_engine_that_takes_two_of_them_to_answer():
    windows, plane, asked = Windows(), None, []
    answered(windows, windows.next(VIEW, None, visible(0)))
    under_way: list[tuple[int, WindowRequest]] = []
    for turn in range(1, 40):
        wanted = windows.next(VIEW, None, visible(turn))
        if wanted is not None:
            asked.append(wanted)
            under_way.append((turn + 2, wanted))
            plane = wanted.plane
        while under_way and under_way[0][0] <= turn:
            answered(windows, under_way.pop(0)[1])
            if (wanted := windows.next(VIEW, None, visible(turn))) is not None:
                asked.append(wanted)
                under_way.append((turn + 2, wanted))
        assert plane is not None
        if turn > 3:
            assert windows.has(plane, visible(turn)), turn
    assert len(asked) < 20


def test_pages_are_read_ahead_the_other_way_too_and_no_further_than_the_array_goes():
    windows = Windows()
    answered(windows, windows.next(VIEW, None, visible(10)))
    wanted = windows.next(VIEW, None, visible(9))
    assert wanted is not None
    assert wanted.part.top == 5 * PAGE
    answered(windows, wanted)
    last = windows.next(VIEW, None, Rectangle(980, 1000, 10, 20))
    assert last is not None
    assert last.part.bottom == 1000
    answered(windows, last)
    assert windows.next(VIEW, None, Rectangle(980, 1000, 10, 20)) is None
