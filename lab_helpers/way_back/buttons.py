"""Buttons that go back, or do not: a click decides once, after the plan above them was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets
from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers.clicks import GRAY, RED, Clicks, button
from lab_helpers.errors import Interrupted, WorkshopError

if TYPE_CHECKING:
    from lab_helpers.live import Frame
    from lab_helpers.way_back.offer import WayBack

LEFT = "Nothing was changed."


class Buttons(Clicks):
    """The buttons for one way back."""

    def __init__(self, back: WayBack) -> None:
        super().__init__()
        self._back = back
        self._progress = widgets.HTML()
        self.go = button(f"Go back to the start of {back.number}", RED)
        self.leave = button("Change nothing", GRAY)
        self.go.on_click(lambda _: self._go())
        self.leave.on_click(lambda _: self._leave())
        self._row.children = (self.leave, self.go)
        self.box.children = (self._row, self._message, self._progress)

    def _go(self) -> None:
        """Go back unless another click was quicker; say in one sentence what could not be done."""
        if self._decided:
            return
        self._decided = self.go.disabled = self.leave.disabled = True
        self._say("Reading the state of your lab …")
        try:
            self._finish(self._back.go(self._show))
        except (WorkshopError, Interrupted, ClientError, BotoCoreError) as error:
            self._decided = self.go.disabled = self.leave.disabled = False
            self._say(str(error))
            self._message.focus()

    def _leave(self) -> None:
        if not self._decided:
            self._finish(LEFT)

    def _show(self, _table: object, frame: Frame) -> None:
        self._progress.value = frame._repr_html_()

    def _say(self, sentence: str) -> None:
        super()._say(sentence)
        self._progress.value = ""
