"""Settings at the nodes of arguments and of the result, as texts of the session's fields."""

from __future__ import annotations

import pytest

from jaxtui.program.prefixes import Refused
from jaxtui.program.screen.flow.trees import FlowTrees
from jaxtui.program.screen.signature import rows as argument_rows
from jaxtui.program.screen.table_rows import TableRow
from jaxtui.program.screen.trees.donation import Donation, donating_layer
from jaxtui.program.screen.trees.node_settings import Change, Node, NodeSettings, Table
from jaxtui.program.screen.view import axis_column
from jaxtui.program.trees import tree_at
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Smap, Vmap
from jaxtui.session.session import Argument, Program, Session, with_field
from jaxtui.wire.report import Flow, Parameter, TreeNode
from tests.support.made_flows import leaf, level

SIGNATURE = [
    Parameter(name="params", kind="positional"),
    Parameter(name="x", kind="positional"),
    Parameter(name="key", kind="keyword"),
]
GIVEN = [
    TreeNode(path="params", kind="dict", keys=["['head']", "['layers']"]),
    TreeNode(path="params['layers']", kind="list", keys=["[0]", "[1]"]),
]


def session(*layers: AnyLayer, sharding: str = "") -> Session:
    arguments = [
        Argument(name="params", value="model()", sharding=sharding),
        Argument(name="x", value="ones(4)"),
    ]
    return Session(program=Program(arguments=arguments, layers=list(layers)))


def table(made: Session, selected: int) -> Table:
    paths = ["params['head']", "params['layers'][0]", "params['layers'][1]", "x"]
    trees = FlowTrees()
    inputs = [leaf(path, 4) for path in paths]
    trees.follow(Flow(function="f", levels=[level("given", inputs, None)], given=GIVEN))
    found = [
        TableRow(row, branches=trees.arguments.get(row.name))
        for row in argument_rows(made.program.arguments, SIGNATURE)
    ]
    layers = made.program.layers
    return Table(found, axis_column(made, selected, None), donating_layer(layers, selected))


class Bench:
    """A session whose nodes are set one after the other."""

    def __init__(self, made: Session, selected: int = 0) -> None:
        self.session, self._selected = made, selected
        self._settings = NodeSettings()

    def set(self, setting: str, path: str, entry: str = "") -> str:
        """Set a node of the first argument; return the field's new text."""
        there = table(self.session, self._selected)
        node = Node(setting, path, entry)
        change = self._settings.of_argument(self.session, there.rows[0], node, there)
        self.session = with_field(self.session, change.field, change.text)
        return change.text


@pytest.mark.parametrize("typed", ["", "0", "(0, 0)", "({'head': 0, 'layers': [0, 0]}, 0)"])
def test_what_is_taken_back_gives_what_was_typed(typed: str) -> None:
    bench = Bench(session(Vmap(in_axes=typed)))
    at = "params['layers'][1]"
    assert bench.set("in_axes", at, "None") == "({'head': 0, 'layers': [0, None]}, 0)"
    assert bench.set("in_axes", "params['head']", "1") == "({'head': 1, 'layers': [0, None]}, 0)"
    assert bench.set("in_axes", at, "0") == "({'head': 1, 'layers': 0}, 0)"
    assert bench.set("in_axes", "params['head']", "0") == typed


def test_what_is_alike_for_all_is_one_entry() -> None:
    bench = Bench(session(Vmap(in_axes="({'head': 1, 'layers': 0}, 0)")))
    assert bench.set("in_axes", "params['head']", "0") == "0"
    assert bench.set("in_axes", "params", "None") == "(None, 0)"


def test_an_argument_by_name_has_no_entry() -> None:
    made = session(Vmap())
    arguments = [*made.program.arguments, Argument(name="key", value="0")]
    bench = Bench(Session(program=Program(arguments=arguments, layers=[Vmap()])))
    assert bench.set("in_axes", "params['head']", "1") == "({'head': 1, 'layers': 0}, 0)"
    assert bench.set("in_axes", "params", "0") == ""


def test_what_is_typed_for_another_argument_stays() -> None:
    bench = Bench(session(Vmap(in_axes="(0, AXES)")))
    assert bench.set("in_axes", "params['head']", "-1") == "({'head': -1, 'layers': 0}, AXES)"
    with pytest.raises(Refused, match="in_axes is AXES, as typed: change it in the layer"):
        Bench(session(Vmap(in_axes="AXES"))).set("in_axes", "params['head']", "0")


