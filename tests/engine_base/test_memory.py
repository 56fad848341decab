"""What cannot fit in memory is refused before it is made, and what can fit never is."""

from __future__ import annotations

import resource
import subprocess
import sys

import jax
import pytest

from jaxtui.engine_base import devices, failures
from jaxtui.session.layers import AnyLayer, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.support.wrong import run_failure, trace

GIB = 1024**3
OUTER = "def f(x, y):\n    return (x[:, None] * y[None, :]).sum()\n"
WHOLE = "def f(x):\n    return x.sum()\n"


@pytest.fixture(autouse=True)
def four_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 4 GiB free, whichever this is."""
    monkeypatch.setattr(devices, "available_memory", lambda: 4 * GIB)


def session(source: str, *values: str, layers: tuple[AnyLayer, ...] = ()) -> Session:
    arguments = [Argument(name=n, value=v) for n, v in zip("xyz", values, strict=False)]
    return Session(program=Program(source=source, arguments=arguments, layers=list(layers)))


def peak_of_memory() -> int:
    """The peak memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


TOO_LARGE = [
    (session(WHOLE, "ones((10**6, 10**6))"), "program.arguments.0.value"),
    (session(WHOLE, "ones((10**6, 10**6)).sum()"), "program.arguments.0.value"),
    (session(WHOLE, "jnp.arange(10**12)"), "program.arguments.0.value"),
    (session(WHOLE, "np.zeros(10**13)"), "program.arguments.0.value"),
    (session(WHOLE, "np.zeros(10**9)"), "program.arguments.0.value"),
    (session(WHOLE, "normal(10**5, 10**5)"), "program.arguments.0.value"),
    (session(WHOLE, "(ones(10**5)[:, None] * ones(10**5)).sum()"), "program.arguments.0.value"),
    (session(WHOLE, "{'a': 1, 'b': [zeros(10**10)]}"), "program.arguments.0.value"),
    (session(OUTER, "ones(3)", "ones(10**10)"), "program.arguments.1.value"),
    (session(OUTER, "ones(10**5)", "ones(10**5)"), "program"),
    (session(OUTER, "ones((4, 10**5))", "ones((4, 10**5))", layers=(Vmap(),)), "program"),
    (session("def f(x):\n    return jnp.broadcast_to(x, (10**5, 10**6))\n", "1.0"), "program"),
    (
        session("def f(x):\n    return jnp.outer(x, x)\n", "ones(10**5)", layers=(Jit(),)),
        "program",
    ),
    (
        session("def f(x):\n    return jnp.ones((10**5, 10**4))\n", "ones(8)", layers=(Pmap(),)),
        "program",
    ),
]


@pytest.mark.parametrize(("too_large", "field"), TOO_LARGE)
def test_what_cannot_fit_is_refused_at_its_field_before_it_is_made(
    too_large: Session, field: str
) -> None:
    before = peak_of_memory()
    traced = trace(too_large).diagnosis
    ran = run_failure(too_large)
    assert peak_of_memory() - before < GIB
    for found in (traced, ran):
        assert found is not None
        assert (found.kind, found.field) == ("memory", field), found
    assert traced is not None
    assert "memory" in traced.message


def test_the_refusal_says_how_much_is_needed_and_how_much_there_is() -> None:
    found = trace(session(WHOLE, "ones((10**6, 10**6))")).diagnosis
    assert found is not None
    assert found.message == "needs 3.64 TiB of memory; 4 GiB is free"


def test_a_refusal_leaves_the_shapes_to_be_seen() -> None:
    traced = trace(session(OUTER, "ones((4, 10**5))", "ones((4, 10**5))", layers=(Vmap(),)))
    assert traced.flow is not None
    assert [leaf.shape for leaf in traced.flow.levels[1].inputs or []] == [[10**5], [10**5]]


@pytest.mark.parametrize(
    "fits",
    [
        # Under jit the product of 14 GB is summed as it is made.
        session(OUTER, "ones(60_000)", "ones(60_000)", layers=(Jit(),)),
        session(OUTER, "ones((2, 60_000))", "ones((2, 60_000))", layers=(Vmap(), Jit())),
        session("@jax.jit\n" + OUTER, "ones(60_000)", "ones(60_000)"),
        # jax.numpy's sum adds up int32s without making 4 GiB of them.
        session(WHOLE, "zeros((2**15, 2**15), 'int8')"),
        session("def f(x):\n    return jnp.var(x)\n", "zeros((2**14, 2**15), 'float16')"),
        session(WHOLE, "jax.jit(lambda: (ones(60_000)[:, None] * ones(60_000)).sum())()"),
        session(
            OUTER,
            "ones((8, 60_000))",
            "ones((8, 60_000))",
            layers=(Pmap(),),
        ),
        session(
            OUTER,
            "ones(8 * 60_000)",
            "ones(60_000)",
            layers=(
                ShardMap(in_specs="(P('devices'), P())", out_specs="P()", check_vma="False"),
                Jit(),
            ),
        ),
    ],
)
def test_what_xla_can_fuse_is_not_refused(fits: Session) -> None:
    traced = trace(fits)
    assert traced.diagnosis is None, traced.diagnosis


@pytest.mark.long
@pytest.mark.skipif(jax.__version_info__ < (0, 7), reason="the XLA of this JAX does not fuse it")
def test_what_xla_can_fuse_runs() -> None:
    assert run_failure(session(OUTER, "ones(60_000)", "ones(60_000)", layers=(Jit(),))) is None


def test_a_small_program_asks_nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> int:
        raise AssertionError("asked")

    monkeypatch.setattr(devices, "available_memory", never)
    assert trace(session(WHOLE, "ones(3)")).diagnosis is None


def test_where_nothing_tells_how_much_is_free_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "available_memory", lambda: None)
    assert trace(session(WHOLE, "ones((10**6, 10**6))")).diagnosis is None


OUT_OF_MEMORY = """
import resource
from jaxtui.engine_base import devices, host
from jaxtui.program.engine import evaluation
from jaxtui.wire.base import Composition
from jaxtui.session.session import Argument, Program
devices.start("cpu", 8)
mapped = host._mapped()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 1024**3, mapped + 1024**3))
devices.available_memory = lambda: None
for value in ("float(ones(10**9).sum())", "ones(10**9)", "np.ones(10**9)", "bytearray(4 * 10**9)"):
    program = Program(source="def f(x): return x", arguments=[Argument(name="x", value=value)])
    try:
        evaluation.run(Composition(program=program), lambda stage: None, lambda: False)
    except evaluation.Diagnosed as error:
        print(error.diagnosis.kind, error.diagnosis.field)
"""


def test_running_out_of_memory_is_told_as_that() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    assert lines == ["memory program.arguments.0.value"] * 4, ran.stdout + ran.stderr


def test_what_xla_says_of_an_array_made_outside_any_program_is_told_as_that() -> None:
    eager = ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 1073741824 bytes.")
    assert failures.out_of_memory(eager)
    assert not failures.out_of_memory(ValueError("it says RESOURCE_EXHAUSTED"))
