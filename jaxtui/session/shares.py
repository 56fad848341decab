"""Devices that are shared out equally among the processes of an engine."""

from __future__ import annotations

from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import DEVICES


def unequal(count: int, among: int, what: str = "processes") -> str:
    """Why `count` devices cannot be shared out among so many processes or hosts, "" if they can."""
    if count >= 1 and count % among == 0:
        return ""
    devices = f"{count} devices" if count != 1 else "1 device"
    return f"{devices} cannot be shared out among {among} {what}"


def nearest(count: int, among: int) -> Fix:
    """The number of devices nearest to `count` that can be shared out."""
    found = max(1, round(count / among)) * among
    return Fix(f"{found} devices", DEVICES / "count", str(found))
