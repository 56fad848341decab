"""Every step of every lesson, done: it ticks then and not before, and gives what the text says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jaxtui import lessons
from jaxtui.lessons import book
from jaxtui.lessons.steps import Seen, Step, done, with_step
from jaxtui.program.engine import inspection
from jaxtui.session.collective_program import runs_program
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session, with_field, with_fix
from jaxtui.wire.base import Composition, Printed
from jaxtui.wire.program import Ran, Run
from tests.support.asking import Asker
from tests.support.tried import collective_values, planned, sent, tried

EVERY = [(name, i) for name in lessons.NAMES for i in range(len(book.lesson(name).steps))]
SOON = {"one-value", "vmap", "matrix-vector", "pytree-in", "psum"}  # the others take seconds


def cases() -> list[Any]:
    return [
        pytest.param(name, i, marks=() if name in SOON else (pytest.mark.long,))
        for name, i in EVERY
    ]


@pytest.mark.parametrize(("name", "index"), cases())
def test_a_step_that_is_done_is_ticked_and_gives_what_the_text_says(name: str, index: int) -> None:
    lesson = book.lesson(name)
    _, step = lesson.steps[index]
    screen = step.screen or lesson.screen
    before = tried(lesson.session, screen)
    assert before.diagnosis is None
    if not step.timed:  # of which there is nothing to see but that it has run
        assert not done(step, before.seen)
    session = with_step(lesson.session, step)
    after = tried(session, screen)
    if step.fixed:
        assert after.diagnosis is not None
        assert not done(step, after.seen)
        mended = with_fix(session, after.diagnosis.fixes[0])
        after = tried(mended, screen, frozenset({after.seen.error}))
    assert done(step, after.seen), after
    assert step.says in (after.diagnosis.message if after.diagnosis is not None else step.says)
    if step.values is not None:
        given = values(name, index)
        wanted = np.array(step.values, float)
        np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)


def values(name: str, index: int) -> Any:
    lesson = book.lesson(name)
    session = with_step(lesson.session, lesson.steps[index][1])
    if session.collective is not None and not runs_program(session):
        return collective_values(session)
    (leaf,) = tried(session, lesson.screen).leaves
    return leaf


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "index"), [(n, i) for n, i in EVERY if book.lesson(n).steps[i][1].sent is not None]
)
def test_a_step_sends_what_the_text_says(name: str, index: int) -> None:
    lesson = book.lesson(name)
    _, step = lesson.steps[index]
    assert sent(with_step(lesson.session, step)) == step.sent


def test_every_lesson_has_things_to_try_and_every_one_of_them_is_a_step() -> None:
    for name in lessons.NAMES:
        found = book.lesson(name)
        assert found.steps, name
        assert len(found.steps) == found.session.notes.count("\n- ") - prose_items(name)
        assert all(text for text, _ in found.steps)


def prose_items(name: str) -> int:
    return f"\n{book.lesson(name).prose}".count("\n- ")


# ------------------------------------------------------------------------ what single texts say


@pytest.mark.long
def test_the_three_ways_to_make_a_training_step_give_the_same_weights() -> None:
    mapped, shared, global_ = (
        tried(book.lesson(name).session, "map").leaves[0]
        for name in ("move-pmap", "move-shard-map", "move-jit")
    )
    assert mapped.shape == (8, 3)
    for row in mapped:
        np.testing.assert_allclose(row, shared, rtol=1e-5)
    np.testing.assert_allclose(global_, shared, rtol=1e-5)


@pytest.mark.long
def test_check_vma_makes_the_gradient_eight_times_too_large_and_the_remedy_mends_it() -> None:
    lesson = book.lesson("move-shard-map")
    start = np.array([0.5, -1.0, 2.0])
    meant = tried(lesson.session, "map").leaves[0]
    wrong, mended = (
        tried(with_step(lesson.session, lesson.steps[i][1]), "map").leaves[0] for i in (1, 2)
    )
    np.testing.assert_allclose(start - wrong, 8 * (start - meant), rtol=1e-4)
    np.testing.assert_allclose(mended, meant, rtol=1e-5)


@pytest.mark.long
def test_one_key_gives_one_draw_and_a_key_for_each_gives_four() -> None:
    lesson = book.lesson("random-one-key")
    assert len(set(tried(lesson.session, "map").leaves[0].tolist())) == 1
    others = tried(with_step(lesson.session, lesson.steps[1][1]), "map").leaves[0]
    assert len(set(others.tolist())) == 4
    folded = book.lesson("random-split-keys")
    four = tried(folded.session, "map").leaves[0]
    eight = tried(with_step(folded.session, folded.steps[1][1]), "map").leaves[0]
    assert eight[:4].tolist() == four.tolist()


@pytest.mark.long
def test_standardize_on_the_whole_array_is_wrong_and_vmap_is_the_loop() -> None:
    lesson = book.lesson("loop")
    by_hand = tried(lesson.session, "map").leaves[0]
    whole, mapped = (
        tried(with_step(lesson.session, lesson.steps[i][1]), "map").leaves[0] for i in (0, 1)
    )
    assert not np.isclose(whole, by_hand).any()
    np.testing.assert_allclose(mapped, by_hand, rtol=1e-5)


@pytest.mark.long
def test_vmap_takes_the_memory_of_all_tables_and_map_that_of_its_pieces() -> None:
    import jax
    import jax.numpy as jnp

    def typical_gap(x: Any) -> Any:
        gaps = jnp.abs(x[:, None] - x)
        return jnp.sort(gaps.ravel())[gaps.size // 2]

    def taken(function: Any) -> int:
        shape = jax.ShapeDtypeStruct((128, 128), jnp.float32)
        return int(jax.jit(function).lower(shape).compile().memory_analysis().temp_size_in_bytes)

    at_once = taken(jax.vmap(typical_gap))
    in_pieces = taken(lambda xs: jax.lax.map(typical_gap, xs, batch_size=16))
    one_by_one = taken(lambda xs: jax.lax.map(typical_gap, xs))
    assert at_once >= 8 * 2**20
    assert 3 * one_by_one < in_pieces < at_once / 3
    assert "jnp.sort(gaps.ravel())[gaps.size // 2]" in lessons.load("memory-vmap").program.source


@pytest.mark.long
def test_both_sides_of_a_branch_are_in_the_program_of_a_batch_and_a_cond_in_that_of_one() -> None:
    lesson = book.lesson("cond")
    assert "select_n" in jaxpr(lesson.session)
    one = jaxpr(with_step(lesson.session, lesson.steps[0][1]))
    assert "cond[" in one
    assert "select_n" not in one


@pytest.mark.long
def test_the_program_of_the_loop_grows_with_its_rows_and_that_of_vmap_does_not() -> None:
    lesson = book.lesson("loop")
    three, twelve = lesson.session, with_step(lesson.session, lesson.steps[2][1])
    assert jaxpr(twelve).count("\n") > 2 * jaxpr(three).count("\n")
    mapped = with_step(lesson.session, lesson.steps[1][1])
    larger = with_field(mapped, FieldPath("program.arguments.0.value"), "normal(12, 4)")
    assert jaxpr(larger).count("\n") == jaxpr(mapped).count("\n")


@pytest.mark.long
def test_a_function_is_called_once_for_all_examples_and_debug_print_prints_for_each(
    engine: Asker,
) -> None:
    lesson = book.lesson("traced-once")
    mended = with_step(lesson.session, lesson.steps[0][1])
    for session, words, times in ((lesson.session, "called with", 1), (mended, "x = ", 4)):
        engine.heard.all.clear()
        id = engine.next_id()
        engine.client.send(Run(id=id, composition=Composition.of(session, "")))
        engine.heard.next(Ran)
        printed = [e for e in engine.heard.all if isinstance(e, Printed) and e.id == id]
        assert "".join(event.text for event in printed).count(words) == times


def jaxpr(session: Session) -> str:
    return inspection.inspect(Composition.of(session, ""), "jaxpr")


@pytest.mark.long
def test_params_that_are_whole_need_no_gathers() -> None:
    lesson = book.lesson("fsdp")
    everywhere = with_step(lesson.session, lesson.steps[1][1])
    assert "all_gather data" not in sent(everywhere)
    assert planned(everywhere).memory.peak > 3 * planned(lesson.session).memory.peak


# -------------------------------------------------------------------------- steps by themselves


def test_spaces_and_quotes_do_not_count_and_other_texts_do() -> None:
    session = lessons.load("matrix-vector")
    step = Step(edits={"program.layers.0.in_axes": "(0, None)"})

    def typed(text: str) -> bool:
        edited = with_field(session, FieldPath("program.layers.0.in_axes"), text)
        return done(step, Seen(session=edited, screen="map"))

    assert typed("(0,None)")
    assert typed(" ( 0, None )")
    assert not typed("(0, 0)")


def test_a_fix_is_seen_by_the_error_that_was_there_and_is_gone() -> None:
    step = Step(error="program.layers.0.in_axes", fixed=True)
    seen = Seen(session=lessons.load("vmap"), screen="map", outputs=["f32[4]"])
    assert not done(step, seen)
    assert not done(step, seen._replace(error="program.layers.0.in_axes", outputs=None))
    assert done(step, seen._replace(errors=frozenset({"program.layers.0.in_axes"})))


def test_a_screen_and_a_benchmark_are_waited_for() -> None:
    seen = Seen(session=lessons.load("benchmark"), screen="map")
    step = Step(screen="benchmark", timed=True)
    assert not done(step, seen)
    assert not done(step, seen._replace(screen="benchmark"))
    assert done(step, seen._replace(screen="benchmark", timed=True))


def test_layers_count_by_what_is_given() -> None:
    session = lessons.load("broadcast")
    seen = Seen(session=session, screen="map")
    assert done(Step(edits={"program.layers": '[{"transform": "vmap"}]'}), seen)
    assert not done(Step(edits={"program.layers": '[{"transform": "pmap"}]'}), seen)
    other = '[{"transform": "vmap", "in_axes": "(1, None)"}]'
    assert not done(Step(edits={"program.layers": other}), seen)
