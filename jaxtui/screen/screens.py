"""The one table of screens: modes, the keys 1 to 6, the header and the help come from it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

Headings = tuple[tuple[str, str], ...]


class ScreenEntry(NamedTuple):
    """A screen and how it is found: `place` is `module:class`, imported when it is first opened.

    `key` opens it from anywhere. A screen without a key is opened from the one named `over`, which
    stays marked in the header. In the help `headings` are (scope of commands, title) and `panes`
    are (title, `module:class`) of widgets that bring their own keys.
    """

    name: str
    place: str
    headings: Headings
    key: str = ""
    title: str = ""
    about: str = ""
    over: str = ""
    panes: Headings = ()

    def make(self) -> Any:
        return load(self.place)()


def load(place: str) -> Any:
    """The class that `place`, as `module:class`, names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


# In the order of the help.
SCREENS = (
    ScreenEntry(
        "map",
        "jaxtui.program.screen.screen:MapScreen",
        (
            ("map", "On the Map screen"),
            ("argument", "On the name of an argument that is a tree"),
            ("tree", "In a tree, by path"),
            ("layers", "In the list of layers"),
        ),
        key="1",
        title="Map",
        about="Compose a program and run it",
        panes=(
            ("On the function's name", "jaxtui.program.screen.function_editor:FunctionName"),
            ("In the editor", "jaxtui.program.screen.function_editor:SourceArea"),
            ("On the tabs of the results", "jaxtui.program.screen.tab_line:TabLine"),
            ("In a result", "jaxtui.results.screen.view:ArrayView"),
            ("In the shards", "jaxtui.results.screen.shards_view:ShardsView"),
            ("In a jaxpr, StableHLO or HLO", "jaxtui.program.screen.listing.view:ListingView"),
            ("In the shapes", "jaxtui.program.screen.flow.shape_flow:ShapeFlow"),
        ),
    ),
    ScreenEntry(
        "sharding",
        "jaxtui.sharding.screen.screen:ShardingScreen",
        (("sharding", "On the Sharding screen"),),
        key="2",
        title="Sharding",
        about="See where arrays lie, and what is sent",
        panes=(
            ("In the sharding flow", "jaxtui.sharding.screen.row_list:RowList"),
            ("In the device map", "jaxtui.sharding.screen.device_map:DeviceMap"),
        ),
    ),
    ScreenEntry(
        "collectives",
        "jaxtui.collectives.screen.screen:CollectivesScreen",
        (("collectives", "On the Collectives screen"),),
        key="3",
        title="Collectives",
        about="See what each device sends",
        panes=(
            ("In what each device holds", "jaxtui.collectives.screen.device_rows:DeviceRows"),
            ("In how it travels", "jaxtui.collectives.screen.travel_view:TravelView"),
        ),
    ),
    ScreenEntry(
        "bandwidth",
        "jaxtui.benchmark.bandwidth.screen.screen:BandwidthScreen",
        (("bandwidth", "In a collective's bandwidth"),),
        over="collectives",
    ),
    ScreenEntry(
        "benchmark",
        "jaxtui.benchmark.screen.screen:BenchmarkScreen",
        (("benchmark", "On the Benchmark screen"),),
        key="4",
        title="Benchmark",
        about="Time the ways to run it",
        panes=(
            ("In the strategies", "jaxtui.screen.toggles:Toggles"),
            ("In the table of a benchmark", "jaxtui.benchmark.screen.table:BenchmarkTable"),
            ("In the details of a benchmark", "jaxtui.screen.painted_lines:PaintedLines"),
        ),
    ),
    ScreenEntry(
        "devices",
        "jaxtui.app.devices:DevicesScreen",
        (("devices", "On the Devices screen"),),
        key="6",
        title="Devices",
        about="What JAX sees, and the device set",
    ),
    ScreenEntry(
        "learn",
        "jaxtui.app.learn.screen:LearnScreen",
        (("learn", "On the Learn screen"), ("lesson", "While a lesson is open")),
        key="5",
        title="Learn",
        about="The lessons, chapter by chapter",
    ),
)
# Widgets of several screens that bring their own keys.
SHARED_PANES = (
    ("In a field", "jaxtui.screen.field:TypedInput"),
    ("In a text", "textual.containers:VerticalScroll"),
)
BY_NAME = {screen.name: screen for screen in SCREENS}
KEYED = sorted((screen for screen in SCREENS if screen.key), key=lambda screen: screen.key)
