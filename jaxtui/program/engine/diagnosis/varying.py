"""Casts for values whose types differ from step to step or between branches, put into the source.

What JAX's message says to apply where values of a shard_map vary in different ways, to the initial
carry of a loop or to what a branch returns, is written where it belongs; likewise a reshard where
they lie in different ways over explicit axes. Which of the changes trace is tried by who asks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
from jax.sharding import PartitionSpec

from jaxtui.program.engine.diagnosis.source_edits import Place, changed, part_at
from jaxtui.program.engine.spec_trees import spec_text, trimmed
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import SOURCE

_APPLY = re.compile(r"applying `(jax\.lax\.\w+\(\.\.\..*?\))`,? to the (.*?)[.;]?$", re.MULTILINE)
_BRANCHES = re.compile(
    r"output of (\w+ ?\d*)((?: at path \S+)?) has type (\S+) but the corresponding output of "
    r"(\w+ ?\d*) has type ([^\s,]+(?:,\w+[)}]*)*)",
    re.IGNORECASE,
)
_CARRIED = re.compile(
    r"input carry (?:component )?(\S+) has type (\w+\[[^\]]*\]) but the corresponding output carry "
    r"component has type (\w+\[[^\]]*\])"
)
# The place of the initial carry among the arguments, and its name as a keyword.
_CARRIES = {"scan": (1, "init"), "while_loop": (2, "init_val"), "fori_loop": (3, "init_val")}


@dataclass(frozen=True)
class Cast:
    """A call that JAX says to apply, as its text with `...` for the value, and to what."""

    call: str
    what: str

    @property
    def path(self) -> str:
        """The path of the leaf within the carry, or what the branch returns."""
        found = re.search(r"((?:\[[^\]]*\]|\.\w+)*)$", self.what)
        return found[1] if found else ""

    def of(self, text: str) -> str:
        return self.call.replace("...", text, 1)


def _at_paths(text: str, found: Sequence[tuple[str, Cast]]) -> str:
    """What `text` gives, a tree, with each cast made at its path."""
    for call in dict.fromkeys(cast.call for _, cast in found):
        paths = [path for path, cast in found if cast.call == call]
        one = call.replace("...", "v", 1)
        which = f"jax.tree_util.keystr(p) in {paths!r}"
        text = f"jax.tree.map_with_path(lambda p, v: {one} if {which} else v, {text})"
    return text


def casts(message: str) -> list[Cast]:
    """What is to be applied: as the types of the branches say, else as the message does.

    Where only one of two branches varies, some releases of JAX name the wrong one, and no axis.
    """
    found = [Cast(call, what) for call, what in _APPLY.findall(message)]
    if not found:
        return list(_reshards(message))
    if not (types := _BRANCHES.findall(message)):
        return found
    function = found[0].call.partition("(")[0]
    rest = ", to='varying')" if "to=" in found[0].call else ")"
    made = []
    for first, path, one, second, other in types:
        for name, has, wanted in ((first, one, other), (second, other, one)):
            missing = tuple(sorted(_varying(wanted) - _varying(has)))
            if missing:
                made.append(Cast(f"{function}(..., {missing!r}{rest}", f"output of {name}{path}"))
    return made


def _reshards(message: str) -> Iterator[Cast]:
    """What to reshard so that a carry, or what branches return, lies alike over explicit axes."""
    if not hasattr(jax.sharding, "reshard"):
        return
    carried = [(f"carry {name}", one, other) for name, one, other in _CARRIED.findall(message)]
    returned = [
        (f"output of {second}{path}", other.rstrip("."), one)
        for _, path, one, second, other in _BRANCHES.findall(message)
    ]
    for what, has, wanted in [*carried, *returned]:
        (sizes, _), (others, spec) = _laid(has), _laid(wanted)
        if sizes == others and has != wanted:
            yield Cast(f"jax.sharding.reshard(..., {spec_text(trimmed(spec))})", what)


def _laid(type_: str) -> tuple[list[str], PartitionSpec]:
    """The dtype and sizes of a type as JAX writes it, `float32[8@data,2@(x,y)]`, and its spec."""
    dtype, _, dimensions = type_.rstrip("]").partition("[")
    each = [part.partition("@") for part in re.split(r",(?![^(]*\))", dimensions) if part]
    axes = [tuple(filter(None, re.split(r"[(), ]+", entry))) or None for _, _, entry in each]
    return [dtype, *(size for size, _, _ in each)], PartitionSpec(*axes)


def _varying(type_: str) -> set[str]:
    """The axes over which a value of this type varies, as JAX writes it: `float32[2]{V:(x,y)}`."""
    match = re.search(r"\{V:\(?([^)}]*)\)?", type_)
    return {axis.strip() for axis in match[1].split(",")} if match else set()


def fixes(place: Place, message: str) -> Iterator[Fix]:
    """The change of the source that makes the casts of JAX's `message`."""
    node, found = place.node, casts(message)
    if not isinstance(node, ast.Call) or not found:
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    verb = "reshard" if "reshard" in found[0].call else "cast"
    for whole in (False, True):
        if name in _CARRIES:
            edits = _carry(place, node, name, found, whole=whole)
            label = f"{verb} the initial carry: {found[0].call.replace('...', '…')}"
        elif name in ("cond", "switch"):
            edits = _branches(place, node, name, found, whole=whole)
            label = f"{verb} what the branches return: {found[0].call.replace('...', '…')}"
        else:
            return
        if edits:
            yield Fix(label, SOURCE, changed(place.source, edits))


