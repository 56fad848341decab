"""The machine that the measurements run on."""

from __future__ import annotations

import os


def load() -> str:
    """Say how busy the machine is: on a busy one, less can be measured."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
