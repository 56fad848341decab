"""The signs that texts and pictures are drawn with, and the one that stands for each in ASCII."""

from __future__ import annotations

import re

CURSOR = "▌"
CROSS = "✗"
FOLDED, UNFOLDED = "▸", "▾"
ARROW_IN, ARROW_OUT, ARROW_DOWN = "→", "←", "↓"
WHOLE, GRADIENT = "=", "∂"
OPEN, CLOSE = "‹", "›"
ELLIPSIS = "…"
RULE = "─"
DOT = "·"

# Each takes as many cells as what it stands for, so that nothing moves. The signs that Textual's
# own widgets are drawn with are here, too.
ASCII = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍┄┅┈┉▔", "-"),
        **dict.fromkeys("│┃║╎╏┆┇┊┋▏▎▍▕", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┣┫┳┻╋", "+"),
        **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
        **dict(zip("░▒▓", ":=*", strict=True)),
        **dict.fromkeys("▋▊▉", "#"),
        "▀": " ",
        **dict.fromkeys("▸▶►→›⟩▌", ">"),
        **dict.fromkeys("◂◀◄←‹⟨▐", "<"),
        **dict.fromkeys("▾▼↓", "v"),
        **dict.fromkeys("▴▲↑", "^"),
        **dict.fromkeys("×✗✕✖", "x"),
        **dict(zip("⇄≠★", "~!*", strict=True)),
        **dict.fromkeys("✓✔", "+"),
        **dict.fromkeys("●○◦", "o"),
        **dict.fromkeys("■□", "#"),
        **dict.fromkeys("◆◇", "*"),
        **dict.fromkeys("·…∙", "."),
        **dict.fromkeys("•–—−", "-"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("\u2018\u2019", "'"),
        # As Gauss wrote the floor, and the ceiling the other way round.
        **dict(zip("⌊⌋⌈⌉", "[]][", strict=True)),
        **dict(zip("±∂∞₂", "~di2", strict=True)),
        "🔎": "> ",
        # What stands for a character that a terminal would act on.
        **{chr(0x2400 + code): "?" for code in range(0x22)},
        "\N{REPLACEMENT CHARACTER}": "?",
        # Braille, of which charts are made: the dots' heights are kept.
        **{
            chr(0x2800 + dots): "'" if dots & 0x1B and not dots & 0xE4 else "."
            for dots in range(256)
        },
    }
)
# Letters may also be those of a user's names: ours are known by what they stand beside.
LETTERS = {"µ": "u", "\N{GREEK SMALL LETTER MU}": "u", "α": "a", "β": "b"}
_OURS = re.compile(
    r"\bµ(?=s\b)|\bα(?= \+ .*S/β)|(?<=\blatency )α\b|(?<=\bS/)β\b|(?<=\bbandwidth )β\b"
)


def in_ascii(text: str) -> str:
    """`text` with every sign of ours in ASCII, exactly as wide; other characters stay."""
    if text.isascii():
        return text
    plain = _OURS.sub(lambda found: LETTERS[found[0]], text)
    # With the space behind it there is room for what everyone reads.
    return plain.replace("± ", "+-").translate(ASCII)
