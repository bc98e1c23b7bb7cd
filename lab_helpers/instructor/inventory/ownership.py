"""Which lab owns a resource, by its tag and its name (`docs/names-and-contracts.md`, "Names").

The tag `mlops-workshop:lab` decides. A resource without it belongs to a lab if its *whole* name is one of
that lab's names and the lab is known: requested by id, tagged on another resource, or evident from a name
that only the workshop gives. So a notebook instance `team-mlops` is not the lab of a "team", and
`ana-iris-model-backup` is not Ana's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lab_helpers.names import LAB_ID, LAB_TAG

DEFAULT = "default"
"""Value of the lab tag for the default lab, whose lab id is empty."""

_LAB = rf"(?:({LAB_ID.pattern})-)?"
_EXECUTION = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SDK_JOB = r"iris-model-sdk-[0-9a-z-]+"
"""Jobs of notebook 03a; those of a tuning job end with a number and eight more digits."""
_CHECK = r"iris-model-check-[0-9a-z-]+"
"""Checks of captured data in notebook 07: processing jobs."""
_SAFE = r"iris-model-safe-[0-9a-z-]+"
"""Endpoints of notebook 06, and their models, configurations and alarms."""
_IMAGES = r"(?:scikit-base|iris-model)"
_FUNCTIONS = r"mlops-(?:job-launcher|job-monitor|endpoint-tester)-iris-model"
_NAMES = {
    "stack": r"(?:mlops|scikit-base|iris-model|iris-train-pipeline|iris-model-dev|iris-model-prd)",
    "endpoint": rf"(?:iris-model-(?:dev|prd|sdk)|{_SAFE})",
    "endpoint-config": rf"(?:iris-model-(?:(?:dev|prd)-{_EXECUTION}|sdk)|{_SAFE})",
    "model": rf"(?:iris-model-(?:(?:prd-)?{_EXECUTION}|sdk)|{_SAFE})",
    "model-package-group": "iris-model",
    "training-job": rf"(?:iris-model-{_EXECUTION}|{_SDK_JOB})",
    "tuning-job": _SDK_JOB,
    "transform-job": _SDK_JOB,
    "processing-job": _CHECK,
    "notebook-instance": "mlops",
    "notebook-instance-lifecycle-config": "mlops",
    "scalable-target": rf"(?:iris-model-(?:dev|prd)|{_SAFE})",
    "scaling-policy": rf"(?:iris-model-(?:dev|prd)|{_SAFE})",
    "alarm": rf"(?:iris-model-prd-(?:server-errors|model-latency|drift)|{_SAFE})",
    "pipeline": rf"(?:{_IMAGES}|iris-train-pipeline)",
    "project": _IMAGES,
    "function": _FUNCTIONS,
    "rule": rf"(?:{_IMAGES}-push|iris-train-(?:upload|drift|labels)|mlops-job-monitor-iris-model)",
    "codecommit-repository": "mlops",
    "ecr-repository": _IMAGES,
    "role": r"mlops-(?:notebook|codebuild|pipeline|deploy|launcher|monitor|tester|events|sagemaker)",
    "policy": r"mlops-notebook-(?:work|operate|stacks|deploy|sdk|monitor|reset|registry|releases)",
}
"""The part of a name after the prefix, by kind of resource."""
_UNMISTAKABLE = {
    "stack": r"(?:iris-train-pipeline|iris-model-dev|iris-model-prd)",
    "endpoint-config": _NAMES["endpoint-config"],
    "model": _NAMES["model"],
    "tuning-job": _SDK_JOB,
    "transform-job": _SDK_JOB,
    "processing-job": _CHECK,
    "function": _FUNCTIONS,
    "pipeline": "iris-train-pipeline",
    "rule": r"(?:iris-train-(?:upload|drift|labels)|mlops-job-monitor-iris-model)",
}
"""Names that are evidence of a lab by themselves: only the workshop gives them."""


@dataclass(frozen=True)
class Owner:
    """The lab that a name points to; `certain` if the name alone is evidence of that lab."""

    lab_id: str
    certain: bool


def by_name(kind: str, name: str, region: str, account: str) -> Owner | None:
    """Return the lab whose resource has this name, or None if no lab uses such a name."""
    if kind == "log-group":
        return _log_group(name)
    if kind == "log-stream":
        return _log_stream(name)
    if kind == "bucket":
        found = re.fullmatch(rf"{_LAB}mlops-(?:assets-)?{region}-{account}", name)
        return Owner(found[1] or "", certain=True) if found else None
    if kind == "alarm" and (
        tracking := re.fullmatch(rf"TargetTracking-endpoint/({_LAB}iris-model-(?:dev|prd))/variant/.+", name)
    ):
        return Owner(tracking[2] or "", certain=False)
    pattern = _NAMES.get(kind)
    found = re.fullmatch(_LAB + pattern, name) if pattern else None
    if not found:
        return None
    sure = _UNMISTAKABLE.get(kind)
    return Owner(found[1] or "", certain=bool(sure and re.fullmatch(_LAB + sure, name)))


def _log_group(name: str) -> Owner | None:
    """SageMaker creates an endpoint's log group, without tags."""
    found = re.fullmatch(
        rf"/aws/(?:codebuild/{_LAB}{_IMAGES}|lambda/{_LAB}{_FUNCTIONS}|"
        rf"sagemaker/Endpoints/{_LAB}{_NAMES['endpoint']})",
        name,
    )
    if not found:
        return None
    return Owner(next((lab for lab in found.groups() if lab), ""), certain="/codebuild/" not in name)


SHARED_GROUPS = (
    "/aws/sagemaker/TrainingJobs",
    "/aws/sagemaker/NotebookInstances",
    "/aws/sagemaker/TransformJobs",
    "/aws/sagemaker/ProcessingJobs",
)
"""SageMaker log groups that the whole account shares: only streams belong to a lab."""


def _log_stream(name: str) -> Owner | None:
    group, _, stream = name.partition(":")
    names = (_NAMES["training-job"], "mlops", _NAMES["transform-job"], _CHECK)
    pattern = dict(zip(SHARED_GROUPS, names, strict=True))
    found = re.fullmatch(rf"{_LAB}{pattern[group]}/.+", stream) if group in pattern else None
    return Owner(found[1] or "", certain=group != SHARED_GROUPS[1]) if found else None


def by_tag(tags: Mapping[str, str]) -> str | None:
    """Return the lab id in the tags (empty for the default lab), or None without a valid tag."""
    value = tags.get(LAB_TAG)
    if value is None or not LAB_ID.fullmatch(value):
        return None
    return "" if value == DEFAULT else value


def owner(
    kind: str, name: str, tags: Mapping[str, str] | None, known: Collection[str], place: tuple[str, str]
) -> str | None:
    """Return the lab id of a resource, or None if it belongs to none of these labs.

    `tags` is None if they are unknown; `known` are the labs that exist or were requested; `place` is
    (region, account).
    """
    tagged = by_tag(tags or {})
    if tagged is not None:
        return tagged
    named = by_name(kind, name, *place)
    return named.lab_id if named and (named.certain or named.lab_id in known) else None
