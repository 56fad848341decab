"""Functions that do what no function should, by name."""

from __future__ import annotations

SESSION = '''
[devices]
platform = "cpu"
count = 2

[program]
source = """
import os, sys, time, signal, threading, subprocess, ctypes, itertools
def faulty(x, n):
    if n == 2:
{body}
    return x * n
"""

[[program.arguments]]
name = "x"
value = "arange(3)"

[[program.arguments]]
name = "n"
value = "1"

[[program.layers]]
transform = "vmap"
in_axes = "(0, None)"
'''

# What the function does, by the name of the fault.
FAULTS = {
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "exit 7 of the process": "os._exit(7)",
    "exit 0 of the process": "os._exit(0)",
    "sys.exit": "sys.exit(1)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "MemoryError": "raise MemoryError",
    "an exception whose text raises": (
        "class Silent(Exception):\n    def __str__(self): raise ValueError\nraise Silent"
    ),
    "an endless loop": "while True: pass",
    "an endless loop that never lets go of the interpreter": (
        "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')"
    ),
    "an endless loop on the device": (
        "x = lax.while_loop(lambda v: True, lambda v: jnp.sin(v), x * 1.)"
    ),
    "a callback that never returns": (
        "x = jax.pure_callback(lambda v: time.sleep(10**6), x, x, vmap_method='sequential')"
    ),
    "a callback that kills the process": (
        "x = jax.pure_callback(lambda v: os._exit(3), x, x, vmap_method='sequential')"
    ),
    "recursion without end": "def f(): return f()\nf()",
    "recursion with a limit of 10**9": "sys.setrecursionlimit(10**9)\ndef f(): return f()\nf()",
    "a flood of prints": "for i in range(3 * 10**6): print('x' * 99)",
    "a flood on descriptor 1": "for i in range(10**4): os.write(1, b'x' * 9999 + b'\\\\n')",
    "a flood on descriptor 2": "for i in range(10**4): os.write(2, b'x' * 9999 + b'\\\\n')",
    "garbage on all descriptors": (
        "for d in range(3, 21):\n    try: os.write(d, b'\\\\xff' * 4096)\n    except OSError: pass"
    ),
    "empty frames on all descriptors": (
        "for d in range(3, 21):\n    try: os.write(d, bytes(4))\n    except OSError: pass"
    ),
    "half a frame on all descriptors": (
        "for d in range(3, 21):\n"
        "    try: os.write(d, b'\\\\0\\\\0\\\\1\\\\0abc')\n"
        "    except OSError: pass"
    ),
    "all descriptors closed": "os.closerange(0, 21)",
    "a read of standard input": "sys.stdin.read(); input()",
    "twenty threads that never end": (
        "def turn():\n"
        "    while True: pass\n"
        "for i in range(20): threading.Thread(target=turn).start()"
    ),
    "another working folder": "os.chdir('/')",
    "a working folder that is gone": (
        "import tempfile\nd = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)"
    ),
    "200 GB of the host": "y = np.ones(200 * 2**30, np.uint8)",
    "1 TB of the device": "y = jnp.ones(2**38)",
    "builtins changed": "import builtins\nbuiltins.len = lambda x: 3 / 0",
    "tracing and profiling hooks": (
        "import gc\ngc.disable(); sys.settrace(lambda *a: 1 / 0); sys.setprofile(lambda *a: 1 / 0)"
    ),
    "a recursion limit of 150": "sys.setrecursionlimit(150)",
    "a switch interval of a year": "sys.setswitchinterval(1e7)\nwhile True: pass",
    "a fork that returns": "os.fork()",
    "signal handlers": "for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)",
    "a stop of itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "a SIGTERM of itself": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
    "a SIGKILL of itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "an exit handler that hangs": "import atexit\natexit.register(lambda: time.sleep(10**6))",
    "no standard output": "sys.stdout = None; sys.stderr.close()",
    "escapes printed": "print('\\\\x1b]0;PWN\\\\x07\\\\x1b[2J\\\\x1bc')",
    "escapes raised": "raise ValueError('\\\\x1b]0;PWN\\\\x07\\\\x1b[2J\\\\x1bc')",
    "an error of 50 MB": "raise ValueError('x' * 50 * 10**6)",
    "an error of a million lines": "raise ValueError('x\\\\n' * 10**6)",
    "a deep pytree": "y = x\nfor i in range(900): y = [y]\nreturn y",
    "a wide pytree": "return [x] * 20000",
}


def session_of(body: str) -> str:
    """A session file whose function runs `body` when its argument `n` is 2; it begins with 1."""
    lines = body.split("\n")
    return SESSION.format(body="\n".join(f"        {line}" for line in lines))
