"""A program that runs again compiles nothing, gives what a fresh run gives, and frees the rest."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxtui.program.engine import evaluation, kept_programs, pmaps
from jaxtui.session.layers import AnyLayer, Apply, Jit, Jvp, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition


def composition(source: str, value: str, *layers: AnyLayer) -> Composition:
    arguments = [Argument(name="x", value=value)]
    return Composition(program=Program(source=source, arguments=arguments, layers=list(layers)))


def run(made: Composition) -> tuple[Any, list[str]]:
    """The result's only leaf, and the stages of the run."""
    told: list[str] = []
    with pmaps.forgotten():
        ran = evaluation.run(made, told.append, lambda: False)
    ((_, leaf),) = ran.leaves
    return np.asarray(leaf), told


def compiles(told: list[str]) -> bool:
    return "compiling" in told


COMPILED = [
    pytest.param((Jit(),), id="jit"),
    pytest.param((Vmap(), Jit()), id="vmap under jit"),
    pytest.param((Pmap(),), id="pmap"),
    pytest.param((ShardMap(in_specs="P('devices')", out_specs="P('devices')"), Jit()), id="mesh"),
]


@pytest.mark.parametrize("layers", COMPILED)
def test_only_the_first_run_of_a_program_compiles(layers: tuple[AnyLayer, ...]) -> None:
    source = "def f(x):\n    return jax.nn.relu(x) * 2\n"
    first, told = run(composition(source, "arange(8.) - 4", *layers))
    assert compiles(told)
    for value, expected in (("arange(8.) - 4", first), ("arange(8.) - 6", None)):
        result, told = run(composition(source, value, *layers))
        assert not compiles(told), value
        wanted = np.maximum(np.arange(8.0) - 6, 0) * 2 if expected is None else expected
        assert result.tobytes() == wanted.astype("float32").tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"source": "def f(x):\n    return x + 2\n"},
        {"value": "arange(9.)"},
        {"value": "arange(8)"},
        {"layers": (Vmap(), Jit(donate_argnums="0"))},
    ],
    ids=str,
)
def test_another_program_is_compiled(change: dict[str, Any]) -> None:
    made: dict[str, Any] = {
        "source": "def f(x):\n    return x + 1\n",
        "value": "arange(8.)",
        "layers": (Vmap(), Jit()),
    }
    for _ in range(2):
        run(composition(made["source"], made["value"], *made["layers"]))
    made |= change
    assert compiles(run(composition(made["source"], made["value"], *made["layers"]))[1])


def test_a_program_with_tangents_is_kept_as_long_as_these_are_the_same() -> None:
    source = "v = 2.\ndef f(x):\n    return x ** 2\n"
    pair = "lambda g: lambda x: sum(g(x))"
    layers = (Jvp(tangents="v * ones(8)"), Apply(function=pair), Jit())
    first, told = run(composition(source, "arange(8.)", *layers))
    assert compiles(told)
    again, told = run(composition(source, "arange(8.)", *layers))
    assert not compiles(told)
    assert first.tobytes() == again.tobytes()
    others, told = run(composition(source.replace("2.", "3.", 1), "arange(8.)", *layers))
    assert compiles(told)
    assert others[1] - first[1] == 2


def test_a_program_with_other_tangents_each_time_compiles_each_time() -> None:
    source = "def f(x):\n    return x ** 2\n"
    tangents = Jvp(tangents="np.random.rand(8).astype('float32')")
    layers = (tangents, Apply(function="lambda g: lambda x: g(x)[1]"), Jit())
    seen = [run(composition(source, "arange(8.)", *layers)) for _ in range(2)]
    assert all(compiles(told) for _, told in seen)
    assert seen[0][0].tobytes() != seen[1][0].tobytes()


