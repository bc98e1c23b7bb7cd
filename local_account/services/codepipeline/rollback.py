"""Stage rollback: a new execution that runs one stage with what an earlier execution had there.

Contract: CodePipeline User Guide, "Configuring stage rollback"; API Reference, RollbackStage.

Differs from AWS (RollbackStage): the new execution ends after the stage, and the variable
`codepipeline.PipelineExecutionId` is its own id; AWS documents neither. Pipelines of type V1 and of the
execution mode PARALLEL, source stages and targets that did not succeed in the stage are all an
`UnableToRollbackStageException`; a target of an older structure is a `PipelineExecutionOutdatedException`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from local_account.foundation.errors import ServiceError
from local_account.services.codepipeline.records import Execution, Pipeline, new_execution

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ExecutionTriggerTypeDef


def is_rollback(execution: Execution) -> bool:
    """Return whether an execution rolls a stage back (ExecutionType)."""
    return "rollback_of" in execution


def check(pipeline: Pipeline, stage: str, target: Execution, executions: list[Execution]) -> None:
    """Raise ServiceError unless the stage can be rolled back to the target now."""
    declaration = pipeline["pipeline"]
    if declaration["pipelineType"] != "V2":
        raise _unable(stage, "stage rollback needs pipelineType V2")
    if declaration["executionMode"] == "PARALLEL":
        raise _unable(stage, "stage rollback is not available for the execution mode PARALLEL")
    if stage == declaration["stages"][0]["name"]:
        raise _unable(stage, "it is the source stage")
    if target["version"] != declaration["version"]:
        raise ServiceError(
            "PipelineExecutionOutdatedException",
            f"The execution {target['id']} cannot be the target of a rollback: it began with version "
            f"{target['version']} of the pipeline, which now has version {declaration['version']}",
        )
    if is_rollback(target):
        raise _unable(stage, f"the execution {target['id']} is a rollback itself: name one that is not")
    run = target["stages"].get(stage)
    if run is None or run["status"] != "Succeeded":
        state = run["status"] if run else "not reached"
        raise _unable(stage, f"the execution {target['id']} did not succeed in it ({state})")
    for other in executions:
        stages = pipeline["versions"][str(other["version"])]["stages"]
        if other["inside"] and stages[other["position"]]["name"] == stage:
            raise _unable(stage, f"the execution {other['id']} is in it: wait for it to end")


def new_rollback(
    pipeline: Pipeline,
    stage: str,
    target: Execution,
    *,
    number: int,
    now: datetime,
    trigger: ExecutionTriggerTypeDef,
) -> Execution:
    """Return the document of an execution that waits before the stage, with what the target had there."""
    names = [one["name"] for one in pipeline["pipeline"]["stages"]]
    execution = new_execution(pipeline, number, now)
    execution |= {
        "trigger": trigger,
        "variables": dict(target["variables"]),
        "artifacts": {name: artifact.copy() for name, artifact in target["artifacts"].items()},
        "namespaces": {name: dict(values) for name, values in target["namespaces"].items()},
        "revisions": [revision.copy() for revision in target["revisions"]],
        "position": names.index(stage),
        "rollback_of": target["id"],
    }
    return execution


def last_success(executions: list[Execution], stage: str, failed: Execution) -> Execution | None:
    """Return the last execution of the same structure that succeeded in a stage and is no rollback."""
    found = [
        one
        for one in executions
        if one["version"] == failed["version"]
        and one["id"] != failed["id"]
        and not is_rollback(one)
        and stage in one["stages"]
        and one["stages"][stage]["status"] == "Succeeded"
    ]
    return max(found, key=lambda one: one["stages"][stage]["entered"], default=None)


def _unable(stage: str, why: str) -> ServiceError:
    return ServiceError("UnableToRollbackStageException", f"Unable to roll back the stage {stage}: {why}")
