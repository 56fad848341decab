"""Where the engine's processes run, by the options about hosts and by a launcher."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import NoReturn

from jaxtui.config import Config
from jaxtui.hosts import addresses, launchers
from jaxtui.session import host_names
from jaxtui.wire import early
from jaxtui.wire.process import Launched, Reach


class UsageError(Exception):
    """Options that cannot be used; the message names the one at fault."""


def given(options: argparse.Namespace) -> tuple[str, ...] | None:
    """The hosts of the command line, None to leave them to the session. Raises UsageError."""
    if options.hosts is None:
        # What says where the engine runs takes precedence over the session.
        elsewhere = options.engine is not None or options.processes is not None
        return () if elsewhere else None
    for option in ("engine", "processes"):
        if getattr(options, option) is not None:
            raise UsageError(f"--hosts: not together with --{option}")
    hosts = host_names.split(options.hosts)
    if not hosts:
        raise UsageError("--hosts: no host")
    if fault := host_names.fault(hosts):
        raise UsageError(f"--hosts: {fault}")
    if options.devices is not None and options.devices % len(hosts):
        devices = f"{options.devices} devices"
        raise UsageError(f"--hosts: {devices} cannot be shared out among {len(hosts)} hosts")
    return tuple(hosts)


def reach(options: argparse.Namespace, config: Config) -> Reach:
    """How hosts are reached. Raises UsageError."""
    found = Reach(
        coordinator=options.coordinator or "",
        python=config.hosts_python if options.hosts_python is None else options.hosts_python,
        command=config.hosts_command if options.hosts_command is None else options.hosts_command,
    )
    for option, text in (("python", found.python), ("command", found.command)):
        try:
            shlex.split(text)
        except ValueError as error:
            words = f"{str(error)[:1].lower()}{str(error)[1:]}"
            raise UsageError(f"--hosts-{option}: {words}") from error
    if found.launcher and options.hosts is not None:
        example = '"ssh -p 2222 {host}"'
        raise UsageError(f"--hosts-command: {{host}} has to stand for the host, as in {example}")
    if options.hosts_command and found.launcher and (options.processes or 1) < 2:
        words = "{host} has to stand for the host, or say how many a launcher shall start"
        raise UsageError(f"--hosts-command: {words} with --processes")
    try:
        addresses.parts(found.coordinator or "a:1")
    except ValueError as error:
        raise UsageError(f"--coordinator: {error}") from error
    return found


def launched(options: argparse.Namespace, config: Config) -> Launched | None:
    """The processes that a launcher has started beside this one, None if none has.

    Does not return in those other than the first, which has the screen: they attend it until it
    ends. Raises UsageError.
    """
    if config.engine or any(
        value is not None for value in (options.engine, options.processes, options.hosts)
    ):
        return None
    launcher = launchers.launcher()
    if not launcher:
        if line := launchers.allocation():
            words = "this uses one node of a Slurm allocation of several; all by"
            print(f"jaxtui: {words}: {line}", file=sys.stderr)
        return None
    try:
        job = launchers.job()
        if job.processes == 1:
            return None
        host, port = addresses.parts(job.coordinator)
        meeting = addresses.for_lobby(port)
        if job.process:
            _attend(addresses.joined(host, meeting), job.process)
        place = addresses.bound(host, meeting)
        listening = addresses.listen(*addresses.parts(place))
    except (launchers.NotFound, addresses.Unreachable, ValueError) as error:
        raise UsageError(f"the other processes that {launcher} has started: {error}") from error
    return Launched(job.processes, job.coordinator, listening.detach())


def _attend(place: str, process: int) -> NoReturn:
    command = [*early.python_module("jaxtui.hosts"), f"--meet={place}", f"--rank={process}"]
    os.execv(sys.executable, command)
