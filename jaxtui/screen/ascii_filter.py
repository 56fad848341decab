"""The whole screen in ASCII, for terminals and fonts that have nothing else."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

# One character for one, so that nothing moves. What a user typed is left as it is.
ASCII = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍┄┅┈┉▔▁", "-"),
        **dict.fromkeys("│┃║╎╏┆┇┊┋▏▕▎▍▌▐", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┣┫┳┻╋", "+"),
        **dict.fromkeys("▂▃▄▅▆▇█▉▊▋▀", " "),
        **dict.fromkeys("…•●○◦∙", "."),
        "·": "-",
        **dict.fromkeys("▸▶►→", ">"),
        **dict.fromkeys("◂◀◄←", "<"),
        **dict.fromkeys("▾▼↓", "v"),
        **dict.fromkeys("▴▲↑", "^"),
        **dict.fromkeys("‹⟨", "<"),
        **dict.fromkeys("›⟩", ">"),
        **dict.fromkeys("×✗✕✖", "x"),
        **dict.fromkeys("✓✔", "v"),
        **dict.fromkeys("◆◇■□▲", "*"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\u2013\u2014\u2212", "-"),
        "µ": "u",
        "🔎": ">",
    }
)


class PlainText(LineFilter):
    """Puts an ASCII character in the place of each that only draws."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with every sign in ASCII."""
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.translate(ASCII), segment.style)
            for segment in segments
        ]
