"""Release an earlier version to PRD through the pipeline's own stage, and go back to the one before.

Contract: CodePipeline RollbackStage (User Guide, "Configuring stage rollback"): the stage DeployPrd runs
again with the artifacts and variables of an execution that succeeded in it, under the pipeline's present
definition. RetryStageExecution does the same for an approved execution that failed in it, unless another one
has been in the stage since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import lineage, registry
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.lineage import LineageError
from lab_helpers.names import DEPLOY_PRD
from lab_helpers.registry import Version

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ActionExecutionDetailTypeDef

_OUTDATED = "PipelineExecutionOutdatedException"
_UNKNOWN = "PipelineExecutionNotFoundException"
_NO_TARGET = {"UnableToRollbackStageException", _OUTDATED, _UNKNOWN}


class ReleaseError(WorkshopError, RuntimeError):
    """A version cannot be released; the message says why and what to do."""


def serving(lab: Lab) -> Version | None:
    """Return the version that PRD serves, or None if it serves nothing that the registry knows."""
    try:
        return lineage.of(lab, lab.names.prd_endpoint).version
    except LineageError:
        return None


def release(lab: Lab, version: Version) -> str:
    """Start the release of an approved version to PRD, and return the pipeline execution to follow.

    Returns `""` if PRD serves it already. Raises ReleaseError for a version that is not approved, while
    another release is on its way, or if the pipeline cannot release the version without training it again.
    """
    if version.status != "Approved":
        raise ReleaseError(
            f"version {version.number} is {version.status}, not Approved"
            + (f" ({version.decision})" if version.decision else "")
            + ": decide in notebook 04, or choose another version"
        )
    now = serving(lab)
    if now is not None and now.arn == version.arn:
        return ""
    codepipeline, pipeline = lab.client("codepipeline"), lab.names.train_pipeline
    newest, status = _newest_in_prd(lab)
    if status in {"InProgress", "Stopping"}:
        raise ReleaseError(
            f"execution {newest} is in {DEPLOY_PRD} now: wait until it has ended, then try again. In a "
            f'notebook, `executions.follow(lab, lab.names.train_pipeline, "{newest}")` shows it'
        )
    if (newest, status) == (version.execution_id, "Failed"):
        answer = codepipeline.retry_stage_execution(
            pipelineName=pipeline,
            stageName=DEPLOY_PRD,
            pipelineExecutionId=version.execution_id,
            retryMode="FAILED_ACTIONS",
        )
        return answer["pipelineExecutionId"]
    actions = _actions(lab, version.execution_id)
    if not actions:
        raise _needs_training(
            version, f"CodePipeline, which forgets after 12 months, has no execution {version.execution_id}"
        )
    if not any(one["stageName"] == DEPLOY_PRD and one["status"] == "Succeeded" for one in actions):
        raise _needs_training(
            version,
            f"its execution {version.execution_id} never succeeded in {DEPLOY_PRD}, and others have been "
            "there since",
        )
    if lost := _lost_artifact(lab, actions):
        raise _needs_training(version, f"the templates that it was released with, {lost}, have expired")
    try:
        rolled = codepipeline.rollback_stage(
            pipelineName=pipeline,
            stageName=DEPLOY_PRD,
            targetPipelineExecutionId=version.execution_id,
        )
    except ClientError as error:
        code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code not in _NO_TARGET:
            raise
        if code == _OUTDATED:
            said = f"the pipeline's definition has changed since its execution {version.execution_id}"
        raise _needs_training(version, said) from error
    return rolled["pipelineExecutionId"]


def previous(lab: Lab) -> Version:
    """Return the newest approved version older than the one that PRD serves. Raises ReleaseError."""
    now = serving(lab)
    if now is None:
        raise ReleaseError("PRD serves nothing from the model registry: release in notebook 04 first")
    for one in registry.versions(lab):
        if one.status == "Approved" and one.number < now.number:
            return one
    raise ReleaseError(f"there is no approved version before version {now.number}, which PRD serves")


def _newest_in_prd(lab: Lab) -> tuple[str, str]:
    """Return the id and status of the execution that was in DeployPrd last; empty if none was."""
    state = lab.client("codepipeline").get_pipeline_state(name=lab.names.train_pipeline)
    for stage in state["stageStates"]:
        latest = stage.get("latestExecution")
        if stage["stageName"] == DEPLOY_PRD and latest:
            return latest["pipelineExecutionId"], latest["status"]
    return "", ""


def _actions(lab: Lab, execution_id: str) -> list[ActionExecutionDetailTypeDef]:
    """Return what the actions of an execution did; nothing if the pipeline no longer knows it."""
    listing = lab.client("codepipeline").get_paginator("list_action_executions")
    pages = listing.paginate(
        pipelineName=lab.names.train_pipeline, filter={"pipelineExecutionId": execution_id}
    )
    try:
        return [one for page in pages for one in page["actionExecutionDetails"]]
    except ClientError as error:
        if error.response["Error"]["Code"] != _UNKNOWN:
            raise
        return []


def _lost_artifact(lab: Lab, actions: list[ActionExecutionDetailTypeDef]) -> str:
    """Return the S3 URI of the artifact that DeployPrd needs if it is gone (the bucket's lifecycle)."""
    for action in actions:
        if action["stageName"] != DEPLOY_PRD:
            continue
        for artifact in action.get("input", {}).get("inputArtifacts", []):
            where = artifact.get("s3location", {})
            if not {"bucket", "key"} <= where.keys():
                continue
            try:
                lab.client("s3").head_object(Bucket=where["bucket"], Key=where["key"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "404":
                    raise
                return f"s3://{where['bucket']}/{where['key']}"
    return ""


def _needs_training(version: Version, why: str) -> ReleaseError:
    """Return the error for a version that the pipeline cannot release as it is.

    Uploading its zip again would not always do: the templates in it may lack a parameter that the pipeline
    gives them by now.
    """
    given = ", ".join(
        f"{name.removeprefix('parameter ')}={value}"
        for name, value in version.properties.items()
        if name.startswith("parameter ")
    )
    return ReleaseError(
        f"version {version.number} can't be released again: {why}. Train it again: run notebook 03"
        + (f" with {given}" if given else "")
        + (f"; its data was version {data} in S3" if (data := version.properties.get("data-version")) else "")
    )
