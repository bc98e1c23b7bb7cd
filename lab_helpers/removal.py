"""Delete what a lab's learner has made: endpoints first, because they bill, then the pipelines.

What the top stack owns stays for whoever deployed it: the bucket, the repositories, the roles and the
notebook instance, which cannot delete itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from lab_helpers import registry, running, safe_releases, sdk
from lab_helpers.display import Table, duration
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.live import Live
from lab_helpers.stacks import find_stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

REASON = "The learner cleans up the lab."
WAITS = {"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}
WAITS |= {"UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"}
"""States in which CloudFormation refuses DeleteStack; they end by themselves."""


class RemovalError(WorkshopError, RuntimeError):
    """A stack could not be deleted; the message has CloudFormation's reason and what to do."""


def plan(lab: Lab) -> Table:
    """Show the stacks that `remove` would delete, in its order, and what they are."""
    names = lab.names
    what = {
        names.prd_stack: "endpoint PRD, its scaling and alarms",
        names.dev_stack: "endpoint DEV",
        names.train_stack: "training pipeline, its functions, model registry with all versions",
        names.model_stack: "pipeline and build project of the model image",
        names.base_stack: "pipeline and build project of the base image",
    }
    cloudformation = lab.client("cloudformation")
    found = {name: find_stack(cloudformation, name) for name in what}
    return Table(
        ["stack", "status", "what it is"],
        [[name, stack["StackStatus"] if stack else "not there", what[name]] for name, stack in found.items()],
    )


def remove(lab: Lab, *, timeout: float = 1800, sleep: Callable[[float], None] = time.sleep) -> None:
    """Stop what is running and delete the stacks; return once they are gone. Safe to interrupt and to repeat.

    Raises RemovalError if a stack cannot be deleted, or is still there after `timeout` seconds.
    """
    names = lab.names
    for stopped in _stop(lab):
        print(f"stopped {stopped}")
    for what in sdk.remove(lab, pause=sleep):  # no stack has it
        print(f"deleted the {what} {names.sdk}")
    for endpoint in safe_releases.remove(lab, sleep=sleep, timeout=timeout):
        print(f"deleted the endpoint {endpoint}")
    # An execution that was under way may have deployed an endpoint until it stopped: pipelines go last.
    _delete(lab, (names.prd_stack, names.dev_stack), timeout, sleep)
    registry.forget(lab.client("sagemaker"), names.model_package_group)
    _delete(lab, (names.train_stack, names.model_stack, names.base_stack), timeout, sleep)


def _stop(lab: Lab) -> Iterator[str]:
    """Stop executions and jobs; yield what was stopped."""
    names, client = lab.names, lab.client("sagemaker")
    for pipeline in (names.train_pipeline, names.model_pipeline, names.base_pipeline):
        yield from running.stop_executions(lab.client("codepipeline"), pipeline, REASON)
    # A tuning job first: it would start other training jobs.
    tuning = client.get_paginator("list_hyper_parameter_tuning_jobs")
    for tuned in tuning.paginate(NameContains=names.sdk, StatusEquals="InProgress"):
        for job in tuned["HyperParameterTuningJobSummaries"]:
            if (name := job["HyperParameterTuningJobName"]).startswith(names.sdk):
                yield from running.stop_tuning(client, name)
    stem = f"{names.prefix}iris-model-"
    training = client.get_paginator("list_training_jobs")
    for trained in training.paginate(NameContains=stem, StatusEquals="InProgress"):
        for one in trained["TrainingJobSummaries"]:
            if (name := one["TrainingJobName"]).startswith(stem):
                yield from running.stop_training(client, name)
    transform = client.get_paginator("list_transform_jobs")
    for transformed in transform.paginate(NameContains=names.sdk, StatusEquals="InProgress"):
        for batch in transformed["TransformJobSummaries"]:
            if (name := batch["TransformJobName"]).startswith(names.sdk):
                yield from running.stop_transform(client, name)
    yield from _stop_checks(lab)


def _stop_checks(lab: Lab) -> Iterator[str]:
    client, stem = lab.client("sagemaker"), lab.names.check_job("")
    processing = client.get_paginator("list_processing_jobs")
    for page in processing.paginate(NameContains=stem, StatusEquals="InProgress"):
        for one in page["ProcessingJobSummaries"]:
            if (name := one["ProcessingJobName"]).startswith(stem):
                yield from running.stop_processing(client, name)


def _delete(lab: Lab, names: Iterable[str], timeout: float, sleep: Callable[[float], None]) -> None:
    cloudformation, live, began = lab.client("cloudformation"), Live(), time.monotonic()
    stacks = {name: stack for name in names if (stack := find_stack(cloudformation, name))}
    asked: set[str] = set()
    states = {name: stack["StackStatus"] for name, stack in stacks.items()}
    try:
        while True:
            for name, stack in stacks.items():
                # By id: a deleted stack can be described only by its id.
                now = find_stack(cloudformation, stack["StackId"])
                states[name] = now["StackStatus"] if now else "DELETE_COMPLETE"
                if now and states[name] == "DELETE_FAILED" and name in asked:
                    raise RemovalError(_refused(name, now))
                if now and name not in asked and states[name] not in {*WAITS, "DELETE_IN_PROGRESS"}:
                    if states[name] != "DELETE_COMPLETE":
                        cloudformation.delete_stack(StackName=stack["StackId"])
                    asked.add(name)
            if stacks:
                live.show(Table(["stack", "status"], [[name, states[name]] for name in stacks]))
            if all(state == "DELETE_COMPLETE" for state in states.values()):
                return
            waited = time.monotonic() - began
            if waited > timeout:
                left = ", ".join(name for name, state in states.items() if state != "DELETE_COMPLETE")
                raise RemovalError(
                    f"{left}: still there after {duration(waited)}. CloudFormation goes on by itself: "
                    "run this cell again to wait longer"
                )
            sleep(min(0.3 + waited / 20, 5))
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted: CloudFormation goes on with what it has begun. "
            "Run this cell again to delete the rest."
        ) from None


def _refused(name: str, stack: StackTypeDef) -> str:
    reason = stack.get("StackStatusReason", "CloudFormation gives no reason")
    return (
        f"stack {name} could not be deleted: {reason}.\n"
        "What to do: run this cell again; if it fails again, ask whoever deployed the lab to run "
        "`python -m lab_helpers clean`, which can delete more than a lab itself may."
    )
