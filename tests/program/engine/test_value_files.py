"""Values from files: arrays as NumPy and others read them, at no cost while only shapes count."""

from __future__ import annotations

import json
import struct
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import tree_util

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation, inspection, lazy_arrays, value_files
from jaxtui.program.engine.tracing import leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import Jit
from jaxtui.session.session import Argument, Program, Session, with_field
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Traced

ARRAYS: dict[str, Any] = {
    "w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "layer/0/b": np.arange(3, dtype=np.int32),
    "layer/1/b": np.array(2.5, np.float16),
    "empty": np.zeros((0, 3), np.float32),
    "columns": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    "double": np.linspace(0, 1, 5),
}
NAMES = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


def session(value: str, source: str = "def f(x):\n    return x\n", *layers: Any) -> Session:
    arguments = [Argument(name="x", value=value)]
    return Session(program=Program(source=source, arguments=arguments, layers=list(layers)))


def composition(made: Session, folder: Path) -> Composition:
    return Composition.of(made, str(folder))


def traced(made: Session, folder: Path) -> Traced:
    return evaluation.trace(composition(made, folder))


def failure(value: str, folder: Path) -> Diagnosis:
    found = traced(session(value), folder).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("value", "program.arguments.0.value")
    return found


def results(made: Session, folder: Path) -> dict[str, Any]:
    ran = evaluation.run(composition(made, folder), lambda stage: None, lambda: False)
    return dict(ran.leaves)


def shapes(made: Session, folder: Path) -> dict[str, tuple[list[int], str]]:
    answer = traced(made, folder)
    assert answer.diagnosis is None, answer.diagnosis
    assert answer.flow is not None
    return {x.path: (x.shape, x.dtype) for x in answer.flow.levels[0].inputs or []}


def same(found: Any, expected: Any) -> bool:
    found, expected = np.asarray(found), np.asarray(expected)
    alike = found.dtype == expected.dtype and found.shape == expected.shape
    return alike and found.tobytes() == expected.tobytes()


def write_safetensors(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(data for _, _, data in tensors.values())


# ----------------------------------------------------------------------------- what is in them


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_is_the_dict_of_its_arrays_with_the_names_as_stored(
    tmp_path: Path, save: Callable[..., None]
) -> None:
    save(tmp_path / "x.npz", **ARRAYS)
    made = session("load('x.npz')", "def f(x):\n    return x\n")
    with np.load(tmp_path / "x.npz") as by_numpy:
        expected = dict(by_numpy)
    found = {path[2:-2]: leaf for path, leaf in results(made, tmp_path).items()}
    assert found.keys() == expected.keys()
    assert all(same(found[name], expected[name]) for name in expected)
    listed = {name[3:-2]: leaf for name, leaf in shapes(made, tmp_path).items()}
    assert listed == {name: (list(x.shape), str(x.dtype)) for name, x in expected.items()}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_array_of_an_npz_is_a_value(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "x.npz", **ARRAYS)
    made = session("load('x.npz')['w'] @ ones(4)")
    (found,) = results(made, tmp_path).values()
    assert same(found, jnp.asarray(ARRAYS["w"]) @ jnp.ones(4))


@pytest.mark.parametrize("array", ARRAYS.values())
def test_an_npy_is_its_array(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "x.npy", array)
    (found,) = results(session("load('x.npy')"), tmp_path).values()
    assert same(found, array)


def test_big_endian_arrays_are_those_of_this_machine(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(3, dtype=">f4"))
    made = session("load('x.npz')", "def f(x):\n    return x\n", Jit())
    (found,) = results(made, tmp_path).values()
    assert same(found, np.arange(3, dtype=np.float32))


def test_a_safetensors_file_is_the_dict_of_its_arrays_with_jaxs_dtypes(tmp_path: Path) -> None:
    given = {
        "a.w": ("BF16", jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3)),
        "a.scale": ("F32", jnp.array(2.0)),
        "b": ("F8_E4M3", jnp.arange(4).astype(jnp.float8_e4m3fn)),
        "c": ("F8_E5M2", jnp.arange(4).astype(jnp.float8_e5m2)),
        "d": ("BOOL", jnp.array([True, False])),
        "e": ("I8", jnp.arange(-1, 2, dtype=jnp.int8)),
        "f": ("U32", jnp.arange(0, dtype=jnp.uint32)),
    }
    write_safetensors(
        tmp_path / "x.safetensors",
        {n: (d, list(x.shape), np.asarray(x).tobytes()) for n, (d, x) in given.items()},
    )
    found = results(session("load('x.safetensors')"), tmp_path)
    assert {path[2:-2] for path in found} == given.keys()
    assert all(same(found[f"['{name}']"], x) for name, (_, x) in given.items())
    nested = results(session("load('x.safetensors', nested=True)"), tmp_path)
    assert same(nested["['a']['w']"], given["a.w"][1])


