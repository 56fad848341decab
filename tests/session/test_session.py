"""The session file: what is written is read back, what is wrong is named, fields are addressed."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import Grad, ShardMap, Vmap
from jaxtui.session.session import (
    Argument,
    Devices,
    Program,
    Session,
    SessionError,
    dumps,
    load,
    loads,
    save,
    with_field,
)
from tests.support.fields import get_field
from tests.support.made_sessions import sessions, texts


@given(sessions)
def test_what_is_written_is_read_back(session):
    assert loads(dumps(session)) == session


@pytest.mark.parametrize("text", ["a\r\nb", "a\rb\n", "\t", "'''\"\"\"", "\\", "\n\nx", "\x00\x7f"])
def test_awkward_text_in_a_source_survives_the_file(text):
    session = Session(program=Program(source=text))
    assert loads(dumps(session)) == session


EXAMPLE = """
title = "Batched"
[devices]
count = 8
mesh = { x = 4, y = 2 }
[parameters]
batch = 4
[program]
source = "def f(x):\\n    return x"
[[program.arguments]]
name = "x"
value = "ones(batch)"
[[program.layers]]
transform = "vmap"
in_axes = "(0, 0)"
"""


def test_the_tables_of_the_file_are_the_parts_of_the_session():
    session = loads(EXAMPLE)
    assert session.devices == Devices(count=8, mesh={"x": 4, "y": 2})
    assert session.program.arguments == [Argument(name="x", value="ones(batch)")]
    assert session.program.layers == [Vmap(in_axes="(0, 0)")]


def test_bare_values_in_fields_of_text_are_what_one_would_type():
    text = """
    [[program.arguments]]
    name = "x"
    value = [1, 2]
    [[program.layers]]
    transform = "vmap"
    in_axes = 0
    [[program.layers]]
    transform = "shard_map"
    check_vma = false
    """
    program = loads(text).program
    assert program.arguments[0].value == "[1, 2]"
    assert program.layers == [Vmap(in_axes="0"), ShardMap(check_vma="False")]


def test_bare_values_in_a_collective_are_what_one_would_type():
    text = """
    [collective]
    operation = "all_gather"
    value = [1.5, 2]
    options = { axis_name = "x", axis = 1, tiled = true, axis_index_groups = [[0, 1]] }
    """
    collective = loads(text).collective
    assert collective is not None
    assert collective.value == "[1.5, 2]"
    assert collective.options == {
        "axis_name": "x",
        "axis": "1",
        "tiled": "True",
        "axis_index_groups": "[[0, 1]]",
    }


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("title = ", "", "not TOML"),
        ("title = 3", "title", "expected `str`"),
        ("colour = 'red'", "", "unknown field `colour`"),
        ("[devices]\ncount = 'eight'", "devices.count", "expected `int | null`"),
        ("[[program.layers]]\ntransform = 'vmpa'", "program.layers.0.transform", "vmpa"),
        ("[[program.layers]]\ntransform = 'jit'\nin_axes = '0'", "program.layers.0", "in_axes"),
        ("[[program.arguments]]\nvalue = '1'", "program.arguments.0", "name"),
        ("[parameters]\nbatch = 1.5", "parameters", "expected `int`"),
        ("[parameters]\nbatch = 99999999999999999999", "parameters.batch", "64 bits"),
        ("[parameters]\njnp = 1", "parameters.jnp", "its own meaning"),
        ("[parameters]\n'a b' = 1", "parameters.a b", "cannot be a name"),
        ("[parameters]\nlambda = 1", "parameters.lambda", "cannot be a name"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(text, field, words):
    with pytest.raises(SessionError, match=words.replace("|", r"\|")) as caught:
        loads(text)
    assert caught.value.field == field


def test_a_file_is_saved_as_a_whole_and_loaded_again(tmp_path):
    path = tmp_path / "session.toml"
    path.write_text("what was there before")
    path.chmod(0o640)
    session = loads(EXAMPLE)
    text = save(session, path)
    assert path.read_text() == text
    assert load(path) == session
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["session.toml"]


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_a_session_error(tmp_path, name):
    with pytest.raises(SessionError, match="cannot read"):
        load(tmp_path / name)


def test_a_file_that_is_not_text_is_a_session_error(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SessionError, match="not UTF-8"):
        load(tmp_path / "binary.toml")


def text_fields(session: Session) -> list[str]:
    fields = ["title", "notes", "devices.platform", "program.source", "program.function"]
    for index in range(len(session.program.arguments)):
        fields += [f"program.arguments.{index}.{part}" for part in ("name", "value", "sharding")]
    for index, layer in enumerate(session.program.layers):
        fields += [f"program.layers.{index}.{part}" for part in layer.fields()]
    return fields


@given(sessions, texts, st.data())
def test_a_text_put_into_a_field_is_there_and_nothing_else_changes(session, text, data):
    field = data.draw(st.sampled_from(text_fields(session)))
    old = get_field(session, FieldPath(field))
    changed = with_field(session, FieldPath(field), text)
    assert get_field(changed, FieldPath(field)) == text
    assert with_field(changed, FieldPath(field), old) == session


def test_numbers_may_be_put_in_as_text():
    session = loads(EXAMPLE)
    assert with_field(session, FieldPath("devices.count"), "4").devices.count == 4
    assert with_field(session, FieldPath("devices.count"), "null").devices.count is None
    assert with_field(session, FieldPath("devices.mesh.y"), "1").devices.mesh == {"x": 4, "y": 1}
    assert with_field(session, FieldPath("parameters.batch"), "7").parameters == {"batch": 7}
    assert with_field(session, FieldPath("devices.mesh.x"), 2).devices.mesh == {"x": 2, "y": 2}
    assert with_field(session, FieldPath("program.layers"), [Grad()]).program.layers == [Grad()]


def test_a_mapping_may_be_put_in_as_json():
    session = Session(devices=Devices(mesh={"x": 8}))
    changed = with_field(session, FieldPath("devices.axis_types"), '{"x": "explicit"}')
    assert changed.devices.axis_types == {"x": "explicit"}
    named = with_field(Session(), FieldPath("title"), "[1]")
    assert named.title == "[1]"
    for text in ('{"x": "manual"}', '{"x": '):
        with pytest.raises(SessionError) as caught:
            with_field(session, FieldPath("devices.axis_types"), text)
        assert caught.value.field == "devices.axis_types"


@pytest.mark.parametrize("field", ["nonsense", "program.layers.7.in_axes", "devices.mesh.z.w", ""])
def test_a_field_that_is_not_there_is_a_key_error(field):
    session = loads(EXAMPLE)
    with pytest.raises(KeyError):
        get_field(session, FieldPath(field))
    with pytest.raises(KeyError):
        with_field(session, FieldPath(field), "1")


@pytest.mark.parametrize("field", ["devices.count", "devices.mesh.x", "parameters.batch"])
def test_a_value_that_does_not_fit_its_field_is_a_session_error_at_it(field):
    with pytest.raises(SessionError) as caught:
        with_field(loads(EXAMPLE), FieldPath(field), "many")
    assert caught.value.field == field
