"""What jobs of all kinds have in common: statuses, their changes and the events about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local_account.foundation.errors import FIDELITY, ServiceError
from local_account.services.sagemaker.resources import public

if TYPE_CHECKING:
    from local_account.foundation.store import Table
    from local_account.services.sagemaker.resources import Resources

ENDED = ("Completed", "Failed", "Stopped")
REASON_LENGTH = 1024
INTERRUPTED = (
    f"InternalServerError: the local account was stopped while the job was running ({FIDELITY}#sagemaker)"
)
"""FailureReason of a job that was running when the account stopped."""
Document = dict[str, Any]


class JobError(Exception):
    """Ends a job as Failed; the message is its FailureReason."""


@dataclass(frozen=True)
class JobKind:
    """A kind of job: its documents, the member names of its API, and its event."""

    table: str
    member: str
    """How the members for name, ARN and status begin, such as ``TrainingJob``."""
    event: str
    modified: str = "LastModifiedTime"
    details: Callable[[Resources, Document], Mapping[str, Any]] = lambda _, __: {}
    """What an event says that the document does not have."""

    @property
    def noun(self) -> str:
        """What people call it, such as ``training job``."""
        return self.table.removesuffix("s").replace("_", " ")

    @property
    def status(self) -> str:
        """The member with the status, such as ``TrainingJobStatus``."""
        return f"{self.member}Status"

    def group(self, name: str) -> str:
        """Return the group of a job's containers, such as ``training-job-NAME``."""
        return f"{self.noun.replace(' ', '-')}-{name}"

    def documents(self, resources: Resources) -> Table[Document]:
        """Return the documents of all jobs of this kind."""
        return resources.account.store.table(f"sagemaker.{self.table}")

    def running(self, resources: Resources) -> list[Document]:
        """Return the documents of the jobs that have not ended."""
        return [job for job in self.documents(resources).values() if job[self.status] not in ENDED]


def move(
    resources: Resources,
    kind: JobKind,
    name: str,
    status: str,
    changes: Mapping[str, Any],
    *,
    moved: Callable[[Document, datetime], None] = lambda _, __: None,
) -> None:
    """Move a job to a status, change other members, and notify EventBridge.

    A job that has ended does not change, and one that is ``Stopping`` can only end: then other members
    change, and nobody is notified. An empty status is the one that it has. ``moved`` changes what else there
    is to change.
    """
    now, table, member = resources.account.now(), kind.documents(resources), kind.status
    with table.lock, resources.account.store.together():  # no end of a job without its event
        with table.update(name) as job:
            if job[member] in ENDED:
                return
            job.update(changes)
            if job[member] == "Stopping" and status not in ENDED:
                return
            job[member], job[kind.modified] = status or job[member], now
            moved(job, now)
            detail = {**public(job), **kind.details(resources, job)}
        resources.publish(kind.event, detail[f"{kind.member}Arn"], detail)


def name_in_use(arn: str) -> ServiceError:
    """Return the error for a new job with the name of another one."""
    return ServiceError(
        "ResourceInUse",
        "Job name must be unique within an AWS account and region, and a job with this name already "
        f"exists ({arn})",
    )


def delete(resources: Resources, kind: JobKind, job: Mapping[str, Any]) -> None:
    """Delete a job that has ended. Raises ServiceError ResourceInUse for one that has not."""
    name, status = job[f"{kind.member}Name"], job[kind.status]
    if status not in ENDED:
        raise ServiceError("ResourceInUse", f"The {kind.noun} {name} is in status {status}.")
    resources.remove(kind.documents(resources), name, job[f"{kind.member}Arn"])
