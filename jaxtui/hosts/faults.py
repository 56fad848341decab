"""Explains why a host cannot take part, from what ssh, its shell and its Python have said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jaxtui.hosts.messages import Hello

_PYTHON = "name its Python with --hosts-python"

# What is said on the way to a keeper's first message: the line, the fault, and what to do.
_SAID: list[tuple[str, str]] = [
    (
        r"Host key verification failed|No \w+ host key is known|authenticity of host",
        "its host key is not known here: run `ssh {host}` once and look at the key before you "
        "accept it",
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is another one than before: find out why before you connect",
    ),
    (
        r"Permission denied \(",
        "it wants a password, or does not take your key: log in with a key, such as by "
        "`ssh-copy-id {host}` or `ssh-add`",
    ),
    (r"Permission denied, please try again", "it wants a password: log in with a key"),
    (r"Could not resolve hostname", "no host of that name is known here"),
    (r"Connection refused", "it refuses SSH: does its SSH server run, and on another port?"),
    (
        r"Connection timed out|Operation timed out|timed out during banner exchange",
        "it does not answer SSH: is it on, and does a firewall let SSH pass?",
    ),
    (r"No route to host|Network is unreachable", "there is no network route to it"),
    (
        r"Too many authentication failures",
        "it was offered too many keys: name one in ~/.ssh/config",
    ),
    (r"Connection (?:closed|reset) by", "it closes SSH connections at once"),
    (
        r"No module named '?jaxtui'?(?:\.hosts)?",
        f"its Python has no jaxtui: install it, or {_PYTHON}",
    ),
    (r"No module named '?(\w+)'?", f"its Python lacks {{0}}: install jaxtui anew, or {_PYTHON}"),
    (r"[Uu]nknown option:? -P", f"its Python is older than 3.11: {_PYTHON}"),
    (r"not found|No such file or directory", f"it has no such Python: {_PYTHON}"),
]
_CLEAN = re.compile(r"[\x00-\x1f\x7f]+")


def before_hello(host: str, logged_in: bool, status: int | None, lines: Sequence[str]) -> str:
    """Why the way to a keeper has ended with `status` before its first message.

    `lines` are the last lines of its stderr.
    """
    for pattern, words in _SAID:
        for line in lines:
            if found := re.search(pattern, line):
                return words.format(*found.groups(), host=host)
    last = next((_CLEAN.sub(" ", line).strip() for line in reversed(lines) if line.strip()), "")
    where = "its jaxtui could not start" if logged_in else "the way to it ended"
    how = f"{where} with status {status}" if status is not None else where
    return f"{how}: {last}" if last else how


def differences(hellos: Mapping[str, Hello], here: str) -> str:
    """What is not the same on all hosts, with the host that has it; "" if nothing.

    `here` is the version of jaxtui on the screen's side.
    """
    for host, hello in hellos.items():
        if hello.jaxtui != here:
            return f"{host} has jaxtui {hello.jaxtui}, and here it is {here}: install the same"
        for package in ("jax", "jaxlib"):
            if not getattr(hello, package):
                return f"{host} has no {package} in {hello.executable}: install it, or {_PYTHON}"
    looked_at: list[tuple[str, dict[str, str]]] = [
        ("JAX", {host: hello.jax for host, hello in hellos.items()}),
        ("jaxlib", {host: hello.jaxlib for host, hello in hellos.items()}),
        ("Python", {host: _minor(hello.python) for host, hello in hellos.items()}),
    ]
    for what, values in looked_at:
        if words := different(values):
            return f"the hosts have different versions of {what}: {words}: install the same"
    return ""


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def different(values: Mapping[str, str]) -> str:
    """Name the hosts with each value, fewest first, such as "b 0.6.1, the others 0.10.2"."""
    hosts: dict[str, list[str]] = {}
    for host, value in values.items():
        hosts.setdefault(value, []).append(host)
    if len(hosts) < 2:
        return ""
    ordered = sorted(hosts.items(), key=lambda item: len(item[1]))
    named = [f"{', '.join(names[:5])} {value or 'none'}" for value, names in ordered[:-1]]
    value, names = ordered[-1]
    last = f"{names[0]} {value}" if len(names) == 1 else f"the others {value}"
    return ", ".join([*named, last])


def line_cut(status: int | None, lines: Sequence[str]) -> str:
    """Why the line to a keeper has ended in the middle."""
    for line in reversed(lines):
        if "not responding" in line or "Broken pipe" in line or "closed by" in line:
            return f"the line to it is cut: {_CLEAN.sub(' ', line).strip().rstrip('.')}"
    how = "" if status is None else f" (status {status})"
    return f"its process of jaxtui has ended, or the line to it is cut{how}"
