"""What of a listing is folded, and that nothing of it is lost."""

from __future__ import annotations

import pytest

from jaxtui.program.screen.listing.folds import parts, regions
from jaxtui.program.screen.listing.lexer import Language, in_strings, words
from jaxtui.program.screen.listing.model import Listing
from jaxtui.screen.cells import text_of
from jaxtui.wire.listing import Links, Operation, SourceLine

JAXPR = """\
{ lambda ; a:f32[2,4] b:f32[4,5]. let
    c:f32[2,5] = dot_general[
      dimension_numbers=(([1], [0]), ([], []))
      preferred_element_type=float32
    ] a b
    d:f32[2,5] = psum[axes=('i',) axis_index_groups=None] c
    e:f32[2,5] = scan[
      jaxpr={ lambda ; f:f32[2,5]. let
          g:f32[2,5] = sin f
        in (g,) }
      length=3
    ] d
  in (e,) }"""
STABLEHLO = """\
module @jit_f attributes {mhlo.num_partitions = 4 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<2xf32>) -> tensor<2xf32> {
    %0 = "stablehlo.all_reduce"(%arg0) <{replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>}> ({
    ^bb0(%arg1: tensor<f32>, %arg2: tensor<f32>):
      %2 = stablehlo.add %arg1, %arg2 : tensor<f32>
      stablehlo.return %2 : tensor<f32>
    }) : (tensor<2xf32>) -> tensor<2xf32>
    %1 = stablehlo.while(%iterArg = %c, %iterArg_3 = %9) : tensor<i32>, tensor<2x5xf32>
    cond {
      stablehlo.return %14 : tensor<i1>
    } do {
      stablehlo.return %15 : tensor<i32>
    }
    return %0 : tensor<2xf32>
  }
}"""
HLO = """\
HloModule jit_f, entry_computation_layout={(f32[2,4]{1,0}, f32[4,5]{1,0})->f32[2,5]{1,0}}

FileNames
1 "<program>"

StackFrames
1 {file_location_id=1 parent_frame_id=1}

ENTRY %main (x: f32[2]) -> f32[2] {
  %x = f32[2]{0} parameter(0), metadata={op_name="x"}
  ROOT %r = f32[2]{0} all-reduce(%x), to_apply=%add, metadata={op_name="jit(f)/psum{"}
}"""
TEXTS: dict[Language, str] = {"jaxpr": JAXPR, "stablehlo": STABLEHLO, "hlo": HLO}


def links(*operations: Operation) -> Links:
    places = [SourceLine("", 3, "y = x @ w"), SourceLine("", 4, "z = psum(y)")]
    return Links(operations=list(operations), places=places)


def shown(listing: Listing) -> list[str]:
    return [text_of(listing.segments(line, 1000)) for line in listing.rows]


def test_lines_belong_to_the_one_above_that_stands_less_deep() -> None:
    assert regions(JAXPR.split("\n")) == {0: 12, 1: 4, 6: 11, 7: 9}
    assert regions(STABLEHLO.split("\n")) == {0: 15, 1: 14, 2: 6, 3: 5, 8: 9, 10: 12}
    assert regions(HLO.split("\n")) == {2: 3, 5: 6, 8: 11}


def test_parameters_are_folded_at_first_but_no_operations_of_other_lines() -> None:
    linked = links(
        Operation(1, "dot_general", 0),
        Operation(5, "psum", 1, "psum", "f32[2,5]"),
        Operation(6, "scan", 0),
        Operation(8, "sin", 1),
    )
    listing = Listing(JAXPR, "jaxpr", linked)
    assert shown(listing)[1] == "    c:f32[2,5] = dot_general[ … 2 lines ] a b"
    assert any("sin f" in line for line in shown(listing))
    assert listing.toggle(1)
    assert shown(listing) == JAXPR.split("\n")
    assert listing.toggle(6)
    assert shown(listing)[6] == "    e:f32[2,5] = scan[ … 4 lines ] d"


def test_a_body_of_the_same_line_is_folded_unless_devices_speak_in_it() -> None:
    same = [Operation(6, "scan", 0), Operation(8, "sin", 0)]
    listing = Listing(JAXPR, "jaxpr", links(*same))
    assert listing.folded == {6}
    spoken = [same[0], Operation(8, "psum", 0, "psum", "f32[2,5]")]
    assert not Listing(JAXPR, "jaxpr", links(*spoken)).folded


