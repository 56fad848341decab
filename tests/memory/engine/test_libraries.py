"""What a library computes is told, since XLA does not count the memory that it works in."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxtui.memory.engine import report
from jaxtui.memory.engine.libraries import uncounted
from jaxtui.session.layers import Jit, Vmap
from jaxtui.session.session import Argument, Program, Session
from jaxtui.wire.base import Composition

SOURCE = """
def attend(q, k, v):
    return jax.nn.softmax(q @ k.T) @ v
"""
FUSED = """
HloModule m

%fused (p: f32[4,8]) -> f32[4] {
  %p = f32[4,8]{1,0} parameter(0)
  %d = f32[4,8,16]{2,1,0} broadcast(%p), dimensions={0,1}
  ROOT %r = f32[4]{0} reduce(%d), dimensions={1,2}
}

%other (q: f32[4]) -> f32[1024] {
  %q = f32[4]{0} parameter(0)
  ROOT %b = f32[1024]{0} broadcast(%q), dimensions={}
}

ENTRY %main (x: f32[4,8]) -> f32[1024] {
  %x = f32[4,8]{1,0} parameter(0)
  %f = f32[4]{0} fusion(%x), kind=kCustom, calls=%fused, backend_config={"fusion_config":{"kind":"__ynn_fusion"}}
  ROOT %g = f32[1024]{0} fusion(%f), kind=kLoop, calls=%other
}
"""  # noqa: E501  # as XLA writes it


def test_the_largest_value_inside_of_a_librarys_fusion_is_found() -> None:
    found = uncounted(FUSED)
    assert found is not None
    assert (found.libraries, found.count, found.largest) == (("YNNPACK",), 1, 4 * 8 * 16 * 4)


def test_a_program_without_such_fusions_has_nothing_uncounted() -> None:
    compiled = jax.jit(jnp.sort).lower(jnp.ones(8)).compile()
    assert uncounted(compiled.as_text()) is None


def _attend(q: Any, k: Any, v: Any) -> Any:
    return jax.nn.softmax(q @ k.T) @ v


def test_it_is_said_where_the_backend_does_so_and_only_there() -> None:
    x = jax.ShapeDtypeStruct((8, 256, 64), "float32")
    text = jax.jit(jax.vmap(_attend)).lower(x, x, x).compile().as_text()
    names = ("q", "k", "v")
    program = Program(
        source=SOURCE,
        arguments=[Argument(name=name, value="struct((8, 256, 64), f32)") for name in names],
        layers=[Vmap(), Jit()],
    )
    composition = Composition.of(Session(program=program), "")
    said = report.text(report.account(composition, None, lambda: False))
    assert ("Not counted" in said) == ("__ynn_fusion" in text or "__xnn_fusion" in text)
    if uncounted(text) is None:
        pytest.skip("XLA computes it by itself here")
    assert "The largest value inside has 2 MiB" in said
