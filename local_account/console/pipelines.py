"""Pipelines: their stages as a graph, their executions, and where each action's work can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.console import links, model_packages
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.type_defs import (
        ActionDeclarationOutputTypeDef,
        ActionExecutionDetailTypeDef,
        RuleExecutionOutputTypeDef,
        StageDeclarationOutputTypeDef,
        StageStateTypeDef,
    )
    from mypy_boto3_sagemaker import SageMakerClient

_SECTION = "Pipelines"
_SHOWN = 20
_ATTEMPTS = 100


@dataclass(frozen=True)
class Link:
    """Where something of an action can be seen."""

    text: str
    address: str


@dataclass(frozen=True)
class Action:
    """An action of a stage, with its latest or chosen execution."""

    name: str
    provider: str
    status: str
    summary: str
    error: str
    changed: datetime | None
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Rule:
    """A rule of a condition, with its latest or chosen check."""

    name: str
    when: str
    """At which point of the stage it is checked, if that is known."""
    status: str
    summary: str


@dataclass(frozen=True)
class Stage:
    """A stage, with the execution that is or was in it."""

    name: str
    status: str
    execution_id: str
    blocked: str
    """Why nothing enters, if the transition into the stage is disabled."""
    actions: tuple[Action, ...]
    rules: tuple[Rule, ...] = ()
    """Those that were checked."""


def listing(visit: Visit) -> Answer:
    """All pipelines."""
    client: CodePipelineClient = visit.client("codepipeline")
    found = [one for page in client.get_paginator("list_pipelines").paginate() for one in page["pipelines"]]
    return Page("pipelines.html", "Pipelines", _SECTION, {"pipelines": found}, service="codepipeline")


def shown(visit: Visit, name: str) -> Answer:
    """A pipeline as it stands, and its executions."""
    client: CodePipelineClient = visit.client("codepipeline")
    declaration = client.get_pipeline(name=name)["pipeline"]
    state = {one["stageName"]: one for one in client.get_pipeline_state(name=name)["stageStates"]}
    stages = []
    for stage in declaration["stages"]:
        found = state[stage["name"]]
        latest, inbound = found.get("latestExecution"), found.get("inboundTransitionState", {})
        jobs = _jobs(visit, stage, latest["pipelineExecutionId"]) if latest else ()
        actions = tuple(_current(action, found, jobs) for action in stage["actions"])
        stages.append(
            Stage(
                stage["name"],
                latest["status"] if latest else "",
                latest["pipelineExecutionId"] if latest else "",
                "" if inbound.get("enabled", True) else inbound.get("disabledReason", "disabled"),
                actions,
                tuple(_checked(found)),
            )
        )
    executions = client.list_pipeline_executions(pipelineName=name, maxResults=_SHOWN)
    summaries = executions["pipelineExecutionSummaries"]
    return Page(
        "pipeline.html",
        name,
        _SECTION,
        {
            "name": name,
            "declaration": declaration,
            "stages": stages,
            "executions": summaries,
            "more": "nextToken" in executions,
            "groups": model_packages.of_pipeline(visit, name),
        },
        _crumbs(),
        live=1,
    )


def history(visit: Visit, name: str) -> Answer:
    """The executions of a pipeline, a hundred to a page."""
    client: CodePipelineClient = visit.client("codepipeline")
    token = visit.argument("token")
    more: dict[str, Any] = {"nextToken": token} if token else {}
    found = client.list_pipeline_executions(pipelineName=name, maxResults=100, **more)
    values = {
        "name": name,
        "executions": found["pipelineExecutionSummaries"],
        "next": found.get("nextToken", ""),
    }
    return Page("executions.html", "Executions", _SECTION, values, (*_crumbs(), (name, links.pipeline(name))))


def execution(visit: Visit, name: str, execution_id: str, tab: str = "") -> Answer:
    """One execution: its stages as a graph, and every attempt of its actions."""
    client: CodePipelineClient = visit.client("codepipeline")
    found = client.get_pipeline_execution(pipelineName=name, pipelineExecutionId=execution_id)[
        "pipelineExecution"
    ]
    declaration = client.get_pipeline(name=name)["pipeline"]
    details = client.list_action_executions(
        pipelineName=name, filter={"pipelineExecutionId": execution_id}, maxResults=_ATTEMPTS
    )["actionExecutionDetails"]
    checks = client.list_rule_executions(
        pipelineName=name, filter={"pipelineExecutionId": execution_id}, maxResults=_ATTEMPTS
    )["ruleExecutionDetails"]
    latest: dict[tuple[str, str], ActionExecutionDetailTypeDef] = {}
    for detail in details:  # the newest first
        latest.setdefault((detail["stageName"], detail["actionName"]), detail)
    stages = []
    for stage in declaration["stages"]:
        attempts = [latest.get((stage["name"], action["name"])) for action in stage["actions"]]
        jobs = _jobs(visit, stage, execution_id) if any(attempts) else ()
        states = {attempt["status"] for attempt in attempts if attempt}
        status = next((one for one in ("Failed", "InProgress", "Abandoned") if one in states), "")
        if not status and states:
            status = "Succeeded" if all(attempts) else "InProgress"
        actions = tuple(
            _attempt(action, attempt, jobs)
            for action, attempt in zip(stage["actions"], attempts, strict=True)
        )
        checked = tuple(
            Rule(one["ruleName"], "", one["status"], _said(one["output"]))
            for one in reversed(checks)
            if one["stageName"] == stage["name"]
        )
        stages.append(Stage(stage["name"], status, "", "", actions, checked))
    status = found["status"]
    values = {
        "name": name,
        "execution": found,
        "stages": stages,
        "details": details,
        "provider": {(s["name"], a["name"]): a for s in declaration["stages"] for a in s["actions"]},
        "where": _where,
        "older": declaration["version"] != found.get("pipelineVersion"),
    }
    return Page(
        "execution.html",
        f"Execution {execution_id}",
        _SECTION,
        values,
        (*_crumbs(), (name, links.pipeline(name))),
        live=int(status in ("InProgress", "Stopping")),
    )


def _checked(stage: StageStateTypeDef) -> Iterator[Rule]:
    """Yield the rules of a stage's conditions, as GetPipelineState has them."""
    found = {
        "before entry": stage.get("beforeEntryConditionState"),
        "on success": stage.get("onSuccessConditionState"),
        "on failure": stage.get("onFailureConditionState"),
    }
    for when, state in found.items():
        for condition in state.get("conditionStates", []) if state else ():
            for rule in condition.get("ruleStates", []):
                latest = rule.get("latestExecution", {})
                yield Rule(
                    rule.get("ruleName", ""), when, latest.get("status", ""), latest.get("summary", "")
                )


