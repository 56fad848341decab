"""The form of a benchmark: strategies, sweep, devices, rounds, and how samples are taken."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from jaxtui.screen.field import FieldInput, FieldMessage, FieldTyped, FixedText
from jaxtui.screen.toggles import Toggle, Toggles
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import BENCHMARK, NO_FIELD

LABEL = 11  # cells
ABOUT = {
    "sweep": "sweep: values of parameters, such as batch = 16, 64, 256; n = 64, 256",
    "devices": "devices: how many, where the batch is divided; without, 1, 2, 4 … all",
    "rounds": "rounds: exactly so many; without, 25 (quick: 10) and more until ± 2 %",
    "budget": "seconds: how long a point may go on with more rounds; without, 10",
    "baseline": "baseline: the strategy that all others are compared with; b takes the row's",
}
PLACEHOLDERS = {
    "sweep": "batch = 16, 64, 256",
    "devices": "1, 2, 4 … all",
    "rounds": "25 or more",
    "budget": "10",
    "baseline": "jit(vmap)",
}


class BenchmarkForm(Vertical):
    """The fields, and a line that explains the focused one."""

    DEFAULT_CSS = """
    BenchmarkForm { height: auto; }
    BenchmarkForm Horizontal { height: auto; }
    BenchmarkForm .label { width: 11; color: $text-muted; }
    BenchmarkForm .small { width: auto; color: $text-muted; padding: 0 1 0 2; }
    BenchmarkForm #benchmark-program { width: 1fr; height: 1; text-wrap: nowrap;
        text-overflow: ellipsis; }
    BenchmarkForm FieldInput { width: 1fr; }
    BenchmarkForm #benchmark-sweep { width: 2fr; }
    BenchmarkForm #benchmark-rounds { width: 10; }
    BenchmarkForm #benchmark-budget { width: 8; }
    BenchmarkForm #benchmark-baseline { width: 16; }
    BenchmarkForm #benchmark-options { width: 1fr; min-width: 36; padding: 0 0 0 2; }
    BenchmarkForm #benchmark-meaning { height: 1; color: $text-muted; text-wrap: nowrap;
        text-overflow: ellipsis; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.strategies = Toggles(id="benchmark-strategies")
        self.options = Toggles(id="benchmark-options")
        self.strategies.place_name, self.options.place_name = "Strategies", "Options"
        self.inputs = {
            name: FieldInput("", placeholder=text, id=f"benchmark-{name}")
            for name, text in PLACEHOLDERS.items()
        }
        self._program = FixedText(id="benchmark-program")
        self._meaning = FixedText(id="benchmark-meaning")
        self._fault = FieldMessage()
        self._plan = ""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("program", classes="label")
            yield self._program
        with Horizontal():
            yield Static("strategies", classes="label")
            yield self.strategies
        with Horizontal():
            yield Static("sweep", classes="label")
            yield self.inputs["sweep"]
            yield Static("devices", classes="small")
            yield self.inputs["devices"]
            yield Static("baseline", classes="small")
            yield self.inputs["baseline"]
        with Horizontal():
            yield Static("rounds", classes="label")
            yield self.inputs["rounds"]
            yield Static("seconds", classes="small")
            yield self.inputs["budget"]
            yield self.options
        yield self._meaning
        yield self._fault

    def show(
        self,
        program: str,
        strategies: Sequence[Toggle],
        options: Sequence[Toggle],
        texts: dict[str, str],
        plan: str,
    ) -> None:
        """Show a benchmark; `plan` says in a line what a run would do."""
        self._program.say(program)
        self.strategies.show(strategies)
        self.options.show(options)
        for name, text in texts.items():
            self.inputs[name].follow(text)
        quick = any(toggle.on for toggle in options if toggle.name == "quick")
        self.inputs["rounds"].placeholder = "10 or more" if quick else "25 or more"
        self._plan = plan
        self.say_meaning()

    def show_fault(self, diagnosis: Diagnosis | None) -> None:
        """Mark the faulty field, and show the diagnosis."""
        field = NO_FIELD if diagnosis is None else diagnosis.field
        below = field.under(BENCHMARK)
        for name, input in self.inputs.items():
            input.set_class((below or ())[:1] == (name,), "-faulty")
        place = f"{field}: " if field and below is None else ""
        self._fault.show(diagnosis, place)

    def say_meaning(self) -> None:
        """Explain the focused field; without one, show the plan."""
        words = self._plan
        for toggles in (self.strategies, self.options):
            if toggles.has_focus and toggles.current is not None:
                words = toggles.current.about or toggles.current.name
                keys = "   space switches, a all"
                words += keys if cell_len(words + keys) <= self._meaning.size.width else ""
        for name, input in self.inputs.items():
            if input.has_focus:
                words = ABOUT[name]
        self._meaning.say(words)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.say_meaning()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self.call_after_refresh(self.say_meaning)

    def on_toggles_moved(self, event: Toggles.Moved) -> None:
        event.stop()
        self.say_meaning()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        for name, input in self.inputs.items():
            if input is event.input:
                self.post_message(FieldTyped(input, name))