def test_the_reduction_of_a_collective_and_the_tables_of_xla_are_folded() -> None:
    reduced = links(Operation(2, "psum", 1, "all_reduce", "f32[2]"), Operation(4, "add", 1))
    assert shown(Listing(STABLEHLO, "stablehlo", reduced))[2].endswith(
        "({ … 3 lines }) : (tensor<2xf32>) -> tensor<2xf32>"
    )
    listing = Listing(HLO, "hlo")
    assert "StackFrames … 1 line " in shown(listing)
    listing.reveal(6)
    assert "1 {file_location_id=1 parent_frame_id=1}" in shown(listing)


@pytest.mark.parametrize("language", TEXTS)
def test_unfolded_a_listing_shows_all_of_its_text(language: Language) -> None:
    listing = Listing(TEXTS[language], language, links(Operation(1, "a", 0), Operation(2, "b", 0)))
    listing.fold_all()
    listing.unfold_all()
    assert shown(listing) == TEXTS[language].split("\n")


def test_long_parts_of_a_line_stand_for_themselves_once_it_is_opened() -> None:
    listing = Listing(HLO, "hlo")
    assert shown(listing)[0] == "HloModule jit_f, entry_computation_layout={…}"
    row = listing.rows.index(10)
    assert shown(listing)[row] == "  ROOT %r = f32[2]{0} all-reduce(%x), to_apply=%add …"
    assert listing.toggle(10)
    assert shown(listing)[row] == HLO.split("\n")[10]
    assert listing.toggle(10)
    assert shown(listing)[row].endswith("…")


def test_a_part_ends_with_its_bracket_whatever_its_strings_hold() -> None:
    line = '  %c = f32[9]{0} constant({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), metadata={op_name="a}b"}'
    found = parts(line, "hlo")
    assert [line[part.start : part.end] for part in found] == [
        "({1, 2, 3, 4, 5, 6, 7, 8, 9, 10})",
        ', metadata={op_name="a}b"}',
    ]
    (mesh,) = parts("      mesh=Mesh('i': 4, axis_types=(Auto,)) out=3", "jaxpr")
    assert mesh.mark == "…"


def test_the_column_of_what_follows_a_folded_part_is_where_it_is_shown() -> None:
    line = "%c = f32[9]{0} constant({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), x=%y"
    listing = Listing(line, "hlo")
    column = listing.column_of(0, line.index("%y"))
    assert text_of(listing.segments(0, 1000))[column:] == "%y"


@pytest.mark.parametrize("language", ["jaxpr", "stablehlo", "hlo", "python"])
def test_the_words_of_a_line_are_the_line(language: Language) -> None:
    lines = [*JAXPR.split("\n"), *STABLEHLO.split("\n"), *HLO.split("\n")]
    lines += ["", "def f(x):  # a 'comment'", "'unclosed", '"""', "é = 'ü\\'' + 3e-5", "@jax.jit"]
    for line in lines:
        assert text_of(words(line, language)) == line
        assert text_of(words(line, language, spoken=True)) == line


def kinds(line: str, language: Language, *, spoken: bool = False) -> dict[str, str]:
    return {text: style for text, style in words(line, language, spoken=spoken) if style}


def test_words_are_told_apart_by_what_they_are() -> None:
    jaxpr = kinds("    d:f32[2,5] = psum[axes=('i',) n=3] c", "jaxpr", spoken=True)
    assert jaxpr == {
        "f32[2,5]": "type",
        "psum": "collective",
        "axes": "key",
        "'i'": "string",
        "n": "key",
        "3": "number",
    }
    stablehlo = kinds("  %0 = stablehlo.add %a, %b : tensor<2xf32>", "stablehlo")
    assert stablehlo["stablehlo.add"] == "op"
    assert stablehlo["tensor<2xf32>"] == "type"
    hlo = kinds("  ROOT %r = (f32[2]{0}, s32[]) while(%x), body=%b", "hlo")
    assert (hlo["ROOT"], hlo["f32[2]{0}"], hlo["while"], hlo["%b"]) == (
        *("keyword", "type", "op", "name"),
    )
    python = kinds("    return jnp.sum(x, axis=0)  # all", "python")
    assert (python["return"], python["# all"]) == ("keyword", "comment")


def test_a_string_over_several_lines_is_one() -> None:
    text = 'def f():\n    """One\n    two.\n    """\n    return "a"  # """\n'
    assert in_strings(text) == {1, 2, 3}
