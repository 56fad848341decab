"""What is being typed, and the names that fit it."""

from __future__ import annotations

import pytest

from jaxtui.program.screen.known_names import Kind, ModuleNames, Typed, axes, fitting, typed_before
from jaxtui.session.layers import Pmap
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.names import ListNames, Name, NamesListed
from jaxtui.wire.protocol import AnyRequest

SOURCE = "def scale(weights, x):\n    total = x * weights  # not the hidden\n    return total\n"
SESSION = Session(
    devices=Devices(mesh={"data": 4, "model": 2}),
    parameters={"batch": 3},
    program=Program(
        source=SOURCE,
        arguments=[Argument(name="x", value="ones(3)")],
        layers=[Pmap(axis_name="devs")],
    ),
)


class Modules(ModuleNames):
    """Names of modules that the engine has told already."""

    def __init__(self) -> None:
        self.sent: list[AnyRequest] = []
        super().__init__(self.sent.append, lambda: 7)


def fits(line: str, kind: Kind = "source", modules: ModuleNames | None = None) -> list[str]:
    typed = typed_before(line)
    assert typed is not None
    return [one.name for one in fitting(typed, kind, SESSION, modules or Modules())]


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("y = jnp.lin", ("jnp", "lin", False)),
        ("y = jnp.", ("jnp", "", False)),
        ("y = f(jnp.linalg.no", ("jnp.linalg", "no", False)),
        ("to", ("", "to", False)),
        ("lax.psum(x, 'da", ("", "da", True)),
        ("P('data', \"mo", ("", "mo", True)),
    ],
)
def test_a_name_at_the_cursor_is_read(line: str, typed: Typed) -> None:
    assert typed_before(line) == typed


@pytest.mark.parametrize(
    "line", ["", "x + ", "1.5", "1e5", "f(x).su", "a[0].at", "x  # sca", "'two wo", "a = 'x' # y"]
)
def test_what_is_no_name_of_ours_is_left_alone(line: str) -> None:
    assert typed_before(line) is None


def test_names_of_the_session_are_offered_from_two_letters_on() -> None:
    assert fits("    return sc") == ["scale"]
    assert fits("    return we") == ["weights"]
    assert fits("    return ba") == ["batch"]
    assert fits("    return t") == []
    assert fits("    hi") == []  # it stands in a comment only
    assert "total" not in fits("    total")  # it is there already


def test_a_function_of_the_source_has_its_parameters() -> None:
    typed = typed_before("sc")
    assert typed is not None
    assert fitting(typed, "value", SESSION, Modules()) == [Name("scale", "(weights, x)")]


def test_axes_are_offered_in_quotes_and_where_they_are_asked_for() -> None:
    assert axes(SESSION) == ["data", "model", "devs"]
    assert axes(Session()) == ["devices"]
    assert fits("lax.psum(x, 'da") == ["data"]
    assert fits("P('mo", "axis") == ["model"]
    assert fits("de", "axis") == ["devs", "devices"]
    assert fits("mo", "value") == []


def test_the_names_of_a_module_are_asked_for_once_for_each_engine() -> None:
    modules = Modules()
    assert fits("jnp.li", modules=modules) == []
    assert fits("jnp.lin", modules=modules) == []
    assert modules.sent == [ListNames(id=7, module="jnp")]
    modules.forget_engine()
    fits("jnp.lin", modules=modules)
    assert len(modules.sent) == 2
    names = [Name("linspace", "(start, stop)"), Name("log"), Name("linalg")]
    modules.take(NamesListed(id=7, module="jnp", names=names))
    assert fits("jnp.lin", modules=modules) == ["linspace", "linalg"]
    assert fits("li", "value", modules) == ["linspace", "linalg"]
    assert fits("li", "source", modules) == []
    modules.forget_engine()
    fits("jnp.lin", modules=modules)
    assert len(modules.sent) == 2
    fits("mine.lin", modules=modules)
    assert len(modules.sent) == 2
