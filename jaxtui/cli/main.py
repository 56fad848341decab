"""The entry point: runs the command, checks the terminal, handles signals, returns an exit status.

Modules are imported only by the commands that need them. The explorer starts its engine before all
else, so that both get ready at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from jaxtui.cli import signals
from jaxtui.cli.options import parse

if TYPE_CHECKING:
    from jaxtui.app.app import JaxtuiApp
    from jaxtui.app.covered import Covered
    from jaxtui.config import Config
    from jaxtui.session.export import ExportError
    from jaxtui.session.session import Session, SessionError
    from jaxtui.wire.launch import Choice

USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default that of the process. Returns the exit status."""
    from jaxtui.cli.output import guarded, open_streams

    arguments = sys.argv[1:] if argv is None else list(argv)
    open_streams()
    with guarded():
        return _main(arguments)


def _main(arguments: list[str]) -> int:
    from jaxtui.cli.output import UnwritableError

    command, options = parse(arguments)
    work = {
        None: _explore,
        "run": _run,
        "shard": _shard,
        "bench": _bench,
        "export": _export,
        "capture": _capture,
        "devices": _devices,
        "lessons": _lessons,
        "screenshot": _screenshot,
    }[command]
    try:
        with signals.raised():
            status = work(options)
            sys.stdout.flush()
            return status
    except signals.Terminated as terminated:
        return terminated.status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _write_no_more()
        return 128 + signal.SIGPIPE
    except UnwritableError as error:
        with contextlib.suppress(UnwritableError, OSError):
            print(f"jaxtui: {error}", file=sys.stderr, flush=True)
        _write_no_more()
        return 1


