"""The commands as key bindings, and their keys as they are named to the user."""

from __future__ import annotations

from collections.abc import Container, Iterator

from textual.binding import Binding, BindingType

from jaxtui.screen.command_table import COMMANDS, Command

_TYPES_TEXT = frozenset(
    {
        "question_mark",
        "slash",
        "space",
        "enter",
        "delete",
        "left_square_bracket",
        "right_square_bracket",
        "less_than_sign",
        "greater_than_sign",
    }
)


def bindings(scope: str) -> list[BindingType]:
    """Textual's bindings of a scope. Keys that work while typing have priority."""
    return [
        Binding(
            keys,
            command.action,
            command.label,
            show=False,
            priority=priority,
            tooltip=command.help,
        )
        for command in COMMANDS
        if command.scope == scope and command.keys
        for keys, priority in _by_priority(command)
    ]


def in_scopes(*scopes: str) -> Iterator[Command]:
    """The commands of these scopes, in the table's order."""
    return (command for command in COMMANDS if command.scope in scopes)


def shown_key(command: Command, *, typing: bool, taken: Container[str] = ()) -> str:
    """The key to name in the key line; "" when none works while typing, or all are `taken`."""
    for keys, _ in _by_priority(command) if command.keys else []:
        for key in keys.split(","):
            if key not in taken and not (typing and (len(key) == 1 or key in _TYPES_TEXT)):
                return key_name(key)
    return ""


def key_names(command: Command) -> str:
    """The keys as they are named to the user: `F5, ctrl+j`."""
    return ", ".join(key_name(key) for key in command.keys.split(",") if key)


def key_name(key: str) -> str:
    """A key as it is named to the user."""
    *held, bare = key.split("+") if len(key) > 1 else [key]
    names = {
        "question_mark": "?",
        "slash": "/",
        "escape": "esc",
        "@": "space",  # a terminal sends ctrl+@ for ctrl+space
        "up": "↑",
        "down": "↓",
        "left": "←",
        "right": "→",
        "pageup": "page up",
        "pagedown": "page down",
        "left_square_bracket": "[",
        "right_square_bracket": "]",
        "less_than_sign": "<",
        "greater_than_sign": ">",
        "full_stop": ".",
        "comma": ",",
        "space": "space",
    }
    name = bare.upper() if _is_function_key(bare) else names.get(bare, bare)
    return "+".join([*held, name])


def _by_priority(command: Command) -> list[tuple[str, bool]]:
    """The keys of a command, grouped by whether they have priority.

    Keys that type a character never have it; function keys always do, since an editor has its
    own meaning for some of them.
    """
    keys = command.keys.split(",")
    typed = [key for key in keys if len(key) == 1 or key == "question_mark"]
    function = [key for key in keys if _is_function_key(key)]
    others = [key for key in keys if key not in typed and key not in function]
    parts = ((typed, False), (function, True), (others, command.typing))
    return [(",".join(part), priority) for part, priority in parts if part]


def _is_function_key(key: str) -> bool:
    return key.startswith("f") and key[1:].isdigit()


# The keys that act before the field in focus hears of them, on any screen.
WITH_PRIORITY = frozenset(
    key
    for command in COMMANDS
    if command.keys
    for keys, priority in _by_priority(command)
    if priority
    for key in keys.split(",")
)
APP_ACTIONS = frozenset(
    command.action.removeprefix("app.").partition("(")[0]
    for command in COMMANDS
    if command.action.startswith("app.")
)
