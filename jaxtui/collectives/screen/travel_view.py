"""How the data moves: an algorithm step by step, with its modelled cost."""

from __future__ import annotations

import itertools
import re
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.widgets import Input, Static

from jaxtui.collectives.screen.travel_picture import TravelPicture, positive
from jaxtui.collectives.screen.travel_wires import time_line
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line
from jaxtui.screen.field import FieldInput, FixedText
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.screen.titles import set_title
from jaxtui.text import quantities

MICRO, GIGA = 1e-6, 1e9
ROOMY = 13  # lines from which the scale of time has one


class TravelView(LineScroller):
    """Draws a step: a line per device, scrolling under a fixed heading."""

    PREFIX = "travel-view--"
    DEFAULT_CSS = """
    TravelView {
        min-height: 2;

        .travel-view--quiet { color: $quiet; }
        .travel-view--label { color: $soft; }
        .travel-view--send { color: $foreground; }
        .travel-view--cell { color: $foreground; }
        .travel-view--strong, .travel-view--now { text-style: bold; }
        .travel-view--lit { color: $foreground; background: $lit; text-style: bold; }
    }
    """ + device_colours.css(PREFIX)
    COMPONENT_CLASSES: ClassVar[set[str]] = set(re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS))
    BINDINGS: ClassVar[list[BindingType]] = ways(
        "up down first last left right",
        up="Scroll up",
        down="Scroll down",
        first="The first device",
        last="The last device",
        left="The step before",
        right="The next step",
    )

    def __init__(self) -> None:
        super().__init__()
        self._picture: TravelPicture | None = None
        self._step = 0
        self._lines: list[Line] = []

    @property
    def HINTS(self) -> tuple[tuple[str, str], ...]:  # noqa: N802 - other widgets have a constant
        """The keys to name: those that scroll only where there is more than the room."""
        scrolls = self.max_scroll_y > 0
        return (("←→", "step"), *((("↑↓", "scroll"),) if scrolls else ()))

    def show(self, picture: TravelPicture | None, step: int) -> None:
        if picture is not self._picture or step != self._step:
            self._picture, self._step = picture, step
            self.lay_out()

    def lay_out(self) -> None:
        width, height = self.size
        self._lines = []
        if self._picture is not None and width > 1:
            over = len(self._picture.labels) + 1 > height
            self._lines = list(self._picture.lines(self._step, width - over))
            steps = height // (len(self._picture.labels) + 2)  # each with a blank line below
            if steps > 1:
                self._lines = self._picture.story(self._step, steps, width)
        self.virtual_size = Size(width, max(height, len(self._lines)))
        self.refresh()

    async def action_sideways(self, step: int) -> None:
        await self.run_action(f"screen.step_travel({step})")

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y if y else 0
        strip = self.strip_of(self._lines[index] if index < len(self._lines) else ())
        if y < self.size.height - 1:
            return strip
        return self.telling_more(strip, len(self._lines) - 1 - index)


class TimeLine(TravelView):
    """The steps on a scale of time, in one line."""

    DEFAULT_CSS = "TimeLine { height: 1; min-height: 1; display: none; }"
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._times: list[float] = []

    def at(self, times: list[float], step: int) -> None:
        """Show the moment after `step` of steps that end at `times`, in seconds."""
        self._times, self._step = times, step
        self.refresh()

    def lay_out(self) -> None:
        self.virtual_size = self.size

    def render_line(self, y: int) -> Strip:
        return self.strip_of(time_line(self._times, self._step, self.size.width))


