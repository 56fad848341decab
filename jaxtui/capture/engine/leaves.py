"""Arrays as text: their shapes, or where a file has their elements."""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.capture.engine.as_text import Names, Unwritable
from jaxtui.engine_base.failures import describe
from jaxtui.program.engine.lazy_arrays import canonical
from jaxtui.session.short_dtypes import FULL_NAMES

_SHORT = {full: short for short, full in FULL_NAMES.items()}
_KINDS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}


def _is_key(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jax.dtypes.prng_key))


class Shapes:
    """Writes `struct(...)`, or JAX's own where the script has another `struct`."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def text(self, array: Any, path: str) -> str:
        """The text of an array's shape and dtype. Raises Unwritable for a dtype JAX has not."""
        if not _is_key(array) and canonical(array.dtype) is None:
            raise Unwritable(f"{path} is an array of {array.dtype}, which JAX does not take")
        weak = ", weak_type=True" if getattr(array, "weak_type", False) else ""
        shape = tuple(map(int, array.shape))
        if not self._names.binds("struct"):
            return f"struct({shape}, {self._dtype(array.dtype)}{weak})"
        if _is_key(array):
            raise Unwritable(
                f"{path} has keys, and the script its own meaning of `struct`: rename it"
            )
        return f"jax.ShapeDtypeStruct({shape}, jnp.dtype({array.dtype.name!r}){weak})"

    def _dtype(self, dtype: Any) -> str:
        name = str(dtype)
        short = _SHORT.get(name)
        if short is not None and not self._names.binds(short):
            return short
        return name if name == "bool" else repr(name)


class Saved:
    """Writes `load(...)`, and the arrays into that file."""

    def __init__(self, file: str, folder: str, names: Names, notes: list[str]) -> None:
        """`folder` is the session's, to which the name in the text is relative.

        Raises Unwritable if `load` means something else in the script.
        """
        if names.binds("load"):
            raise Unwritable(
                "the script has its own meaning of `load`, by which values read arrays"
            )
        self._file = Path(file)
        self._named = os.path.relpath(os.path.abspath(file), folder)
        self._notes = notes
        self._arrays: dict[str, np.ndarray[Any, Any]] = {}

    def text(self, array: Any, path: str) -> str:
        """The text that reads an array from the file. Raises Unwritable if it cannot be there."""
        if isinstance(array, jax.Array) and not array.is_fully_addressable:
            raise Unwritable(f"{path} lies in several processes: leave out --values")
        if _is_key(array):
            read = self._read(np.asarray(jax.random.key_data(array)), path)
            return f"jax.random.wrap_key_data({read}, impl={_KINDS[str(array.dtype)]!r})"
        if canonical(array.dtype) is None:
            raise Unwritable(f"{path} is an array of {array.dtype}, which JAX does not take")
        read = self._read(np.asarray(array), path)
        if isinstance(array, np.generic):
            return f"{read}[()]"
        if not isinstance(array, jax.Array):
            return read
        if array.weak_type and not array.shape:
            return f"jnp.asarray({read}.item())"
        if array.weak_type:
            self._notes.append(f"`{path}` has a weak type, which its text has not.")
        return f"jnp.asarray({read})"

    def _read(self, array: np.ndarray[Any, Any], path: str) -> str:
        name = "/".join(re.findall(r"\w+", path)) or "x"
        while name in self._arrays:
            name += "_"
        self._arrays[name] = array
        read = f"load({self._named!r})[{name!r}]"
        own = array.dtype.isbuiltin == 1
        if self._file.suffix == ".npz" and not own:  # NumPy forgets the dtypes of others
            return f"{read}.view(jnp.{array.dtype.name})"
        return read

    def write(self) -> None:
        """Write the file in one go. Raises Unwritable."""
        part = self._file.with_name(f".{self._file.name}.part")
        try:
            with open(part, "wb") as file:
                if self._file.suffix == ".npz":
                    np.savez(file, **self._arrays)  # type: ignore[arg-type]
                else:
                    _write_safetensors(file, self._arrays)
            os.replace(part, self._file)
        except OSError as error:
            raise Unwritable(f"{self._file} cannot be written: {describe(error)}") from error


_SAFETENSORS = {
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    "bool": "BOOL",
    "bfloat16": "BF16",
    "complex64": "C64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
}


def _write_safetensors(file: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    header: dict[str, Any] = {}
    at = 0
    for name, array in arrays.items():
        kind = _SAFETENSORS.get(array.dtype.name)
        if kind is None:
            message = f"{name} is {array.dtype.name}, which .safetensors has not: write an .npz"
            raise Unwritable(message)
        end = at + array.nbytes
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for array in arrays.values():
        file.write(np.ascontiguousarray(array).tobytes())