STATEFUL = {
    "a file is read when the source runs": "K = int(open({file!r}).read())\ndef f(x): return x * K",
    "a file is read when the function is traced": (
        "def f(x): return x * int(open({file!r}).read())"
    ),
    "a constant array": "K = np.full(3, int(open({file!r}).read()))\ndef f(x): return x * K",
    "a constant inside an inner jit": (
        "K = np.full(3, int(open({file!r}).read()))\n"
        "def f(x): return jax.jit(lambda y: lax.cond(y[0] > 0, lambda: y * K, lambda: y))(x)"
    ),
    "a callback": (
        "K = int(open({file!r}).read())\ndef f(x): return jax.pure_callback(lambda y: y * K, x, x)"
    ),
}


@pytest.mark.parametrize("source", STATEFUL.values(), ids=STATEFUL.keys())
def test_what_the_function_takes_from_elsewhere_is_that_of_now(source: str, tmp_path: Path) -> None:
    file = tmp_path / "factor"
    made = composition(source.format(file=str(file)), "arange(1., 4.)", Jit())
    for factor in (2, 2, 3, 2, 2, 5, 5):
        file.write_text(str(factor))
        assert run(made)[0].tolist() == [factor, 2 * factor, 3 * factor]


def test_a_source_that_gives_another_function_every_other_time_is_never_mistaken(
    tmp_path: Path,
) -> None:
    file = tmp_path / "turns"
    file.write_text("0")
    source = (
        f"turn = int(open({str(file)!r}).read())\n"
        f"open({str(file)!r}, 'w').write(str(turn + 1))\n"
        "def f(x): return x + turn % 2\n"
    )
    made = composition(source, "arange(2.)", Jit())
    for _ in range(4):
        turn = int(file.read_text())
        result, _ = run(made)
        # The source runs twice, first to see whether memory suffices.
        assert int(file.read_text()) == turn + 2
        assert result.tolist() == [(turn + 1) % 2, 1 + (turn + 1) % 2]


def test_a_function_that_counts_its_traces_gives_what_its_first_trace_gives() -> None:
    source = "seen = []\ndef f(x):\n    seen.append(0)\n    return x * len(seen)\n"
    for _ in range(3):
        assert run(composition(source, "arange(3.)", Jit()))[0].tolist() == [0, 1, 2]


def test_programs_that_hold_large_arrays_are_not_kept() -> None:
    source = "W = jnp.ones((1024, 1024))\ndef f(x):\n    return x + 1\n"
    run(composition(source, "arange(3.)", Jit()))
    assert compiles(run(composition(source, "arange(3.)", Jit()))[1])


def test_a_run_that_fails_is_not_kept() -> None:
    source = "def f(x):\n    return jnp.linalg.cholesky(x) if x.shape == (2, 2) else x + 1\n"
    run(composition(source, "eye(2)", Jit()))
    kept = len(kept_programs._kept)
    with pytest.raises(evaluation.Diagnosed):
        run(composition("def f(x):\n    return x @ jnp.ones(7)\n", "eye(2)", Jit()))
    assert len(kept_programs._kept) == kept


@pytest.mark.long
@pytest.mark.parametrize("layers", COMPILED)
def test_what_a_program_compiled_is_freed_once_others_ran(
    layers: tuple[AnyLayer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_programs, "MOST", 3)
    functions = []
    for number in range(kept_programs.MOST + 3):
        run(composition(f"def f(x):\n    return x + {number}\n", "arange(8.)", *layers))
        functions.append(weakref.ref(list(kept_programs._kept.values())[-1].prepared.function.call))
    gc.collect()
    alive = [function() is not None for function in functions]
    assert alive == [False] * 3 + [True] * kept_programs.MOST


@pytest.mark.long
def test_what_a_source_maps_by_itself_is_freed_once_it_ran() -> None:
    seen: list[weakref.ref[Any]] = []
    jax.config.seen = seen  # a place that the source can reach
    try:
        source = (
            "import weakref\n"
            "def g(x): return x + 1\n"
            "jax.config.seen.append(weakref.ref(g))\n"
            "def f(x): return jax.pmap(g)(x)\n"
        )
        for _ in range(3):
            run(composition(source, "arange(8.)"))
        run(composition("def f(x):\n    return x\n", "arange(8.)"))
        gc.collect()
        assert [function() for function in seen] == [None] * len(seen)
    finally:
        del jax.config.seen
