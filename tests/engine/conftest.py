"""Eight virtual CPU devices for every test of the engine, set before JAX is imported."""

from __future__ import annotations

import os
import sys

DEVICES = 8

if "jax" in sys.modules:
    raise RuntimeError("JAX was imported before the tests could give it eight devices")
os.environ["JAX_PLATFORMS"] = "cpu"
_others = [
    flag
    for flag in os.environ.get("XLA_FLAGS", "").split()
    if not flag.startswith("--xla_force_host_platform_device_count")
]
os.environ["XLA_FLAGS"] = " ".join([*_others, f"--xla_force_host_platform_device_count={DEVICES}"])
