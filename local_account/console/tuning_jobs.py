"""Hyperparameter tuning jobs: what was searched, and the training jobs with their results, the best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_SECTION = "Training jobs"
_ENDED = ("Completed", "Failed", "Stopped")


def listing(visit: Visit) -> Answer:
    """The newest tuning jobs."""
    client: SageMakerClient = visit.client("sagemaker")
    found = client.list_hyper_parameter_tuning_jobs(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=100
    )["HyperParameterTuningJobSummaries"]
    live = int(any(one["HyperParameterTuningJobStatus"] not in _ENDED for one in found))
    return Page("tuning_jobs.html", "Hyperparameter tuning jobs", _SECTION, {"jobs": found}, _crumbs(), live)


def shown(visit: Visit, name: str) -> Answer:
    """A tuning job."""
    client: SageMakerClient = visit.client("sagemaker")
    job = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    trained = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending",
        MaxResults=100,
    )["TrainingJobSummaries"]
    if (
        job["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective", {}).get("Type")
        == "Minimize"
    ):
        trained.reverse()
    crumbs = (*_crumbs(), ("Hyperparameter tuning jobs", links.tuning_jobs()))
    live = int(job["HyperParameterTuningJobStatus"] not in _ENDED)
    return Page("tuning_job.html", name, _SECTION, {"job": job, "trained": trained}, crumbs, live)


def _crumbs() -> tuple[tuple[str, str], ...]:
    return ((_SECTION, links.training_jobs()),)


PAGES: Mapping[str, Render] = {
    "/sagemaker/hyper-tuning-jobs": listing,
    "/sagemaker/hyper-tuning-jobs/<name>": shown,
}
