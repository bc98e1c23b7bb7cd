"""The order in which a lab's resources are deleted: what costs money first, what others need last."""

from __future__ import annotations

from collections.abc import Iterable

from lab_helpers.names import Names
from lab_helpers.resources import Resource

STEPS = (
    "stop running work",
    "endpoints",
    "DEV and PRD stacks",
    "configurations and models",
    "nested stacks",
    "pipelines, functions, rules",
    "images and object versions",
    "top stack",
    "leftovers outside stacks",
    "roles and policies",
)
"""Titles of the steps; `step_of` assigns resources to them. The first step deletes nothing."""

_STEP_OF_KIND = {
    "scaling-policy": 1,
    "scalable-target": 1,
    "endpoint": 1,
    "endpoint-config": 3,
    "model": 3,
    "model-package-group": 3,
    "alarm": 3,
    "pipeline": 5,
    "project": 5,
    "function": 5,
    "rule": 5,
    "log-group": 8,
    "log-stream": 8,
    "notebook-instance": 8,
    "notebook-instance-lifecycle-config": 8,
    "codecommit-repository": 8,
    "ecr-repository": 8,
    "bucket": 8,
    "training-job": 8,
    "tuning-job": 8,
    "transform-job": 8,
    "processing-job": 8,
    "role": 9,
    "policy": 9,
}


def step_of(one: Resource) -> int | None:
    """Return the index of the step that deletes a resource, or None for a kind that no step deletes."""
    if one.kind == "stack":
        names = Names(one.lab_id or "")
        if one.id in (names.dev_stack, names.prd_stack):
            return 2
        return 7 if one.id == names.top_stack else 4
    return _STEP_OF_KIND.get(one.kind)


def stack_for(one: Resource) -> str | None:  # noqa: PLR0911
    """Return the stack that owns a resource in an intact lab, or None."""
    names = Names(one.lab_id or "")
    if one.id == names.sdk or names.safe("") in one.id:  # notebooks 03a and 06 make their own
        return None
    match one.kind:
        case "endpoint" | "endpoint-config" | "scalable-target" | "scaling-policy" | "alarm":
            return names.prd_stack if names.prd_endpoint in one.id else names.dev_stack
        case "model":  # the names of DEV's models do not say so
            return names.prd_stack if one.id.startswith(f"{names.prd_stack}-") else names.dev_stack
        case "model-package-group":
            return names.train_stack
        case "pipeline" | "project" | "function" | "rule":
            return _nested(names, one.id)
        case "log-group" if not one.id.startswith("/aws/sagemaker/"):
            return _nested(names, one.id.rpartition("/")[2])
        case "bucket" if "mlops-assets-" in one.id:
            return None
        case "notebook-instance" | "notebook-instance-lifecycle-config" | "codecommit-repository":
            return names.top_stack
        case "role" | "policy" | "ecr-repository" | "bucket":
            return names.top_stack
    return None


def _nested(names: Names, resource: str) -> str:
    """Return the nested stack that a pipeline, project, function or rule of this name belongs to."""
    own = resource.removesuffix("-push")
    return own if own in (names.base_stack, names.model_stack) else names.train_stack


def _rank(one: Resource) -> int:
    step = step_of(one)
    return len(STEPS) if step is None else step


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Return resources in the order of deletion; those that cannot be deleted come last."""
    return sorted(resources, key=lambda one: (one.lab_id or "", _rank(one), one.kind, one.id))
