"""The lines of a jaxpr, StableHLO and HLO are linked to the lines of the source that made them.

The oracle is the source itself: in it, each of the named operations stands on one known line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxtui.engine_base.failures import SOURCE_NAME
from jaxtui.program.engine import hlo_links, stablehlo_links
from jaxtui.program.engine.hlo_text import Frames
from jaxtui.program.engine.inspection import inspect, listed
from jaxtui.program.engine.places_table import Places
from jaxtui.session.layers import Grad, Jit, ShardMap, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.program import ProgramView

VIEWS: tuple[ProgramView, ...] = ("jaxpr", "stablehlo", "hlo")
OVER_ALL = ShardMap(in_specs="P('devices')", out_specs="P('devices')")

STRAIGHT = """
def f(x):
    a = jnp.sin(x)
    b = jnp.cos(a)
    return jnp.exp(b)
"""
HELPED = """
def helper(x):
    return jnp.sin(x)

def f(x):
    a = helper(x)
    return jnp.exp(
        jnp.tanh(a)
    )
"""
LOOPED = """
def f(x):
    def body(carry, _):
        carry = jnp.sin(carry)
        return carry, None
    x, _ = lax.scan(body, x, None, length=3)
    return jnp.exp(x)
"""
BRANCHED = """
def f(x):
    y = lax.cond(
        x.sum() > 0,
        lambda x: jnp.sin(x),
        lambda x: jnp.cos(x),
        x,
    )
    return jnp.exp(y)
"""
SPOKEN = """
def f(x):
    x = jnp.sin(x)
    y = lax.psum(x, 'devices')
    z = lax.pmax(x, 'devices')
    return y + z + lax.ppermute(
        x, 'devices', [(i, (i + 1) % 8) for i in range(8)])
"""
MATRIX = """
def f(x):
    h = jnp.dot(x, x.T)
    return jnp.sin(h)
"""
CALLED = """
@jax.jit
def inner(x):
    return jnp.sin(x)

def f(x):
    return inner(x) + jnp.exp(inner(x + 1))
"""

# The primitives by the line of the source that each stands on, and under which layers.
PROGRAMS: dict[str, tuple[str, dict[str, int], tuple[Any, ...]]] = {
    "straight": (STRAIGHT, {"sin": 3, "cos": 4, "exp": 5}, ()),
    "vmap": (STRAIGHT, {"sin": 3, "cos": 4, "exp": 5}, (Vmap(),)),
    "jit of vmap": (STRAIGHT, {"sin": 3, "cos": 4, "exp": 5}, (Vmap(), Jit())),
    "helper": (HELPED, {"sin": 3, "tanh": 8, "exp": 7}, ()),
    "scan": (LOOPED, {"sin": 4, "exp": 7}, ()),
    "cond": (BRANCHED, {"sin": 5, "cos": 6, "exp": 9}, ()),
    "matrix": (MATRIX, {"dot_general": 3, "sin": 4}, ()),
    "collectives": (SPOKEN, {"sin": 3, "psum": 4, "pmax": 5, "ppermute": 6}, (OVER_ALL,)),
    "called twice": (CALLED, {"sin": 4, "exp": 7}, (Jit(),)),
}


def composition(source: str, *layers: Any, value: str = "ones((8, 4))") -> Composition:
    return Composition(
        program=Program(
            source=source,
            function="f",
            arguments=[Argument(name="x", value=value)],
            layers=list(layers),
        )
    )


def lines_of(composed: Composition, view: ProgramView, name: str) -> set[int]:
    """The lines of the source that operations of a name are linked to.

    JAX has other names for a few under `shard_map`, such as `psum_invariant`.
    """
    _, links = listed(composed, view)
    assert links is not None
    places = [
        links.places[one.place]
        for one in links.operations
        if one.name.removesuffix("_invariant") == name and one.place is not None
    ]
    assert all(not place.file for place in places)
    source = composed.program.source.split("\n")
    assert all(place.text == source[place.line - 1].strip() for place in places)
    return {place.line for place in places}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_each_operation_is_linked_to_the_one_line_that_makes_it(
    name: str, view: ProgramView
) -> None:
    source, wanted, layers = PROGRAMS[name]
    composed = composition(source, *layers)
    for primitive, line in wanted.items():
        assert lines_of(composed, view, primitive) == {line}, primitive


@pytest.mark.parametrize("view", VIEWS)
def test_a_gradient_is_linked_to_the_line_that_it_is_the_gradient_of(view: ProgramView) -> None:
    source = "def f(x):\n    y = jnp.sin(x)\n    return y.sum()\n"
    assert lines_of(composition(source, Grad()), view, "cos") == {2}


def spoken(composed: Composition, view: ProgramView) -> list[tuple[str, str, int]]:
    _, links = listed(composed, view)
    assert links is not None
    return [
        (one.collective, one.shape, links.places[one.place or 0].line)
        for one in links.operations
        if one.collective
    ]


def test_the_collectives_of_all_listings_have_their_shapes_and_lines() -> None:
    composed = composition(SPOKEN, OVER_ALL)
    found = [(n.removesuffix("_invariant"), *rest) for n, *rest in spoken(composed, "jaxpr")]
    assert found == [
        ("psum", "f32[1,4]", 4),
        ("pmax", "f32[1,4]", 5),
        ("ppermute", "f32[1,4]", 6),
    ]
    assert spoken(composed, "stablehlo") == [
        ("all_reduce", "f32[1,4]", 4),
        ("all_reduce", "f32[1,4]", 5),
        ("collective_permute", "f32[1,4]", 6),
    ]
    assert sorted(spoken(composed, "hlo")) == [
        ("all-reduce", "f32[1,4]", 4),
        ("all-reduce", "f32[1,4]", 5),
        ("collective-permute", "f32[1,4]", 6),
    ]


def test_the_text_is_what_jax_and_xla_print() -> None:
    composed = composition(STRAIGHT, Jit())
    names: dict[str, Any] = {"jax": jax, "jnp": jnp}
    exec(STRAIGHT, names)
    bare = jax.jit(names["f"])
    x = jnp.ones((8, 4))
    assert inspect(composed, "stablehlo") == bare.lower(x).as_text()
    assert _anonymous(inspect(composed, "hlo")) == _anonymous(bare.lower(x).compile().as_text())
    assert inspect(composition(STRAIGHT), "jaxpr") == str(jax.make_jaxpr(names["f"])(x))


def _anonymous(hlo: str) -> str:
    """Without the frames, which are of another caller here."""
    without = re.sub(
        r"\n(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d.*\n)*", "", hlo
    )
    return re.sub(r", metadata=\{[^}]*\}", "", without).replace("\n\n", "\n")


@pytest.mark.parametrize("view", VIEWS)
def test_a_librarys_function_has_the_line_of_its_call_or_none(view: ProgramView) -> None:
    """JAX traces `relu` once, for the first of the programs, and keeps that line with it."""
    inspect(composition("def f(x):\n    return jax.nn.relu(x)\n"), view)
    source = "def f(x):\n    y = jnp.sin(x)\n    z = y - 1\n    return jax.nn.relu(z)\n"
    assert lines_of(composition(source), view, "max") <= {4}
    twice = "def f(x):\n    a = jax.nn.relu(x)\n    b = a - 1\n    return a + jax.nn.relu(b)\n"
    found = lines_of(composition(twice), view, "max")
    assert found in ({2, 4}, set())
    if view == "hlo" and jax.__version_info__ >= (0, 10):
        assert found == {2, 4}


@pytest.mark.parametrize("view", VIEWS)
def test_a_function_of_a_file_is_linked_to_the_files_lines(
    view: ProgramView, tmp_path: Path
) -> None:
    file = tmp_path / "step.py"
    file.write_text("import jax.numpy as jnp\n\n\ndef f(x):\n    return jnp.sin(x)\n")
    composed = Composition(
        program=Program(function="step.py:f", arguments=[Argument(name="x", value="ones(3)")]),
        folder=str(tmp_path),
    )
    _, links = listed(composed, view)
    assert links is not None
    [place] = {
        links.places[o.place] for o in links.operations if o.name == "sin" and o.place is not None
    }
    assert (Path(place.file), place.line, place.text) == (file, 5, "return jnp.sin(x)")


FRAMES = f"""HloModule jit_f

