"""Arrays that a value reads from files: NumPy's, safetensors, and checkpoints of Orbax.

A file is mapped, not read, and of a compressed one only headers are read while shapes are wanted:
what a shape costs does not depend on the size of the file. No file can run code: none is unpickled.
"""

from __future__ import annotations

import functools
import json
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import jax.numpy as jnp
import numpy as np

from jaxtui.program.engine.lazy_arrays import Unreadable, lazily
from jaxtui.text.quantities import size

LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors package
_OBJECTS = (
    "holds Python objects, which are stored as pickles: to read them could run code. "
    "Save arrays of numbers"
)


@dataclass(frozen=True)
class _Entry:
    """Where an array lies in a file; `offset` is None for one that is compressed."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    fortran: bool = False

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def load(path: Path, *, nested: bool | str = False) -> Any:
    """The array in the file at `path`, or a dict of its arrays by name.

    With `nested`, names such as "a/b" become dicts in a dict: the separator is "/" if a name has
    one, else ".", or what is given. Raises Unreadable.
    """
    if path.is_dir():
        from jaxtui.program.engine import checkpoints

        return checkpoints.load(path)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
        stamp = os.stat(path)
        place = (path, stamp.st_mtime_ns, stamp.st_size, stamp.st_ino)
        if start.startswith(b"\x93NUMPY"):
            return _array(path, _npy_entry(*place), None)
        if start.startswith(b"PK"):
            found = _all(path, _npz_entries(*place))
        elif path.suffix == ".safetensors" or _may_be_safetensors(start, stamp.st_size):
            found = _all(path, _safetensors_entries(*place))
        else:
            raise Unreadable(_no_arrays(path, start))
    except (OSError, EOFError, zipfile.BadZipFile, struct.error) as error:
        raise Unreadable(f"{path.name} cannot be read: {error}") from error
    return _nested(found, nested) if nested else found


def _no_arrays(path: Path, start: bytes) -> str:
    if not start:
        return f"{path.name} is empty"
    if start[:1] == b"\x80" or path.suffix in (".pkl", ".pickle", ".pt", ".pth"):
        return f"{path.name} {_OBJECTS} as .npy, .npz or .safetensors"
    return f"{path.name} holds no arrays: it is no .npy, .npz or .safetensors file"


def _all(path: Path, entries: Mapping[str, _Entry]) -> dict[str, Any]:
    return {name: _array(path, entry, name) for name, entry in entries.items()}


def _array(path: Path, entry: _Entry, name: str | None) -> Any:
    if entry.dtype.hasobject:
        of = f"{path.name}: {name}" if name is not None else path.name
        raise Unreadable(f"{of} {_OBJECTS}")
    if entry.offset is not None:
        _require_whole(path, entry)
    return lazily(entry.shape, entry.dtype.newbyteorder("="), lambda: _read(path, entry, name))


def _require_whole(path: Path, entry: _Entry) -> None:
    assert entry.offset is not None
    there = os.path.getsize(path) - entry.offset
    if there < entry.bytes:
        message = f"{path.name} is cut off: {size(entry.bytes)} should follow, and {size(there)} do"
        raise Unreadable(message)


def _mapped(path: Path, entry: _Entry) -> Any:
    assert entry.offset is not None
    order: Any = "F" if entry.fortran else "C"
    if not entry.bytes:
        return np.empty(entry.shape, entry.dtype, order)
    whole = np.memmap(path, np.uint8, "r")
    return np.ndarray(entry.shape, entry.dtype, whole, entry.offset, order=order)


def _read(path: Path, entry: _Entry, name: str | None) -> Any:
    if entry.offset is not None:
        mapped = _mapped(path, entry)
        return mapped if entry.dtype.isnative else mapped.astype(entry.dtype.newbyteorder("="))
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            found = np.lib.format.read_array(member, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile, OSError) as error:
        raise Unreadable(f"{path.name}: {name} cannot be read: {error}") from error
    return found.astype(found.dtype.newbyteorder("="), copy=False)


# ---------------------------------------------------------------------------------- the headers


@functools.lru_cache(maxsize=16)
def _npy_entry(path: Path, *_stamp: int) -> _Entry:
    with open(path, "rb") as file:
        return _npy_header(file, path.name, 0)


def _npy_header(file: IO[bytes], name: str, begins: int | None) -> _Entry:
    """The entry of the .npy that `file` is at; `begins` is its place in the file that is mapped."""
    try:
        version = np.lib.format.read_magic(file)
        read: Any = np.lib.format.read_array_header_1_0
        if version[0] > 1:
            read = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, EOFError) as error:
        raise Unreadable(f"{name} is no whole .npy: {error}") from error
    return _Entry(shape, dtype, None if begins is None else begins + file.tell(), fortran)


@functools.lru_cache(maxsize=16)
def _npz_entries(path: Path, *_stamp: int) -> dict[str, _Entry]:
    entries = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                raise Unreadable(f"{path.name} is no .npz: {info.filename} in it is no array")
            begins = None
            if info.compress_type == zipfile.ZIP_STORED:
                file.seek(info.header_offset + 26)
                lengths = struct.unpack("<HH", file.read(4))
                begins = info.header_offset + 30 + sum(lengths)
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as member:
                entries[name] = _npy_header(member, f"{path.name}: {name}", begins)
    return entries


_SAFETENSORS = {
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    "BOOL": "bool",
    "BF16": "bfloat16",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}


def _may_be_safetensors(start: bytes, length: int) -> bool:
    return len(start) == 8 and 2 <= struct.unpack("<Q", start)[0] <= length - 8


@functools.lru_cache(maxsize=16)
def _safetensors_entries(path: Path, *_stamp: int) -> dict[str, _Entry]:
    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        header = file.read(min(length, LARGEST_HEADER))
    if len(start) < 8 or len(header) < length:
        raise Unreadable(f"{path.name} is no whole .safetensors file: its header is cut off")
    try:
        listed = json.loads(header)
        listed.pop("__metadata__", None)
        return {
            name: _safetensors_entry(path, name, tensor, 8 + length)
            for name, tensor in listed.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{path.name} is no .safetensors file: its header says nothing") from error


def _safetensors_entry(path: Path, name: str, tensor: Any, begins: int) -> _Entry:
    kind = _SAFETENSORS.get(tensor["dtype"])
    scalar = getattr(jnp, kind or "", None)
    if scalar is None:
        raise Unreadable(f"{path.name}: {name} is {tensor['dtype']}, which JAX here has not")
    shape = tuple(int(length) for length in tensor["shape"])
    first, last = tensor["data_offsets"]
    entry = _Entry(shape, np.dtype(jnp.dtype(scalar)), begins + int(first))
    if last - first != entry.bytes or first < 0 or min(shape, default=0) < 0:
        raise Unreadable(f"{path.name}: {name} does not take the bytes that its shape needs")
    return entry


# ------------------------------------------------------------------------------------- the names


def _nested(flat: Mapping[str, Any], separator: bool | str) -> dict[str, Any]:
    if separator is True:
        separator = "/" if any("/" in name for name in flat) else "."
    tree: dict[str, Any] = {}
    for name, array in flat.items():
        *above, last = name.split(str(separator))
        place = tree
        for key in above:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise Unreadable(f"{name!r} lies below {key!r}, which is an array: not nested")
        if last in place:
            raise Unreadable(f"{name!r} is an array, and others lie below it: not nested")
        place[last] = array
    return tree
