"""The life of a job: it starts, does its work, and ends in a documented status, whatever happens."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar, Literal

from local_account.foundation.containers import engine_errors, explained
from local_account.services.sagemaker.jobs import REASON_LENGTH, JobError, JobKind
from local_account.services.sagemaker.leftovers import when_engine_answers
from local_account.services.sagemaker.resources import INTERNAL_ERROR, Resources

log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The job was stopped, or ran too long."""


class JobRun(ABC):
    """Carries out one job of a kind."""

    kind: ClassVar[JobKind]

    def __init__(self, resources: Resources, name: str) -> None:
        self._resources = resources
        self._account = resources.account
        self._name = name
        self._group = self.kind.group(name)

    def run(self) -> None:
        """Run the job to its end, and remove its containers.

        If the account stops before, nothing is recorded: the job is given up when the account starts again.
        """
        what, stopping = f"{self.kind.noun} {self._name}", self._account.tasks.stopping
        try:
            self._work()
        except JobError as error:
            self._fail(str(error))
        except StoppedError:
            self._end("Stopped")
        except Exception as error:
            if stopping.is_set():
                return
            if isinstance(error, engine_errors()):
                log.warning("%s lost the Docker Engine", what, exc_info=True)
                self._fail(f"InternalServerError: {explained(error)}")
            else:
                log.exception("%s", what)
                self._fail(INTERNAL_ERROR)
        else:
            if not stopping.is_set():
                self._end("Completed")
        finally:
            when_engine_answers(self._account, what, partial(self._account.containers.end, self._group))

    def _fail(self, reason: str) -> None:
        self._end("Failed", reason[:REASON_LENGTH])

    def _raise_if_stopped(self) -> None:
        job = self.kind.documents(self._resources).require(self._name)
        if job[self.kind.status] == "Stopping":
            raise StoppedError

    @abstractmethod
    def _work(self) -> None:
        """Do the work. Raises JobError or StoppedError to end the job so; its log is complete then."""

    @abstractmethod
    def _end(self, status: Literal["Completed", "Failed", "Stopped"], reason: str = "") -> None:
        """Record the end; there is a reason for a failure only."""