def _said(output: RuleExecutionOutputTypeDef) -> str:
    return output.get("executionResult", {}).get("externalExecutionSummary", "")


def _crumbs() -> tuple[tuple[str, str], ...]:
    return ((_SECTION, links.pipelines()),)


def _jobs(visit: Visit, stage: StageDeclarationOutputTypeDef, execution_id: str) -> tuple[Link, ...]:
    """Return the training jobs that the functions of a stage have started.

    CodePipeline does not know them; a job that belongs to an execution has the execution's id in its name.
    """
    if not any(_provider(action) == "Lambda" for action in stage["actions"]):
        return ()
    client: SageMakerClient = visit.client("sagemaker")
    found = client.list_training_jobs(NameContains=execution_id, MaxResults=5)["TrainingJobSummaries"]
    return tuple(Link("training job", links.training_job(one["TrainingJobName"])) for one in found)


def _current(
    action: ActionDeclarationOutputTypeDef, stage: StageStateTypeDef, jobs: tuple[Link, ...]
) -> Action:
    """Return an action with its latest execution, as GetPipelineState has it."""
    state = next((one for one in stage["actionStates"] if one["actionName"] == action["name"]), None)
    latest = state.get("latestExecution") if state else None
    if state is None or latest is None:
        return Action(action["name"], _provider(action), "", "", "", None, ())
    found = list(
        _where(action, latest.get("externalExecutionId", ""), latest.get("externalExecutionUrl", ""))
    )
    if entity := links.own(state.get("entityUrl", "")):
        found.append(Link("what it is about", entity))
    if revision := state.get("currentRevision", {}).get("revisionId"):
        found.insert(0, Link(f"revision {revision[:12]}", links.own(state.get("revisionUrl", ""))))
    found += jobs if _provider(action) == "Lambda" else ()
    waits = action["actionTypeId"]["category"] == "Approval" and latest.get("status") == "InProgress"
    return Action(
        action["name"],
        _provider(action),
        "Waiting" if waits else latest.get("status", ""),
        latest.get("summary", ""),
        latest.get("errorDetails", {}).get("message", ""),
        latest.get("lastStatusChange"),
        tuple(found),
    )


