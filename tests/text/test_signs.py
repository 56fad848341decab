"""Every sign of ours has one in ASCII that is as wide, and what users write stays."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import jaxtui
from jaxtui import lessons
from jaxtui.text import signs
from jaxtui.text.signs import in_ascii

PACKAGE = Path(jaxtui.__file__).parent


def literals(tree: ast.Module) -> Iterator[str]:
    """The texts of string literals, those of docstrings left out."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if id(node) in docstrings else node.value


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_every_sign_that_the_package_writes_has_one_in_ascii(path: Path) -> None:
    known = {chr(code) for code in signs.ASCII} | signs.LETTERS.keys()
    written = set("".join(literals(ast.parse(path.read_text(encoding="utf-8")))))
    assert {sign for sign in written if not sign.isascii()} <= known


@pytest.mark.parametrize("name", lessons.NAMES)
def test_the_lessons_need_no_other_character(name: str) -> None:
    assert lessons.text(name).isascii()


def test_what_stands_for_a_sign_is_ascii_and_as_wide() -> None:
    for code, plain in signs.ASCII.items():
        assert isinstance(plain, str)
        assert plain.isascii()
        assert cell_len(plain) == cell_len(chr(code))
    for letter, plain in signs.LETTERS.items():
        assert letter.isalpha()
        assert plain.isascii()
        assert len(plain) == 1


@pytest.mark.parametrize("ramp", [" ▁▂▃▄▅▆▇█", " ░▒▓█", "◆●▲■", "┌─│✗·", "✓✗"])
def test_signs_that_are_told_apart_stay_apart(ramp: str) -> None:
    plain = in_ascii(ramp)
    assert len(set(plain)) == len(plain)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3.2 µs (µs)", "3.2 us (us)"),
        ("2(n−1) α + 2(n−1)/n S/β", "2(n-1) a + 2(n-1)/n S/b"),
        ("⌊log₂ n⌋ (α + S/β), 2 (α + S/β) more", "[log2 n] (a + S/b), 2 (a + S/b) more"),
        ("latency α 1 µs  bandwidth β 10", "latency a 1 us  bandwidth b 10"),
        ("77.1 ms ± 2 %, ±2 %", "77.1 ms +-2 %, ~2 %"),
        ("cpu × 8 · JAX", "cpu x 8 . JAX"),
    ],
)
def test_our_words_are_plain(text: str, plain: str) -> None:
    assert in_ascii(text) == plain


@pytest.mark.parametrize("text", ["def f(α, β, µ): return α + β", "x_α", "größe", "日本語"])
def test_letters_of_names_stay_as_they_were_written(text: str) -> None:
    assert in_ascii(text) == text


@given(st.text())
def test_nothing_moves(text: str) -> None:
    assert cell_len(in_ascii(text)) == cell_len(text)
