"""`python script_results.py SCRIPT...`: run exported scripts, and print what each gives as JSON.

A line for each script: the leaves of its `result`, or the error. It uses no part of jaxtui.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from typing import Any


def leaves(script: str) -> list[dict[str, Any]]:
    """The result's leaves; a complex number is a pair, and a bfloat16 a float."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = runpy.run_path(script)["result"]
    import jax
    import numpy as np

    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(result):
        array = np.asarray(leaf)
        complex_ = array.dtype.kind == "c"
        plain = np.stack([array.real, array.imag], -1) if complex_ else array
        found.append(
            {
                "path": jax.tree_util.keystr(path),
                "dtype": str(array.dtype),
                "shape": list(array.shape),
                "values": plain.tolist(),
            }
        )
    return found


if __name__ == "__main__":
    for script in sys.argv[1:]:
        try:
            print(json.dumps({"leaves": leaves(script)}))
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
