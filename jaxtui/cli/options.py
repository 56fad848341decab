"""Parsing of the command line: the command and its options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jaxtui import __version__

if TYPE_CHECKING:
    from jaxtui.session.session import AxisTypeName

_WITH_VALUE = (
    "--platform",
    "--devices",
    "--processes",
    "--engine",
    "--hosts",
    "--coordinator",
    "--hosts-python",
    "--hosts-command",
    "--keep",
    "--theme",
    "--mesh",
    "--against",
    "--against-function",
)

_EPILOG = """\
commands:
  jaxtui [SESSION]              explore a session file, or a first example
  jaxtui run SESSION...         evaluate sessions and print what comes out
  jaxtui shard SESSION...       show where its arrays lie on a mesh, and what is sent
  jaxtui bench SESSION          time the ways to run a session's function over its batch
  jaxtui export SESSION         the same computation as a plain script
  jaxtui capture SCRIPT.py:FUNCTION   the arguments of a call in a script, as a session
  jaxtui devices                what JAX sees here
  jaxtui lessons [NAME]         list the lessons, or print one as a session file
  jaxtui screenshot [SESSION]   a picture of a screen

`jaxtui COMMAND -h` says more. Settings are read from config.toml and from JAXTUI_* variables.
exit status: 0 done, 1 the program failed, 2 usage or not a terminal, 3 the engine could not
start, 128+N ended by signal N
"""


def parse(arguments: Sequence[str]) -> tuple[str | None, argparse.Namespace]:
    """Return the command, None for the explorer, and its options.

    Exits with status 2 on a usage error, with 0 after help.
    """
    command, rest = split_command(arguments)
    if command != "capture":
        return command, _parser(command).parse_args(rest)
    end = rest.index("--") if "--" in rest else len(rest)
    options = _parser(command).parse_args(rest[:end])
    options.arguments = rest[end + 1 :]
    return command, options


def split_command(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the command, if the first positional argument names one, and the other arguments.

    argparse supports neither an optional SESSION beside subcommands, nor common options on both
    sides of a subcommand.
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
        description, add_arguments = COMMANDS[command]
        parser = argparse.ArgumentParser(
            prog=f"jaxtui {command}", description=description, allow_abbrev=False
        )
        add_arguments(parser)
    if command not in ("lessons", "capture"):
        _add_engine_options(parser)
    if command not in ("lessons", "capture", "shard"):
        _add_mesh_option(parser)
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
        "--devices", metavar="N", type=_number_of("devices"), help="how many (virtual ones on CPU)"
    )
    parser.add_argument(
        "--processes",
        metavar="N",
        type=_number_of("processes"),
        help="spread the devices over so many processes of this host",
    )
    parser.add_argument(
        "--engine",
        metavar="COMMAND",
        help='another way to start the engine: "ssh HOST python -m jaxtui.engine"',
    )
    parser.add_argument(
        "--hosts", metavar="A,B,...", help="the devices of these hosts, each reached by ssh"
    )
    parser.add_argument(
        "--coordinator",
        metavar="ADDRESS:PORT",
        help="where the first of --hosts is reached by the others (found out)",
    )
    parser.add_argument(
        "--hosts-python",
        metavar="COMMAND",
        help="their Python (the path of this one, else python3)",
    )
    parser.add_argument(
        "--hosts-command",
        metavar="COMMAND",
        help='instead of ssh, "kubectl exec -i {host} --"; or with --processes N a launcher, '
        '"srun --ntasks={n}"',
    )
    parser.add_argument(
        "--keep",
        metavar="SECONDS",
        type=_seconds,
        help="how long such an engine lives while the line to it is broken (600 over ssh), 0: not",
    )


def _add_mesh_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mesh",
        dest="device_mesh",
        metavar="AXIS=SIZE,...",
        type=parse_mesh,
        help="the mesh over the devices, such as data=4,model=2 or data=4,model=2:explicit",
    )


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sessions", metavar="SESSION", nargs="+", help="a session file")
    parser.add_argument("--json", action="store_true", help="one object a session, a line each")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--against",
        metavar="SESSION",
        help="run that one too, and show what is different from it: values, operations, memory",
    )
    others.add_argument(
        "--against-function",
        metavar="NAME",
        help="the same, against another function of the session's source or file",
    )
    others.add_argument(
        "--memory",
        action="store_true",
        help="compile instead of run: what it takes on each device, whether that fits, and by line",
    )


def _add_shard_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sessions", metavar="SESSION", nargs="+", help="a session file")
    parser.add_argument(
        "--mesh",
        metavar="AXIS=SIZE,...",
        type=parse_mesh,
        help="plan on this mesh, whose devices need not be there: data=4096,model=16:explicit",
    )
    parser.add_argument(
        "--search", action="store_true", help="look for the cheapest shardings of the arguments"
    )
    parser.add_argument("--json", action="store_true", help="one object a session, a line each")


def _add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", help="a session file")
    formats = parser.add_mutually_exclusive_group()
    for name, words in (
        ("json", "one object, with every sample"),
        ("csv", "a row for each strategy, or each message size"),
        ("markdown", "tables and what they say"),
    ):
        formats.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=words
        )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="default: stdout; .json, .csv and .md say the format"
    )
    parser.add_argument("--quick", action="store_true", help="10 rounds at least instead of 25")


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", help="a session file")
    parser.add_argument("--notebook", action="store_true", help="as a Jupyter notebook")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="default: stdout; .ipynb says that it is a notebook"
    )


def _add_capture_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="SCRIPT.py:FUNCTION",
        help="a script, and a function at its top level, Class.method or package.module:function",
    )
    parser.add_argument(
        "--call", metavar="N", type=_number_of("calls"), default=1, help="which call (the first)"
    )
    parser.add_argument(
        "--values", metavar="FILE", help="keep the arrays, too, in an .npz or .safetensors file"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE.toml", help="default: FUNCTION.toml beside the script"
    )
    parser.add_argument(
        "--module", action="store_true", help="SCRIPT is a module, run as by python -m"
    )
    parser.usage = "jaxtui capture [options] SCRIPT.py:FUNCTION [-- ARGUMENT...]"


def _add_devices_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one object")


def _add_lessons_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the lesson to print")
    formats = parser.add_mutually_exclusive_group()
    for name, words in (
        ("markdown", "the whole as one document, with values as they come out here"),
        ("notebook", "the whole as a Jupyter notebook in bare JAX"),
    ):
        formats.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=words
        )
    parser.add_argument("-o", "--output", metavar="FILE", help="default: stdout")


def _add_screenshot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", nargs="?", help="default: a first example")
    parser.add_argument("--screen", default="map", help="which screen (map)")
    parser.add_argument(
        "--size", metavar="COLSxROWS", type=_size, default=(120, 40), help="default 120x40"
    )
    parser.add_argument(
        "--keys",
        metavar="KEYS",
        default="",
        help='pressed before, such as "f5 tab down"; each waits for what the one before began',
    )
    parser.add_argument("-o", "--output", metavar="FILE.svg", required=True)


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "run": (
        "Evaluate sessions and print what comes out. A session is code: it is run as Python is.",
        _add_run_arguments,
    ),
    "shard": (
        "Show where a session's arrays lie on a mesh, and what is sent between its devices. A "
        "session is code: it is traced, as Python is run, but nothing is computed.",
        _add_shard_arguments,
    ),
    "bench": (
        "Time the ways to run a session's function over its batch, or sweep its collective over "
        "message sizes. A session is code: it is run as Python is. Every run is kept in the state "
        "folder, too.",
        _add_bench_arguments,
    ),
    "export": (
        "Print a session as a plain Python script in bare JAX, or as a notebook.",
        _add_export_arguments,
    ),
    "capture": (
        "Run a script until it calls a function, end it there, and write a session that has the "
        "function and the shapes of its arguments.",
        _add_capture_arguments,
    ),
    "devices": ("Print what JAX sees here, and the environment.", _add_devices_arguments),
    "lessons": (
        "List the chapters, print a lesson as a session file, or all as a document. For the "
        "values in a document the lessons are run.",
        _add_lessons_arguments,
    ),
    "screenshot": (
        "Draw a screen, with the session's result on it, as an SVG.",
        _add_screenshot_arguments,
    ),
}
"""The description of each command, and the function that adds its arguments."""


def _number_of(noun: str) -> Callable[[str], int]:
    """Return an argparse type for a positive number of `noun`."""

    def positive(text: str) -> int:
        number = int(text) if text.isdecimal() else 0
        if number < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {noun}")
        return number

    return positive


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return float(text)


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and int(columns) and int(rows)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 120x40")
    return int(columns), int(rows)


_AXIS_TYPES: dict[str, AxisTypeName] = {"auto": "auto", "explicit": "explicit"}
_AXIS = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<size>\d+)\s*(?::\s*(?P<type>\w+)\s*)?")


def parse_mesh(text: str) -> tuple[dict[str, int], dict[str, AxisTypeName]]:
    """Read a mesh such as `data=4,model=2:explicit`: the size of each axis, and the types given.

    Raises argparse.ArgumentTypeError, as an argparse type does, if it cannot be read.
    """
    sizes: dict[str, int] = {}
    types: dict[str, AxisTypeName] = {}
    for part in text.split(","):
        axis = _AXIS.fullmatch(part)
        if axis is None or not axis["name"].isidentifier() or not int(axis["size"]):
            message = f"{part.strip()!r} is no axis such as data=4 or data=4:explicit"
            raise argparse.ArgumentTypeError(message)
        name, kind = axis["name"], axis["type"]
        if name in sizes:
            raise argparse.ArgumentTypeError(f"axis {name} is given twice")
        sizes[name] = int(axis["size"])
        if kind in _AXIS_TYPES:
            types[name] = _AXIS_TYPES[kind]
        elif kind is not None:
            message = f"the type of axis {name} is auto or explicit, not {kind!r}"
            raise argparse.ArgumentTypeError(message)
    return sizes, types
