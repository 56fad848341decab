"""The engine's process: `python -m jaxtui.engine [--platform=P] [--devices=N] [--processes=N]`.

Reads Requests from its standard input and writes Events to its standard output, both as frames.
The first event is Ready, or a Failed with id 0 before exit status 3. The end of its input ends it,
whatever it is doing. Exit status 4: the input was not a stream of frames.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from jaxtui.engine import guard
from jaxtui.engine.dispatch import Engine
from jaxtui.engine.lanes import STACK_BYTES
from jaxtui.engine_base.chatter import WithoutChatter
from jaxtui.engine_base.output import (
    Outbox,
    Prints,
    failure,
    private_descriptors,
    redirect,
    sendable,
)
from jaxtui.engine_base.processes import Place, become
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD
from jaxtui.wire.base import Failed, Ready
from jaxtui.wire.framing import FramingError, read_body
from jaxtui.wire.protocol import AnyRequest, decode_request

CANNOT_START = 3
NOT_FRAMES = 4


def main() -> NoReturn:
    """Run the engine until its standard input ends."""
    options = _options()
    if options.parent:
        guard.end_with(options.parent)
    if options.probe:
        _probe(options)
    if options.job:
        from jaxtui.engine import job

        job.tell()
    if os.isatty(0):
        sys.stderr.write("This is the engine of jaxtui, which starts it; run `jaxtui`.\n")
        sys.exit(2)
    # The parent may have passed on SIG_IGN.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # ctrl+c is for the screen. Unlike SIG_IGN, a handler is not inherited by processes that the
    # user's code starts.
    signal.signal(signal.SIGINT, lambda *_: None)
    faulthandler.enable(file=2, all_threads=False)
    gc.disable()  # until all is imported: hardly any of it is garbage
    if options.process:
        from jaxtui.engine import follower

        follower.follow(options)
    requests, events, raw = private_descriptors()
    outbox = Outbox(events)
    prints = Prints(outbox.send)
    redirect(prints, raw, WithoutChatter().feed if options.processes > 1 else str)
    os.register_at_fork(after_in_child=partial(_leave_protocol, requests, events))
    guarded = guard.Guard(requests)
    read = partial(os.read, requests)
    try:
        if options.told:
            _listen_for_options(options, read, outbox)
        engine = _started(options, outbox, prints)
    except BaseException as error:  # importing JAX may raise anything
        outbox.send(failure(error))
        _exit(outbox, CANNOT_START)
    guarded.wait_until_detached()
    _serve(read, engine.dispatch, outbox)


def _options() -> argparse.Namespace:
    return _parser().parse_args()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jaxtui.engine", description=__doc__)
    parser.add_argument("--platform", default="")
    parser.add_argument("--devices", type=int, default=None)
    parser.add_argument("--processes", type=int, default=1)
    # The process id of what starts the engine on its own host, to end with it.
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    # Used by the leader of several processes to start its followers.
    for name in ("--process", "--share", "--connection"):
        parser.add_argument(name, type=int, default=0, help=argparse.SUPPRESS)
    # The descriptor on which the keeper of a process on one of several hosts tells its place.
    parser.add_argument("--member", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--coordinator", default="", help=argparse.SUPPRESS)
    parser.add_argument("--virtual", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    # Further options are the first frame of the input, as JSON.
    parser.add_argument("--told", action="store_true", help=argparse.SUPPRESS)
    return parser


def _listen_for_options(
    options: argparse.Namespace, read: Callable[[int], bytes], outbox: Outbox
) -> None:
    """Import JAX, which needs no options, then add those that come to `options`."""
    importlib.import_module("jax")
    body = read_body(read)
    if body is None:
        _exit(outbox, 0)
    _parser().parse_args(json.loads(body), namespace=options)


def _started(options: argparse.Namespace, outbox: Outbox, prints: Prints) -> Engine:
    place = _join(options, outbox, prints) if options.processes > 1 else None
    from jaxtui.engine_base import devices
    from jaxtui.program.engine import surroundings

    environment = devices.start(options.platform, options.devices, place)
    outbox.send(Ready(environment=environment))
    # Seconds. While Python code of the user's runs on the worker, each trace waits for a few of
    # these intervals before the tracing thread gets the GIL.
    sys.setswitchinterval(0.001)
    surroundings.remember()
    engine = Engine(outbox, prints)
    # What was imported stays: looking through all of JAX for garbage takes a tenth of a second.
    gc.freeze()
    gc.enable()
    threading.stack_size(STACK_BYTES)
    engine.start()
    threading.stack_size(0)
    return engine


def _join(options: argparse.Namespace, outbox: Outbox, prints: Prints) -> Place:
    """Start the other processes, without waiting for them, and return this process' place.

    On several hosts they are there already, and are waited for. Raises Diagnosed.
    """
    if options.member:
        from jaxtui.engine import membership

        leader, place = membership.lead(options.member)
    else:
        from jaxtui.engine import leader as leading

        leader, place = leading.lead(options.platform, options.devices, options.processes)

    def refused(diagnosis: Diagnosis) -> None:
        outbox.send(Failed(diagnosis=diagnosis))
        _exit(outbox, CANNOT_START)

    leader.listen(lambda stream, text: prints.add(stream, text, prints.current()), refused)
    os.register_at_fork(after_in_child=partial(_close, *leader.descriptors()))
    become(leader)
    return place


def _probe(options: argparse.Namespace) -> NoReturn:
    """Print the platform that JAX chooses and its number of devices, or why it cannot start."""
    from jaxtui.engine_base import devices

    try:
        environment = devices.start(options.platform, options.devices)
    except BaseException as error:  # importing JAX may raise anything
        print(failure(error).diagnosis.message)
        sys.exit(CANNOT_START)
    kinds = dict.fromkeys(device.kind for device in environment.devices)
    print(environment.platform, environment.device_count, ", ".join(kinds))
    sys.exit(0)


def _serve(
    read: Callable[[int], bytes], dispatch: Callable[[AnyRequest], None], outbox: Outbox
) -> NoReturn:
    while True:
        try:
            body = read_body(read)
        except FramingError as error:
            os.write(2, f"jaxtui.engine: the requests are no frames: {error}\n".encode())
            _exit(outbox, NOT_FRAMES)
        if body is None:
            _exit(outbox, 0)
        try:
            dispatch(decode_request(body))
        except Exception as error:  # no request may end this loop
            diagnosis = Diagnosis(kind="engine", field=NO_FIELD, message=sendable(str(error)))
            outbox.send(Failed(diagnosis=diagnosis))


def _exit(outbox: Outbox, status: int) -> NoReturn:
    """Exit without waiting for threads, which may never return, and without any cleanup."""
    outbox.flush(seconds=0.2)
    os._exit(status)


def _leave_protocol(*descriptors: int) -> None:
    """In a forked child, close the protocol's `descriptors` and print to descriptors 1 and 2."""
    _close(*descriptors)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    main()
