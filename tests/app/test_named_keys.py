"""The keys that the key line names act where they are named, and the help says the same of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.keys import _character_to_key
from textual.widget import Widget

from jaxtui.app import help
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.command_table import COMMANDS
from jaxtui.screen.commands import key_name
from jaxtui.screen.dialogs import Dialog
from jaxtui.screen.key_order import types_text
from jaxtui.screen.places import places
from jaxtui.screen.screens import SCREENS
from jaxtui.session.field_path import FieldPath
from tests.support.fake_client import Bench
from tests.support.full_screens import SCREENS as FULL
from tests.support.full_screens import full_session

SIZES = [(80, 24), (120, 40), (200, 60)]
LONG = pytest.mark.long
QUICK = {"map": (120, 40), "sharding": (80, 24)}  # what is tried each time
ARROWS = ["left", "right", "up", "down"]
SEVERAL = {"arrows": ARROWS, "←→": ARROWS[:2], "↑↓": ARROWS[2:]}
OTHERS = ["enter", "escape", "tab", "shift+tab", "backspace", "delete", "home", "end", "space"]
OTHERS += ["pageup", "pagedown", *ARROWS]
OTHERS += ["f7"]
KEYS = {key_name(key): key for key in [*OTHERS, *(k for c in COMMANDS for k in c.keys.split(","))]}
# Keys that the editor takes as text, without a binding.
TYPED = {"A new line, indented"}
PLURALS = {"axes": "axis"}


def keys_of(named: str) -> list[str]:
    """Textual's names of the keys that the key line or the help names as one."""
    if named in SEVERAL:
        return SEVERAL[named]
    if named in KEYS:
        return [KEYS[named]]
    *held, bare = named.split("+") if len(named) > 1 else [named]
    if held and held != [""]:
        return ["+".join([*held, "@" if bare == "space" else keys_of(bare)[0]])]
    return [_character_to_key(part) if len(part) == 1 else part for part in named.split()]


def told(screen: WorkScreen[Any], focused: Widget | None) -> list[tuple[str, str]]:
    """The keys and what they do, as the help says of this place."""
    titles = {
        title for entry in SCREENS for scope, title in entry.headings if scope in screen.scopes()
    }
    titles |= {"Everywhere", help.pane_title(focused)}
    if screen.has_class("-lesson"):
        titles.add("While a lesson is open")
    return [pair for title, keys in help._sections(screen.NAME) if title in titles for pair in keys]


def about(bench: Bench, key: str) -> str | None:
    """What the binding of a key says of itself; None if there is none that may act now."""
    bound = bench.app.screen.active_bindings.get(key)
    if bound is None or not bound.enabled:
        return None
    return bound.binding.tooltip or bound.binding.description


def wrong_in_key_line(bench: Bench, focused: Widget | None) -> Iterator[str]:
    screen = bench.app.screen
    assert isinstance(screen, WorkScreen)
    helped = told(screen, focused)
    by_label: dict[str, set[str]] = {}
    for command in COMMANDS:
        by_label.setdefault(screen.label_of(command), set()).add(command.help)
    named = screen.keys(focused)
    assert len({key for key, _ in named}) == len(named), named
    for name, label in named:
        for key in keys_of(name):
            does = about(bench, key)
            says = {
                what
                for keys, what in helped
                if key in [k for part in keys.split(", ") for k in keys_of(part)]
            }
            if does is None:
                yield f"{name} {label}: nothing is bound to it"
            elif not says:
                yield f"{name} {label}: not in the help, which should say: {does}"
            elif does not in (by_label.get(label, set()) & says or says):
                yield f"{name} {label}: the help says {says}, and it does: {does}"
            elif label not in by_label and key not in ARROWS and not alike(label, says):
                yield f"{name} {label}: the help says {says}"


def alike(label: str, says: set[str]) -> bool:
    """Whether a word of the label begins like one of the help."""
    words = " ".join(says).casefold().split()
    parts = [PLURALS.get(part, part) for part in label.casefold().split()]
    return any(word[:3] == part[:3] for word in words for part in parts)


def wrong_in_help(bench: Bench, focused: Widget | None) -> Iterator[str]:
    screen = bench.app.screen
    assert isinstance(screen, WorkScreen)
    for keys, what in told(screen, focused):
        for name in keys.split(", "):
            for key in keys_of(name):
                typed = len(name) == 1 or key == "space" or what in TYPED
                if about(bench, key) is None and not (types_text(focused) and typed):
                    yield f"{name}: {what}: nothing is bound to it"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(
            name,
            size,
            id=f"{name}-{size[0]}x{size[1]}",
            marks=[] if size == QUICK.get(name) else LONG,
        )
        for name in FULL
        for size in SIZES
    ],
)
async def test_key_line_and_help_name_what_is_bound(name: str, size: tuple[int, int]) -> None:
    async with Bench(full_session(name)).open(size) as bench:
        await FULL[name](bench)
        screen = bench.app.screen
        assert isinstance(screen, WorkScreen)
        wrong = []
        for place in [None, *places(screen)]:
            widget = place.widget if place is not None else None
            screen.set_focus(widget)
            at = place.name if place is not None else "no focus"
            wrong += [f"{at}: {fault}" for fault in wrong_in_key_line(bench, widget)]
            wrong += [f"{at}: {fault}" for fault in wrong_in_help(bench, widget)]
        assert not wrong, "\n" + "\n".join(wrong)


