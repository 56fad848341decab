"""The entry point: runs the command, handles signals, returns an exit status.

Modules are imported only by the commands that need them. The explorer starts its engine before all
else, so that both get ready at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from jaxtui.cli import signals
from jaxtui.cli.configured import (
    configured,
    located,
    opened,
    plain_ascii,
    refuse,
    require_one_process,
)
from jaxtui.cli.options import parse


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


def _explore(options: argparse.Namespace) -> int:
    from jaxtui.cli.explore import explore

    return explore(options)


def _run(options: argparse.Namespace) -> int:
    config, choice = configured(options)
    from jaxtui.cli import run
    from jaxtui.cli.against import Against

    given = options.against or options.against_function
    return run.run(
        options.sessions,
        choice,
        as_json=options.json,
        ascii=plain_ascii(options, config),
        against=Against(options.against or "", options.against_function or "") if given else None,
        memory=options.memory,
    )


def _shard(options: argparse.Namespace) -> int:
    config, choice = configured(options)
    from jaxtui.cli import shard

    return shard.shard(
        options.sessions,
        choice,
        mesh=options.mesh,
        search=options.search,
        as_json=options.json,
        ascii=plain_ascii(options, config),
    )


def _bench(options: argparse.Namespace) -> int:
    config, choice = configured(options)
    from jaxtui.cli import bench

    return bench.bench(
        options.session,
        choice,
        format=options.format,
        output=options.output,
        quick=options.quick,
        ascii=plain_ascii(options, config),
    )


def _export(options: argparse.Namespace) -> int:
    require_one_process(options, "a script is one process; `jaxtui run` takes several")
    _, choice = configured(options, starts=False)
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
        print(located(options.session, error), file=sys.stderr)
        return 1
    return write(script, options.output)


def _capture(options: argparse.Namespace) -> int:
    from jaxtui.cli import capture

    return capture.capture(options)


def _devices(options: argparse.Namespace) -> int:
    config, choice = configured(options)
    from jaxtui.cli import run

    return run.devices(choice, as_json=options.json, ascii=plain_ascii(options, config))


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
        refuse(f"no lesson {options.name!r}; there are {', '.join(names)}")
    return 0


def _screenshot(options: argparse.Namespace) -> int:
    config, choice = configured(options)
    session, trusted, _, _ = opened(options.session, choice)
    if not trusted:
        refuse(
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
