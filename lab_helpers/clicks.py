"""Buttons under a cell, of which one click decides, once; a sentence stays when their kernel is gone."""

from __future__ import annotations

import html
import uuid

import ipywidgets as widgets
from IPython.display import HTML, display

GREEN, RED, GRAY = "#1a6334", "#a1262d", "#57606a"
"""White text is readable on them (WCAG 2.2, 1.4.3); it is not on the colors of ipywidgets' button styles."""
DEAD = "The kernel of these buttons has ended, so they do nothing: run the cells above again, then this one."
_STYLE = """<style>
.workshop-decision .widget-label{height:auto;line-height:1.5;white-space:pre-line}
.jp-OutputArea:has(.workshop-decision:not(.jupyter-widgets-disconnected)) .workshop-decision-saved,
.workshop-decision.jupyter-widgets-disconnected,
.jp-OutputArea:not(:has(.workshop-decision)):has(.workshop-decision-saved) .jupyter-widgets
{display:none}
</style>"""
"""JupyterLab keeps the picture of a widget when its kernel ends, or says that it finds no model. What the
notebook has saved beside it takes over then: it is hidden only while a widget lives, that is, without the
class that ipywidgets gives to a widget without a kernel. Its labels would be cut after one line."""


class Clicks:
    """The row of buttons, and a message; displaying `box` also saves a sentence for a dead kernel."""

    def __init__(self) -> None:
        self._decided = False
        self._saved_id = uuid.uuid4().hex
        # Not in the order of Tab, but it can have the focus: a screen reader reads what does.
        self._message = widgets.Label(tabbable=False)
        self._row = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox()
        self.box.add_class("workshop-decision")

    def _ipython_display_(self) -> None:
        display(self.box)
        display(_saved(DEAD), display_id=self._saved_id)

    @property
    def said(self) -> str:
        """What the message says."""
        return str(self._message.value)

    def _say(self, sentence: str) -> None:
        self._message.value = sentence

    def _finish(self, sentence: str) -> None:
        """Take the buttons away and say what has become of it."""
        self._decided = True
        self._row.children = ()
        self._say(sentence)
        self._message.tabbable = True
        self._message.focus()  # the buttons are gone
        display(_saved(sentence), display_id=self._saved_id, update=True)


def button(name: str, color: str, about: str | None = None) -> widgets.Button:
    """Return a button with white text; screen readers read `about` after the name."""
    return widgets.Button(
        description=name,
        tooltip=about,
        style=widgets.ButtonStyle(button_color=color, text_color="white"),
        layout=widgets.Layout(width="auto"),
    )


def _saved(sentence: str) -> HTML:
    """Return a sentence that is seen when the widgets beside it have lost their kernel."""
    return HTML(f'{_STYLE}<p class="workshop-decision-saved">{html.escape(sentence)}</p>')
