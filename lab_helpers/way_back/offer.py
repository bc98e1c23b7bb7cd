"""A learner's way back: what would change, what stays, and then, if they say so, the change itself.

It runs with the role of the notebook instance, so it reaches this lab only. What that role cannot do, such
as creating the lab again, is an instructor's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers import exercises, keys
from lab_helpers.display import Table, duration, in_notebook, ticking
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.live import TICK, Frame, Live
from lab_helpers.patience import StoppedError
from lab_helpers.shared_clients import SharedClients
from lab_helpers.way_back.own import list_own
from lab_helpers.way_back.plan import Action, Plan, make_plan
from lab_helpers.way_back.resetting import Account, Outcome, carry_out
from lab_helpers.way_back.target import Target, numbers

Show = Callable[[Table, Frame], None]
"""Called with what is done so far, and with the same as it is this second."""
_INSTRUCTORS = {"deploy", "mend", "start-instance"}
"""Kinds of actions that a lab's own role is not allowed to do."""


class WayBackError(WorkshopError, RuntimeError):
    """The lab cannot go back, or not that way; the message says why and what to do."""


class WayBack:
    """The way of one lab to the start of one notebook: first a plan, then `go`."""

    def __init__(self, number: str, lab: Lab) -> None:
        """Read the lab and make the plan. Raises WayBackError; botocore's exceptions pass through."""
        known = numbers(lab.package)
        if number not in known:
            raise WayBackError(
                f"{number!r} is not a notebook to go back to: give one of {', '.join(known)}, as text"
            )
        clients = SharedClients(lab.session)
        self._lab, self.number = lab, number
        self._account = Account(clients, lab.region, lab.account, lambda names: list_own(clients, names))
        self._target = Target(number, lab.names, lab.package)
        self._begun = False
        self.plan = self._planned()

    def _planned(self) -> Plan:
        plan = make_plan(self._account.state(self._lab.names), self._target)
        for action in plan.actions:
            if action.kind == "leave":
                raise WayBackError(f"{action.subject}: {action.title}")
            if action.kind in _INSTRUCTORS or _mends_top(action, self._lab):
                raise WayBackError(
                    f"{action.subject}: {action.title}. This lab is not allowed to do that itself: ask your "
                    f"instructor to run `python -m lab_helpers reset --participant {self._lab.names.tag} "
                    f"--to {self.number}`."
                )
        return plan

    # --- what is said first

    def changes(self) -> Table:
        """Show what would be done, in this order."""
        return Table(
            ["what changes", "how"],
            [[one.subject, one.title] for one in self.plan.actions],
            caption=f"To go back to the start of notebook {self.number}",
        )

    def stays(self) -> Table:
        """Show what would not change."""
        return Table(["what stays", "how"], list(self._staying()))

    def _staying(self) -> Iterator[list[str]]:
        state, names = self.plan.state, self._lab.names
        gone = {(one.kind, one.subject) for one in self.plan.actions}
        for image in self._target.images:
            count = len(set(state.images.get(image.repository, {}).values()))
            if count and ("empty-registry", image.repository) not in gone:
                yield [image.repository, f"the image{'s' * (count > 1)} that it has ({count})"]
        for stack, endpoint in (
            (names.dev_stack, names.dev_endpoint),
            (names.prd_stack, names.prd_endpoint),
        ):
            if endpoint in state.endpoints and ("delete-release", stack) not in gone:
                yield [endpoint, "serves until the next release"]
        doomed = [
            prefix
            for kind, prefix in (
                ("forget-training", keys.TRAINING),
                ("forget-labeled", keys.LABELED),
                ("forget-monitoring", keys.MONITORING),
                ("forget-drills", keys.DRILLS),
                ("remove-sdk", keys.SDK),
            )
            if kind in {one.kind for one in self.plan.actions}
        ]
        kept = f"all objects but those under {_and(doomed)}" if doomed else "all objects"
        yield [self._lab.bucket, kept]
        yield ["pipelines and training jobs", "their history"]
        yield [
            "your own files",
            "what you added or changed, if anything, moves to notebooks/changed-DATE-TIME",
        ]

    def __repr__(self) -> str:
        return f"{self.changes()!r}\n\n{self.stays()!r}"

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415 (a terminal does not need it)

        display(self.changes(), self.stays())
        if in_notebook():
            from lab_helpers.way_back.buttons import Buttons  # noqa: PLC0415 (only this needs ipywidgets)

            display(Buttons(self))

    # --- doing it

    def go(self, show: Show | None = None) -> str:
        """Do it, show the progress, and return what to do next. Safe to interrupt and to repeat.

        Raises WayBackError if the lab has changed since the plan was shown, or if a step fails; and
        Interrupted.
        """
        if not self._begun:
            shown, self.plan = self.plan, self._planned()
            if set(shown.actions) != set(self.plan.actions):
                raise WayBackError(
                    "Nothing was done: the lab has changed since you were told what would change. "
                    "Run the cell again to see what would change now."
                )
        plan = None if self._begun else self.plan
        self._begun = True
        steps, stopping = _Steps(show or _live()), threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="way-back") as pool:
            work = pool.submit(
                carry_out, self._account, self._target, plan=plan, report=steps.add, stopping=stopping
            )
            try:
                while wait([work], timeout=TICK).not_done:
                    steps.draw()
                outcome = work.result()
            except KeyboardInterrupt:
                stopping.set()
                raise Interrupted(
                    "Interrupted half way: some of it is done. Run this cell again to do the rest."
                ) from None
            except StoppedError:
                raise WayBackError("Stopped half way. Run this cell again to do the rest.") from None
            except (ClientError, BotoCoreError) as error:
                raise WayBackError(
                    f"{error}.\nWhat to do: run this cell again. If that fails, too, show this message to "
                    "your instructor, who can reset the lab with more rights than it has itself."
                ) from error
        steps.end()
        return self._next(outcome)

    def _next(self, outcome: Outcome) -> str:
        notebook = exercises.find(self._lab.exercises, self.number).name
        said = (
            f"Your lab is at the start of notebook {self.number}. Restart the kernel (menu Kernel, Restart "
            f"Kernel), because what its variables say is no longer true. Then open {notebook}. If JupyterLab "
            "says that a file has changed on disk, let it reload the file."
        )
        answer = outcome.answer
        if answer and answer.kept:
            where = answer.folder or self._lab.exercises.name
            said += f" What you had changed is in {where}: {', '.join(answer.kept)}."
        return said


def _mends_top(action: Action, lab: Lab) -> bool:
    return action.kind == "roll-back" and action.subject == lab.names.top_stack


def _live() -> Show:
    live = Live()
    return lambda table, frame: live.show(table, now=frame)


class _Steps:
    """What has been done, line by line, with the time since the beginning."""

    def __init__(self, show: Show) -> None:
        self._show, self._began = show, time.monotonic()
        self._lines: list[tuple[float, str]] = []

    def add(self, line: str) -> None:
        """Add a line; any thread may."""
        self._lines.append((time.monotonic() - self._began, line))

    def draw(self) -> None:
        """Show the lines, and how long the last step has been taking."""
        rows = [[duration(at), line] for at, line in self._lines]
        if not rows:
            return
        clock = ticking(time.monotonic() - self._began - self._lines[-1][0])
        table = Table(["after", "what is done"], rows)
        now = Table(["after", "what is done"], [*rows[:-1], [rows[-1][0], f"{rows[-1][1]} ({clock})"]])
        self._show(table, Frame(now))

    def end(self) -> None:
        """Show the lines and that all of them are done."""
        self.add("done")
        table = Table(["after", "what is done"], [[duration(at), line] for at, line in self._lines])
        self._show(table, Frame(table))


def _and(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
