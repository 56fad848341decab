"""A tree by path as rows: folds, what is held, and finding."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from jaxtui.program.screen.path_finder import path_test
from jaxtui.program.screen.trees.table import TreeTable
from jaxtui.program.trees import Tree, tree_at
from jaxtui.wire.report import TreeNode
from tests.support.made_flows import leaf


def model(layers: int = 3) -> TreeTable:
    """A stack of layers, each with a kernel, a bias and a scale that lies alone."""
    keys = [f"[{at}]" for at in range(layers)]
    nodes = [TreeNode(path="p", kind="dict", keys=["['layers']", "['none']"])]
    nodes += [TreeNode(path="p['layers']", kind="list", keys=keys)]
    nodes += [TreeNode(path="p['none']", kind="None", keys=[])]
    leaves = []
    for key in keys:
        at = f"p['layers']{key}"
        nodes.append(TreeNode(path=at, kind="dict", keys=["['mlp']", "['norm']"]))
        nodes.append(TreeNode(path=f"{at}['mlp']", kind="dict", keys=["['bias']", "['kernel']"]))
        nodes.append(TreeNode(path=f"{at}['norm']", kind="dict", keys=["['scale']"]))
        leaves += [leaf(f"{at}['mlp']['bias']", 8), leaf(f"{at}['mlp']['kernel']", 4, 8)]
        leaves += [leaf(f"{at}['norm']['scale']", 8, dtype="bfloat16")]
    tree = tree_at("p", {node.path: node for node in nodes})
    return TreeTable(tree, {each.path: each for each in leaves}, {"p"})


def names(table: TreeTable) -> list[str]:
    return ["  " * row.depth + row.name for row in table.rows]


def test_a_fold_touches_its_own_rows_only() -> None:
    table = model()
    assert names(table) == ["p", "  ['layers']", "  ['none']"]
    table.fold(1, False)
    table.fold(3, False)
    assert names(table) == [
        "p",
        "  ['layers']",
        "    [0]",
        "    [1]",
        "      ['mlp']",
        "      ['norm']['scale']",  # nothing lies beside it
        "    [2]",
        "  ['none']",
    ]
    table.fold(1, True)
    assert names(table) == ["p", "  ['layers']", "  ['none']"]
    table.fold(1, False)
    assert "      ['mlp']" in names(table)  # what was unfolded inside is so again
    assert table.above(4) == 3
    assert table.above(0) == 0


def test_each_node_says_what_it_holds() -> None:
    table = model()
    words = {row.name: table.words(row.tree) for row in table.rows}
    assert words["['layers']"] == ["9 leaves", "144 numbers", "528 B"]
    assert words["['none']"] == ["None"]
    found = table.find("*1*kernel", 0, 1)
    assert found is not None
    assert table.words(table.rows[found].tree) == ["f32[4, 8]"]


def test_finding_unfolds_what_a_path_lies_in_and_goes_round() -> None:
    table = model()
    found = [0]
    for _ in range(4):
        at = table.find("kernel", found[-1], 1)
        assert at is not None
        found.append(at)
    paths = [table.rows[at].tree.path for at in found[1:]]
    kernels = [f"p['layers'][{at}]['mlp']['kernel']" for at in range(3)]
    assert paths == [*kernels, kernels[0]]
    back = table.find("kernel", found[1], -1)
    assert back is not None
    assert table.rows[back].tree.path == kernels[2]
    assert table.find("nowhere", 0, 1) is None


def test_a_found_node_is_not_found_again_in_all_that_is_below_it() -> None:
    table = model()
    at = table.find("LAYERS", 0, 1)
    assert at is not None
    assert table.rows[at].tree.path == "p['layers']"
    assert table.find("layers", at, 1) == at
    at = table.find("layers/2/mlp", at, 1)
    assert at is not None
    assert table.rows[at].tree.path == "p['layers'][2]['mlp']"


@given(st.text("ab*[", min_size=1, max_size=4), st.text("ab[", min_size=1, max_size=8))
def test_a_star_is_any_text(wanted: str, path: str) -> None:
    plain = wanted.replace("[", "[[]")
    assert path_test(wanted)(path, path) is fnmatchcase(path, f"*{plain}*")


def test_a_leaf_alone_is_one_row() -> None:
    table = TreeTable(Tree("x", ""), {"x": leaf("x", 3)})
    assert names(table) == ["x"]
    assert table.words(table.rows[0].tree) == ["f32[3]"]
    assert table.find("y", 0, 1) is None
