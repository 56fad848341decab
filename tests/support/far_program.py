"""A program for the far end of a line: gives back what it reads, and does what it is told.

A line `say N TEXT` writes TEXT N times to stderr, `exit N` ends it with that status, `die` by
SIGSEGV, `close` closes its output and goes on, `pid` writes its process id.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def _tell(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def main() -> None:
    """Follow the lines of the standard input until it ends."""
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "say":
            count, _, text = rest.partition(" ")
            for _ in range(int(count)):
                sys.stderr.write(text + "\n")
        elif word == "exit":
            os._exit(int(rest))
        elif word == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif word == "close":
            os.close(1)
            time.sleep(3600)
        elif word == "pid":
            _tell(f"{os.getpid()} {os.getppid()}\n")
        elif word == "flood":
            for number in range(int(rest)):
                _tell(f"{number:9}\n")
        else:
            _tell(line)


if __name__ == "__main__":
    main()
