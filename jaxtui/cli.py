"""The command line: subcommands, terminal guards, signals, exit status.

Each side is imported only where it is needed, and the explorer's engine starts before Textual is
imported, so that the two get ready at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from jaxtui import __version__

if TYPE_CHECKING:
    from jaxtui.config import Config
    from jaxtui.launch import Choice
    from jaxtui.session import Session
    from jaxtui.ui.app import JaxtuiApp

USAGE = 2
COMMANDS = ("run", "devices", "lessons", "screenshot")
_WITH_VALUE = ("--platform", "--devices", "--engine", "--theme")

_EPILOG = """\
commands:
  jaxtui [SESSION]              explore a session file, or a first example
  jaxtui run SESSION...         evaluate sessions and print what comes out
  jaxtui devices                what JAX sees here
  jaxtui lessons [NAME]         list the lessons, or print one as a session file
  jaxtui screenshot [SESSION]   a picture of a screen

`jaxtui COMMAND -h` says more. Settings are read from config.toml and from JAXTUI_* variables.
exit status: 0 done, 1 the program failed, 2 usage or not a terminal, 3 the engine could not
start, 128+N ended by signal N
"""


class Terminated(BaseException):
    """A signal asked the process to end; raised in the main thread."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (the process' own by default). Returns the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    command, arguments = split_command(arguments)
    options = _parser(command).parse_args(arguments)
    work = {
        None: _explore,
        "run": _run,
        "devices": _devices,
        "lessons": _lessons,
        "screenshot": _screenshot,
    }[command]
    try:
        with _signals_raised():
            status = work(options)
            sys.stdout.flush()
            return status
    except Terminated as terminated:
        return terminated.status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output has left; the interpreter's own last flush must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


# ------------------------------------------------------------------------------------ arguments