def _write_no_more() -> None:
    """Let nobody read stdout: the interpreter's flush at exit must not fail as well."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# ------------------------------------------------------------------------- options and settings


def _configured(options: argparse.Namespace, *, starts: bool = True) -> tuple[Config, Choice]:
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
        _refuse(str(error))
    text = config.engine if options.engine is None else options.engine
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        _refuse(f"--engine: {str(error)[:1].lower()}{str(error)[1:]}")
    if options.engine is not None and not command:
        _refuse("--engine: no command")
    processes = options.processes or 1
    if options.devices is not None and options.devices % processes:
        _refuse(f"--processes: {options.devices} devices cannot be shared out among {processes}")
    try:
        given, reach = hosts.given(options), hosts.reach(options, config)
        launched = hosts.launched(options, config) if starts else None
    except hosts.UsageError as error:
        _refuse(str(error))
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
            _refuse("--keep: it is for an engine that --engine starts on another host")
        return 0.0
    from jaxtui.line.command import KEEP_SECONDS, can_keep, keeps

    keep = asked if asked is not None else configured
    if keep is None:
        return KEEP_SECONDS if keeps(command) else 0.0
    if keep and not can_keep(command):
        _refuse("--keep: the command of --engine has to end in -m jaxtui.engine")
    return keep


def _require_one_process(options: argparse.Namespace, reason: str) -> None:
    if (options.processes or 1) > 1:
        _refuse(f"--processes: {reason}")


def _located(path: str, error: SessionError | ExportError) -> str:
    return ": ".join(filter(None, (path, error.field, error.message)))


def _refuse(message: str) -> NoReturn:
    print(f"jaxtui: {message}", file=sys.stderr)
    raise SystemExit(USAGE)


def _ascii(options: argparse.Namespace, config: Config) -> bool:
    """Whether plain ASCII was asked for, or is all that stdout can encode."""
    if options.ascii or config.ascii:
        return True
    from jaxtui.text import signs

    try:
        "".join(map(chr, signs.ASCII)).encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return True
    return False


# ------------------------------------------------------------------------------------- commands


def _run(options: argparse.Namespace) -> int:
    config, choice = _configured(options)
    from jaxtui.cli import run
    from jaxtui.cli.against import Against

    given = options.against or options.against_function
    return run.run(
        options.sessions,
        choice,
        as_json=options.json,
        ascii=_ascii(options, config),
        against=Against(options.against or "", options.against_function or "") if given else None,
        memory=options.memory,
    )


def _shard(options: argparse.Namespace) -> int:
    config, choice = _configured(options)
    from jaxtui.cli import shard

    return shard.shard(
        options.sessions,
        choice,
        mesh=options.mesh,
        search=options.search,
        as_json=options.json,
        ascii=_ascii(options, config),
    )


def _bench(options: argparse.Namespace) -> int:
    config, choice = _configured(options)
    from jaxtui.cli import bench

    return bench.bench(
        options.session,
        choice,
        format=options.format,
        output=options.output,
        quick=options.quick,
        ascii=_ascii(options, config),
    )


def _export(options: argparse.Namespace) -> int:
    _require_one_process(options, "a script is one process; `jaxtui run` takes several")
    _, choice = _configured(options, starts=False)
    from jaxtui.cli.output import write
    from jaxtui.session import export
    from jaxtui.session.session import SessionError, loads
    from jaxtui.wire import launch

    try:
        session = choice.applied_to(loads(launch.read(options.session)))
        to = launch.folder_of(options.output) if options.output else ""
        folder = launch.folder_of(options.session)
        if options.notebook or (options.output or "").endswith(".ipynb"):
            from jaxtui.session import notebook

            script = notebook.notebook(notebook.session_cells(session, folder, to))
        else:
            script = export.script(session, folder, to)
    except (SessionError, export.ExportError) as error:
        print(_located(options.session, error), file=sys.stderr)
        return 1
    return write(script, options.output)


def _capture(options: argparse.Namespace) -> int:
    from jaxtui.cli import capture

    return capture.capture(options)


def _devices(options: argparse.Namespace) -> int:
    config, choice = _configured(options)
    from jaxtui.cli import run

    return run.devices(choice, as_json=options.json, ascii=_ascii(options, config))


def _lessons(options: argparse.Namespace) -> int:
    from jaxtui import lessons

    names = (*lessons.NAMES, *lessons.EXERCISES)
    if options.format is not None:
        from jaxtui.cli import book

        return book.write(options.format, options.name, options.output)
    if options.name is None:
        width = max(map(len, names))
        for number, chapter in enumerate(lessons.CHAPTERS, 1):
            print(f"{number} {chapter.title}")
            for name in (*chapter.lessons, *chapter.exercises):
                kind = "exercise: " if name in chapter.exercises else ""
                print(f"  {name.ljust(width)}  {kind}{lessons.load(name).title}")
    elif options.name in names:
        print(lessons.text(options.name), end="")
    else:
        _refuse(f"no lesson {options.name!r}; there are {', '.join(names)}")
    return 0


def _screenshot(options: argparse.Namespace) -> int:
    config, choice = _configured(options)
    session, trusted, _, _ = _open(options.session, choice)
    if not trusted:
        _refuse(
            f"{options.session}: a session is code, and this one was not accepted as it is now; "
            f"open it with `jaxtui` to look at it and accept it, or run it with `jaxtui run`"
        )
    from jaxtui.cli import screenshot

    return screenshot.draw(
        session,
        choice.settings_for(session),
        path=options.session,
        screen=options.screen,
        size=options.size,
        theme=options.theme or config.theme or None,
        ascii=bool(options.ascii or config.ascii),
        output=options.output,
        keys=options.keys.split(),
    )


def _open(path: str | None, choice: Choice) -> tuple[Session, bool, str | None, Covered | None]:
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
        _refuse(_located(path, error))
    from jaxtui.app import trust
    from jaxtui.app.covered import covered

    beside = covered(session, launch.folder_of(path))
    trusted = trust.is_trusted(text, beside)
    return session, trusted, text, beside if trusted else None


# ------------------------------------------------------------------------------------- explorer


def _explore(options: argparse.Namespace) -> int:
    from jaxtui.hosts import launchers

    # Only the first of the processes that a launcher has started has a terminal: see `_configured`.
    launched = bool(launchers.launcher())
    if not launched:
        _require_terminal()
    from jaxtui.wire.early import EarlyEngine

    # What is read below may ask for another engine: this one is ended then.
    elsewhere = options.engine or options.hosts or os.environ.get("JAXTUI_ENGINE")
    elsewhere = elsewhere or (options.processes or 1) > 1 or launched
    with contextlib.nullcontext() if elsewhere else EarlyEngine() as early:
        config, choice = _configured(options)
        if launched:
            _require_terminal()
        session, trusted, text, accepted = _open(options.session, choice)
        theme = options.theme or config.theme or None
        from jaxtui.cli.first_frame import FirstFrame
        from jaxtui.cli.guardian import Guardian
        from jaxtui.wire.launch import StartedEngine

        signals.look()
        engine = StartedEngine(choice.settings_for(session, trusted=trusted), early)
    plain = bool(options.ascii or config.ascii)
    with Guardian(engine) as guardian:
        try:
            with FirstFrame(session.program, theme, ascii=plain) as frame:
                app = _app_class()(
                    engine.client,
                    session,
                    path=options.session,
                    text=text,
                    accepted=accepted,
                    trusted=trusted,
                    keeps=True,
                    greets=options.session is None,
                    ascii=plain,
                    theme=theme,
                    choice=choice,
                    terminal_lost=guardian.terminal_lost,
                    take_terminal=frame.take,
                )
                if theme is not None and theme not in app.available_themes:
                    themes = ", ".join(sorted(app.available_themes))
                    _refuse(f"no theme {theme!r}; there are {themes}")
                guardian.app = app
                app.run(mouse=config.mouse if options.mouse is None else options.mouse)
        finally:
            engine.close()
        return _leave(app)


def _app_class() -> type[JaxtuiApp]:
    with _without_gc():
        from jaxtui.app.app import JaxtuiApp
    return JaxtuiApp


def _leave(app: JaxtuiApp) -> int:
    """Keep what is unsaved, unless the user has quit. Returns the exit status."""
    from jaxtui.cli.guardian import print_kept

    status = app.return_code or 0
    if app.begun:
        line = app.explorer.open_session.line
        if line.lost:
            left = f"ends by itself within {line.kept(app.explorer.now())}"
            print(
                f"jaxtui: the engine on the other host was not reached, and {left}", file=sys.stderr
            )
        files = app.explorer.files
        kept = bool(status) and files.changed
        if kept:
            print_kept(files.rescue())
        files.leave(discard=not kept)
    return status


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Disable garbage collection during imports, and exclude their objects from it for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _require_terminal() -> None:
    """Exit unless stdin, stdout and stderr, on which Textual paints, are a usable terminal."""
    streams = {
        "standard input is not one (< or | redirects it)": sys.stdin,
        "standard output is not one (> or | redirects it)": sys.stdout,
        "standard error is not one (2> redirects it)": sys.stderr,
    }
    for words, stream in streams.items():
        if stream is None or not stream.isatty():
            _refuse(f"the explorer needs a terminal, and {words}; see `jaxtui run -h`")
    if os.environ.get("TERM", "dumb") == "dumb":
        _refuse("the explorer needs a terminal that can place text, and TERM is dumb")
