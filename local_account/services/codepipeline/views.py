"""The state of pipelines and executions as the API shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from local_account.gateway.service import Answer
from local_account.services.codepipeline import conditions, rollback
from local_account.services.codepipeline.records import Execution, Pipeline, Records, RuleRun, StageRun

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.literals import ExecutionTypeType
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef as Action
    from mypy_boto3_codepipeline.type_defs import (
        ActionExecutionTypeDef,
        ActionStateTypeDef,
        PipelineExecutionSummaryTypeDef,
        PipelineExecutionTypeDef,
        RetryStageMetadataTypeDef,
        RuleExecutionDetailTypeDef,
        RuleExecutionInputTypeDef,
        RuleExecutionResultTypeDef,
        RuleExecutionTypeDef,
        RuleStateTypeDef,
        StageConditionsExecutionTypeDef,
        StageConditionStateTypeDef,
        StageExecutionTypeDef,
        StageStateTypeDef,
        TransitionStateTypeDef,
    )
    from mypy_boto3_codepipeline.type_defs import PipelineDeclarationOutputTypeDef as Declaration
    from mypy_boto3_codepipeline.type_defs import StageDeclarationOutputTypeDef as Stage


def execution(found: Execution) -> PipelineExecutionTypeDef:
    """Return PipelineExecution."""
    shown: PipelineExecutionTypeDef = {
        "pipelineName": found["pipeline"],
        "pipelineVersion": found["version"],
        "pipelineExecutionId": found["id"],
        "status": found["status"],
        "artifactRevisions": [
            {
                "name": revision["name"],
                "revisionId": revision["revisionId"],
                "revisionSummary": revision["revisionSummary"],
                "revisionUrl": revision["revisionUrl"],
                "created": revision["created"],
            }
            for revision in found["revisions"]
        ],
        "variables": [{"name": name, "resolvedValue": value} for name, value in found["variables"].items()],
    }
    _tell_outcome(found, shown)
    return shown


def summary(found: Execution) -> PipelineExecutionSummaryTypeDef:
    """Return PipelineExecutionSummary."""
    shown: PipelineExecutionSummaryTypeDef = {
        "pipelineExecutionId": found["id"],
        "status": found["status"],
        "startTime": found["started"],
        "lastUpdateTime": found["updated"],
        "sourceRevisions": [
            {
                "actionName": revision["actionName"],
                "revisionId": revision["revisionId"],
                "revisionSummary": revision["revisionSummary"],
                "revisionUrl": revision["revisionUrl"],
            }
            for revision in found["revisions"]
        ],
    }
    _tell_outcome(found, shown)
    if found["stop"]:
        shown["stopTrigger"] = {"reason": found["stop"]["reason"]}
    return shown


def _tell_outcome(
    found: Execution, shown: PipelineExecutionTypeDef | PipelineExecutionSummaryTypeDef
) -> None:
    """Add what PipelineExecution and PipelineExecutionSummary say alike, of how it began and how it goes."""
    shown["trigger"] = found["trigger"]
    shown["executionMode"] = found["mode"]
    shown["executionType"] = _type(found)
    if found["summary"] is not None:
        shown["statusSummary"] = found["summary"]
    if "rollback_of" in found:
        shown["rollbackMetadata"] = {"rollbackTargetPipelineExecutionId": found["rollback_of"]}


def _type(found: Execution) -> ExecutionTypeType:
    return "ROLLBACK" if rollback.is_rollback(found) else "STANDARD"


def pipeline_state(pipeline: Pipeline, records: Records) -> Answer:
    """Return the output of GetPipelineState."""
    declaration = pipeline["pipeline"]
    executions = records.of(declaration["name"])
    return {
        "pipelineName": declaration["name"],
        "pipelineVersion": declaration["version"],
        "created": pipeline["created"],
        "updated": pipeline["updated"],
        "stageStates": [
            _stage_state(stage, pipeline["transitions"], executions, pipeline["versions"])
            for stage in declaration["stages"]
        ],
    }


def _stage_state(
    stage: Stage,
    transitions: dict[str, TransitionStateTypeDef],
    executions: list[Execution],
    versions: dict[str, Declaration],
) -> StageStateTypeDef:
    name = stage["name"]
    entered = [e for e in executions if name in e["stages"]]
    latest = max(entered, key=lambda e: e["stages"][name]["entered"], default=None)
    inbound: list[StageExecutionTypeDef] = [
        {"pipelineExecutionId": e["id"], "status": "InProgress", "type": _type(e)}
        for e in executions
        if e["status"] == "InProgress"
        and not e["inside"]
        and versions[str(e["version"])]["stages"][e["position"]]["name"] == name
    ]
    state: StageStateTypeDef = {
        "stageName": name,
        "inboundTransitionState": transitions.get(f"{name}/Inbound", {"enabled": True}),
        "inboundExecutions": inbound,
        "actionStates": [_action_state(name, action, entered) for action in stage["actions"]],
    }
    if inbound:
        state["inboundExecution"] = inbound[-1]
    if latest:
        state["latestExecution"] = {
            "pipelineExecutionId": latest["id"],
            "status": latest["stages"][name]["status"],
            "type": _type(latest),
        }
        if retried := _retries(latest["stages"][name]):
            state["retryStageMetadata"] = retried
        if "beforeEntry" in stage and (found := _condition_state(latest, name, "beforeEntry")):
            state["beforeEntryConditionState"] = found
        if "onSuccess" in stage and (found := _condition_state(latest, name, "onSuccess")):
            state["onSuccessConditionState"] = found
        if "onFailure" in stage and (found := _condition_state(latest, name, "onFailure")):
            state["onFailureConditionState"] = found
    return state


def _retries(run: StageRun) -> RetryStageMetadataTypeDef | None:
    if not run["retries"] and not run.get("auto_retries"):
        return None
    metadata: RetryStageMetadataTypeDef = {
        "latestRetryTrigger": "ManualStageRetry" if run["retries"] else "AutomatedStageRetry"
    }
    if run["retries"]:
        metadata["manualStageRetryAttempt"] = run["retries"]
    if automatic := run.get("auto_retries"):
        metadata["autoStageRetryAttempt"] = automatic
    return metadata


def _condition_state(
    found: Execution, stage: str, kind: conditions.Kind
) -> StageConditionStateTypeDef | None:
    run = conditions.current(found, stage, kind)
    if run is None:
        return None
    summary: StageConditionsExecutionTypeDef = {"status": run["status"]}
    if "summary" in run:
        summary["summary"] = run["summary"]
    return {
        "latestExecution": summary,
        "conditionStates": [
            {
                "latestExecution": {**summary, "lastStatusChange": run["changed"]},
                "ruleStates": [_rule_state(rule) for rule in run["rules"]],
            }
        ],
    }


def _rule_state(rule: RuleRun) -> RuleStateTypeDef:
    latest: RuleExecutionTypeDef = {
        "ruleExecutionId": rule["id"],
        "status": rule["status"],
        "lastStatusChange": rule["changed"],
    }
    if rule.get("summary"):
        latest["summary"] = rule["summary"]
    if "error" in rule:
        latest["errorDetails"] = {"code": rule["error"]["code"], "message": rule["error"]["message"]}
    return {"ruleName": rule["name"], "latestExecution": latest}


def rule_executions(
    found: Execution, region: str, *, only_latest: bool
) -> Iterator[RuleExecutionDetailTypeDef]:
    """Yield RuleExecutionDetail of each rule that was checked; on demand not those of runs before a retry."""
    for run in found.get("conditions", []):
        if only_latest and run.get("over"):
            continue
        for rule in run["rules"]:
            declaration = rule["declaration"]
            given: RuleExecutionInputTypeDef = {
                "ruleTypeId": declaration["ruleTypeId"],
                "configuration": declaration.get("configuration", {}),
                "resolvedConfiguration": rule["resolved"],
                "region": region,
            }
            if "roleArn" in declaration:
                given["roleArn"] = declaration["roleArn"]
            result: RuleExecutionResultTypeDef = {}
            if rule.get("summary"):
                result["externalExecutionSummary"] = rule["summary"]
            if "error" in rule:
                result["errorDetails"] = {"code": rule["error"]["code"], "message": rule["error"]["message"]}
            yield {
                "pipelineExecutionId": found["id"],
                "ruleExecutionId": rule["id"],
                "pipelineVersion": found["version"],
                "stageName": run["stage"],
                "ruleName": rule["name"],
                "startTime": rule["started"],
                "lastUpdateTime": rule["changed"],
                "status": rule["status"],
                "input": given,
                "output": {"executionResult": result},
            }


def _action_state(stage: str, action: Action, executions: list[Execution]) -> ActionStateTypeDef:
    found = [
        (record, e)
        for e in executions
        for record in e["actions"]
        if record["detail"]["stageName"] == stage and record["detail"]["actionName"] == action["name"]
    ]
    state: ActionStateTypeDef = {"actionName": action["name"]}
    if link := action["configuration"].get("ExternalEntityLink"):
        state["entityUrl"] = link
    if not found:
        return state
    record, owner = max(found, key=lambda pair: pair[0]["detail"]["startTime"])
    detail = record["detail"]
    result = detail["output"].get("executionResult", {})
    latest: ActionExecutionTypeDef = {
        "actionExecutionId": detail["actionExecutionId"],
        "status": detail["status"],
        "lastStatusChange": detail["lastUpdateTime"],
    }
    if "externalExecutionSummary" in result:
        latest["summary"] = result["externalExecutionSummary"]
    if "token" in record and detail["status"] == "InProgress":
        latest["token"] = record["token"]
    if "updatedBy" in detail:
        latest["lastUpdatedBy"] = detail["updatedBy"]
    if "externalExecutionId" in result:
        latest["externalExecutionId"] = result["externalExecutionId"]
    if "externalExecutionUrl" in result:
        latest["externalExecutionUrl"] = result["externalExecutionUrl"]
    if "percent" in record:
        latest["percentComplete"] = record["percent"]
    if "errorDetails" in result:
        latest["errorDetails"] = result["errorDetails"]
    state["latestExecution"] = latest
    if link and detail["input"].get("resolvedConfiguration"):
        state["entityUrl"] = detail["input"]["resolvedConfiguration"]["ExternalEntityLink"]
    for revision in owner["revisions"]:
        if revision["actionName"] == action["name"] and detail["status"] == "Succeeded":
            state["currentRevision"] = {
                "revisionId": revision["revisionId"],
                "revisionChangeId": revision["revisionId"][:100],
                "created": revision["created"],
            }
            state["revisionUrl"] = revision["revisionUrl"]
    return state
