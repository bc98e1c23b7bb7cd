"""Batch transform jobs: which model read what, where its answers are, and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links, log_pages
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_SECTION = "Training jobs"
_ENDED = ("Completed", "Failed", "Stopped")
_LOG_GROUP = "/aws/sagemaker/TransformJobs"


def listing(visit: Visit) -> Answer:
    """The newest transform jobs."""
    client: SageMakerClient = visit.client("sagemaker")
    found = client.list_transform_jobs(SortBy="CreationTime", SortOrder="Descending", MaxResults=100)
    jobs = found["TransformJobSummaries"]
    live = int(any(one["TransformJobStatus"] not in _ENDED for one in jobs))
    return Page("transform_jobs.html", "Batch transform jobs", _SECTION, {"jobs": jobs}, _crumbs(), live)


def shown(visit: Visit, name: str) -> Answer:
    """A transform job."""
    client: SageMakerClient = visit.client("sagemaker")
    job = client.describe_transform_job(TransformJobName=name)
    streams = log_pages.streams(visit, _LOG_GROUP, f"{name}/")
    logs = [(stream, log_pages.read(visit, _LOG_GROUP, stream)) for stream in streams[:2]]
    crumbs = (*_crumbs(), ("Batch transform jobs", links.transform_jobs()))
    live = int(job["TransformJobStatus"] not in _ENDED)
    values = {"job": job, "logs": logs, "group": _LOG_GROUP}
    return Page("transform_job.html", name, _SECTION, values, crumbs, live)


def _crumbs() -> tuple[tuple[str, str], ...]:
    return ((_SECTION, links.training_jobs()),)


PAGES: Mapping[str, Render] = {
    "/sagemaker/transform-jobs": listing,
    "/sagemaker/transform-jobs/<name>": shown,
}
