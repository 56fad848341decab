"""What jaxtui takes of Textual that Textual does not promise: a test for each name."""

from __future__ import annotations

import inspect

from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from textual.widgets import Input, Static

from jaxtui.screen.textual_private import PAINT_SECONDS, PromptScreen, SteadyInput


def test_textual_has_the_private_names() -> None:
    assert isinstance(inspect.getattr_static(Screen, "_update_timer"), property)
    assert not inspect.signature(Screen._on_timer_update).parameters.keys() - {"self"}
    assert list(inspect.signature(Input._watch_value).parameters) == ["self", "value"]


class PromptApp(App[None]):
    def get_default_screen(self) -> Screen[None]:
        return PromptScreen()


async def test_textual_paints_a_screen_by_the_timer_that_is_put_in_its_place() -> None:
    app = PromptApp()
    async with app.run_test() as pilot:
        screen = app.screen
        assert isinstance(screen, PromptScreen)
        await pilot.pause()
        timer = screen._soon
        assert timer is not None, "Textual no longer paints by Screen._update_timer"
        assert timer._interval == PAINT_SECONDS
        label = Static("before")
        await screen.mount(label)
        label.update("after")
        await pilot.pause(0.05)
        assert "after" in str(screen._compositor.render_strips()[0].text)


class InputApp(App[None]):
    def __init__(self, kind: type[Input]) -> None:
        super().__init__()
        self.kind = kind
        self.layouts = 0

    def compose(self) -> ComposeResult:
        app = self

        class Counted(self.kind):  # type: ignore[misc,name-defined]
            def refresh(
                self, *regions: Region, repaint: bool = True, layout: bool = False, **rest: bool
            ) -> Input:
                app.layouts += layout and not getattr(self, "_value_changes", False)
                return super().refresh(*regions, repaint=repaint, layout=layout, **rest)

        yield Counted()


async def layouts(kind: type[Input]) -> int:
    """How many layouts a typed character asks for."""
    app = InputApp(kind)
    async with app.run_test() as pilot:
        app.query_one(Input).focus()
        await pilot.pause()
        app.layouts = 0
        await pilot.press("a")
        assert app.query_one(Input).value == "a"
        return app.layouts


async def test_a_typed_character_lays_nothing_out_anew() -> None:
    assert await layouts(Input) > 0, "Textual's Input no longer asks for it: drop SteadyInput"
    assert await layouts(SteadyInput) == 0
