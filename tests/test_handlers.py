"""Every handler of an event stands on a class that the event comes to.

Textual calls a method by its name, and says nothing of one that no message is called by, nor of one
whose message goes to another widget and does not bubble.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from textual import events
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget

import jaxtui
from jaxtui.app.app import Arrived

# What does not bubble comes to what it is sent to; each of these is sent to such a class only.
COMES_TO: dict[type[Message], tuple[type[MessagePump], ...]] = {
    Arrived: (App,),
    events.Blur: (Widget,),
    events.Focus: (Widget,),
    events.Hide: (Widget,),
    events.Load: (App,),
    events.Mount: (App, Widget),
    events.Ready: (App,),
    events.Resize: (App, Widget),
    events.ScreenResume: (Screen,),
    events.ScreenSuspend: (Screen,),
    events.Show: (Widget,),
    events.Unmount: (App, Widget),
}
NOT_OF_THE_SCREEN = ("engine", "engine_base", "__main__")


class Handler(NamedTuple):
    """A method `name` of `owner` that Textual calls for a message."""

    owner: type
    name: str

    @property
    def handles(self) -> str:
        """The message's name for its handlers."""
        return self.name.removeprefix("_")

    @property
    def stands_on(self) -> list[type[MessagePump]]:
        """The classes that have it: the owner, or what a mixin is mixed into."""
        if issubclass(self.owner, MessagePump):
            return [self.owner]
        return [kind for kind in _below(self.owner) if issubclass(kind, MessagePump)]

    def __str__(self) -> str:
        return f"{self.owner.__module__}.{self.owner.__qualname__}.{self.name}"


def _below(kind: type) -> Iterator[type]:
    for below in type.__subclasses__(kind):
        yield below
        yield from _below(below)


def handlers_in(owners: list[type]) -> list[Handler]:
    """The handlers that these classes define themselves."""
    found = [
        Handler(owner, name)
        for owner in owners
        for name, value in vars(owner).items()
        if name.startswith(("on_", "_on_")) and inspect.isfunction(value)
    ]
    return [handler for handler in found if handler.stands_on]


def fault(handler: Handler) -> str:
    """Why a handler is never called, "" if it may be."""
    if handler.name == "on_event":
        return ""  # Textual's own, which hears of all events before their handlers
    named = [kind for kind in _below(Message) if kind.handler_name == handler.handles]
    if not named:
        return "no message is called so"
    if any(kind.bubble for kind in named):
        return ""
    comes_to = tuple(kind for message in named for kind in COMES_TO.get(message, ()))
    if any(issubclass(kind, comes_to) for kind in handler.stands_on):
        return ""
    return f"{named[0].__qualname__} does not bubble, and does not come here"


@pytest.fixture(scope="module")
def owners() -> list[type]:
    """All classes of the screen's side."""
    for module in pkgutil.walk_packages(jaxtui.__path__, "jaxtui."):
        if not set(module.name.split(".")) & set(NOT_OF_THE_SCREEN):
            importlib.import_module(module.name)
    return [
        kind
        for name, module in list(sys.modules.items())
        if name.startswith("jaxtui.")
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == name
    ]


def test_every_handler_is_called_for_a_message_that_comes_to_it(owners: list[type]) -> None:
    found = handlers_in(owners)
    assert len(found) > 100
    faults = {str(handler): fault(handler) for handler in found}
    assert {name: why for name, why in faults.items() if why} == {}


def test_a_handler_that_is_never_called_is_found() -> None:
    class Watching(App[None]):
        def on_screen_resume(self) -> None: ...

        def on_mounted(self) -> None: ...

        def on_mount(self) -> None: ...

    class Mixed:
        def on_focus(self) -> None: ...

        def on_load(self) -> None: ...

    class Holding(Mixed, Widget):
        def on_input_changed(self) -> None: ...

    faults = [fault(handler) for handler in handlers_in([Watching, Mixed, Holding])]
    assert faults == [
        "ScreenResume does not bubble, and does not come here",
        "no message is called so",
        "",
        "",
        "Load does not bubble, and does not come here",
        "",
    ]
