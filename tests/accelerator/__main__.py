"""`python -m tests.accelerator [--platform gpu]`: does jaxtui work on this accelerator?

It prints a table, and the same as JSON, with the devices' kind. Nothing is begun after `--minutes`.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from tests.accelerator.checks import Check, find, run

SAID = {True: "ok", False: "WRONG", None: "skipped"}


def main() -> int:
    """Run the checks; the exit status is 0 if none of them is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.accelerator")
    parser.add_argument("--platform", default="", help="as JAX names it; JAX chooses by default")
    parser.add_argument("--devices", type=int, help="virtual ones, on the CPU only")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    options = parser.parse_args()
    place = find(options.platform, options.devices)
    kinds = sorted({device["kind"] for device in place.environment["devices"]})
    heading = {
        "date": datetime.now(UTC).date().isoformat(),
        "devices": f"{place.devices} x {', '.join(kinds)}",
        **{name: place.environment[name] for name in ("platform", "jax", "python")},
    }
    print("  ".join(heading.values()), flush=True)

    def tell(_: str, check: Check) -> None:
        print(f"{SAID[check.good]:8} {check.name:32} {check.figure}", flush=True)
        if check.detail:
            print(f"{'':42}{check.detail}", flush=True)

    found = run(place, options.minutes * 60, tell)
    text = json.dumps({**heading, "checks": found}, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text)
    return int(any(check["good"] is False for check in found))


if __name__ == "__main__":
    raise SystemExit(main())