def _attempt(
    action: ActionDeclarationOutputTypeDef,
    detail: ActionExecutionDetailTypeDef | None,
    jobs: tuple[Link, ...],
) -> Action:
    """Return an action with one of its executions, as ListActionExecutions has it."""
    if detail is None:
        return Action(action["name"], _provider(action), "", "", "", None, ())
    result = _result(detail)
    found = list(
        _where(action, result.get("externalExecutionId", ""), result.get("externalExecutionUrl", ""))
    )
    found += jobs if _provider(action) == "Lambda" else ()
    entity = detail.get("input", {}).get("resolvedConfiguration", {}).get("ExternalEntityLink", "")
    if entity := links.own(entity):
        found.append(Link("what it is about", entity))
    waits = action["actionTypeId"]["category"] == "Approval" and detail["status"] == "InProgress"
    return Action(
        action["name"],
        _provider(action),
        "Waiting" if waits else detail["status"],
        result.get("externalExecutionSummary", ""),
        result.get("errorDetails", {}).get("message", ""),
        detail["lastUpdateTime"],
        tuple(found),
    )


def _result(detail: ActionExecutionDetailTypeDef) -> Mapping[str, Any]:
    return detail.get("output", {}).get("executionResult", {})


def _where(action: ActionDeclarationOutputTypeDef, identity: str, url: str) -> tuple[Link, ...]:
    """Return where the work of an action can be seen: its build, stack, function, commit or object."""
    configuration, provider = action.get("configuration", {}), _provider(action)
    found: list[Link] = []
    if provider == "CodeBuild":
        if identity:
            found.append(Link("build and its log", links.build(identity)))
        elif project := configuration.get("ProjectName"):
            found.append(Link("build project", links.project(project)))
    elif provider == "CloudFormation":
        stack = identity or configuration.get("StackName", "")
        found.append(Link("stack", links.stack(stack)))
    elif provider == "Lambda":
        name = configuration.get("FunctionName", "")
        found.append(Link("function and its log", links.function(name)))
    elif provider == "CodeCommit" and identity:
        found.append(Link(f"commit {identity[:8]}", links.commit(configuration["RepositoryName"], identity)))
    elif provider == "S3" and (bucket := configuration.get("S3Bucket")):
        found.append(Link("object", links.item(bucket, configuration.get("S3ObjectKey", ""))))
    if not found and (address := links.own(url)):
        found.append(Link("details", address))
    return tuple(found)


def _provider(action: ActionDeclarationOutputTypeDef) -> str:
    return action["actionTypeId"]["provider"]


PAGES: Mapping[str, Render] = {
    "/codepipeline/home": listing,
    "/codesuite/codepipeline/home": listing,
    "/codesuite/codepipeline/pipelines": listing,
    "/codesuite/codepipeline/pipelines/<name>/view": shown,
    "/codesuite/codepipeline/pipelines/<name>/executions": history,
    "/codesuite/codepipeline/pipelines/<name>/executions/<execution_id>/<tab>": execution,
    "/codesuite/codepipeline/pipelines/<name>/executions/<execution_id>": execution,
}