Edits = list[tuple[ast.expr | ast.stmt, str]]


def _carry(place: Place, node: ast.Call, name: str, found: list[Cast], *, whole: bool) -> Edits:
    at, keyword = _CARRIES[name]
    given = [k.value for k in node.keywords if k.arg == keyword]
    carry = node.args[at] if at < len(node.args) else given[0] if given else None
    if carry is None:
        return []
    # The carry of a fori_loop has the index before it in JAX's message.
    skipped = 1 if name == "fori_loop" else 0
    paths = [cast.path[(cast.path.find("]") + 1) * skipped :] for cast in found]
    if whole:
        return [(carry, _at_paths(place.text(carry), list(zip(paths, found, strict=True))))]
    edits: Edits = []
    for path, cast in zip(paths, found, strict=True):
        part, left = part_at(carry, path)
        if left:
            return []
        edits.append((part, cast.of(place.text(part))))
    return edits


def _branches(place: Place, node: ast.Call, name: str, found: list[Cast], *, whole: bool) -> Edits:
    by_branch: dict[ast.expr, list[Cast]] = {}
    for cast in found:
        branch = _branch(node, name, cast.what)
        if branch is None:
            return []
        by_branch.setdefault(branch, []).append(cast)
    edits: Edits = []
    for branch, made in by_branch.items():
        called = f"({place.text(branch)})(*a)"
        if whole:
            returned = _at_paths(called, [(cast.path, cast) for cast in made])
            edits.append((branch, f"lambda *a: {returned}"))
        elif isinstance(branch, ast.Lambda):
            for cast in made:
                part, left = part_at(branch.body, cast.path)
                if left:
                    return []
                edits.append((part, cast.of(place.text(part))))
        elif made[0].path:
            return []
        else:
            edits.append((branch, f"lambda *a: {made[0].of(called)}"))
    return edits


def _branch(node: ast.Call, name: str, what: str) -> ast.expr | None:
    """The argument that is the branch which JAX calls `what`, such as the output of true_fun."""
    which = re.match(r"output of (?:(true_fun)|(false_fun)|branch ?(\d+))", what)
    if which is None:
        return None
    if name == "cond":
        at = 1 if which[1] else 2
        return node.args[at] if at < len(node.args) else None
    listed = node.args[1] if len(node.args) > 1 else None
    if which[3] is None or not isinstance(listed, ast.List | ast.Tuple):
        return None
    return listed.elts[int(which[3])] if int(which[3]) < len(listed.elts) else None
