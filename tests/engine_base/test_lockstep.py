"""Two processes can tell whether they are about to compute the same."""

from __future__ import annotations

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtui.engine_base import lockstep


def program(function: object) -> str:
    return lockstep.of_program(jax.make_jaxpr(function)(jnp.ones(4)))


def test_the_same_seed_gives_the_same_numbers() -> None:
    drawn = []
    for _ in range(2):
        lockstep.seed(2**32 - 1)
        drawn.append((random.random(), np.random.rand(2).tolist()))
    assert drawn[0] == drawn[1]


def test_the_same_program_has_the_same_digest() -> None:
    assert program(lambda x: jnp.sin(x) + 1) == program(lambda y: jnp.sin(y) + 1)
    assert lockstep.of_program(None) == ""


def test_another_program_has_another_digest() -> None:
    assert program(lambda x: x + 1) != program(lambda x: x * 1)
    assert program(lambda x: x[:2]) != program(lambda x: x[:3])
    inside = [program(jax.jit(lambda x: x + 1)), program(jax.jit(lambda x: x - 1))]
    assert inside[0] != inside[1]


VALUES = [
    np.arange(3.0),
    np.arange(3),
    np.arange(4.0),
    jnp.arange(3.0) + 1,
    3,
    3.0,
    np.zeros((0, 3)),
    jax.random.key(0),
    jax.random.key(1),
    jnp.ones(2, jnp.bfloat16),
    True,
]


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_a_values_digest_is_its_own(place: int) -> None:
    digests = [lockstep.of_values([value]) for value in VALUES]
    assert digests.count(digests[place]) == 1
    assert lockstep.of_values([VALUES[place]]) == digests[place]


def test_objects_without_numbers_have_a_digest_that_no_address_changes() -> None:
    assert lockstep.of_values([object()]) == lockstep.of_values([object()])
    assert lockstep.of_values([np.array([object()])]) == lockstep.of_values([np.array([object()])])