def test_the_field_is_that_of_the_layer_whose_column_is_shown() -> None:
    bench = Bench(session(Vmap(in_axes="(None, 0)"), Pmap(), Jit()), selected=1)
    assert bench.set("in_axes", "params['layers']", "None") == "({'head': 0, 'layers': None}, 0)"
    assert bench.session.program.layers[0] == Vmap(in_axes="(None, 0)")


def test_specs_are_set_alike() -> None:
    bench = Bench(session(ShardMap(in_specs="P('x')", out_specs="P('x')")))
    at = "params['layers'][0]"
    assert bench.set("in_specs", at, "P()") == (
        "({'head': P('x'), 'layers': [P(), P('x')]}, P('x'))"
    )
    with pytest.raises(Refused, match="0 is no entry such as"):
        bench.set("in_specs", at, "0")
    assert bench.set("in_specs", at, "P('x')") == "P('x')"
    bench = Bench(session(Smap(axis_name="x", in_axes="0", out_axes="0")))
    assert bench.set("in_axes", at, "None") == "({'head': 0, 'layers': [None, 0]}, 0)"


def test_a_sharding_is_set_at_a_node_and_none_is_no_text() -> None:
    bench = Bench(session())
    assert bench.set("sharding", "params['head']", "P('x')") == "{'head': P('x'), 'layers': None}"
    assert bench.set("sharding", "params", "None") == ""
    bench = Bench(session(sharding="by_path({'head': P('x'), '**': P()})"))
    assert bench.set("sharding", "params['layers']", "P('y')") == (
        "{'head': P('x'), 'layers': P('y')}"
    )
    assert bench.set("sharding", "params['layers']", "P()") == (
        "by_path({'head': P('x'), '**': P()})"
    )


def test_an_argument_is_donated_by_its_place_as_a_whole() -> None:
    bench = Bench(session(Vmap(), Jit(donate_argnums="1")))
    assert bench.set("donate", "params") == "(0, 1)"
    assert bench.set("donate", "params") == "1"
    with pytest.raises(Refused, match="an argument is donated as a whole: set it at params"):
        bench.set("donate", "params['head']")
    with pytest.raises(Refused, match="no layer donates arguments"):
        Bench(session(Vmap())).set("donate", "params")


@pytest.mark.parametrize(
    ("layer", "place", "word", "text"),
    [
        (Jit(), 1, "no", "1"),
        (Jit(donate_argnums="-1"), 1, "yes", ""),
        (Jit(donate_argnums="(0, 1)"), 1, "yes", "0"),
        (Jit(donate_argnames="'x'"), 1, "yes", ""),
        (Jit(donate_argnames="('x', 'y')"), 0, "yes", "'y'"),
        (Jit(donate_argnames="'y'"), 1, "no", "('y', 'x')"),
        (Jit(), None, "no", "'x'"),
        (Pmap(donate_argnums="0"), 1, "no", "(0, 1)"),
    ],
)
def test_donation_by_number_and_by_name(
    layer: AnyLayer, place: int | None, word: str, text: str
) -> None:
    donation = Donation(layer, 0, "x", place, 2)
    assert donation.word == word
    assert donation.turned()[1] == text


def test_what_is_donated_by_a_name_of_the_source_is_left_as_it_is() -> None:
    donation = Donation(Jit(donate_argnums="MINE"), 0, "x", 1, 2)
    assert donation.word == "typed"
    with pytest.raises(Refused, match="cannot be read"):
        donation.turned()
    with pytest.raises(Refused, match="pmap donates no argument by name"):
        Donation(Pmap(), 0, "x", None, 2).turned()


def test_out_axes_are_set_at_the_nodes_of_the_result() -> None:
    nodes = [TreeNode(path="", kind="tuple", keys=["[0]", "[1]"])]
    nodes += [TreeNode(path="[1]", kind="dict", keys=["['loss']", "['mu']"])]
    tree = tree_at("", {node.path: node for node in nodes})
    settings = NodeSettings()

    def put(layer: AnyLayer, path: str, entry: str) -> Change:
        return settings.of_result(layer, 0, tree, path, entry)

    change = put(Vmap(), "[1]['mu']", "1")
    assert change == Change(change.field, "(0, {'loss': 0, 'mu': 1})")
    assert str(change.field) == "program.layers.0.out_axes"
    assert put(Vmap(out_axes=change.text), "[1]", "0").text == "0"
    specs = ShardMap(in_specs="P()", out_specs="P('x')")
    assert put(specs, "[0]", "P()").text == "(P(), P('x'))"
    with pytest.raises(Refused, match="grad takes no entry for its outputs"):
        put(Grad(), "[0]", "0")
