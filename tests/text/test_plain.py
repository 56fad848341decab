"""Reports as plain text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.text import plain
from jaxtui.wire.report import (
    DeviceInfo,
    Environment,
    LayerReport,
    Leaf,
    Output,
    ProgramReport,
    Shard,
    Summary,
)


@pytest.mark.parametrize(
    ("dtype", "dimensions", "text"),
    [
        ("float32", [2, 3], "f32[2, 3]"),
        ("int32", [], "i32[]"),
        ("uint8", [4], "u8[4]"),
        ("bfloat16", [4], "bf16[4]"),
        ("complex64", [1], "c64[1]"),
        ("float8_e4m3fn", [2], "f8_e4m3fn[2]"),
        ("bool", [2], "bool[2]"),
        ("key<fry>", [2], "key<fry>[2]"),
        ("str", [], "str"),
        ("int", [], "int"),
        ("float", [], "float"),
    ],
)
def test_shapes_are_written_as_jax_writes_them_in_short(
    dtype: str, dimensions: list[int], text: str
) -> None:
    assert plain.shape(dtype, dimensions) == text


@pytest.mark.parametrize(
    "values",
    [
        np.arange(3),
        np.arange(6).reshape(2, 3) * 100,
        np.arange(24).reshape(2, 3, 4),
        np.array([1.0, 2.5, -30.25]),
        np.array([[5.0, 11.0], [39.0, 53.0]]),
        np.array([1e-9, 1.0, 1e9]),
        np.array([0.1, 0.25]),
        np.zeros((0,)),
    ],
    ids=str,
)
def test_arrays_are_laid_out_as_numpy_lays_them_out(values: np.ndarray) -> None:
    assert plain.array(values.tolist(), values.ndim, str(values.dtype)) == str(values)


def test_an_array_without_elements_shows_its_rows() -> None:
    assert plain.array([[], []], 2, "float32") == "[[]\n []]"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_floats_show_no_more_digits_than_they_have(dtype: str) -> None:
    values = np.array([1000.1, 0.1, 1.0, 2.0 / 3, 1.0 - 1e-3, 4.0, 8.002], dtype)
    shown = plain.array(values.tolist(), 1, dtype).strip("[]").split()
    assert np.array_equal(np.array(shown, dtype), values)
    assert list(map(float, shown)) == [float(str(value)) for value in values]


def test_small_floats_show_the_digits_of_their_few_bits() -> None:
    assert plain.array([0.10009765625], 1, "bfloat16") == "[0.1]"
    assert plain.array([3.25, 0.1015625], 1, "float8_e4m3fn") == "[3.2 0.1]"


def test_a_scalar_is_its_number() -> None:
    assert plain.array(11.0, 0, "float32") == "11."
    assert plain.array(7, 0, "int32") == "7"
    assert plain.array("0a0b", 0, "key<fry>") == "0a0b"


def test_decimal_points_stand_under_each_other() -> None:
    values = [[1.5, -100.0], [math.nan, 0.125]]
    lines = plain.array(values, 2, "float32").split("\n")
    assert lines[0].rindex(".") == lines[1].rindex(".")
    assert "\n".join(lines) == str(np.array(values, "float32"))


def test_complex_numbers_show_both_parts() -> None:
    assert plain.array([[1.0, -2.0], [30.0, 0.5]], 1, "complex64") == "[  1.0 -2.0j  30.0 +0.5j]"


def test_a_large_array_shows_its_ends() -> None:
    text = plain.array(list(range(2000)), 1, "int32")
    assert text == "[   0    1    2 ... 1997 1998 1999]"


def test_long_rows_are_wrapped_within_the_width() -> None:
    lines = plain.array(list(range(900)), 1, "int32").split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= plain.WIDTH
    assert len(" ".join(lines).strip("[]").split()) == 900


def leaf(name: str, dtype: str, *shape: int) -> Leaf:
    return Leaf(name=name, path="", shape=list(shape), dtype=dtype)


def output(values: Any, shape: list[int], **more: Any) -> Output:
    fields = {"path": "", "dtype": "float32", "summary": None, "shards": []} | more
    return Output(shape=shape, values=values, **fields)


def test_a_program_shows_its_shapes_from_outside_in_and_its_result() -> None:
    report = ProgramReport(
        inputs=[leaf("matrix", "int32", 8, 2, 2, 2), leaf("vector", "float32", 2)],
        layers=[
            LayerReport(
                transform="vmap",
                axis_size=2,
                inside=[leaf("matrix", "int32", 2, 2), leaf("vector", "float32", 2)],
            ),
            LayerReport(
                transform="pmap",
                axis_size=8,
                inside=[leaf("matrix", "int32", 2, 2, 2), leaf("vector", "float32", 2)],
            ),
        ],
        outputs=[output([1.0, 2.0], [2])],
    )
    assert plain.program(report).split("\n") == [
        "        given            pmap·8        vmap·2",
        "matrix  i32[8, 2, 2, 2]  i32[2, 2, 2]  i32[2, 2]",
        "vector  f32[2]           f32[2]        f32[2]",
        "out  f32[2]",
        "  [1. 2.]",
    ]
    assert plain.program(report, ascii=True).isascii()


def test_a_large_output_shows_its_statistics() -> None:
    summary = Summary(minimum=0.0, maximum=7.0, mean=3.5, std=2.25, non_finite=1, count=20_000)
    report = ProgramReport(inputs=[], layers=[], outputs=[output(None, [20_000], summary=summary)])
    assert "min 0  max 7  mean 3.5  std 2.25  finite 19,999 of 20,000" in plain.program(report)


def shards(*blocks: list[list[int]]) -> list[Shard]:
    return [Shard(device=number, index=block) for number, block in enumerate(blocks)]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (shards([[0, 4], [0, 2]]), ""),
        (shards([[0, 2], [0, 2]], [[2, 4], [0, 2]]), "  over 2 devices, [2, 2] on each"),
        (shards([[0, 4], [0, 2]], [[0, 4], [0, 2]]), "  whole on each of 2 devices"),
        (shards([[0, 3], [0, 2]], [[3, 4], [0, 2]]), "  over 2 devices"),
    ],
)
def test_where_an_output_lies_is_said_in_words(found: list[Shard], text: str) -> None:
    assert plain.placement([4, 2], found) == text


def test_a_failure_names_file_field_line_and_what_would_help() -> None:
    diagnosis = Diagnosis(
        kind="axes",
        field=FieldPath("program.layers.0.in_axes"),
        message="x has no axis 1",
        line=1,
        column=5,
        frames=["line 3, in f: return x + y"],
        fixes=[Fix(label="map axis 0", field=FieldPath("program.layers.0.in_axes"), text="(0, 0)")],
    )
    assert plain.failure("a.toml", diagnosis).split("\n") == [
        "a.toml: program.layers.0.in_axes: line 1, column 5: x has no axis 1",
        "  line 3, in f: return x + y",
        "  fix: map axis 0 (program.layers.0.in_axes = '(0, 0)')",
    ]


def test_the_environment_says_that_devices_are_simulated_and_what_memory_is_used() -> None:
    device = DeviceInfo(
        id=0, kind="cpu", platform="cpu", process=0, memory_used=2048, memory_limit=None
    )
    text = plain.environment(
        Environment(
            jax="0.10.2",
            jaxlib="0.10.2",
            numpy="2.3",
            python="3.11.7",
            platform="cpu",
            device_count=1,
            process_count=1,
            simulated=True,
            devices=[device],
            host="here",
            cpu="some CPU",
            cores=2,
            memory_available=3 << 30,
            xla_flags="",
            config={"jax_enable_x64": "False"},
        )
    )
    assert text.startswith("cpu × 1, JAX 0.10.2 (simulated: they share 2 cores)\n")
    assert "2,048 B" in text
    assert "3 GiB available" in text
    assert "jax_enable_x64  False" in text
    assert "XLA_FLAGS" not in text


def test_of_many_fixes_the_first_are_told() -> None:
    field = FieldPath("program.layers.0.in_axes")
    fixes = [Fix(label=f"map axis {n}", field=field, text=str(n)) for n in range(8)]
    wrong = Diagnosis(kind="axes", field=field, message="no axis 9", fixes=fixes)
    told = plain.failure("x.toml", wrong).splitlines()
    assert len(told) == 7
    assert told[5] == "  fix: map axis 4 (program.layers.0.in_axes = '4')"
    assert told[6] == "  and 3 others, which --json gives"