# The ways to each kind of dialog.
DIALOGS = {
    "a list": ["p"],
    "palette": ["ctrl+p"],
    "help": ["question_mark"],
    "open": ["ctrl+o"],
    "save as": ["ctrl+s"],
    "not saved": ["m", "ctrl+q"],
    "find": ["slash"],
    "setting": ["M"],
    "leaves": ["L"],
    "capture": ["ctrl+p", *"capture", "enter"],
}
SOME = {"help", "open"}


def wrong_in_dialog(bench: Bench) -> Iterator[str]:
    dialog = bench.app.screen
    assert isinstance(dialog, Dialog)
    helped = dict(help.IN_DIALOGS)
    of_help = [key for keys in helped for key in keys.split(", ")]
    assert dialog.key_line.keys == dialog.keys(dialog.focused)
    for name, label in dialog.key_line.keys:
        for key in keys_of(name):
            if about(bench, key) is None:
                yield f"{name} {label}: nothing is bound to it"
            elif not {key_name(key), name} & set(of_help):
                yield f"{name} {label}: not in the help"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(pytest.param(name, (80, 24), marks=LONG if name not in SOME else []) for name in DIALOGS),
        *(pytest.param(name, (200, 60), marks=LONG) for name in DIALOGS),
    ],
)
async def test_a_dialogs_own_keys_stand_in_the_key_line(name: str, size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await bench.settled()
        if name == "not saved":
            bench.explorer.edit(FieldPath("program.layers.0.out_axes"), "1")
        await bench.press(*DIALOGS[name])
        dialog = bench.app.screen
        assert isinstance(dialog, Dialog)
        wrong = []
        for _ in range(3):
            wrong += [*wrong_in_dialog(bench)]
            await bench.press("tab")
        assert not wrong, "\n" + "\n".join(wrong)
        line = bench.text.splitlines()[-1]
        assert line.strip() == "  ".join(" ".join(pair) for pair in dialog.key_line.keys)
        # What is said meanwhile, however long, leaves the way out in sight.
        bench.app.say("this takes more than the whole line " * 8)
        await bench.settle()
        line = bench.text.splitlines()[-1]
        assert "esc close" in line
        assert "this takes more" in line
        assert line.rstrip().endswith("…")
        await bench.press("escape")
        assert bench.app.screen is not dialog


# Keys that leave the explorer or the screen, or hand the terminal to an editor; and one that
# finds selected what `w` has selected.
LEAVING = {"q", "e", "ctrl+a"}
LEAVING_ALSO = {"bandwidth": {"b", "esc"}}


def state(bench: Bench) -> tuple[object, ...]:
    """What a key may change."""
    app = bench.app
    selected = getattr(app.focused, "selection", None)
    asked = len(bench.client.requests)
    return (bench.text, app.focused, selected, bench.session, asked, app.clipboard)


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES[:2], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", [name for name in FULL if name != "lesson"])
async def test_every_key_of_the_key_line_does_something(name: str, size: tuple[int, int]) -> None:
    async with Bench(full_session(name)).open(size) as bench:
        await FULL[name](bench)
        screen = bench.app.screen
        assert isinstance(screen, WorkScreen)
        leaving = LEAVING | LEAVING_ALSO.get(name, set())
        dead, tried = [], set()
        session, classes, mode = bench.session, set(screen.classes), bench.app.current_mode
        for place in [None, *places(screen)]:
            widget = place.widget if place is not None else None
            screen.set_focus(widget)
            await bench.settle()
            for key, label in screen.keys(widget):
                if key in leaving or (type(widget), key) in tried:
                    continue
                tried.add((type(widget), key))
                acts = False
                for one in keys_of(key):
                    screen.key_line.said = ""
                    await bench.settle()
                    before = state(bench)
                    await bench.press(one)
                    acts = acts or state(bench) != before
                if not acts:
                    dead.append(f"{place.name if place else 'no focus'}: {key} {label}")
                while bench.app.screen.is_modal:
                    await bench.app.pop_screen()
                if bench.app.screen is not screen:
                    if bench.app.current_mode != mode:
                        bench.app.switch_mode(mode)
                    while bench.app.screen is not screen:
                        bench.app.pop_screen()
                    await bench.settle()
                if bench.session != session:
                    bench.explorer.put(session)
                screen.set_classes(classes)
                if widget is not None and not widget.is_attached:
                    break
                screen.set_focus(widget)
                await bench.settle()
        assert not dead, "\n" + "\n".join(dead)
