"""`python -m jaxtui.hosts --host=A --host=B ...` runs one engine over several hosts.

Reads requests from its standard input and writes events to its standard output, as an engine does.
"""

from __future__ import annotations

import argparse
import signal
from functools import partial
from typing import NoReturn


def main() -> NoReturn:
    """Run the starter, or with --member the keeper of a host."""
    options = _options()
    if options.member:
        from jaxtui.hosts import keeper, lobby

        meet, rank = options.meet, options.rank
        keeper.keep(partial(lobby.attend, meet, rank, again=True) if meet else None)
    if options.meet:
        from jaxtui.hosts import lobby

        lobby.attend(options.meet, options.rank)
    from jaxtui.hosts.starter import Starter, Wanted

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    wanted = Wanted(
        hosts=options.host,
        platform=options.platform,
        count=options.devices,
        coordinator=options.coordinator,
        python=options.python,
        command=options.command,
        ranks=options.ranks,
        lobby=options.lobby,
    )
    Starter(wanted).run()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m jaxtui.hosts", description=__doc__)
    parser.add_argument("--host", action="append", default=[])
    parser.add_argument("--platform", default="")
    parser.add_argument("--devices", type=int, default=None)
    for name in ("--coordinator", "--python", "--command"):
        parser.add_argument(name, default="")
    parser.add_argument("--member", action="store_true", help=argparse.SUPPRESS)
    # Of the processes of a job that a launcher has started: see jaxtui.hosts.lobby.
    parser.add_argument("--meet", default="", help=argparse.SUPPRESS)
    for name, default in (("--rank", 0), ("--ranks", 0), ("--lobby", -1)):
        parser.add_argument(name, type=int, default=default, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
