"""What the options and the settings ask for: which engine, which session, and plain ASCII or not.

What cannot be used ends the process with a message and the exit status USAGE.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from jaxtui.cli import signals

if TYPE_CHECKING:
    from jaxtui.app.covered import Covered
    from jaxtui.config import Config
    from jaxtui.session.export import ExportError
    from jaxtui.session.session import Session, SessionError
    from jaxtui.wire.launch import Choice

USAGE = 2


def refuse(message: str) -> NoReturn:
    """Print `message` to stderr and exit with USAGE."""
    print(f"jaxtui: {message}", file=sys.stderr)
    raise SystemExit(USAGE)


def plain_ascii(options: argparse.Namespace, config: Config) -> bool:
    """Whether plain ASCII was asked for, or is all that stdout can encode."""
    if options.ascii or config.ascii:
        return True
    from jaxtui.text import signs

    try:
        "".join(map(chr, signs.ASCII)).encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return True
    return False


def require_one_process(options: argparse.Namespace, reason: str) -> None:
    """Exit with `reason` if several processes were asked for."""
    if (options.processes or 1) > 1:
        refuse(f"--processes: {reason}")


def configured(options: argparse.Namespace, *, starts: bool = True) -> tuple[Config, Choice]:
    """The settings, and the choice of the engine, if one `starts`. Exits if they cannot be used.

    Does not return in a process that a launcher has started beside the one with the screen.
    """
    import shlex

    from jaxtui import config as settings
    from jaxtui.cli import hosts
    from jaxtui.wire.launch import Choice

    try:
        config = settings.load()
    except settings.ConfigError as error:
        refuse(str(error))
    text = config.engine if options.engine is None else options.engine
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        refuse(f"--engine: {str(error)[:1].lower()}{str(error)[1:]}")
    if options.engine is not None and not command:
        refuse("--engine: no command")
    processes = options.processes or 1
    if options.devices is not None and options.devices % processes:
        refuse(f"--processes: {options.devices} devices cannot be shared out among {processes}")
    try:
        given, reach = hosts.given(options), hosts.reach(options, config)
        launched = hosts.launched(options, config) if starts else None
    except hosts.UsageError as error:
        refuse(str(error))
    mesh, axis_types = getattr(options, "device_mesh", None) or (None, None)
    return config, Choice(
        platform=options.platform,
        count=options.devices,
        command=command,
        processes=processes,
        hosts=given,
        reach=reach,
        launched=launched,
        keep=_keep(command, options.keep, config.keep),
        mesh=mesh,
        axis_types=axis_types,
    )


def _keep(command: tuple[str, ...], asked: float | None, configured: float | None) -> float:
    """How long the engine of `command` is kept while its line is broken. Exits if it cannot be."""
    if not command:
        if asked is not None:
            refuse("--keep: it is for an engine that --engine starts on another host")
        return 0.0
    from jaxtui.line.command import KEEP_SECONDS, can_keep, keeps

    keep = asked if asked is not None else configured
    if keep is None:
        return KEEP_SECONDS if keeps(command) else 0.0
    if keep and not can_keep(command):
        refuse("--keep: the command of --engine has to end in -m jaxtui.engine")
    return keep


def located(path: str, error: SessionError | ExportError) -> str:
    """What is wrong with the session of the file `path`, with the place in it."""
    return ": ".join(filter(None, (path, error.field, error.message)))


def opened(path: str | None, choice: Choice) -> tuple[Session, bool, str | None, Covered | None]:
    """The session to explore, whether it may run without asking, its text, and what it runs.

    Exits if it cannot be read. What it runs beside its text is None unless it may run.
    """
    from jaxtui import lessons
    from jaxtui.session.session import SessionError, loads
    from jaxtui.wire import launch

    if path is None:
        with signals.held():
            return choice.applied_to(lessons.load(lessons.FIRST)), True, None, None
    try:
        text = launch.read(path)
        with signals.held():
            session = choice.applied_to(loads(text))
    except SessionError as error:
        refuse(located(path, error))
    from jaxtui.app import trust
    from jaxtui.app.covered import covered

    beside = covered(session, launch.folder_of(path))
    trusted = trust.is_trusted(text, beside)
    return session, trusted, text, beside if trusted else None
