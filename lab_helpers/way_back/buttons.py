"""Buttons that go back, or do not: a click decides once, after the plan above them was read."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import ipywidgets as widgets
from botocore.exceptions import BotoCoreError, ClientError
from IPython.display import display

from lab_helpers.decision import DEAD, GRAY, RED, saved
from lab_helpers.errors import Interrupted, WorkshopError

if TYPE_CHECKING:
    from lab_helpers.live import Frame
    from lab_helpers.way_back.offer import WayBack

LEFT = "Nothing was changed."


class Buttons:
    """The buttons for one way back; displaying them also saves a sentence for when the kernel is gone."""

    def __init__(self, back: WayBack) -> None:
        self._back, self._decided, self._saved_id = back, False, uuid.uuid4().hex
        self._progress = widgets.HTML()
        self._message = widgets.Label(
            tabbable=False
        )  # it can have the focus, and a screen reader reads it then
        self.go = _button(f"Go back to the start of {back.number}", RED)
        self.leave = _button("Change nothing", GRAY)
        self.go.on_click(lambda _: self._go())
        self.leave.on_click(lambda _: self._leave())
        self._row = widgets.HBox([self.leave, self.go], layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._row, self._message, self._progress])
        self.box.add_class("workshop-decision")

    def _ipython_display_(self) -> None:
        display(self.box)
        display(saved(DEAD), display_id=self._saved_id)

    @property
    def said(self) -> str:
        """What is said below the buttons."""
        return str(self._message.value)

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
            self._decided = True
            self._finish(LEFT)

    def _show(self, _table: object, frame: Frame) -> None:
        self._progress.value = frame._repr_html_()

    def _finish(self, sentence: str) -> None:
        self._row.children = ()
        self._say(sentence)
        self._message.tabbable = True
        self._message.focus()  # the buttons are gone
        display(saved(sentence), display_id=self._saved_id, update=True)

    def _say(self, text: str) -> None:
        self._message.value, self._progress.value = text, ""


def _button(name: str, color: str) -> widgets.Button:
    return widgets.Button(
        description=name,
        style=widgets.ButtonStyle(button_color=color, text_color="white"),
        layout=widgets.Layout(width="auto"),
    )
