"""The jobs that the account is carrying out, from their creation to their end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from local_account.foundation.containers import GROUP_LABEL, engine_errors
from local_account.services.sagemaker.jobs import ENDED, JobKind
from local_account.services.sagemaker.leftovers import when_engine_answers
from local_account.services.sagemaker.resources import Resources, invalid

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)
S = TypeVar("S")


class JobTasks(Generic[S]):
    """The running jobs of one kind, a task each. S is what tells a job to stop: a queue, or an event.

    ``give_up`` records that the job of a name has failed, since the account was stopped.
    """

    def __init__(self, resources: Resources, kind: JobKind, give_up: Callable[[str], None]) -> None:
        self._resources = resources
        self._account = resources.account
        self._kind = kind
        self._give_up = give_up
        self._stops: dict[str, S] = {}

    def recover(self) -> None:
        """End what a killed account left behind: its containers are no longer watched."""
        jobs = self._kind.documents(self._resources).items()
        for name, job in jobs:
            if job[self._kind.status] not in ENDED:
                self._account.tasks.spawn(self._kind.group(name), self._end_interrupted, name)
        if jobs:
            self._account.tasks.spawn(f"{self._kind.noun} leftovers", self._end_leftovers)

    def end(self) -> None:
        """End the containers of running jobs; ``recover`` records their end."""
        try:
            for name in list(self._stops):
                self._account.containers.end(self._kind.group(name))
        except engine_errors() as error:
            log.warning("the containers of %ss end when the account starts again: %s", self._kind.noun, error)

    def expect(self, name: str, stop: S) -> None:
        """Note a job that is about to be carried out: from now on, it can be stopped."""
        self._stops[name] = stop

    def carry_out(self, name: str, run: Callable[[str, S], object]) -> None:
        """Call ``run(name, stop)`` in a task of its own."""
        self._account.tasks.spawn(self._kind.group(name), self._carry_out, name, run)

    def to_stop(self, job: Mapping[str, Any]) -> S | None:
        """Return what tells a job to stop, or None if it need not be told: it is stopping already.

        Raises ServiceError ValidationException if it has ended.
        """
        status = job[self._kind.status]
        if status in ENDED:
            raise invalid(f"The request was rejected because the {self._kind.noun} is in status {status}.")
        return None if status == "Stopping" else self._stops.get(job[f"{self._kind.member}Name"])

    def _carry_out(self, name: str, run: Callable[[str, S], object]) -> None:
        try:
            run(name, self._stops[name])
        finally:
            self._stops.pop(name, None)

    def _end_interrupted(self, name: str) -> None:
        self._give_up(name)
        end = partial(self._account.containers.end, self._kind.group(name))
        when_engine_answers(self._account, f"{self._kind.noun} {name}", end)

    def _end_leftovers(self) -> None:
        """Remove containers of jobs that had ended when the account was killed."""

        def end() -> None:
            for container in self._account.containers.members():
                other, _, name = container.labels[GROUP_LABEL].partition(self._kind.group(""))
                if not other and name not in self._stops:
                    self._account.containers.end(self._kind.group(name))

        when_engine_answers(self._account, f"{self._kind.noun}s", end)


class Jobs(Resources):
    """Base of the classes whose jobs run in tasks: a start recovers each kind, and a stop ends it."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._kinds: list[JobTasks[Any]] = []

    def tasks_of(self, tasks: JobTasks[S]) -> JobTasks[S]:
        """Return the tasks of one kind of jobs, which from now on start and stop with the service."""
        self._kinds.append(tasks)
        return tasks

    def start(self) -> None:
        """End what a killed account left behind."""
        super().start()
        for tasks in self._kinds:
            tasks.recover()

    def stop(self) -> None:
        """End the containers of running jobs; ``start`` records their end."""
        with contextlib.ExitStack() as stack:
            stack.callback(super().stop)
            for tasks in self._kinds:
                stack.callback(tasks.end)
