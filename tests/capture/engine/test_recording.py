"""The recorder counts calls, hands one over, and is otherwise what it records."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxtui.capture.engine.recording import NoSuchFunction, Recording

Reached = list[tuple[Any, tuple[Any, ...], dict[str, Any]]]


def recording(path: list[str], wanted: int = 1) -> tuple[Recording, Reached]:
    reached: Reached = []

    def note(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        reached.append((function, args, kwargs))
        return "reached"

    return Recording(path, wanted, note), reached


def double(x: Any, times: int = 2) -> Any:
    """Doubles."""
    return x * times


def test_the_call_asked_for_is_handed_over_and_the_others_go_through() -> None:
    recorder, reached = recording([], wanted=3)
    recorded = recorder.recorded(double)
    assert [recorded(1), recorded(2, times=5), recorded(3, times=4)] == [2, 10, "reached"]
    assert [(args, kwargs) for _, args, kwargs in reached] == [((3,), {"times": 4})]
    assert recorder.calls == 3


@pytest.mark.parametrize("made", [double, jax.jit(double, static_argnames="times")])
def test_a_recorder_looks_like_the_function(made: Any) -> None:
    recorder, _ = recording([], wanted=99)
    recorded = recorder.recorded(made)
    assert inspect.signature(recorded) == inspect.signature(double)
    assert (recorded.__name__, recorded.__doc__) == ("double", "Doubles.")
    assert recorder.recorded(recorded) is recorded
    x = jnp.arange(3.0)
    assert jnp.array_equal(recorded(x), x * 2)
    assert jnp.array_equal(jax.jit(recorded, static_argnames="times")(x, times=3), x * 3)
    assert jnp.array_equal(jax.vmap(recorded)(x), x * 2)
    assert float(jax.grad(recorded)(1.0)) == 2.0


def test_the_attributes_of_a_jitted_function_are_there() -> None:
    recorder, _ = recording([], wanted=99)
    recorded = recorder.recorded(jax.jit(double))
    assert recorded.__wrapped__ is double
    assert "stablehlo" in recorded.lower(jnp.ones(3)).as_text()
    recorded.clear_cache()


def test_what_the_function_calls_of_itself_is_a_part_of_the_outer_call() -> None:
    recorder, reached = recording([], wanted=2)

    def factorial(n: int) -> int:
        return n * recorded(n - 1) if n else 1

    recorded = recorder.recorded(factorial)
    assert recorded(5) == 120
    assert recorder.calls == 1
    assert recorded(3) == "reached"
    assert reached[0][1] == (3,)


def test_a_jitted_function_is_recorded_once_with_its_arrays() -> None:
    recorder, reached = recording([], wanted=1)
    inner = recorder.recorded(double)
    outer = recorder.recorded(jax.jit(inner))
    x = jnp.ones(3)
    assert outer(x) == "reached"
    assert reached[0][1][0] is x


def test_a_call_that_jax_traces_hands_over_tracers() -> None:
    recorder, reached = recording([], wanted=1)
    recorded = recorder.recorded(double)
    with pytest.raises(TypeError, match="JAX"):
        jax.jit(recorded)(jnp.ones(3))
    assert isinstance(reached[0][1][0], jax.core.Tracer)


def test_methods_of_every_kind_are_recorded_in_their_class() -> None:
    class Model:
        scale = 3

        def method(self, x: int) -> int:
            return self.scale * x

        @classmethod
        def of_class(cls, x: int) -> int:
            return cls.scale * x

        @staticmethod
        def static(x: int) -> int:
            return x

        @functools.partial(jax.jit, static_argnums=0)
        def jitted(self, x: Any) -> Any:
            return self.scale * x

    model = Model()
    for name, first, expected in (
        ("method", (model, 2), 6),
        ("of_class", (2,), 6),
        ("static", (2,), 2),
        ("jitted", (model, 2), 6),
    ):
        recorder, reached = recording([name], wanted=2)
        assert recorder.recorded(Model) is Model
        assert int(getattr(model, name)(2)) == expected
        assert getattr(model, name)(2) == "reached"
        function, args, _ = reached[0]
        assert args == first
        assert int(function(*args)) == expected


def test_what_is_no_function_is_refused_or_left_alone() -> None:
    recorder, _ = recording([])
    assert recorder.recorded(3) == 3
    with pytest.raises(NoSuchFunction, match="is a class: name one of its methods"):
        recorder.recorded(dict)
    recorder, _ = recording(["missing"])
    with pytest.raises(NoSuchFunction, match="Recording has no missing"):
        recorder.recorded(Recording)


def test_calls_of_several_threads_are_counted_together() -> None:
    recorder, reached = recording([], wanted=40)
    recorded = recorder.recorded(double)
    threads = [threading.Thread(target=lambda: [recorded(1) for _ in range(10)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.calls == 50
    assert len(reached) == 1
