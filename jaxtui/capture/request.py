"""What is to be captured, and what became of it, as the two processes tell each other."""

from __future__ import annotations

import os
from typing import Literal

from msgspec import Struct

from jaxtui.session.field_path import NO_FIELD
from jaxtui.session.session import FieldError


class CaptureError(FieldError):
    """A target that names no function of a script."""

    def __init__(self, message: str) -> None:
        super().__init__(message, NO_FIELD)


class Capture(Struct, frozen=True, kw_only=True):
    """A call to capture: the `call`th of `function` while `script` runs with `arguments`.

    With `is_module` the script is the name of a module, as for `python -m`. `function` is a name
    at the top level of the script, or `Class.method`; with a `home` it is one of that module, which
    the script imports. The session is written to `output`, the arrays to `values` if that is given.
    """

    script: str
    function: str
    is_module: bool = False
    home: str = ""
    call: int = 1
    output: str
    values: str = ""
    arguments: list[str] = []

    @property
    def named(self) -> str:
        """The function as it was named, for messages."""
        return f"{self.home}:{self.function}" if self.home else self.function


class CaptureReport(Struct, frozen=True, kw_only=True):
    """How the script ended: at the call, or before.

    `calls` counts the calls of the function. `session` is that of a captured call, as TOML.
    """

    outcome: Literal["captured", "ended", "raised", "failed"]
    calls: int = 0
    message: str = ""
    status: int = 0
    session: str = ""
    notes: list[str] = []


def capture_of(
    target: str,
    *,
    is_module: bool = False,
    call: int = 1,
    output: str = "",
    values: str = "",
    arguments: list[str] | None = None,
) -> Capture:
    """Read a target such as `train.py:step`. Raises CaptureError.

    Without an `output` the session is `<function>.toml` beside the script.
    """
    script, colon, named = target.partition(":")
    home, _, function = named.rpartition(":")
    if not colon or not script or not all(p.isidentifier() for p in function.split(".")):
        raise CaptureError(f"{target!r} names no function of a script, such as train.py:step")
    if home and not all(part.isidentifier() for part in home.split(".")):
        raise CaptureError(f"{home!r} is no module, such as package.module")
    if is_module:
        if not all(part.isidentifier() for part in script.split(".")):
            raise CaptureError(f"{script!r} is no module, such as package.train")
    elif not os.path.isfile(script):
        raise CaptureError(f"there is no script {script}")
    if call < 1:
        raise CaptureError("calls are counted from 1")
    if values and not values.endswith((".npz", ".safetensors")):
        raise CaptureError(f"{values}: arrays are written as .npz or .safetensors")
    beside = "" if is_module else os.path.dirname(script)
    name = function.rpartition(".")[2] + ".toml"
    return Capture(
        script=script,
        function=function,
        is_module=is_module,
        home=home,
        call=call,
        output=output or os.path.join(beside, name),
        values=values,
        arguments=arguments or [],
    )
