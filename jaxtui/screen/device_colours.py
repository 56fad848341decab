"""One colour a device, the same on every screen; its id stands beside and says it in words.

A widget takes both parts into its class: `COMPONENT_CLASSES = {...} | components(PREFIX)` and
`DEFAULT_CSS = '''...''' + css(PREFIX)`.
"""

from __future__ import annotations

from jaxtui.screen.themes import DEVICES


def style(place: int, kind: str = "") -> str:
    """The style of the device at `place` among the devices; colours repeat after `DEVICES`.

    `kind` is "" for its name, "block" for what it holds, "lit" for that at the cursor.
    """
    return "-".join(filter(None, ("device", str(place % DEVICES), kind)))


def components(prefix: str) -> set[str]:
    """The component classes of all styles, for a widget with this prefix."""
    kinds = ("", "block", "lit")
    return {prefix + style(place, kind) for place in range(DEVICES) for kind in kinds}


def css(prefix: str, lit: str = "bold") -> str:
    """The rules of all styles, for a widget with this prefix; `lit` is the text style at the
    cursor."""
    return "\n".join(
        f".{prefix}{style(place)} {{ color: $device-{place}; }}\n"
        f".{prefix}{style(place, 'block')} {{ color: $device-{place}-text;"
        f" background: $device-{place}-ground; }}\n"
        f".{prefix}{style(place, 'lit')} {{ color: $ink; background: $device-{place};"
        f" text-style: {lit}; }}"
        for place in range(DEVICES)
    )
