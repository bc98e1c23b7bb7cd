"""In which order the resources of a lab go: what costs money first, what others need last."""

from __future__ import annotations

from collections.abc import Iterable

from lab_helpers.inventory import Resource
from lab_helpers.names import Names

STEPS = (
    "stop what runs",
    "endpoints",
    "deploy stacks",
    "configurations and models",
    "nested stacks",
    "pipelines, functions, rules",
    "images and object versions",
    "top stack",
    "what no stack knows",
    "roles",
)
"""What each step is called; `step_of` says what it deletes. The first one deletes nothing."""

_STEP_OF_KIND = {
    "scaling-policy": 1,
    "scalable-target": 1,
    "endpoint": 1,
    "endpoint-config": 3,
    "model": 3,
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
    "role": 9,
}


def step_of(one: Resource) -> int | None:
    """Return the index of the step that deletes a resource, or None for a kind that nothing here deletes."""
    if one.kind == "stack":
        names = Names(one.lab_id or "")
        if one.id in (names.dev_stack, names.prd_stack):
            return 2
        return 7 if one.id == names.top_stack else 4
    return _STEP_OF_KIND.get(one.kind)


def stack_for(one: Resource) -> tuple[str, ...]:
    """Return the stacks one of which owns a resource, when all is as the workshop makes it."""
    names = Names(one.lab_id or "")
    nested = (names.base_stack, names.model_stack, names.train_stack)
    if one.kind in {"endpoint-config", "model", "alarm"}:
        return (names.dev_stack, names.prd_stack)
    if one.kind in {"pipeline", "project", "function", "rule"}:
        return nested
    if one.kind == "log-group":
        return () if one.id.startswith("/aws/sagemaker/") else nested
    own = {"notebook-instance", "notebook-instance-lifecycle-config", "codecommit-repository", "role"}
    if (
        one.kind in own
        or one.kind == "ecr-repository"
        or (one.kind == "bucket" and "mlops-assets-" not in one.id)
    ):
        return (names.top_stack,)
    return ()


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Return resources as they are going to be deleted; those that can't be come last."""
    return sorted(
        resources,
        key=lambda one: (
            one.lab_id or "",
            len(STEPS) if step_of(one) is None else step_of(one),
            one.kind,
            one.id,
        ),
    )
