"""Buttons to approve and reject a release: a click decides, once, after a look at what is true by then."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from botocore.exceptions import BotoCoreError, ClientError
from IPython.display import HTML, display

from lab_helpers import approvals, executions
from lab_helpers.errors import WorkshopError

if TYPE_CHECKING:
    from lab_helpers.executions import Execution
    from lab_helpers.lab import Lab

GREEN, RED, GRAY = "#1a6334", "#a1262d", "#57606a"
"""White text is readable on them (WCAG 2.2, 1.4.3); it is not on the colors of ipywidgets' button styles."""
DEAD = "The kernel of these buttons has ended, so they do nothing: run the cells above again, then this one."
DONE = {
    "approved": "Approved: the pipeline now deploys this release to PRD. Run the cells below to follow it.",
    "rejected": "Rejected: the execution ends here, and PRD is unchanged. Run the cells below.",
}
QUESTION = "Release this model to production (PRD)? It replaces the one that serves there."
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


class Decision:
    """The buttons for one execution; displaying it also saves a sentence for when the kernel is gone."""

    def __init__(self, lab: Lab, execution: Execution) -> None:
        self._lab, self._pipeline, self._id = lab, execution.pipeline, execution.id
        self._decided = False
        self._saved_id = uuid.uuid4().hex
        # Not in the order of Tab, but it can have the focus: a screen reader reads what does.
        self._message = widgets.Label(tabbable=False)
        self.approve = self._button("Approve", GREEN, self._ask, "It asks once more.")
        self.reject = self._button("Reject", RED, lambda: self._decide("reject"), "It decides at once.")
        self.release = self._button("Release to PRD", GREEN, lambda: self._decide("approve"), QUESTION)
        self.back = self._button("Not yet", GRAY, self._return, QUESTION)
        self._row = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._message, self._row])
        self.box.add_class("workshop-decision")
        self._start()

    def _ipython_display_(self) -> None:
        display(self.box)
        display(saved(DEAD), display_id=self._saved_id)

    @property
    def said(self) -> str:
        """What is shown above the buttons."""
        return str(self._message.value)

    def _button(self, name: str, color: str, action: Callable[[], None], about: str) -> Any:
        button = widgets.Button(
            description=name,
            tooltip=about,  # screen readers read it after the name
            style=widgets.ButtonStyle(button_color=color, text_color="white"),
            layout=widgets.Layout(width="auto"),
        )
        button.on_click(lambda _: self._once(action))
        return button

    def _once(self, action: Callable[[], None]) -> None:
        """Carry out a click unless another one was quicker; say in one sentence what could not be done."""
        if self._decided:
            return
        for button in (self.approve, self.reject, self.release, self.back):
            button.disabled = True
        try:
            action()
        except (WorkshopError, ClientError, BotoCoreError) as error:
            self._start()
            self._say(f"Not decided: {str(error).splitlines()[0]}")
            self._message.focus()

    def _start(self) -> None:
        self._show(self.approve, self.reject)
        self._say(f"Execution {self._id} waits for you. A click decides.")

    def _return(self) -> None:
        self._start()
        self.approve.focus()

    def _ask(self) -> None:
        """Approving is for everyone who uses PRD, so it takes a second click."""
        if self._late():
            return
        # A double click's second half must not release: what is under the pointer now goes back.
        self._show(self.back, self.release)
        self._say(QUESTION)
        self.back.focus()  # the button that had the focus is gone; Enter pressed twice does not release

    def _decide(self, decision: str) -> None:
        if self._late():
            return
        now = executions.get(self._lab, self._pipeline, self._id)
        outcome = approvals.decide(self._lab, now, decision, "decided in the notebook")
        if outcome == approvals.DECISIONS[decision].lower():
            self._finish(DONE[outcome])
        else:  # someone else was quicker by a moment
            self._finish(f"Nothing was done: execution {self._id} was already {outcome}.")

    def _late(self) -> bool:
        """Return whether there is nothing left to decide, and say so."""
        now = executions.get(self._lab, self._pipeline, self._id)
        outcome = approvals.outcome(now)
        if outcome == "waiting" and not now.ended:
            return False
        stopped = now.status in {"Stopped", "Cancelled", "Superseded"}
        state = outcome if outcome in DONE and not stopped else now.status.lower()
        self._finish(f"Nothing was done: execution {self._id} was already {state}.")
        return True

    def _finish(self, sentence: str) -> None:
        self._decided = True
        self._row.children = ()
        self._say(sentence)
        self._message.tabbable = True
        self._message.focus()  # the buttons are gone
        display(saved(sentence), display_id=self._saved_id, update=True)

    def _show(self, *buttons: Any) -> None:
        for button in buttons:
            button.disabled = False
        self._row.children = buttons

    def _say(self, sentence: str) -> None:
        self._message.value = sentence


def saved(sentence: str) -> HTML:
    """Return a sentence that is seen when the widgets beside it have lost their kernel."""
    return HTML(f'{_STYLE}<p class="workshop-decision-saved">{html.escape(sentence)}</p>')
