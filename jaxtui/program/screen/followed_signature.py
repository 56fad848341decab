"""The signature that the arguments of a program follow while its function is written."""

from __future__ import annotations

import msgspec

from jaxtui.program.screen.signature import follow, follow_axes
from jaxtui.session.session import Argument, Program
from jaxtui.wire.report import Parameter


class FollowedSignature:
    """Lets the arguments follow each change of the signature; those of a file are as they are."""

    def __init__(self, opened: Program) -> None:
        """`opened` is the program as its session came, which is not to be adapted."""
        self._remembered: dict[str, Argument] = {}
        self._remembered_axes: dict[tuple[int, str], str] = {}
        self._opened = _text_of(opened)
        self._given_to: list[Parameter] | None = None  # the signature that the arguments are for

    def rewritten(self, program: Program) -> bool:
        """Whether the function of `program` is no longer as it was opened."""
        return _text_of(program) != self._opened

    def came_with(self, signature: list[Parameter], program: Program) -> None:
        """Take note of the signature of a program that was traced, perhaps the opened one."""
        if self._given_to is None and not self.rewritten(program):
            self._given_to = signature

    def followed(self, program: Program, signature: list[Parameter]) -> Program:
        """Return the program with its arguments, and the layers' axes, as the signature has them.

        `program` itself is returned if nothing changes.
        """
        before, self._given_to = self._given_to, signature
        arguments = follow(program.arguments, before, signature, self._remembered)
        if arguments == program.arguments:
            return program
        layers = follow_axes(
            program.layers,
            (program.arguments, before or signature),
            (arguments, signature),
            self._remembered_axes,
        )
        return msgspec.structs.replace(program, arguments=arguments, layers=layers)


def _text_of(program: Program) -> tuple[str, str]:
    """What says which function a program has."""
    return program.source, program.function
