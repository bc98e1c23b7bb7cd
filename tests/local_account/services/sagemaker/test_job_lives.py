"""Jobs of all kinds end in a documented status, and leave no container behind."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import DockerException

from local_account.foundation.containers import GROUP_LABEL
from local_account.services.sagemaker import processing_run, training_run, transform_run
from local_account.services.sagemaker.job_runs import JobRun, StoppedError
from local_account.services.sagemaker.job_tasks import JobTasks
from local_account.services.sagemaker.jobs import REASON_LENGTH, JobError, JobKind
from local_account.services.sagemaker.resources import INTERNAL_ERROR, Resources
from tests.local_account.services.sagemaker.test_parts import Account


class Containers:
    """An engine's containers, by their groups."""

    def __init__(self, *groups: str) -> None:
        self.groups = set(groups)

    def members(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(labels={GROUP_LABEL: group}) for group in self.groups]

    def end(self, group: str) -> None:
        self.groups.discard(group)


class Tasks:
    """Background work that is done at once."""

    def __init__(self) -> None:
        self.stopping = threading.Event()

    def spawn(self, _name: str, function: Callable[..., object], *args: Any) -> None:
        function(*args)


@pytest.fixture
def account(tmp_path: Path) -> Any:
    found: Any = Account(tmp_path)
    found.tasks, found.containers = Tasks(), Containers()
    return found


@pytest.mark.parametrize("kind", [module.KIND for module in (training_run, processing_run, transform_run)])
def test_what_a_killed_account_left_of_jobs_is_removed(account: Any, kind: JobKind) -> None:
    resources = Resources(account)
    for name, status in (("done", "Completed"), ("cut", "InProgress"), ("halted", "Stopping")):
        kind.documents(resources).put(name, {kind.status: status})
    groups = {kind.group(name) for name in ("done", "cut", "halted", "deleted")}
    account.containers = Containers("endpoint-done", *groups)
    given_up: list[str] = []
    JobTasks[threading.Event](resources, kind, given_up.append).recover()
    assert given_up == ["cut", "halted"]
    assert account.containers.groups == {"endpoint-done"}


class Run(JobRun):
    """A job whose work is to raise an error, or nothing."""

    kind = processing_run.KIND

    def __init__(self, resources: Resources, error: Exception | None) -> None:
        super().__init__(resources, "job")
        self.error = error
        self.ends: list[tuple[str, str]] = []

    def _work(self) -> None:
        if self.error:
            raise self.error

    def _end(self, status: str, reason: str = "") -> None:
        self.ends.append((status, reason))


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (None, "Completed", ""),
        (StoppedError(), "Stopped", ""),
        (JobError("ClientError: no data"), "Failed", "ClientError: no data"),
        (JobError("x" * 2000), "Failed", "x" * REASON_LENGTH),
        (DockerException("gone"), "Failed", "InternalServerError: the Docker Engine cannot be reached"),
        (ValueError("a bug"), "Failed", INTERNAL_ERROR),
    ],
    ids=str,
)
def test_whatever_happens_a_job_ends_once_and_without_its_container(
    account: Any, error: Exception | None, status: str, reason: str
) -> None:
    run = Run(Resources(account), error)
    account.containers = Containers("processing-job-job", "processing-job-other")
    run.run()
    ((found, said),) = run.ends
    assert (found, said[: len(reason) or None]) == (status, reason)
    assert account.containers.groups == {"processing-job-other"}


@pytest.mark.parametrize("error", [None, DockerException("gone"), ValueError("cut off")], ids=str)
def test_a_job_that_the_stopping_account_cuts_off_is_left_to_its_next_start(
    account: Any, error: Exception | None
) -> None:
    run = Run(Resources(account), error)
    account.tasks.stopping.set()
    run.run()
    assert run.ends == []
