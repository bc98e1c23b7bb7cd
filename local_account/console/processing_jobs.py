"""Processing jobs: what an image made of which data, what it said at its end, and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links, log_pages
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_SECTION = "Training jobs"
_ENDED = ("Completed", "Failed", "Stopped")
_LOG_GROUP = "/aws/sagemaker/ProcessingJobs"


def listing(visit: Visit) -> Answer:
    """The newest processing jobs."""
    client: SageMakerClient = visit.client("sagemaker")
    found = client.list_processing_jobs(SortBy="CreationTime", SortOrder="Descending", MaxResults=100)
    jobs = found["ProcessingJobSummaries"]
    live = int(any(one["ProcessingJobStatus"] not in _ENDED for one in jobs))
    return Page("processing_jobs.html", "Processing jobs", _SECTION, {"jobs": jobs}, _crumbs(), live)


def shown(visit: Visit, name: str) -> Answer:
    """A processing job."""
    client: SageMakerClient = visit.client("sagemaker")
    job = client.describe_processing_job(ProcessingJobName=name)
    streams = log_pages.streams(visit, _LOG_GROUP, f"{name}/")
    logs = [(stream, log_pages.read(visit, _LOG_GROUP, stream)) for stream in streams[:2]]
    crumbs = (*_crumbs(), ("Processing jobs", links.processing_jobs()))
    live = int(job["ProcessingJobStatus"] not in _ENDED)
    values = {"job": job, "logs": logs, "group": _LOG_GROUP}
    return Page("processing_job.html", name, _SECTION, values, crumbs, live)


def _crumbs() -> tuple[tuple[str, str], ...]:
    return ((_SECTION, links.training_jobs()),)


PAGES: Mapping[str, Render] = {
    "/sagemaker/processing-jobs": listing,
    "/sagemaker/processing-jobs/<name>": shown,
}
