"""Release an earlier version to PRD through the pipeline's own stage, and go back to the one before.

Contract: CodePipeline RollbackStage (User Guide, "Configuring stage rollback"): the stage DeployPrd runs
again with the artifacts and variables of an execution that succeeded in it. `RetryStageExecution` does the
same for an approved execution that failed in it.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from lab_helpers import lineage, registry
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.lineage import LineageError
from lab_helpers.names import DEPLOY_PRD
from lab_helpers.registry import Version

_NO_TARGET = ("UnableToRollbackStageException", "PipelineExecutionOutdatedException")


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

    Returns `""` if PRD serves it already. Raises ReleaseError for a version that is not approved, or that the
    pipeline cannot release without training it again.
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
    if _failed_there(lab, version.execution_id):
        answer = codepipeline.retry_stage_execution(
            pipelineName=pipeline,
            stageName=DEPLOY_PRD,
            pipelineExecutionId=version.execution_id,
            retryMode="FAILED_ACTIONS",
        )
        return answer["pipelineExecutionId"]
    try:
        rolled = codepipeline.rollback_stage(
            pipelineName=pipeline,
            stageName=DEPLOY_PRD,
            targetPipelineExecutionId=version.execution_id,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NO_TARGET:
            raise
        zipped = version.properties.get("source-zip-version", "")
        raise ReleaseError(
            f"version {version.number} can't be released again: {error.response['Error']['Message']}. "
            "CodePipeline repeats only what succeeded under the pipeline's present definition. "
            f"Train it again: upload version {zipped or '?'} of training/source/trainingjob.zip anew"
        ) from error
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


def _failed_there(lab: Lab, execution_id: str) -> bool:
    state = lab.client("codepipeline").get_pipeline_state(name=lab.names.train_pipeline)
    for stage in state["stageStates"]:
        latest = stage.get("latestExecution")
        if stage["stageName"] == DEPLOY_PRD and latest:
            return latest["pipelineExecutionId"] == execution_id and latest["status"] == "Failed"
    return False
