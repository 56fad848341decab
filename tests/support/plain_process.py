"""What programs give in processes of their own, by plain JAX: run as a script, without jaxtui.

Reads a JSON list of [folder, source, module, function, arguments] from standard input, and writes
the list of the leaves of their results, each as [dtype, nested list], or the name of the exception.
JAX is imported once; each program runs in a fork, in which its backend starts.
"""

from __future__ import annotations

import json
import os
import sys
import traceback


def result(folder, source, module, function, arguments):
    import importlib

    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax import lax
    from jax.sharding import PartitionSpec

    sys.argv = [""]
    sys.path.insert(0, folder)
    given = {"jax": jax, "jnp": jnp, "np": np, "lax": lax, "P": PartitionSpec}
    names = dict(given)
    exec(compile(source, "program", "exec"), names)
    own = vars(importlib.import_module(module)) if module else {}
    scope = {**vars(jnp), **own, **names, "__builtins__": __builtins__}
    values = {name: eval(text, dict(scope)) for name, text in arguments.items()}
    call = (own if module else names)[function]
    leaves = jax.tree_util.tree_leaves(call(*values.values()))
    return [[str(getattr(x, "dtype", type(x).__name__)), np.asarray(x).tolist()] for x in leaves]


def in_a_fork(program):
    read, write = os.pipe()
    if not (child := os.fork()):
        os.close(read)
        os.dup2(2, 1)  # what the program prints is no answer
        try:
            answer = result(*program)
        except BaseException as error:
            traceback.print_exc()
            answer = type(error).__name__
        with os.fdopen(write, "w") as answers:
            json.dump(answer, answers)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    return json.loads(text)


if __name__ == "__main__":
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 8)
    json.dump([in_a_fork(program) for program in json.load(sys.stdin)], sys.stdout)
