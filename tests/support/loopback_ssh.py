"""A real sshd on the loopback interface, with keys of its own, for one test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")


class LoopbackSsh:
    """Runs sshd from files in `folder`; `command` logs in as the user of the tests.

    Skips the test where there is no sshd, or where it lets nobody in.
    """

    def __init__(self, folder: Path) -> None:
        if SSHD is None or shutil.which("ssh") is None:
            pytest.skip("there is no ssh with an sshd on this machine")
        self.folder = folder
        folder.chmod(0o700)
        for name in ("host", "user"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(make, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        settings = {
            "Port": self._port,
            "ListenAddress": "127.0.0.1",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "authorized",
            "PidFile": folder / "sshd.pid",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
        }
        config = folder / "sshd_config"
        config.write_text("".join(f"{key} {text}\n" for key, text in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE)
        self._wait()

    def command(self, *program: str) -> tuple[str, ...]:
        """The command that runs `program` over there."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        given = [word for key, text in options.items() for word in ("-o", f"{key}={text}")]
        key = ["-F", "none", "-i", str(self.folder / "user"), "-p", str(self._port)]
        return ("ssh", *key, *given, "127.0.0.1", *program)

    def _wait(self) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end and self._sshd.poll() is None:
            tried = subprocess.run(self.command("true"), capture_output=True, check=False)
            if tried.returncode == 0:
                return
            time.sleep(0.1)
        self.close()
        pytest.skip("the sshd of this machine lets nobody in")

    def sessions(self) -> list[int]:
        """The processes of sshd that serve one login each."""
        found, grown = [self._sshd.pid], True
        while grown:
            listed = subprocess.run(
                ["ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True
            ).stdout
            rows = [line.split(None, 2) for line in listed.splitlines()]
            more = [
                int(pid)
                for pid, parent, name in rows
                if int(parent) in found and int(pid) not in found and "sshd" in name
            ]
            found, grown = found + more, bool(more)
        return found[1:]

    def close(self) -> None:
        self._sshd.terminate()
        self._sshd.wait()
        assert self._sshd.stderr is not None
        self._sshd.stderr.close()
