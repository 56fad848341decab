"""The key that fixes what is wrong on the Map screen, where there is nothing that it could do."""

from __future__ import annotations

import pytest

from tests.support.fake_client import Bench


@pytest.mark.parametrize(
    ("text", "said"), [("n=", "this error offers no fix"), ("", "there is nothing to fix")]
)
async def test_an_error_of_the_parameters_is_an_error_though_it_has_no_fix(
    text: str, said: str
) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.query_one("#parameters").focus()
        await bench.press(*text, "escape", "f")
        assert said in bench.text
