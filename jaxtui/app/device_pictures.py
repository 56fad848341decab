"""Pictures of the Devices screen: the mesh, and the memory in use, with bars where it is known."""

from __future__ import annotations

from textual.content import Content

from jaxtui.screen import mesh_picture
from jaxtui.screen.cells import Line
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.session.session import Devices
from jaxtui.text import quantities
from jaxtui.wire.report import Environment

BAR_LEAST, BAR_MOST = 10, 30  # cells
DEVICES_MOST = 16  # with a line of their own
NOT_TOLD = "not told"
NO_MESH = "The axes of the mesh do not multiply to the number of devices."


def mesh(environment: Environment, devices: Devices, width: int) -> Content:
    """The mesh of a device set, with what each line of its words says of it."""
    ids = [device.id for device in environment.devices]
    found = MeshPlaces.over(ids, devices.order, devices.mesh)
    if found is None:
        return Content.styled(NO_MESH, "$text-warning")
    sizes = " × ".join(f"{name} {size}" for name, size in found.axes.items())
    said = f"{sizes}: each cell is the id of a device"
    lines = [content(line) for line in mesh_picture.lines(found, width)]
    return Content("\n").join([*lines, Content.styled(said, "$quiet")])


def memory(environment: Environment, width: int) -> Content:
    """What the devices, the engine and its host use, as far as each is told."""
    told = [device for device in environment.devices if device.memory_used is not None]
    rows = [
        (f"device {device.id}", device.memory_used, device.memory_limit)
        for device in told[:DEVICES_MOST]
    ]
    whole, free = environment.host_memory, environment.host_free
    used = None if whole is None or free is None else max(0, whole - free)
    rows += [("engine", environment.engine_memory, whole), ("host", used, whole)]
    names = max(len(name) for name, _, _ in rows)
    lines = [_row(name.ljust(names), used, whole, width) for name, used, whole in rows]
    if not told:
        lines.append(Content.styled("This backend tells no memory of its devices.", "$quiet"))
    elif len(told) > DEVICES_MOST:
        lines.append(Content.styled(f"… {len(told) - DEVICES_MOST} more devices", "$quiet"))
    return Content("\n").join(lines)


def _row(name: str, used: int | None, whole: int | None, width: int) -> Content:
    if used is None:
        return Content(f"{name}  {NOT_TOLD}")
    said = quantities.size(used)
    if not whole:
        return Content(f"{name}  {said}")
    said += f" of {quantities.size(whole)}"
    room = max(BAR_LEAST, min(BAR_MOST, width - len(name) - len(said) - 4))
    full = min(room, max(1, round(used / whole * room)) if used else 0)
    return Content.assemble(
        f"{name}  ", ("█" * full, "$soft"), ("░" * (room - full), "$foreground 35%"), f"  {said}"
    )


def content(line: Line) -> Content:
    """A line as Textual's `Content`, with the tokens that its styles name."""
    return Content.assemble(*((text, _token(style)) for text, style in line))


def _token(style: str) -> str:
    if style.startswith("device-"):
        device = style.removesuffix("-block")
        return f"${device}-text on ${device}-ground"
    return f"bold ${style}" if style.startswith("mesh-") else f"${style}" if style else ""
