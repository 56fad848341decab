"""Hosts with addresses and names of their own: network namespaces of this machine on one bridge."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

# Names of this process' own, since another run of the tests may be going on.
_OWN = os.getpid()
_BRIDGE = f"jxb{_OWN}"
_NET = f"10.99.{_OWN % 250}"


@cache
def missing() -> str:
    """Why there can be no such hosts here, "" if there can be."""
    if os.getuid() or not shutil.which("ip") or not shutil.which("unshare"):
        return "network namespaces take root, ip and unshare"
    tried = subprocess.run(["ip", "netns", "add", "jaxtui-try"], capture_output=True, check=False)
    if tried.returncode:
        return "network namespaces are not allowed here"
    run("ip", "netns", "del", "jaxtui-try")
    apart = subprocess.run(["unshare", "-u", "true"], capture_output=True, check=False)
    return "host names of one's own are not allowed here" if apart.returncode else ""


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(command, check=True, capture_output=True)


class Network:
    """Hosts with these names; each looks its own name up in a file of its own."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        run("ip", "link", "add", _BRIDGE, "type", "bridge")
        run("ip", "addr", "add", f"{_NET}.1/24", "dev", _BRIDGE)
        run("ip", "link", "set", _BRIDGE, "up")
        for number, name in enumerate(self.names):
            space, ours = self.space(name), f"jx{_OWN}n{number}"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "link", "set", ours, "master", _BRIDGE, "up")
            inside = ("ip", "-n", space)
            run(*inside, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
            run(*inside, "link", "set", "eth0", "up")
            run(*inside, "link", "set", "lo", "up")
            self.let_name(name, self.address(name))

    def space(self, name: str) -> str:
        return f"jaxtui-{_OWN}-{name}"

    def address(self, name: str) -> str:
        return f"{_NET}.{self.names.index(name) + 10}"

    def let_name(self, name: str, address: str) -> None:
        """Let a host's own name stand for an address; known to what is started from then on."""
        folder = Path("/etc/netns") / self.space(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n")

    def on(self, name: str, command: Sequence[str]) -> list[str]:
        """The command that runs another one on a host."""
        inner = ["unshare", "-u", "sh", "-c", f'hostname {name}; exec "$@"', "sh", *command]
        return ["ip", "netns", "exec", self.space(name), *inner]

    def drop(self, at: str, to: str) -> None:
        """Let everything that is sent to host `to` vanish at host `at`, or here for ""."""
        where = ("ip", "-n", self.space(at)) if at else ("ip",)
        run(*where, "route", "add", "blackhole", f"{self.address(to)}/32")

    def mend(self) -> None:
        """Undo every `drop`."""
        for at in ("", *self.names):
            where = ("ip", "-n", self.space(at)) if at else ("ip",)
            for to in self.names:
                with suppress(subprocess.CalledProcessError):
                    run(*where, "route", "del", "blackhole", f"{self.address(to)}/32")

    def close(self) -> None:
        """Take the hosts down, and their network."""
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                run("ip", "netns", "del", self.space(name))
            shutil.rmtree(Path("/etc/netns") / self.space(name), ignore_errors=True)
        with suppress(subprocess.CalledProcessError):
            run("ip", "link", "del", _BRIDGE)
