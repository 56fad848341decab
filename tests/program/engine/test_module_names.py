"""The names of JAX's modules are those that are there, with their parameters."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtui.program.engine.module_names import MOST, names_of

MODULES: dict[str, Any] = {
    "jnp": jnp,
    "lax": lax,
    "jax": jax,
    "np": np,
    "jnp.linalg": jnp.linalg,
    "jax.nn": jax.nn,
    "jax.random": jax.random,
}


@pytest.mark.parametrize("module", MODULES)
def test_each_name_can_be_written_and_nothing_warns(module: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = names_of.__wrapped__(module)
        assert len(names) > 15
        for one in names:
            assert hasattr(MODULES[module], one.name)
            assert "\n" not in one.signature
            assert len(one.signature) <= MOST + 2


def test_parameters_are_those_of_the_function() -> None:
    signatures = {one.name: one.signature for one in names_of("jnp")}
    for name in ("linspace", "where", "zeros"):
        for parameter in list(inspect.signature(getattr(jnp, name)).parameters)[:3]:
            assert parameter in signatures[name]
    assert signatures["pi"] == signatures["linalg"] == ""


@pytest.mark.parametrize("module", ["os", "jnp.nothing", "jax.grad", "", "jnp.linspace.x", "."])
def test_what_is_no_module_has_no_names(module: str) -> None:
    assert names_of(module) == ()