def test_safetensors_own_package_writes_what_is_read(tmp_path: Path) -> None:
    flax = pytest.importorskip("safetensors.flax", reason="safetensors is not installed")
    given = {
        f"x.{dtype}": jnp.arange(6, dtype=dtype).reshape(2, 3)
        for dtype in ("bfloat16", "float32", "float16", "int32", "uint8", "float8_e4m3fn")
    }
    flax.save_file(given, tmp_path / "x.safetensors", metadata={"by": "a test"})
    found = results(session("load('x.safetensors')"), tmp_path)
    assert all(same(found[f"['{name}']"], x) for name, x in given.items())


def test_names_become_dicts_where_that_is_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"a/b/c": 1, "a/b/d": 2, "e.f": 3})
    assert list(shapes(session("load('x.npz', nested=True)"), tmp_path)) == [
        "x['a']['b']['c']",
        "x['a']['b']['d']",
        "x['e.f']",
    ]
    assert "x['e']['f']" in shapes(session("load('x.npz', nested='.')"), tmp_path)
    np.savez(tmp_path / "y.npz", **{"a": 1, "a/b": 2})
    assert "not nested" in failure("load('y.npz', nested=True)", tmp_path).message
    np.savez(tmp_path / "z.npz", **{"a/b": 1, "a": 2})
    assert "not nested" in failure("load('z.npz', nested=True)", tmp_path).message


# ------------------------------------------------------------------------------- what it costs


def sparse_safetensors(path: Path, rows: int) -> None:
    """A file of `rows` * 1 MiB that takes no room on the disk."""
    size = rows * 2**20
    tensor = {"dtype": "BF16", "shape": [rows, 2**19], "data_offsets": [0, size]}
    text = json.dumps({"w": tensor}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)


def sparse_npy(path: Path, rows: int) -> None:
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 2**18)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * 2**20)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells it there")
@pytest.mark.parametrize("layers", [[], [Jit()]])
@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("load('x.safetensors')['w']", [10240, 2**19]),
        ("load('x.npy')", [10240, 2**18]),
        ("2 * load('x.npy')", [10240, 2**18]),
        ("load('x.npy').T", [2**18, 10240]),
    ],
)
def test_the_shapes_of_ten_gigabytes_are_found_without_reading_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, shape: list[int], layers: Any
) -> None:
    sparse_safetensors(tmp_path / "x.safetensors", 10240)
    sparse_npy(tmp_path / "x.npy", 10240)
    monkeypatch.setattr(evaluation, "refuse_too_large", lambda shapes: None)
    before = touched()
    if value.startswith("2 *"):
        value = value.replace("load('x.npy')", "jnp.asarray(load('x.npy')[:1])")
        shape = [1, shape[1]]
    made = session(value, "def f(x):\n    return jnp.tanh(x) * 2\n", *layers)
    assert shapes(made, tmp_path)["x"][0] == shape
    assert touched() - before < 100 * 2**20


