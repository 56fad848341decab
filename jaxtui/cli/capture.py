"""`jaxtui capture`: run a script up to a call, and write the session of that call."""

from __future__ import annotations

import argparse
import os
import sys

from jaxtui.app import captures
from jaxtui.capture.request import Capture, CaptureError, CaptureReport, capture_of
from jaxtui.capture.running import Running, why_not
from jaxtui.text.quantities import counted

DONE, FAILED, USAGE = 0, 1, 2


def capture(options: argparse.Namespace) -> int:
    """Run the script, write the session, and say where. Returns the exit status."""
    try:
        asked = capture_of(
            options.target,
            is_module=options.module,
            call=options.call,
            output=options.output or "",
            values=options.values or "",
            arguments=options.arguments,
        )
    except CaptureError as error:
        print(f"jaxtui: {error.message}", file=sys.stderr)
        return USAGE
    if not options.output and os.path.exists(asked.output):
        message = f"{asked.output} is there already: name another with --output"
        print(f"jaxtui: {message}", file=sys.stderr)
        return USAGE
    with Running(asked, _write) as running:
        report = running.report()
    return _told(asked, report)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _told(asked: Capture, report: CaptureReport) -> int:
    if message := why_not(asked, report):
        print(f"jaxtui: {message}", file=sys.stderr)
        return FAILED
    try:
        session = captures.keep(asked, report)
    except OSError as error:
        print(f"jaxtui: {asked.output}: {error.strerror}", file=sys.stderr)
        return FAILED
    arguments = counted(len(session.program.arguments), "argument")
    print(f"{asked.output}: call {report.calls} of {asked.named}, {arguments}")
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    return DONE
