"""The frame of a pipeline execution while it runs: state, a ticking clock, what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lab_helpers import console
from lab_helpers.details import FIRST_SECONDS, Details
from lab_helpers.display import in_notebook
from lab_helpers.live import Frame, Live
from lab_helpers.usual import Usual

if TYPE_CHECKING:
    from lab_helpers.executions import Execution
    from lab_helpers.lab import Lab


class Watched:
    """Shows an execution: its state is of the last look, its time of now, its details a few seconds old.

    `read` returns the execution's current state.
    """

    def __init__(self, lab: Lab, read: Callable[[], Execution]) -> None:
        self._lab, self._read = lab, read
        self._execution: Execution | None = None
        self._live, self._details = Live(), Details(lab)
        self._usual: Usual | None = None

    def look(self) -> Execution:
        """Read the execution's state, show it and return it."""
        found = self._read()
        if self._execution is None:
            page = console.of(self._lab.client("codepipeline")).pipeline_execution(found.pipeline, found.id)
            self._live.link("execution in the console", page)
            self._usual = Usual(self._lab, found.pipeline, found.id)
        self._execution = found
        self.show()
        return found

    def show(self) -> None:
        """Show the state as it was at the last look, and how long the action has been running by now."""
        execution = self._execution
        if execution is None:
            return
        if not in_notebook() or execution.ended:
            self._live.show(execution.table())
            return
        now = datetime.now(UTC)
        running = [action for action in execution.actions if action.status == "InProgress"]
        # The first second of a quick pipeline is not worth a question.
        slow = any((action.seconds(now) or 0) > FIRST_SECONDS for action in running)
        doing: dict[tuple[str, str], str] = {}
        log: tuple[str, ...] = ()
        for action in execution.actions:
            said = []
            if action in running:
                detail = self._details.of(execution, action, action.seconds(now) or 0.0)
                said.append(detail.text)
                log = detail.log or log
                if detail.link:
                    self._live.link(*detail.link)
            if slow and not action.ended and self._usual:
                said.append(self._usual.of(action.stage, action.name))
            doing[action.stage, action.name] = "; ".join(filter(None, said))
        self._live.show(execution.table(), now=Frame(execution.table(now, doing), log))

    def settle(self) -> None:
        """Leave the last known state, without a clock."""
        if self._execution is not None:
            self._live.show(self._execution.table())
