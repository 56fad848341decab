"""The one table of what the user can do: key bindings, key line, palette and help come from it."""

from __future__ import annotations

from typing import NamedTuple

from jaxtui.screen.screens import KEYED


class Command(NamedTuple):
    """Something the user can do: `action` is Textual's, with its namespace.

    `scope` is where its keys work: "app", a screen, or a pane such as "layers". With `typing` the
    keys work inside text fields too. `hint` orders the key line; 0 keeps a command off it.
    """

    action: str
    keys: str
    label: str
    help: str
    scope: str = "app"
    typing: bool = False
    hint: int = 0
    palette: bool = True


COMMANDS: tuple[Command, ...] = (
    # what one does all the time
    Command("screen.run", "f5,ctrl+j", "run", "Run the program", "map", True, 10),
    Command("screen.edit_source", "e", "edit", "Edit the function in $EDITOR", "map", hint=20),
    Command("screen.write", "w", "write", "Write another function over this one", "map", hint=19),
    Command("screen.pick_function", "p", "pick", "Pick another function", "map", hint=30),
    Command("app.apply_fix", "f,f2", "fix", "Apply a fix that the error offers", "map", hint=15),
    Command("screen.flip", "v,f6", "results", "Turn between composing and results", "map", hint=12),
    Command("screen.next_output", "o", "next output", "Show the next leaf of the result", "map"),
    Command("screen.previous_output", "O", "previous output", "Show the leaf before", "map"),
    Command("screen.pick_leaf", "L", "leaves", "Pick a leaf of the result by its path", "map"),
    Command("screen.next_input", "i", "next input", "Show the next input in Shards", "map"),
    Command("screen.pick_input", "I", "inputs", "Pick an input for Shards by its path", "map"),
    Command("screen.next_tab", "s", "next tab", "Show the next tab of the results", "map"),
    Command("screen.previous_tab", "S", "previous tab", "Show the tab before", "map"),
    Command("screen.heat_map", "m", "heat map", "Show the result as a heat map", "map"),
    Command("app.copy", "y", "copy", "Copy what has the focus", hint=40),
    Command(
        "screen.find", "slash", "find", "Find an element of the result, or a text", "map", hint=35
    ),
    Command(
        "screen.follow_line",
        "f4",
        "same line",
        "The same line in the next listing",
        "map",
        True,
    ),
    Command(
        "screen.device_memory", "M", "memory", "Say what memory a device has, to fit into", "map"
    ),
    Command(
        "screen.keep_run", "c", "compare", "Keep this run, and show what changes from it", "map"
    ),
    Command("screen.let_run_go", "C", "end comparing", "Compare with the run before again", "map"),
    # the engine
    Command("app.stop", "ctrl+c", "stop", "End the work in hand", typing=True),
    Command("app.restart_engine", "R", "restart", "Restart the engine; what is composed stays"),
    Command("app.end_engine", "", "end engine", "Quit the engine; R starts another"),
    # screens
    *(Command(f"app.show_screen('{s.name}')", s.key, s.title, s.about) for s in KEYED),
    # files and the program itself
    Command("app.undo", "u", "undo", "Undo the last change of the session"),
    Command("app.redo", "U", "redo", "Redo the change that was undone"),
    Command("app.new_session", "ctrl+n", "new", "Start with an empty editor", typing=True),
    Command("app.open_session", "ctrl+o", "open", "Open a session file", typing=True),
    Command("app.save_session", "ctrl+s", "save", "Save the session", typing=True),
    Command("app.save_session_as", "", "save as", "Save the session under another name"),
    Command("app.export", "", "export", "Export the program as a Python script"),
    Command("app.export_notebook", "", "notebook", "Export the program as a Jupyter notebook"),
    Command("app.screenshot_file", "", "screenshot", "Write a picture of the screen"),
    Command("app.capture", "", "capture", "Capture the arguments of a call in a script"),
    Command("app.left_works", "", "unsaved work", "Open what an earlier explorer left unsaved"),
    Command("app.change_theme", "", "theme", "Choose other colours"),
    Command(
        "app.command_palette",
        "ctrl+p",
        "palette",
        "Find anything",
        typing=True,
        hint=80,
        palette=False,
    ),
    # A text area undoes by the same key, and comes first.
    Command("app.jump", "ctrl+g", "go to", "Go to a pane or field by its letter", typing=True),
    Command("app.suspend_process", "ctrl+z", "suspend", "Go to the shell; fg comes back"),
    Command(
        "app.zoom",
        "z,f9",
        "zoom",
        "Let a pane fill the screen, or end it",
        typing=True,
    ),
    Command("app.move_split(-4)", "less_than_sign", "narrower", "Make the left column narrower"),
    Command("app.move_split(4)", "greater_than_sign", "wider", "Make the left column wider"),
    Command("app.repaint", "ctrl+l", "repaint", "Paint the screen anew", typing=True),
    Command("app.help", "question_mark,f1", "help", "All keys, by pane", typing=True, hint=90),
    Command("app.quit", "q", "quit", "Quit (ctrl+q also while typing)", hint=95),
    Command("app.quit", "ctrl+q", "quit", "Quit", typing=True, palette=False),
    # With priority, so that what is typed right behind a tab lands in the next field.
    Command(
        "app.focus_next",
        "tab",
        "next field",
        "Go to the next field or pane",
        typing=True,
        palette=False,
    ),
    Command(
        "app.focus_previous",
        "shift+tab",
        "field before",
        "Go to the field or pane before",
        typing=True,
        palette=False,
    ),
    Command("app.leave_field", "escape", "leave", "Leave the field", palette=False, typing=False),
    # panes
    Command(
        "screen.listing_source", "g", "source", "Go to the line of the source", "listing", hint=1
    ),
    Command(
        "screen.follow_line",
        "t",
        "next listing",
        "Find the same operation in the next listing",
        "listing",
        hint=2,
        palette=False,
    ),
    Command(
        "screen.listing_collective(1)", "c", "collective", "The next collective", "listing", hint=3
    ),
    Command("screen.listing_collective(-1)", "C", "collective before", "The one before", "listing"),
    Command(
        "screen.listing_fold",
        "enter",
        "unfold",
        "Show what is folded into the line, or fold it",
        "listing",
        hint=4,
        palette=False,
    ),
    Command(
        "screen.fold_listing(True)",
        "left_square_bracket",
        "fold",
        "Fold the parameters of all operations",
        "listing",
    ),
    Command(
        "screen.fold_listing(False)",
        "right_square_bracket",
        "unfold all",
        "Unfold everything",
        "listing",
    ),
    Command(
        "screen.add_layer",
        "a",
        "add layer",
        "Put another layer around the program",
        "map",
        hint=1,
    ),
    Command(
        "screen.edit_layer",
        "enter",
        "edit",
        "Edit the layer's fields",
        "layers",
        hint=2,
        palette=False,
    ),
    Command("screen.remove_layer", "x,delete", "remove", "Remove the layer", "layers", hint=3),
    Command("screen.move_out", "K,shift+up", "outward", "Move the layer outward", "layers", hint=4),
    Command("screen.move_in", "J,shift+down", "inward", "Move the layer inward", "layers", hint=5),
    Command(
        "screen.select_previous", "up,k", "up", "Select the layer above", "layers", palette=False
    ),
    Command(
        "screen.select_next", "down,j", "down", "Select the layer below", "layers", palette=False
    ),
    # trees by path
    Command(
        "turn",
        "enter,space,right",
        "unfold",
        "Unfold the argument, or fold it",
        "argument",
        hint=1,
        palette=False,
    ),
    Command(
        "choose",
        "enter,space",
        "fold, set",
        "Fold, unfold, set or take the row",
        "tree",
        hint=1,
        palette=False,
    ),
    Command("screen.find", "slash", "find", "Find a path", "tree", hint=2, palette=False),
    Command("find_again(1)", "n", "next", "Find the next one", "tree", hint=3, palette=False),
    Command("find_again(-1)", "N", "before", "Find the one before", "tree", palette=False),
    Command(
        "screen.apply_devices",
        "f5,ctrl+j",
        "apply",
        "Restart the engine with this device set",
        "devices",
        True,
        10,
    ),
    Command("app.apply_fix", "f,f2", "fix", "Apply a fix that is offered", "devices", hint=12),
    Command("screen.open_lesson", "enter", "open", "Open the lesson", "learn", hint=10),
    Command("screen.filter", "slash", "filter", "Filter the lessons", "learn", hint=12),
    Command("app.step_lesson(1)", "n,f8", "next", "Go on to the next lesson", "lesson", hint=2),
    Command("app.step_lesson(-1)", "N", "back", "Go back to the lesson before", "lesson", hint=3),
    Command("app.turn_lesson", "T", "text", "Show or hide the lesson's text", "lesson", hint=4),
    Command("app.reset_lesson", "Z", "reset", "Put the lesson back as it was", "lesson", hint=5),
    Command("app.hint_lesson", "H", "hint", "Show the next hint to an exercise", "lesson"),
    Command("app.close_lesson", "", "leave", "Leave the lesson, and keep its program", "lesson"),
    Command(
        "screen.run",
        "f5,ctrl+j",
        "compile",
        "Compile it, and compare with the plan",
        "sharding",
        True,
        30,
    ),
    Command("app.apply_fix", "f,f2", "fix", "Apply a fix that is offered", "sharding", hint=5),
    Command(
        "screen.details('map')", "m", "devices", "Show which device holds what", "sharding", hint=10
    ),
    Command(
        "screen.details('why')",
        "w",
        "why",
        "Show why an array lies as it does",
        "sharding",
        hint=12,
    ),
    Command(
        "screen.details('search')",
        "s",
        "search",
        "Search for cheaper shardings",
        "sharding",
        hint=14,
    ),
    Command(
        "screen.details('advice')", "a", "advice", "Show what the plan wastes", "sharding", hint=16
    ),
    Command(
        "screen.compare",
        "c",
        "compare",
        "Keep this plan, and show what differs from it",
        "sharding",
        hint=18,
    ),
    Command("screen.end_compare", "C", "end comparing", "Show no differences any more", "sharding"),
    Command(
        "screen.open_collective",
        "o",
        "collective",
        "Open the row's collective in Collectives",
        "sharding",
        hint=20,
    ),
    Command(
        "screen.hold", "x", "hold", "Have searches keep an argument's sharding", "sharding", hint=22
    ),
    Command(
        "screen.fold_all",
        "left_square_bracket",
        "fold",
        "Fold all lines, calls and loops",
        "sharding",
    ),
    Command(
        "screen.unfold_all",
        "right_square_bracket",
        "unfold",
        "Unfold all lines, calls and loops",
        "sharding",
    ),
    Command("screen.flip", "v,f6", "hide fields", "Show or hide the fields", "sharding", hint=24),
    Command("screen.run", "f5,ctrl+j", "run", "Run the collective", "collectives", True, 40),
    Command("screen.pick_operation", "p", "pick", "Pick a collective", "collectives", hint=10),
    Command("screen.next_via", "w", "via", "Carry it by the next transformation", "collectives"),
    Command("app.apply_fix", "f,f2", "fix", "Apply a fix that is offered", "collectives", hint=5),
    Command(
        "screen.step_travel(1)",
        "right_square_bracket",
        "step",
        "How it travels: the next step",
        "collectives",
        hint=20,
    ),
    Command(
        "screen.step_travel(-1)",
        "left_square_bracket",
        "step back",
        "How it travels: the step before",
        "collectives",
    ),
    Command("screen.next_algorithm", "a", "algorithm", "Take another way", "collectives", hint=25),
    Command(
        "screen.flip", "v,f6", "travel", "Show how it travels, or the form", "collectives", hint=22
    ),
    Command(
        "screen.open_in_map", "m", "map", "Open it as a program in Map", "collectives", hint=30
    ),
    Command("screen.export", "x", "script", "Copy or write it as a script", "collectives", hint=35),
    Command(
        "screen.bandwidth",
        "b",
        "bandwidth",
        "Sweep it over message sizes",
        "collectives",
        hint=37,
    ),
    Command("screen.next_output", "o", "next output", "Show the next result", "collectives"),
    Command("screen.next_input", "i", "next input", "Show the next input", "collectives"),
    Command("screen.run", "f5,ctrl+j", "run", "Sweep the message sizes", "bandwidth", True, 10),
    Command("app.stop", "ctrl+c", "stop", "Stop, and keep what is there", "bandwidth", True, 11),
    Command("app.apply_fix", "f,f2", "fix", "Apply a fix that is offered", "bandwidth", hint=12),
    Command("screen.flip", "v,f6", "chart", "Turn between table and chart", "bandwidth", hint=13),
    Command("screen.export", "x", "save", "Save as JSON, CSV or Markdown", "bandwidth", hint=14),
    Command("screen.back", "b", "back", "Go back to the collective", "bandwidth", hint=16),
    Command("screen.run", "f5,ctrl+j", "run", "Time the strategies", "benchmark", True, 10),
    Command("app.stop", "ctrl+c", "stop", "Stop the run, and keep it", "benchmark", True, 11),
    Command("app.apply_fix", "f,f2", "fix", "Apply a fix that is offered", "benchmark", hint=12),
    Command(
        "screen.next_tab", "s", "next tab", "Show the next of the details", "benchmark", hint=14
    ),
    Command("screen.previous_tab", "S", "previous tab", "Show the details before", "benchmark"),
    Command(
        "screen.flip",
        "v,f6",
        "details",
        "Turn between the form and the details",
        "benchmark",
        hint=13,
    ),
    Command(
        "screen.step_point(1)",
        "right_square_bracket",
        "point",
        "The next value of the sweep",
        "benchmark",
        hint=16,
    ),
    Command(
        "screen.step_point(-1)",
        "left_square_bracket",
        "point before",
        "The value of the sweep before",
        "benchmark",
    ),
    Command("screen.pick_subject", "p", "pick", "Pick what is timed", "benchmark", hint=18),
    Command("screen.earlier_runs", "r", "runs", "Open an earlier run", "benchmark", hint=20),
    Command("screen.compare", "c", "compare", "Compare with another run", "benchmark", hint=22),
    Command("screen.export", "x", "save", "Save as JSON, CSV or Markdown", "benchmark", hint=24),
    Command("screen.baseline", "b", "baseline", "Take the row as the baseline", "benchmark"),
    Command("screen.open_in_map", "m", "map", "Open what is timed in Map", "benchmark"),
)
