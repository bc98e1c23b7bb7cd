"""The first page: what the account has, by kind and by lab, and what needs attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.console import links
from local_account.console.stacks import STATES
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

LAB_TAG = "mlops-workshop:lab"
"""The tag whose values are labs; the names of what a lab owns begin with its value and a dash."""
_JOBS = 100


@dataclass(frozen=True)
class Kind:
    """What there is of one kind: names, and whether there can be more than these."""

    title: str
    address: str
    names: Sequence[str]
    more: bool = False

    @property
    def count(self) -> str:
        """How many there are."""
        return f"{len(self.names)}{'+' if self.more else ''}"


def shown(visit: Visit) -> Answer:
    """The overview."""
    kinds = _kinds(visit)
    labs = _labs(visit)
    counts = {kind.title: Counter(_lab_of(name, labs) for name in kind.names) for kind in kinds}
    rows = [(lab, [counts[kind.title][lab] for kind in kinds]) for lab in labs]
    rest = [counts[kind.title][""] for kind in kinds]
    if labs and any(rest):
        rows.append(("of no lab", rest))
    alarms: CloudWatchClient = visit.client("cloudwatch")
    values = {
        "kinds": kinds,
        "labs": rows,
        "alarms": alarms.describe_alarms(StateValue="ALARM", MaxRecords=20)["MetricAlarms"],
    }
    return Page("overview.html", "Overview", "Overview", values, live=10)


def _kinds(visit: Visit) -> list[Kind]:
    jobs = visit.operation(
        "sagemaker",
        "list_training_jobs",
        {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": _JOBS},
    )

    def names(service: str, operation: str, member: str, name: str = "", **params: Any) -> list[str]:
        found = visit.all(service, operation, member, **params)
        return [one[name] if name else one for one in found]

    whole = {"MaxResults": 100}
    return [
        Kind("Pipelines", links.pipelines(), names("codepipeline", "list_pipelines", "pipelines", "name")),
        Kind("Build projects", links.projects(), names("codebuild", "list_projects", "projects")),
        Kind(
            "Repositories",
            links.repositories(),
            names("codecommit", "list_repositories", "repositories", "repositoryName"),
        ),
        Kind(
            "Image repositories",
            links.image_repositories(),
            names("ecr", "describe_repositories", "repositories", "repositoryName", maxResults=1000),
        ),
        Kind(
            "Training jobs",
            links.training_jobs(),
            [job["TrainingJobName"] for job in jobs["TrainingJobSummaries"]],
            bool(jobs.get("NextToken")),
        ),
        Kind(
            "Endpoints",
            links.endpoints(),
            names("sagemaker", "list_endpoints", "Endpoints", "EndpointName", **whole),
        ),
        Kind(
            "Notebook instances",
            links.notebook_instances(),
            names(
                "sagemaker", "list_notebook_instances", "NotebookInstances", "NotebookInstanceName", **whole
            ),
        ),
        Kind(
            "Stacks",
            links.stacks(),
            names("cloudformation", "list_stacks", "StackSummaries", "StackName", StackStatusFilter=STATES),
        ),
        Kind(
            "Buckets",
            links.buckets(),
            [one["Name"] for one in visit.client("s3").list_buckets()["Buckets"]],
        ),
        Kind("Functions", links.functions(), names("lambda", "list_functions", "Functions", "FunctionName")),
    ]


def _labs(visit: Visit) -> list[str]:
    """Return the labs, that of no prefix (`default`) first."""
    labs = visit.all("resourcegroupstaggingapi", "get_tag_values", "TagValues", Key=LAB_TAG)
    return sorted(labs, key=lambda lab: (lab != "default", len(lab), lab))


def _lab_of(name: str, labs: Sequence[str]) -> str:
    """Return the lab whose prefix a name has; the one without a prefix, if there is one, or nothing."""
    prefix = name.partition("-")[0]
    return prefix if prefix in labs else "default" if "default" in labs else ""


PAGES: Mapping[str, Render] = {"/": shown, "/console/home": shown}
