"""Every kind of layer says all that is asked of it, so that none can be half done."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator

import pytest

from jaxtui.program.screen.layer_list import layer_summary
from jaxtui.session.adapters import DEFINITIONS
from jaxtui.session.export import ExportError, script
from jaxtui.session.layer_kind import Field, Layer, name_of
from jaxtui.session.layers import LAYER_KINDS, Vmap
from jaxtui.session.session import Argument, Program, Session, dumps, loads

KINDS = [pytest.param(kind, id=name) for name, kind in LAYER_KINDS.items()]


def kinds(of: type[Layer] = Layer) -> Iterator[type[Layer]]:
    """Every class that others are not made from."""
    for kind in of.__subclasses__():
        yield from kinds(kind) if kind.__subclasses__() else (kind,)


def session(layer: Layer) -> Session:
    program = Program(
        source="def f(x):\n    return x\n",
        arguments=[Argument(name="x", value="ones(3)")],
        layers=[layer],
    )
    return Session(program=program)


def test_every_kind_is_offered() -> None:
    assert set(kinds()) == set(LAYER_KINDS.values())
    assert all(name == name_of(kind) == kind().transform for name, kind in LAYER_KINDS.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_what_it_is_for(kind: type[Layer]) -> None:
    assert 0 < len(kind.about) <= 54  # a line of the dialog
    assert kind.about[0].islower()
    assert [k for k in LAYER_KINDS.values() if k.about == kind.about] == [kind]
    assert kind.jax_name() in (kind.__doc__ or "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_its_label_and_its_default(kind: type[Layer]) -> None:
    fields = kind.fields()
    assert tuple(fields) == kind.__struct_fields__
    assert all(isinstance(field, Field) and field.default for field in fields.values())
    labels = [field.short or name for name, field in fields.items()]
    assert len(set(labels)) == len(labels)
    assert all(getattr(kind(), name) == "" for name in fields)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_says_of_its_fields_is_of_fields_it_has(kind: type[Layer]) -> None:
    assert kind.input_field in (*kind.fields(), "")
    assert kind.output_field in (*kind.fields(), "")
    assert kind.static_field in (*kind.fields(), "")
    assert kind.size_field in (*kind.fields(), "")
    assert kind.needs in (*kind.fields(), "")
    assert bool(kind.needs) == (not kind.home)
    if kind.maps or kind.divides:
        assert kind.input_field
        assert kind.output_field
    entries = [name for name, field in kind.fields().items() if field.entry]
    assert entries == ([kind.input_field] if kind.maps or kind.divides else [])
    for field in kind.fields().values():
        assert not field.home or pkgutil.resolve_name(field.home)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_does_goes_together(kind: type[Layer]) -> None:
    ways = (kind.maps, kind.divides, kind.broadcasts, kind.fixed_in_axes is not None)
    assert sum(ways) == kind.takes_apart()
    assert (kind.fixed_in_axes is None) == (kind.fixed_out_axes is None)
    assert kind.takes_apart() or not (kind.of_examples or kind.size_field)
    assert kind.differentiates or not kind.auxiliary_last
    assert kind.adapter in (*DEFINITIONS, "")
    assert kind.traces or not kind.compiles
    assert kind.differentiates or not (kind.keeps_value or kind.of_scalar)
    assert not (kind.returns_alike and (kind.differentiates or kind.maps or kind.divides))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_shown_kept_and_exported_with_every_field_typed(kind: type[Layer]) -> None:
    plain, typed = kind(), kind(**dict.fromkeys(kind.fields(), "given"))
    for name, field in kind.fields().items():
        assert f"{field.short or name} given" in layer_summary(typed)
        assert (f"{field.short or name} {field.default}" in layer_summary(plain)) == field.always
    assert loads(dumps(session(typed))) == session(typed)
    exported = script(session(typed))
    ast.parse(exported)
    if not kind.home:
        assert "program = (given)(f)" in exported
        return
    assert f"{kind.adapter or kind.jax_name()}(f" in exported
    assert f"{kind.jax_name()}(" in exported
    assert all(f"{name}=" in exported for name in kind.fields())


def test_what_has_to_be_read_to_be_written_is_told_where_it_is_no_python() -> None:
    with pytest.raises(ExportError) as told:
        script(session(LAYER_KINDS["shard_map"](axis_names="{'x'")))
    assert told.value.field == "program.layers.0.axis_names"


def test_only_what_is_typed_counts() -> None:
    assert Vmap(in_axes=" 0 ", axis_name="  ").typed() == {"in_axes": "0"}


def test_a_word_needs_no_quotes() -> None:
    word, value = Vmap.fields()["axis_name"], Vmap.fields()["in_axes"]
    assert word.is_word("batch")
    assert not any(word.is_word(text) for text in ("None", "'batch'", "('a', 'b')", ""))
    assert not value.is_word("batch")
