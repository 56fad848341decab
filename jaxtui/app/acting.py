"""What the keys do that work on every screen, and what the screens ask of the app."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from jaxtui import config
from jaxtui.app.shell_app import ShellApp
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.screens import BY_NAME, KEYED
from jaxtui.session.session import Session

if TYPE_CHECKING:
    from jaxtui.app.captures import Captures
    from jaxtui.app.explorer import Explorer
    from jaxtui.app.learn.open_lesson import OpenLesson
    from jaxtui.lessons.progress import Progress
    from jaxtui.session.diagnosis import Fix


class ActingApp(ShellApp):
    """An app whose actions are done to the `explorer`, which is there once it has `begun`."""

    explorer: Explorer
    begun: bool = False
    _keeps: bool
    _captures: Captures | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Allow only stopping, quitting and moving the focus while a dialog is open.

        What is done with a lesson needs one that is open.
        """
        if action.endswith("_lesson") and action != "open_lesson" and not self.reads_lesson:
            return False
        if self.screen.is_modal and action in commands.APP_ACTIONS:
            return action in ("stop", "quit", "focus_next", "focus_previous")
        return True

    @property
    def workbench(self) -> Explorer:
        return self.explorer

    def open_file(self, path: str) -> None:
        self.explorer.files.open_path(path)

    def show_session(self) -> None:
        self.switch_mode(self.explorer.first_screen)

    def action_show_screen(self, name: str) -> None:
        self.show_screen(name)

    def show_screen(self, name: str) -> None:
        """Switch to a screen; one without a key is pushed over the current screen."""
        screen = BY_NAME[name]
        if screen.key:
            self.switch_mode(name)
        else:
            self.push_screen(screen.make())

    def action_stop(self) -> None:
        if self.screen.is_modal:
            from jaxtui.screen.dialogs import Dialog

            if isinstance(self.screen, Dialog) and self.screen.stop_work():
                return
        if self.explorer.stop():
            return
        if text := self._selected():
            self.copy(text)
        else:
            self.say("nothing is running; q or ctrl+q quits")

    def _selected(self) -> str:
        in_field = getattr(self.focused, "selected_text", "")
        return str(in_field or self.screen.get_selected_text() or "")

    def action_restart_engine(self) -> None:
        self.explorer.restart()

    def action_apply_fix(self) -> None:
        screen = self.screen
        diagnosis = screen.diagnosis(self.explorer.work) if isinstance(screen, WorkScreen) else None
        fixes = diagnosis.fixes if diagnosis is not None else []
        word = "fixed" if diagnosis is None or diagnosis.kind != "note" else "done"
        if not fixes:
            self.say("there is nothing to fix" if diagnosis is None else "this error offers no fix")
        elif len(fixes) == 1:
            self._apply(fixes[0], word)
        else:
            from jaxtui.screen.dialogs import ChoiceDialog
            from jaxtui.screen.field import fix_words

            choices = [(str(i), fix_words(fix)) for i, fix in enumerate(fixes)]
            self.push_screen(
                ChoiceDialog("Which fix?", choices),
                lambda chosen: (
                    self._apply(fixes[int(chosen)], word) if chosen is not None else None
                ),
            )

    def _apply(self, fix: Fix, word: str) -> None:
        from jaxtui.screen.field import fix_words

        screen = self.screen
        if isinstance(screen, WorkScreen):
            screen.apply(fix)
        self.say(f"{word}: {fix_words(fix)}")

    def action_copy(self) -> None:
        screen = self.screen
        text = screen.text_to_copy() if isinstance(screen, WorkScreen) else ""
        if self.reads_lesson:
            text = self.lessons.addresses or text
        if text:
            self.copy(text)
        else:
            self.say("nothing here to copy")

    def copy(self, text: str) -> None:
        self.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        what = f"{lines} lines" if lines > 1 else (text if len(text) <= 40 else "one line")
        self.say(f"sent to the terminal's clipboard: {what}")

    def action_repaint(self) -> None:
        self.forget_shown()
        self.refresh()

    def action_suspend_process(self) -> None:
        """Stop the whole job, which a wrapper such as `uv run` may be part of, until `fg`."""
        if os.getpgrp() == os.getsid(0):
            self.say("no shell with job control started this, so nothing could bring it back")
            return
        self.explorer.files.rescue()
        self.app_suspend_signal.publish(self)
        os.killpg(os.getpgrp(), signal.SIGTSTP)

    def action_undo(self) -> None:
        self.explorer.undo()

    def action_redo(self) -> None:
        self.explorer.redo()

    def action_new_session(self) -> None:
        """Start with an empty editor, on the devices of before."""

        def go_on() -> None:
            devices = self.explorer.open_session.session.devices
            self.explorer.open(Session(devices=devices))
            self.switch_mode("map")
            self.map_screen.begin_to_write()

        self.explorer.files.unless_changed(go_on)

    def action_open_session(self) -> None:
        self.explorer.files.open()

    def action_save_session(self) -> None:
        self.explorer.files.save()

    def action_save_session_as(self) -> None:
        self.explorer.files.save_as()

    @property
    def lessons(self) -> OpenLesson:
        """The lessons, of which one may be open."""
        from jaxtui.app.learn.open_lesson import OpenLesson
        from jaxtui.lessons.progress import Progress

        if self.explorer.lesson is None:
            progress = Progress(config.state_folder() if self._keeps else None)
            self.explorer.lesson = OpenLesson(self, self.explorer, progress)
        return self.explorer.lesson

    @property
    def progress(self) -> Progress:
        return self.lessons.progress

    def open_lesson(self, name: str) -> None:
        self.lessons.open(name)

    @property
    def reads_lesson(self) -> bool:
        """Whether a lesson is open."""
        found = self.explorer.lesson if self.begun else None
        return found is not None and found.lesson is not None

    def action_step_lesson(self, by: int) -> None:
        self.lessons.step(by)

    def action_reset_lesson(self) -> None:
        self.lessons.reset()

    def action_turn_lesson(self) -> None:
        self.turn_lesson()

    def turn_lesson(self) -> None:
        self.lessons.turn()

    def action_hint_lesson(self) -> None:
        self.lessons.hint()

    def action_close_lesson(self) -> None:
        self.lessons.close()

    def action_capture(self) -> None:
        from jaxtui.app.captures import Captures

        if self._captures is None:
            self._captures = Captures(self, self.explorer.files)
        self._captures.ask()

    def action_left_works(self) -> None:
        from jaxtui.app.left_works import LeftWorks

        left = LeftWorks(self.explorer, self.explorer.files)
        self.explorer.files.unless_changed(left.offer)

    async def action_quit(self) -> None:
        if self.explorer.files.asking:
            # The question was asked already: whoever insists leaves.
            self.exit()
            return
        while self.screen.is_modal:
            await self.pop_screen()
        self.explorer.files.unless_changed(self.exit)

    def action_command_palette(self) -> None:
        from jaxtui.app.palette import open_palette

        if not self.screen.is_modal:
            open_palette(self)

    def action_change_theme(self) -> None:
        from jaxtui.screen.dialogs import ChoiceDialog

        def chosen(name: str | None) -> None:
            if name is not None:
                self.theme = name

        themes = sorted(self.available_themes)
        self.push_screen(ChoiceDialog("Which colours?", [(t, t) for t in themes]), chosen)

    def action_export(self) -> None:
        from jaxtui.app.writing import export

        export(self)

    def action_export_notebook(self) -> None:
        from jaxtui.app.writing import NOTEBOOK, export

        export(self, NOTEBOOK)

    def action_screenshot_file(self) -> None:
        from jaxtui.app.writing import screenshot

        screenshot(self)

    def action_end_engine(self) -> None:
        self.explorer.end_engine()

    def action_jump(self) -> None:
        from jaxtui.screen.jump import show_jump

        if isinstance(self.screen, WorkScreen):
            show_jump(self.screen)

    def action_help(self) -> None:
        from jaxtui.app.help import HelpDialog, pane_title

        screen = self.screen
        name = screen.NAME if isinstance(screen, WorkScreen) else ""
        own = screen.scopes()[0] if isinstance(screen, WorkScreen) else ""
        heading = dict(scope for s in KEYED for scope in s.headings).get(own, "")
        self.push_screen(HelpDialog(name, pane_title(self.focused) or heading))

    def action_focus_next(self) -> None:
        screen = self.screen
        if isinstance(screen, WorkScreen) and screen.focused is None and screen.return_to_field():
            return
        super().action_focus_next()

    def action_zoom(self) -> None:
        if isinstance(self.screen, WorkScreen):
            self.screen.zoom()

    def action_move_split(self, columns: int) -> None:
        if isinstance(self.screen, WorkScreen):
            self.screen.move_split(columns)

    def action_leave_field(self) -> None:
        screen = self.screen
        if isinstance(screen, WorkScreen):
            screen.leave_field()

    def say(self, text: str) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed:
                screen.say(text)
            elif screen.is_modal:  # its line covers that of the screen below it
                from jaxtui.screen.dialogs import Dialog

                if isinstance(screen, Dialog):
                    screen.say(text)