def split_command(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The command, if the first word that is no option names one, and the other arguments.

    argparse cannot have both an optional SESSION and subcommands, nor common options on either
    side of a subcommand.
    """
    skip = False
    for number, word in enumerate(arguments):
        if skip:
            skip = False
        elif word == "--":
            break
        elif word.startswith("-") and word != "-":
            skip = word in _WITH_VALUE
        else:
            if word in COMMANDS:
                return word, [*arguments[:number], *arguments[number + 1 :]]
            break
    return None, list(arguments)


def _parser(command: str | None) -> argparse.ArgumentParser:
    if command is None:
        parser = argparse.ArgumentParser(
            prog="jaxtui",
            usage="jaxtui [options] [SESSION]\n       jaxtui COMMAND [options] ...",
            description="Explore JAX's batching and parallelism in the terminal.",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.add_argument("-V", "--version", action="version", version=f"jaxtui {__version__}")
        parser.add_argument("session", metavar="SESSION", nargs="?", help="a session file to open")
    else:
        described = _DESCRIPTIONS[command]
        parser = argparse.ArgumentParser(
            prog=f"jaxtui {command}", description=described, allow_abbrev=False
        )
        _ADD_ARGUMENTS[command](parser)
    if command != "lessons":
        _add_engine_options(parser)
    if command in (None, "screenshot"):
        parser.add_argument("--theme", metavar="NAME", help="a theme by name")
    if command is None:
        parser.add_argument(
            "--no-mouse", dest="mouse", action="store_false", default=None, help="leave it alone"
        )
    parser.add_argument(
        "--ascii", action="store_true", default=None, help="draw with plain ASCII characters"
    )
    return parser


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", metavar="NAME", help="cpu, gpu, tpu, ...; as JAX names it")
    parser.add_argument(
        "--devices", metavar="N", type=_positive, help="how many (virtual ones on CPU)"
    )
    parser.add_argument(
        "--engine",
        metavar="COMMAND",
        help='another way to start the engine: "ssh HOST python -m jaxtui.engine"',
    )


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sessions", metavar="SESSION", nargs="+", help="a session file")
    parser.add_argument("--json", action="store_true", help="one object a session, a line each")


def _add_devices_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one object")


def _add_lessons_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the lesson to print")


def _add_screenshot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", nargs="?", help="default: a first example")
    parser.add_argument("--screen", default="map", help="which screen (map)")
    parser.add_argument(
        "--size", metavar="COLSxROWS", type=_size, default=(120, 40), help="default 120x40"
    )
    parser.add_argument("-o", "--output", metavar="FILE.svg", required=True)


_DESCRIPTIONS = {
    "run": "Evaluate sessions and print what comes out. A session is code: it is run as Python is.",
    "devices": "Print what JAX sees here, and the environment.",
    "lessons": "List the lessons, or print one as a session file.",
    "screenshot": "Draw a screen, with the session's result on it, as an SVG.",
}
_ADD_ARGUMENTS = {
    "run": _add_run_arguments,
    "devices": _add_devices_arguments,
    "lessons": _add_lessons_arguments,
    "screenshot": _add_screenshot_arguments,
}


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of devices")
    return number


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and int(columns) and int(rows)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 120x40")
    return int(columns), int(rows)


def _choice(options: argparse.Namespace, config: Config) -> Choice:
    """What the options and the settings say about the engine; exits when they cannot be used."""
    import shlex

    from jaxtui.launch import Choice

    text = config.engine if options.engine is None else options.engine
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        _refuse(f"--engine: {str(error)[:1].lower()}{str(error)[1:]}")
    if options.engine is not None and not command:
        _refuse("--engine: no command")
    return Choice(platform=options.platform, count=options.devices, command=command)


def _config() -> Config:
    from jaxtui import config

    try:
        return config.load()
    except config.ConfigError as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    print(f"jaxtui: {message}", file=sys.stderr)
    raise SystemExit(USAGE)


def _ascii(options: argparse.Namespace, config: Config) -> bool:
    """Whether plain ASCII was asked for, or is all that stdout can carry."""
    if options.ascii or config.ascii:
        return True
    try:
        "·×".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return True
    return False


# ------------------------------------------------------------------------------------- commands


def _run(options: argparse.Namespace) -> int:
    config = _config()
    choice = _choice(options, config)
    from jaxtui import headless

    return headless.run(
        options.sessions, choice, as_json=options.json, ascii=_ascii(options, config)
    )


def _devices(options: argparse.Namespace) -> int:
    config = _config()
    choice = _choice(options, config)
    from jaxtui import headless

    return headless.devices(choice, as_json=options.json, ascii=_ascii(options, config))


def _lessons(options: argparse.Namespace) -> int:
    from jaxtui import lessons

    if options.name is None:
        width = max(map(len, lessons.NAMES))
        for name in lessons.NAMES:
            print(f"{name.ljust(width)}  {lessons.load(name).title}")
    elif options.name in lessons.NAMES:
        print(lessons.text(options.name), end="")
    else:
        _refuse(f"no lesson {options.name!r}; there are {', '.join(lessons.NAMES)}")
    return 0


def _screenshot(options: argparse.Namespace) -> int:
    config = _config()
    choice = _choice(options, config)
    session, _ = _open(options.session, choice)
    from jaxtui import picture

    return picture.draw(
        session,
        choice.settings_for(session),
        path=options.session,
        screen=options.screen,
        size=options.size,
        theme=options.theme or config.theme or None,
        ascii=bool(options.ascii or config.ascii),
        output=options.output,
    )


def _open(path: str | None, choice: Choice) -> tuple[Session, bool]:
    """The session to explore, and whether it may run unasked; exits when it cannot be read."""
    from jaxtui import launch, lessons
    from jaxtui.session import SessionError, loads

    if path is None:
        return choice.applied_to(lessons.load(lessons.FIRST)), True
    try:
        text = launch.read(path)
        session = choice.applied_to(loads(text))
    except SessionError as error:
        _refuse(": ".join(filter(None, (path, error.field, error.message))))
    from jaxtui import trust

    return session, trust.is_trusted(text)


# ------------------------------------------------------------------------------------- explorer


def _explore(options: argparse.Namespace) -> int:
    _require_terminal()
    config = _config()
    choice = _choice(options, config)
    session, trusted = _open(options.session, choice)
    from jaxtui.client import EngineClient

    client = EngineClient(choice.settings_for(session))
    try:
        client.start()
        from jaxtui.ui.app import JaxtuiApp

        app = JaxtuiApp(
            client,
            session,
            path=options.session,
            trusted=trusted,
            ascii=bool(options.ascii or config.ascii),
            theme=options.theme or config.theme or None,
        )
        with _signals_exit(app):
            app.run(mouse=config.mouse if options.mouse is None else options.mouse)
    finally:
        client.close()
    return app.return_code or 0


def _require_terminal() -> None:
    """Exit unless the screen can be painted (on stderr, by Textual) and keys can be read."""
    streams = {"stdin": sys.stdin, "stdout": sys.stdout, "stderr": sys.stderr}
    for name, stream in streams.items():
        if stream is None or not stream.isatty():
            _refuse(f"the explorer needs a terminal, and {name} is none; see `jaxtui run -h`")
    if os.environ.get("TERM", "dumb") == "dumb":
        _refuse("the explorer needs a terminal that can place text, and TERM is dumb")


_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _handled(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    """`handler` for these signals, except for those that were told to be ignored (nohup)."""
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _signals_raised() -> contextlib.AbstractContextManager[None]:
    """Ending signals raise Terminated, so that engines are ended on the way out."""

    def end(number: int, _frame: object) -> None:
        raise Terminated(number)

    return _handled(_ENDING, end)


def _signals_exit(app: JaxtuiApp) -> contextlib.AbstractContextManager[None]:
    """Ending signals leave the app in its own way, which gives the terminal back."""

    def end(number: int, _frame: object) -> None:
        import asyncio

        # A second signal must be able to end a process that does not leave.
        signal.signal(number, signal.SIG_DFL)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise SystemExit(128 + number) from None
        # Waking the loop: a handler runs while it waits, and what it posts would wait as well.
        loop.call_soon_threadsafe(app.exit, None, 128 + number)

    return _handled((*_ENDING, signal.SIGINT), end)
