"""Several hosts to reach by ssh, which are all this machine, with SSH servers of the test's own.

Each has a key pair of its own, by which the server tells them apart: what runs "on" a host finds
its name in FAKE_HOST, and the Python there is a script that a test can change.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.network import Network

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
MISSING = "" if SSHD and shutil.which("ssh") else "no SSH server is installed"
ROOT = Path(__file__).parents[2]

_SERVER = """
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
PermitUserEnvironment yes
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxStartups 100
LogLevel ERROR
"""
_CLIENT = """
Host {host}
    HostName {address}
    Port {port}
    IdentityFile {folder}/{host}
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking yes
"""
_PYTHON = """#!/bin/sh
export PYTHONPATH={root} FAKE_SERVER={folder}
{special}
exec {python} "$@"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SshHosts:
    """An SSH server in `folder` that is reached under several names.

    With a `network` there is one at each of its hosts, which have these names.
    """

    def __init__(self, folder: Path, names: Sequence[str], network: Network | None = None) -> None:
        self._network = network
        self.folder = folder
        self.names = tuple(names)
        self._port = free_port()
        for name in ("host_key", *names):
            self._keygen(name)
        allowed = [
            f'environment="FAKE_HOST={name}" {(folder / f"{name}.pub").read_text()}'
            for name in names
        ]
        (folder / "authorized_keys").write_text("".join(allowed))
        host_key = (folder / "host_key.pub").read_text()
        places = {self.address(name) for name in names}
        known = [f"[{place}]:{self._port} {host_key}" for place in places]
        (folder / "known_hosts").write_text("".join(known))
        self.settle("".join(map(self.entry, names)))
        self.python = folder / "python"
        self.let_python("")
        Path("/run/sshd").mkdir(parents=True, exist_ok=True) if os.getuid() == 0 else None
        self._servers = [self._serve(name) for name in (names if network else names[:1])]
        for name in names:
            self._wait(self.address(name))

    def address(self, name: str) -> str:
        return self._network.address(name) if self._network else "127.0.0.1"

    def _serve(self, name: str) -> subprocess.Popen[bytes]:
        settings = self.folder / f"server-{name}"
        place = {"port": self._port, "address": self.address(name), "folder": self.folder}
        settings.write_text(_SERVER.format(**place))
        assert SSHD is not None
        command = [SSHD, "-D", "-e", "-f", str(settings)]
        if self._network:
            command = self._network.on(name, command)
        return subprocess.Popen(command, start_new_session=True)

    def _keygen(self, name: str) -> None:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
        subprocess.run(command, check=True)

    def _wait(self, address: str) -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection((address, self._port), 1):
                return
            time.sleep(0.02)
        raise TimeoutError("the SSH server does not start")

    def entry(self, host: str) -> str:
        """What the client's configuration says of a host."""
        place = {"port": self._port, "address": self.address(host), "folder": self.folder}
        return _CLIENT.format(host=host, **place)

    def settle(self, text: str) -> None:
        """Write the client's configuration anew."""
        (self.folder / "client").write_text(text)

    def let_python(self, special: str, python: str = sys.executable) -> None:
        """Write the hosts' Python anew; the shell's lines `special` may look at $FAKE_HOST."""
        text = _PYTHON.format(
            root=ROOT, folder=self.folder, special=special, python=shlex.quote(python)
        )
        self.python.write_text(text)
        self.python.chmod(0o755)

    @property
    def command(self) -> str:
        """The command that reaches a host, as for --hosts-command."""
        quick = "-o BatchMode=yes -o ConnectTimeout=4"
        return f"ssh -F {shlex.quote(str(self.folder / 'client'))} {quick} -- {{host}}"

    @property
    def options(self) -> list[str]:
        """The options of jaxtui by which it reaches the hosts."""
        return [f"--hosts-command={self.command}", f"--hosts-python={self.python}"]

    def processes(self, host: str, words: str = "") -> list[int]:
        """The processes that run "on" a host, of this server, whose command line has `words`.

        They have to run Python, and are listed with the oldest first.
        """
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                own = f"FAKE_SERVER={self.folder}".encode() in variables
                if own and f"FAKE_HOST={host}".encode() in variables and words in line:
                    found.append(int(folder.name))
        return sorted(found)

    def engine(self, host: str) -> int:
        """The engine's process on a host."""
        [pid] = self.processes(host, "-m jaxtui.engine --processes")
        return pid

    def keeper(self, host: str) -> int:
        """The keeper's process on a host."""
        [pid] = self.processes(host, "-m jaxtui.hosts --member")
        return pid

    def close(self) -> None:
        """End the server and the sessions that it holds."""
        for server in self._servers:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
