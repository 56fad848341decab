"""The platform and the kinds of devices of this host, asked of JAX in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jaxtui.hosts.addresses import Unreachable

_SECONDS = 120.0


def seen(platform: str, count: int | None) -> tuple[str, str]:
    """The platform that JAX chooses here, and the kinds of its devices.

    JAX itself cannot be started before the processes have met. Where the platform is the CPU there
    is nothing to find out, and on a host with TPUs, JAX waits for the hosts beside it. Raises
    Unreachable, with the reason, if JAX finds no such devices.
    """
    wanted = platform.strip().lower()
    if wanted == "cpu":
        return "cpu", ""
    if wanted in ("", "tpu") and _has_tpu():
        return "tpu", ""
    safe = ["-P"] if sys.flags.safe_path else []
    command = [sys.executable, *safe, "-m", "jaxtui.engine", "--probe", f"--platform={platform}"]
    if count is not None:
        command.append(f"--devices={count}")
    try:
        ran = subprocess.run(
            [*command, f"--parent={os.getpid()}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"has devices that do not answer: JAX did not start within {_SECONDS:.0f} s"
        raise Unreachable(message) from error
    output = ran.stdout.decode("utf-8", "replace").strip()
    found, _, rest = output.partition(" ")
    number, _, kinds = rest.partition(" ")
    if ran.returncode == 0 and number.isdecimal():
        return found, kinds
    raise Unreachable(f"cannot start its devices: {output or f'status {ran.returncode}'}")


def _has_tpu() -> bool:
    return any(Path("/dev").glob("accel[0-9]*")) or Path("/dev/vfio/0").exists()