def touched() -> int:
    """Bytes of memory that this process has, those of mapped files included."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_of_compressed_arrays_only_headers_are_read_while_shapes_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = np.arange(2_000_000, dtype=np.float32).reshape(2, -1)
    np.savez_compressed(tmp_path / "x.npz", large=large, small=np.arange(3.0, dtype=np.float32))
    read: list[str | None] = []
    was = value_files._read

    def counted(path: Path, entry: Any, name: str | None) -> Any:
        read.append(name)
        return was(path, entry, name)

    monkeypatch.setattr(value_files, "_read", counted)
    made = session("load('x.npz')", "def f(x):\n    return x['large'].sum() * x['small']\n", Jit())
    assert shapes(made, tmp_path)["x['large']"] == ([2, 1_000_000], "float32")
    assert "large" not in read
    (found,) = results(made, tmp_path).values()
    assert "large" in read
    assert same(found, jax.jit(lambda x, y: x.sum() * y)(large, np.arange(3.0, dtype=np.float32)))


def test_a_value_that_looks_at_elements_of_a_compressed_file_reads_them(tmp_path: Path) -> None:
    sizes = np.full(2_000_000, 3, np.int32)
    np.savez_compressed(tmp_path / "x.npz", sizes=sizes)
    assert shapes(session("ones(int(load('x.npz')['sizes'][0]))"), tmp_path)["x"][0] == [3]


def test_large_arrays_are_arguments_of_what_is_compiled_not_constants(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2000, 2000), np.float32))
    made = session("load('x.npy')", "def f(x):\n    return x * 2\n")
    text = inspection.inspect(composition(made, tmp_path), "stablehlo")
    assert "%arg0: tensor<2000x2000xf32>" in text


# ------------------------------------------------------------------------------- what is wrong


def test_a_missing_file_comes_with_the_names_of_files_like_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "weights.npy", np.arange(3))
    np.save(tmp_path / "data" / "notes.npy", np.arange(3))
    (tmp_path / "data" / "weigths.txt").write_text("no arrays")
    made = session("load('data/weigths.npy') * 2")
    found = traced(made, tmp_path).diagnosis
    assert found is not None
    assert "there is no data/weigths.npy beside the session" in found.message
    assert [fix.text for fix in found.fixes][:1] == ["load('data/weights.npy') * 2"]
    assert not any("txt" in fix.text for fix in found.fixes)
    for fix in found.fixes:
        fixed = with_field(made, FieldPath(fix.field), fix.text)
        assert traced(fixed, tmp_path).diagnosis is None


def cut(path: Path, by: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - by])


@pytest.mark.parametrize(
    ("name", "by", "words"),
    [
        ("x.npy", 8, "x.npy is cut off: 400 B should follow, and 392 B do"),
        ("x.npy", 460, "x.npy is no whole .npy"),
        ("x.npz", 30, "x.npz cannot be read"),
        ("x.safetensors", 8, "x.safetensors is cut off"),
        ("x.safetensors", 410, "its header is cut off"),
    ],
)
def test_a_file_that_was_cut_off_says_so(tmp_path: Path, name: str, by: int, words: str) -> None:
    array = np.arange(100, dtype=np.float32)
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "x.npz", a=array)
    write_safetensors(tmp_path / "x.safetensors", {"a": ("F32", [100], array.tobytes())})
    cut(tmp_path / name, by)
    assert words in failure(f"load('{name}')", tmp_path).message


def test_what_holds_no_arrays_of_numbers_says_what_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}, None]), allow_pickle=True)
    np.savez(tmp_path / "o.npz", a=np.array([{}, None]))
    (tmp_path / "p.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "t.txt").write_text("1 2 3 and so on")
    (tmp_path / "e.npy").write_bytes(b"")
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", 4) + b"[12]")
    write_safetensors(tmp_path / "f4.safetensors", {"a": ("F4", [2], b"1")})
    write_safetensors(tmp_path / "s.safetensors", {"a": ("F32", [2], b"1234")})
    (tmp_path / "folder").mkdir()
    for name, words in (
        ("o.npy", "stored as pickles: to read them could run code"),
        ("o.npz", "o.npz: a holds Python objects"),
        ("p.pkl", "Save arrays of numbers as .npy"),
        ("t.txt", "t.txt holds no arrays"),
        ("e.npy", "e.npy is empty"),
        ("b.safetensors", "header says nothing"),
        ("f4.safetensors", "a is F4, which JAX here has not"),
        ("s.safetensors", "does not take the bytes"),
        ("folder", "no checkpoint of Orbax"),
    ):
        assert words in failure(f"load('{name}')", tmp_path).message


def test_an_unreadable_file_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (exec, ("raise SystemExit",))

    np.save(tmp_path / "x.npy", np.array([Evil()], object), allow_pickle=True)
    assert "could run code" in failure("load('x.npy')", tmp_path).message


def test_a_changed_file_is_traced_and_run_anew(tmp_path: Path) -> None:
    made = session("load('x.npz')['a']")
    for size in (3, 5):
        np.savez(tmp_path / "x.npz", a=np.arange(size, dtype=np.int32))
        assert shapes(made, tmp_path)["x"] == ([size], "int32")
        (found,) = results(made, tmp_path).values()
        assert same(found, np.arange(size, dtype=np.int32))


# ------------------------------------------------------------------------- checkpoints of Orbax


def test_a_checkpoint_without_orbax_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "orbax", types.ModuleType("orbax"))
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "_METADATA").write_text("{}")
    assert "pip install 'orbax-checkpoint" in failure("load('saved')", tmp_path).message


def test_a_checkpoint_is_its_tree_and_only_its_shapes_are_read_for_shapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ocp = pytest.importorskip("orbax.checkpoint", reason="orbax-checkpoint is not installed")
    mesh = jax.make_mesh((8,), ("x",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    tree = {
        "params": {
            "w": jax.device_put(jnp.arange(64.0).reshape(8, 8), spread),
            "b": jnp.ones(3, jnp.bfloat16),
        },
        "list": [jnp.arange(2), jnp.zeros(())],
    }
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "saved", tree)
    with ocp.CheckpointManager(tmp_path / "steps") as manager:
        for step in (2, 10):
            manager.save(step, args=ocp.args.StandardSave(tree))
        manager.wait_until_finished()
    for name in ("saved", "steps/10", "steps/2/default"):
        found = results(session(f"load('{name}')"), tmp_path)
        expected = dict(leaves_with_paths(tree))
        assert found.keys() == expected.keys()
        assert all(same(found[path], expected[path]) for path in expected)
    words = failure("load('steps')", tmp_path).message
    assert "has the steps 10, 2: name one, such as steps/10" in words

    def restored(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("read for a shape")

    monkeypatch.setattr(ocp.PyTreeCheckpointer, "restore", restored)
    found = shapes(session("load('saved')"), tmp_path)
    assert found["x['params']['b']"] == ([3], "bfloat16")
    with pytest.raises(Diagnosed, match="read for a shape"):
        results(session("load('saved')"), tmp_path)


def test_a_tree_with_large_arrays_that_holds_no_shapes_is_traced_as_it_is() -> None:
    class Strict:
        def __init__(self, x: Any) -> None:
            self.x = x + 1

    tree_util.register_pytree_node(Strict, lambda s: ((s.x,), None), lambda _, x: Strict(*x))
    tree = Strict(np.ones(2_000_000, np.float32))
    assert lazy_arrays.lightly(tree) is tree