class TravelPane(Vertical):
    """A step of the algorithm, its legend, and the cost for a typed latency and bandwidth."""

    DEFAULT_CSS = """
    TravelPane { height: 1fr; min-height: 5; }
    TravelPane #travel-head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    TravelPane #travel-legend { height: 1; color: $text-muted; text-wrap: nowrap;
        text-overflow: ellipsis; }
    TravelPane #travel-cost { height: 1; }
    TravelPane #travel-cost Static { width: auto; color: $text-muted; }
    TravelPane #travel-cost FieldInput { width: 6; }
    TravelPane #travel-cost #travel-seconds { width: 1fr; color: $text; text-wrap: nowrap;
        text-overflow: ellipsis; }
    """

    def __init__(self) -> None:
        super().__init__(classes="pane", id="travel")
        self.border_title = "How it travels"
        self.view = TravelView()
        self.step = 0
        self._picture: TravelPicture | None = None
        self._agrees: bool | None = None
        self._why = ""
        self._head = Static("", markup=False, id="travel-head")
        self._legend = FixedText(id="travel-legend")
        self._seconds = FixedText(id="travel-seconds")
        self._time = TimeLine()
        self._latency = FieldInput("1", id="travel-latency")
        self._bandwidth = FieldInput("10", id="travel-bandwidth")

    def compose(self) -> ComposeResult:
        yield self._head
        with Horizontal(id="travel-cost"):
            yield Static("latency α ", markup=False)
            yield self._latency
            yield Static(" µs  bandwidth β ", markup=False)
            yield self._bandwidth
            yield Static(" GB/s   ", markup=False)
            yield self._seconds
        yield self._time
        yield self._legend
        yield self.view

    def show(
        self, picture: TravelPicture | None, why: str, agrees: bool | None, *, fresh: bool
    ) -> None:
        """Show `picture`, from its first step if `fresh`; without a picture show `why`."""
        if fresh:
            self.step = 0
        self._picture, self._agrees = picture, agrees
        self.step = max(0, min(self.step, picture.last)) if picture is not None else 0
        self._why = why
        self.draw()

    def go(self, steps: int) -> None:
        if self._picture is not None:
            self.step = max(0, min(self.step + steps, self._picture.last))
            self.draw()

    def draw(self) -> None:
        picture = self._picture
        if picture is None:
            set_title(self, "How it travels")
            self._head.update(self._why, layout=False)
            self._legend.say("")
            self._seconds.say("")
        else:
            algorithm = picture.travel.algorithm
            set_title(self, f"How it travels · {algorithm.name} (a model, not a measurement)")
            step, last = picture.steps[self.step], picture.steps[-1]
            sends = sum(send.bytes > 0 for send in step.sends)
            place = f"step {self.step} of {picture.last}" if self.step else "before the first step"
            parts = [place]
            if self.step:
                parts.append(f"{quantities.counted(sends, 'message')} at once")
            parts.append(f"{quantities.size(step.sent)} of {quantities.size(last.sent)} sent")
            if self.step == picture.last and self._agrees is not None:
                parts.append("this is the result ✓" if self._agrees else "this is NOT the result")
            self._head.update(
                _first_that_fits(
                    self.size.width - 2,
                    Content.assemble(
                        (" · ".join(parts), "bold"),
                        (f"   [ and ] step   {algorithm.words}", "$text-muted"),
                    ),
                    # Where there is no room for both, how it goes stands before the first step.
                    *self._how_it_goes(place, algorithm.words),
                    Content.styled(" · ".join(parts), "bold"),
                ),
                layout=False,
            )
            self._legend.say(self._legend_text(picture))
            self._say_cost()
        self.view.show(picture, self.step)

    def _how_it_goes(self, place: str, words: str) -> list[Content]:
        if self.step:
            return []
        both = Content.assemble((f"{place} · ", "bold"), (words, "$text-muted"))
        return [both, Content.styled(words, "$text-muted")]

    def on_resize(self, event: events.Resize) -> None:
        # With few lines the rows of the devices come first.
        self._time.display = self.size.height >= ROOMY
        self.draw()

    def _legend_text(self, picture: TravelPicture) -> str:
        legend = picture.legend(self.size.width)
        if picture.empty:
            legend += f" · {picture.empty} blocks are empty: fewer elements than devices"
        return legend

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._say_cost()

    def _say_cost(self) -> None:
        if self._picture is None:
            return
        latency, bandwidth = positive(self._latency.value), positive(self._bandwidth.value)
        self._latency.set_class(latency is None, "-faulty")
        self._bandwidth.set_class(bandwidth is None, "-faulty")
        if latency is None or bandwidth is None:
            self._seconds.say("! a positive number is needed")
            return
        seconds = self._picture.travel.seconds(latency * MICRO, bandwidth * GIGA)
        cost = f"{quantities.seconds(seconds, 4)} = {self._picture.travel.algorithm.cost}"
        self._seconds.say(cost)
        parts = self._picture.travel.durations(latency * MICRO, bandwidth * GIGA)
        self._time.at(list(itertools.accumulate(parts)), self.step)


def _first_that_fits(width: int, *texts: Content) -> Content:
    """The first text that fits into `width` cells, or the last."""
    return next((text for text in texts if text.cell_length <= width), texts[-1])
