"""Training jobs: what they were given, how they went, what they measured, and their logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_account.console import links, log_pages, metrics
from local_account.console.plots import Line
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeTrainingJobResponseTypeDef

_SECTION = "Training jobs"
_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_NAMESPACE = "/aws/sagemaker/TrainingJobs"
_ENDED = ("Completed", "Failed", "Stopped")
_POINTS = 300


def listing(visit: Visit) -> Answer:
    """The newest training jobs, a hundred to a page."""
    client: SageMakerClient = visit.client("sagemaker")
    token = visit.argument("token")
    more: dict[str, Any] = {"NextToken": token} if token else {}
    found = client.list_training_jobs(SortBy="CreationTime", SortOrder="Descending", MaxResults=100, **more)
    jobs = found["TrainingJobSummaries"]
    values = {"jobs": jobs, "next": found.get("NextToken", "")}
    live = int(any(one["TrainingJobStatus"] not in _ENDED for one in jobs))
    return Page("training_jobs.html", _SECTION, _SECTION, values, live=live)


def home(visit: Visit) -> Answer:
    """Where SageMaker's console begins: what it has, by kind."""
    return Page("sagemaker.html", "SageMaker", "", {}, service="sagemaker")


def shown(visit: Visit, name: str) -> Answer:
    """A training job."""
    client: SageMakerClient = visit.client("sagemaker")
    job = client.describe_training_job(TrainingJobName=name)
    live = int(job["TrainingJobStatus"] not in _ENDED)
    logs = log_pages.newest(visit, _LOG_GROUP, f"{name}/")
    values = {"job": job, "lines": _lines(visit, job), "logs": logs, "group": _LOG_GROUP}
    return Page("training_job.html", name, _SECTION, values, ((_SECTION, links.training_jobs()),), live=live)


def _lines(visit: Visit, job: DescribeTrainingJobResponseTypeDef) -> list[Line]:
    names = [one["Name"] for one in job["AlgorithmSpecification"].get("MetricDefinitions", [])]
    begin = job.get("TrainingStartTime")
    if not names or begin is None:
        return []
    end = job.get("TrainingEndTime", datetime.now(UTC)) + timedelta(seconds=1)
    seconds = (end - begin).total_seconds()
    period = next((one for one in (1, 5, 10, 30, 60) if seconds / one <= _POINTS), 300)
    dimensions = {"TrainingJobName": job["TrainingJobName"]}
    wanted = [metrics.Wanted(name, _NAMESPACE, name, dimensions, "Average") for name in names]
    return metrics.lines(visit, wanted, begin, end, period)


PAGES: Mapping[str, Render] = {
    "/sagemaker/home": home,
    "/sagemaker/jobs": listing,
    "/sagemaker/jobs/<name>": shown,
}