FileNames
1 "{SOURCE_NAME}"
2 "/home/me/lib.py"

FunctionNames
1 "f"
2 "g"

FileLocations
1 {{file_name_id=1 function_name_id=1 line=3 end_line=3 column=8 end_column=8}}
2 {{file_name_id=1 function_name_id=1 line=9 end_line=9 column=8 end_column=8}}
3 {{file_name_id=2 function_name_id=2 line=20 end_line=20 column=8 end_column=8}}

StackFrames
1 {{file_location_id=1 parent_frame_id=1}}
2 {{file_location_id=2 parent_frame_id=1}}
3 {{file_location_id=3 parent_frame_id=3}}

ENTRY %main () -> f32[2] {{
  ROOT %sin.1 = f32[2]{{0}} sine(%x), metadata={{op_name="jit(f)/sin" stack_frame_id=3}}
}}
"""


def test_the_frames_of_an_instruction_are_read_as_xla_numbers_them() -> None:
    places = Frames(FRAMES).places("stack_frame_id=3")
    assert places == (("/home/me/lib.py", 20), (SOURCE_NAME, 9))
    plain = FRAMES.replace("id=1}\n2", "id=0}\n2").replace("parent_frame_id=3", "parent_frame_id=2")
    plain = plain.replace("2 {file_location_id=2 parent_frame_id=1}", "2 {file_location_id=2}")
    assert Frames(plain).places("stack_frame_id=3") == places


def test_the_line_of_an_inner_frame_in_the_source_is_taken() -> None:
    table = Places()
    [operation] = hlo_links.operations(FRAMES, "", table)
    assert (operation.name, operation.line) == ("sin", 21)
    assert (table.lines[operation.place or 0].file, table.lines[operation.place or 0].line) == (
        "",
        9,
    )


def test_texts_that_do_not_fit_together_are_linked_to_nothing() -> None:
    text = "module @f {\n  %0 = stablehlo.sine %x : tensor<2xf32>\n}\n"
    assert not [*stablehlo_links.operations(text, text + "\n\n", Places())]
