"""Buttons to approve and reject a release: a click decides, once, after a look at what is true by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers import approvals, executions
from lab_helpers.aws_errors import is_gone
from lab_helpers.clicks import GRAY, GREEN, RED, Clicks, button
from lab_helpers.errors import WorkshopError

if TYPE_CHECKING:
    from lab_helpers.executions import Execution
    from lab_helpers.lab import Lab

DONE = {
    "approved": "Approved: the pipeline now deploys this release to PRD. Run the cells below to follow it.",
    "rejected": "Rejected: the execution ends here, and PRD is unchanged. Run the cells below.",
}
QUESTION = "Release this model to production (PRD)?"
REPLACES = f"{QUESTION} It replaces the one that serves there."
FIRST = f"{QUESTION} Nothing serves there yet: the endpoint is created, and costs money from then on."


class Decision(Clicks):
    """The buttons for one execution."""

    def __init__(self, lab: Lab, execution: Execution) -> None:
        super().__init__()
        self._lab, self._pipeline, self._id = lab, execution.pipeline, execution.id
        self.approve = self._button("Approve", GREEN, self._ask, "It asks once more.")
        self.reject = self._button("Reject", RED, lambda: self._decide("reject"), "It decides at once.")
        self.release = self._button("Release to PRD", GREEN, lambda: self._decide("approve"), QUESTION)
        self.back = self._button("Not yet", GRAY, self._return, QUESTION)
        self.box.children = (self._message, self._row)
        self._start()

    def _button(self, name: str, color: str, action: Callable[[], None], about: str) -> Any:
        made = button(name, color, about)
        made.on_click(lambda _: self._once(action))
        return made

    def _once(self, action: Callable[[], None]) -> None:
        """Carry out a click unless another one was quicker; say in one sentence what could not be done."""
        if self._decided:
            return
        for one in (self.approve, self.reject, self.release, self.back):
            one.disabled = True
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
        question = self._question()
        self.release.tooltip = self.back.tooltip = question
        # A double click's second half must not release: what is under the pointer now goes back.
        self._show(self.back, self.release)
        self._say(question)
        self.back.focus()  # the button that had the focus is gone; Enter pressed twice does not release

    def _question(self) -> str:
        """Return what a release would change: there may be nothing yet that it could replace."""
        try:
            self._lab.client("sagemaker").describe_endpoint(EndpointName=self._lab.names.prd_endpoint)
        except ClientError as error:
            if not is_gone(error):
                raise
            return FIRST
        return REPLACES

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

    def _show(self, *buttons: Any) -> None:
        for one in buttons:
            one.disabled = False
        self._row.children = buttons
