"""A vmap that is too large is offered as batches that fit, and give what the vmap gives."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtui.engine_base import devices
from jaxtui.engine_base.errors import Diagnosed, GivenUp, diagnosed
from jaxtui.memory.engine import report
from jaxtui.memory.engine.batches import batch_sizes
from jaxtui.program.engine import evaluation
from jaxtui.session.field_path import LAYERS, PROGRAM, SHARDING
from jaxtui.session.layers import AnyLayer, Apply, Grad, Jit, Map, Vmap
from jaxtui.session.session import Argument, Program, Session, Sharding, with_fix
from jaxtui.wire.base import Composition

SOURCE = """
def f(x, w):
    wide = jnp.outer(x, x)
    return jnp.sort(wide)[0] @ w

def loss(x, w):
    return jnp.sum(jnp.sort(jnp.outer(x, x))[0] @ w)

def named(x, w):
    return jax.lax.psum(jnp.sort(jnp.outer(x, x))[0] @ w, "batch")

def tree(p):
    return {"a": jnp.sort(jnp.outer(p["x"], p["x"]))[0] @ p["w"]}
"""
X = "jnp.sin(jnp.arange(24. * 64)).reshape(24, 64)"
W = "jnp.cos(jnp.arange(64. * 3)).reshape(64, 3)"
WS = "jnp.cos(jnp.arange(24. * 64 * 3)).reshape(24, 64, 3)"
BUDGET = 200_000  # bytes; one example's square takes 16 KiB, 24 of them 393 KiB


def _composition(
    *layers: AnyLayer, function: str = "f", x: str = X, w: str = W, named: bool = False
) -> Composition:
    arguments = [Argument(name="x", value=x), Argument(name="w", value=w)]
    if function == "tree":
        arguments = [Argument(name="p", value=f'{{"x": {x}, "w": {w}}}')]
    program = Program(source=SOURCE, function=function, arguments=arguments, layers=list(layers))
    return Composition(program=program)


def _account(composition: Composition, memory: str = f"{BUDGET} B") -> report.Account:
    return report.account(composition, Sharding(memory=memory), lambda: False)


def _fixed(composition: Composition, account: report.Account) -> Composition:
    assert account.batches is not None, account.reasons
    changed = with_fix(Session(program=composition.program), account.batches.fix)
    return Composition(program=changed.program)


def _values(composition: Composition) -> list[np.ndarray[Any, Any]]:
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    return [np.asarray(value) for _, value in ran.leaves]


IN_BARE_JAX = {
    "all of axis 0": (_composition(Vmap(), Jit(), w=WS), "jax.vmap(f)(x, w)"),
    "one shared": (
        _composition(Vmap(in_axes="(0, None)"), Jit()),
        "jax.vmap(f, (0, None))(x, w)",
    ),
    "axis 1, out 1": (
        _composition(Vmap(in_axes="(1, None)", out_axes="1"), Jit(), x=f"{X}.T"),
        "jax.vmap(f, (1, None), 1)(x, w)",
    ),
    "two, one of them behind": (
        _composition(Vmap(in_axes="(0, -1)"), w=f"jnp.moveaxis({WS}, 0, -1)"),
        "jax.vmap(f, (0, -1))(x, w)",
    ),
    "a gradient inside": (
        _composition(Grad(), Vmap(in_axes="(0, None)"), Jit(), function="loss"),
        "jax.vmap(jax.grad(loss), (0, None))(x, w)",
    ),
    "a gradient outside": (
        _composition(
            Vmap(in_axes="(0, None)"),
            Apply(function="lambda g: lambda x, w: g(x, w).sum()"),
            Grad(argnums="1"),
            Jit(),
        ),
        "jax.grad(lambda x, w: jax.vmap(f, (0, None))(x, w).sum(), 1)(x, w)",
    ),
    "a tree": (
        _composition(Vmap(), Jit(), function="tree", w=WS),
        'jax.vmap(tree)({"x": x, "w": w})["a"]',
    ),
}


QUICK = ("one shared",)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in IN_BARE_JAX],
)
def test_the_batches_fit_and_give_what_bare_vmap_gives(name: str) -> None:
    composition, bare = IN_BARE_JAX[name]
    account = _account(composition)
    assert not account.fits
    changed = _fixed(composition, account)
    assert account.batches is not None
    assert account.batches.needed.together <= BUDGET
    again = _account(changed)
    assert again.fits  # compiled anew, it takes what was claimed
    assert again.needed == account.batches.needed
    known: dict[str, Any] = {"jax": jax, "jnp": jnp}
    exec(SOURCE, known)
    known["x"], known["w"] = (eval(text, known) for text in _texts(composition))
    for found, expected in zip(_values(changed), jax.tree.leaves(eval(bare, known)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def _texts(composition: Composition) -> list[str]:
    given = [argument.value for argument in composition.program.arguments]
    return [f"{given[0]}[{key!r}]" for key in "xw"] if len(given) == 1 else given


def test_no_larger_batch_would_fit() -> None:
    composition = _composition(Vmap(in_axes="(0, None)"), Jit())
    account = _account(composition)
    batches = account.batches
    assert batches is not None
    sizes = batch_sizes(24)
    larger = sizes[sizes.index(batches.size) + 1]
    text = batches.fix.text.replace(f"batch_size={batches.size})", f"batch_size={larger})")
    assert text != batches.fix.text
    changed = with_fix(
        Session(program=composition.program), batches.fix.__class__("", LAYERS, text)
    )
    assert _account(Composition(program=changed.program)).needed.together > BUDGET


def test_a_map_layer_takes_the_place_of_a_vmap_over_axes_0() -> None:
    account = _account(_composition(Vmap(), Jit(), w=WS), "250 KB")
    assert account.batches is not None
    changed = with_fix(Session(program=Program(layers=[Vmap(), Jit()])), account.batches.fix)
    assert changed.program.layers == [Map(batch_size=str(account.batches.size)), Jit()]


@pytest.mark.parametrize(
    ("composition", "memory", "why"),
    [
        (
            _composition(Vmap(in_axes="(0, None)", axis_name="batch"), function="named"),
            "200 kB",
            "uses its axis 'batch', as in a collective",
        ),
        (_composition(Vmap(in_axes="(0, None)"), Jit()), "1 kB", "arguments and outputs alone"),
        (_composition(Jit(), function="loss", x=f"{X}[0]"), "1 kB", "No layer of the program"),
        (
            _composition(Vmap(in_axes="(0, None)", spmd_axis_name="devices")),
            "200 kB",
            "spmd_axis_name",
        ),
        (
            _composition(Vmap(in_axes='({"x": 0, "w": None},)'), Jit(), function="tree"),
            "200 kB",
            "leaves of one argument are mapped over different axes",
        ),
    ],
    ids=["collective", "arguments", "no vmap", "spmd", "leaves"],
)
def test_why_there_are_no_batches_is_said(composition: Composition, memory: str, why: str) -> None:
    account = _account(composition, memory)
    assert not account.fits
    assert account.notes == []
    assert why in report.text(account)


@pytest.mark.long
def test_an_axis_name_that_nothing_uses_is_no_obstacle() -> None:
    account = _account(_composition(Vmap(in_axes="(0, None)", axis_name="batch"), Jit()))
    assert account.batches is not None


def test_what_fits_has_nothing_to_mend() -> None:
    account = _account(_composition(Vmap(in_axes="(0, None)"), Jit()), "1 GB")
    assert account.fits
    assert account.notes == []
    assert "fits into 954 MiB (typed, M)" in report.text(account)


def test_memory_that_cannot_be_read_is_told_at_its_field() -> None:
    with pytest.raises(Diagnosed) as failed:
        _account(_composition(Vmap(in_axes="(0, None)")), "much")
    assert failed.value.diagnosis.field == SHARDING / "memory"


def test_a_failure_for_want_of_memory_gets_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available_memory", lambda: 250_000)
    failure = diagnosed("memory", PROGRAM, "RESOURCE_EXHAUSTED: no room")
    composition = _composition(Vmap(in_axes="(0, None)"), Jit())
    told = report.with_batches(failure, composition, lambda: False).diagnosis
    assert [fix.field for fix in told.fixes] == [LAYERS]
    changed = with_fix(Session(program=composition.program), told.fixes[0])
    needed = _account(Composition(program=changed.program)).needed
    assert needed.together <= 250_000 * 7 / 8  # others may take some before it runs


def test_a_search_for_batches_can_be_given_up() -> None:
    with pytest.raises(GivenUp):
        report.account(
            _composition(Vmap(in_axes="(0, None)")), Sharding(memory="200 kB"), lambda: True
        )


def test_batches_are_powers_of_two_or_divisors() -> None:
    assert batch_sizes(24) == [1, 2, 3, 4, 6, 8, 12, 16]
    assert batch_sizes(7) == [1, 2, 4]
    assert batch_sizes(2) == [1]
    assert batch_sizes(1) == []
