"""The state of pipelines and executions as the API shows it."""

from __future__ import annotations

from local_account.foundation.errors import Params
from local_account.services.codepipeline.records import Records


def execution(found: Params) -> Params:
    """Return PipelineExecution."""
    return {
        "pipelineName": found["pipeline"],
        "pipelineVersion": found["version"],
        "pipelineExecutionId": found["id"],
        "status": found["status"],
        "statusSummary": found["summary"],
        "artifactRevisions": [
            {key: value for key, value in revision.items() if key != "actionName"}
            for revision in found["revisions"]
        ],
        "variables": [{"name": name, "resolvedValue": value} for name, value in found["variables"].items()],
        "trigger": found["trigger"],
        "executionMode": found["mode"],
        "executionType": "STANDARD",
    }


def summary(found: Params) -> Params:
    """Return PipelineExecutionSummary."""
    return {
        "pipelineExecutionId": found["id"],
        "status": found["status"],
        "statusSummary": found["summary"],
        "startTime": found["started"],
        "lastUpdateTime": found["updated"],
        "sourceRevisions": [
            {
                key: revision[key]
                for key in ("actionName", "revisionId", "revisionSummary", "revisionUrl")
                if key in revision
            }
            for revision in found["revisions"]
        ],
        "trigger": found["trigger"],
        "stopTrigger": {"reason": found["stop"]["reason"]} if found["stop"] else None,
        "executionMode": found["mode"],
        "executionType": "STANDARD",
    }


def pipeline_state(pipeline: Params, records: Records) -> Params:
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


def _stage_state(stage: Params, transitions: Params, executions: list[Params], versions: Params) -> Params:
    name = stage["name"]
    entered = [e for e in executions if name in e["stages"]]
    latest = max(entered, key=lambda e: e["stages"][name]["entered"], default=None)
    inbound = [
        {"pipelineExecutionId": e["id"], "status": "InProgress", "type": "STANDARD"}
        for e in executions
        if e["status"] == "InProgress"
        and not e["inside"]
        and versions[str(e["version"])]["stages"][e["position"]]["name"] == name
    ]
    state: Params = {
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
            "type": "STANDARD",
        }
        if latest["stages"][name]["retries"]:
            state["retryStageMetadata"] = {
                "manualStageRetryAttempt": latest["stages"][name]["retries"],
                "latestRetryTrigger": "ManualStageRetry",
            }
    return state


def _action_state(stage: str, action: Params, executions: list[Params]) -> Params:
    found = [
        (record, e)
        for e in executions
        for record in e["actions"]
        if record["detail"]["stageName"] == stage and record["detail"]["actionName"] == action["name"]
    ]
    state: Params = {"actionName": action["name"]}
    if link := action["configuration"].get("ExternalEntityLink"):
        state["entityUrl"] = link
    if not found:
        return state
    record, owner = max(found, key=lambda pair: pair[0]["detail"]["startTime"])
    detail = record["detail"]
    result = detail["output"].get("executionResult", {})
    state["latestExecution"] = {
        "actionExecutionId": detail["actionExecutionId"],
        "status": detail["status"],
        "summary": result.get("externalExecutionSummary"),
        "lastStatusChange": detail["lastUpdateTime"],
        "token": record.get("token") if detail["status"] == "InProgress" else None,
        "lastUpdatedBy": detail.get("updatedBy"),
        "externalExecutionId": result.get("externalExecutionId"),
        "externalExecutionUrl": result.get("externalExecutionUrl"),
        "percentComplete": record.get("percent"),
        "errorDetails": result.get("errorDetails"),
    }
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
