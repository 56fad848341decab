"""Conversion between the benchmark's fields and the text in the form."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence

import msgspec

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import BENCHMARK, FieldPath
from jaxtui.session.session import Benchmark, SessionError
from jaxtui.wire.benchmark_report import Parameter

SWEEP, DEVICES, ROUNDS = BENCHMARK / "sweep", BENCHMARK / "devices", BENCHMARK / "rounds"
BUDGET, BASELINE = BENCHMARK / "budget", BENCHMARK / "baseline"
_NAME = re.compile(r"(?:^|[;,])\s*(?P<name>\w+)\s*=")


def sweep_text(sweep: dict[str, list[Parameter]]) -> str:
    """`{"batch": [16, 64], "n": [8]}` as `batch = 16, 64; n = 8`."""
    return "; ".join(f"{name} = {', '.join(map(str, values))}" for name, values in sweep.items())


def sweep(text: str) -> dict[str, list[Parameter]]:
    """Parse `batch = 16, 64; n = 8`; `,` may stand for `;`. Raises SessionError."""
    found: dict[str, list[Parameter]] = {}
    if not text.strip(" ;,"):
        return found
    names = list(_NAME.finditer(text))
    before = text[: names[0].start()] if names else text
    if before.strip(" ;,"):
        raise SessionError(f"{before.strip()!r} is not of the form batch = 16, 64", SWEEP)
    for match, after in zip(names, [*names[1:], None], strict=True):
        name = match["name"]
        values = text[match.end() : after.start() if after is not None else len(text)]
        if name in found:
            raise SessionError(f"{name} is given twice", SWEEP)
        if not name.isidentifier() or keyword.iskeyword(name):
            raise SessionError(f"{name!r} cannot be a name", SWEEP)
        found[name] = [_value(part) for part in _parts(values)]
        if not found[name]:
            raise SessionError(f"no value of {name} is given", SWEEP)
    return found


def _value(text: str) -> Parameter:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


def _parts(text: str) -> list[str]:
    bare = text.strip(" ;").removeprefix("[").removesuffix("]")
    return [part for part in re.split(r"[,\s]+", bare) if part]


def devices_text(devices: Sequence[int]) -> str:
    """`[1, 2, 8]` as `1, 2, 8`."""
    return ", ".join(map(str, devices))


def devices(text: str) -> list[int]:
    """Parse `1, 2, 8`; no text gives [], the default. Raises SessionError."""
    found = [_whole(part, DEVICES, "a number of devices") for part in _parts(text)]
    if any(count < 1 for count in found):
        raise SessionError("at least one device is needed", DEVICES)
    return found


def rounds(text: str) -> int | None:
    """Parse a fixed number of rounds; no text gives None, which adapts it. Raises SessionError."""
    if not text.strip():
        return None
    number = _whole(text.strip(), ROUNDS, "a number of rounds")
    if number < 1:
        raise SessionError("at least one round is needed", ROUNDS)
    return number


def budget(text: str) -> float | None:
    """Parse the seconds per point; no text gives None, the default. Raises SessionError."""
    bare = text.strip().removesuffix("s").strip()
    if not bare:
        return None
    try:
        seconds = float(bare)
    except ValueError:
        raise SessionError(f"{bare!r} is not a number of seconds", BUDGET) from None
    if not 0 < seconds < float("inf"):
        raise SessionError("a budget is a number of seconds above 0", BUDGET)
    return seconds


def _whole(text: str, field: FieldPath, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SessionError(f"{text!r} is not {what}", field) from None


def texts(benchmark: Benchmark) -> dict[str, str]:
    """The text of each field of the form, by the name of the field in the benchmark."""
    budget = benchmark.budget
    return {
        "sweep": sweep_text(benchmark.sweep),
        "devices": devices_text(benchmark.devices),
        "rounds": "" if benchmark.rounds is None else str(benchmark.rounds),
        "budget": "" if budget is None else f"{budget:g}",
        "baseline": benchmark.baseline,
    }


def read(field: str, text: str) -> object:
    """The value of `field` for a typed text. Raises SessionError."""
    if field == "baseline":
        return text.strip()
    return {"sweep": sweep, "devices": devices, "rounds": rounds, "budget": budget}[field](text)


class TypedTexts:
    """The typed texts, each kept for as long as the benchmark still has its value."""

    def __init__(self) -> None:
        self._typed: dict[str, tuple[str, object]] = {}  # text, and what the benchmark had for it
        self._wrong: dict[str, Diagnosis] = {}

    @property
    def wrong(self) -> Diagnosis | None:
        return next(iter(self._wrong.values()), None)

    @property
    def unread(self) -> list[str]:
        return list(self._wrong)

    def shown(self, benchmark: Benchmark) -> dict[str, str]:
        """The text of each field: as it was typed, else as the benchmark has it."""
        found = texts(benchmark)
        for name, (typed, meant) in self._typed.items():
            if getattr(benchmark, name) == meant:
                found[name] = typed
            else:
                self._wrong.pop(name, None)
        return found

    def typed(self, name: str, text: str, benchmark: Benchmark) -> Benchmark:
        """The benchmark with a typed field; unchanged if the text cannot be read."""
        try:
            meant = read(name, text)
        except SessionError as error:
            self._typed[name] = (text, getattr(benchmark, name))
            wrong = Diagnosis(kind="session", field=error.field, message=error.message)
            self._wrong = {name: wrong}
            return benchmark
        self._wrong.pop(name, None)
        self._typed[name] = (text, meant)
        return msgspec.structs.replace(benchmark, **{name: meant})
