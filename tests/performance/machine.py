"""The machine that is measured on."""

from __future__ import annotations

import os


def load() -> str:
    """How busy the machine was: on a busy one less is seen."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
