"""The records of executions, and the events published about them.

Pipelines and executions are one document each; an action execution is part of its execution.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from local_account.foundation.errors import Params

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.literals import (
        ConditionExecutionStatusType,
        ExecutionModeType,
        PipelineExecutionStatusType,
        RuleExecutionStatusType,
        StageExecutionStatusType,
    )
    from mypy_boto3_codepipeline.type_defs import (
        ActionExecutionDetailTypeDef,
        ExecutionTriggerTypeDef,
        PipelineDeclarationOutputTypeDef,
        RuleDeclarationOutputTypeDef,
        SourceRevisionOverrideTypeDef,
        TagTypeDef,
        TransitionStateTypeDef,
    )

    from local_account.foundation.account import Account

_ACTION_EVENTS = {
    "InProgress": "STARTED",
    "Succeeded": "SUCCEEDED",
    "Failed": "FAILED",
    "Abandoned": "ABANDONED",
}


_RUNNING = ("InProgress", "Stopping")
_ENDED = 200
"""Ended executions that stay in memory, some 30 KB each."""


class Pipeline(TypedDict):
    """A pipeline with all its versions: an execution shows the version that it began with."""

    pipeline: PipelineDeclarationOutputTypeDef
    """The newest version."""
    versions: dict[str, PipelineDeclarationOutputTypeDef]
    """By number."""
    created: datetime
    updated: datetime
    transitions: dict[str, TransitionStateTypeDef]
    """By stage and type, ``DeployDev/Inbound``; one that is missing is enabled."""
    tags: list[TagTypeDef]


class Artifact(TypedDict):
    """Where an artifact is, and for one from a source, of which revision."""

    bucket: str
    key: str
    revision: NotRequired[str]


class SourceRevision(TypedDict):
    """What a source action found."""

    revisionId: str
    revisionSummary: str
    revisionUrl: str
    created: datetime


class ExecutionRevision(SourceRevision):
    """What a source action of an execution found; ``name`` is the artifact's."""

    name: str
    actionName: str


class Job(TypedDict):
    """The job of a Lambda function: the function knows its action by the id."""

    id: str
    continuationToken: NotRequired[str]


class ActionRecord(TypedDict):
    """An action execution, and what the engine has to know about it."""

    detail: ActionExecutionDetailTypeDef
    outputs: dict[str, Artifact]
    """Where the output artifacts go, by name."""
    token: NotRequired[str]
    """The token of an approval."""
    job: NotRequired[Job]
    """The job of an action that invokes a Lambda function."""
    awaiting: NotRequired[bool]
    """Whether it waits for an answer through the API, and so outlives the account's process."""
    again: NotRequired[bool]
    """Whether its function is about to be invoked again."""
    limit: NotRequired[datetime]
    """When it fails if no answer has come."""
    percent: NotRequired[int]
    """The progress that its function reported last."""
    retried: NotRequired[bool]
    """Whether a later run in its stage has taken its place."""


class RuleError(TypedDict):
    """Why a rule could not be checked."""

    code: str
    message: str


class RuleRun(TypedDict):
    """A rule that is or was checked, as it was declared."""

    id: str
    name: str
    declaration: RuleDeclarationOutputTypeDef
    resolved: dict[str, str]
    """Its configuration, with all variables resolved."""
    status: RuleExecutionStatusType
    started: datetime
    changed: datetime
    limit: datetime
    """When it fails if it has no result."""
    summary: NotRequired[str]
    error: NotRequired[RuleError]
    job: NotRequired[Job]
    """The job of a rule that invokes a Lambda function."""
    awaiting: NotRequired[bool]
    """Whether it waits for an answer through the API."""


class ConditionRun(TypedDict):
    """A condition of a stage that is or was checked."""

    stage: str
    kind: Literal["beforeEntry", "onSuccess", "onFailure"]
    result: str
    """What happens if it fails."""
    status: ConditionExecutionStatusType
    summary: NotRequired[str]
    changed: datetime
    rules: list[RuleRun]
    over: NotRequired[bool]
    """Whether the stage has been retried since."""


class StageRun(TypedDict):
    """A stage that an execution has entered; ``retries`` counts RetryStageExecution."""

    status: StageExecutionStatusType
    entered: datetime
    retries: int
    auto_retries: NotRequired[int]
    """Counts the retries that `onFailure` asks for."""


class Stop(TypedDict):
    """What StopPipelineExecution requested."""

    reason: str
    abandon: bool


class Execution(TypedDict):
    """A pipeline execution."""

    id: str
    pipeline: str
    version: int
    mode: ExecutionModeType
    number: int
    """Counts the executions of a pipeline from 1."""
    status: PipelineExecutionStatusType
    summary: str | None
    started: datetime
    updated: datetime
    trigger: ExecutionTriggerTypeDef
    token: str | None
    """ClientRequestToken of StartPipelineExecution."""
    variables: dict[str, str]
    """The pipeline's variables by name."""
    overrides: dict[str, SourceRevisionOverrideTypeDef]
    """By source action."""
    attempt: int
    position: int
    """Index of the stage that it is in, or waits before."""
    inside: bool
    """Whether it is in that stage."""
    stages: dict[str, StageRun]
    """By name, those that it has entered."""
    actions: list[ActionRecord]
    """In the order in which they began."""
    artifacts: dict[str, Artifact]
    """By name, those that its actions have made."""
    namespaces: dict[str, dict[str, str]]
    """Output variables of its actions."""
    revisions: list[ExecutionRevision]
    """What its source actions found."""
    stop: Stop | None
    conditions: NotRequired[list[ConditionRun]]
    """In the order in which they began."""
    rollback_of: NotRequired[str]
    """The id of the execution to which it rolls its stage back."""


def new_execution(pipeline: Pipeline, number: int, now: datetime) -> Execution:
    """Return the document of an execution that waits before the first stage."""
    declaration = pipeline["pipeline"]
    return {
        "id": str(uuid.uuid4()),
        "pipeline": declaration["name"],
        "version": declaration["version"],
        "mode": declaration["executionMode"],
        "number": number,
        "status": "InProgress",
        "summary": None,
        "started": now,
        "updated": now,
        "trigger": {},
        "token": None,
        "variables": {},
        "overrides": {},
        "attempt": 1,
        "position": 0,  # index of the stage that it is in or waits for
        "inside": False,
        "stages": {},
        "actions": [],
        "artifacts": {},
        "namespaces": {},
        "revisions": [],
        "stop": None,
    }


def _with_job(execution: Execution, job_id: str) -> ActionRecord | None:
    return next((one for one in execution["actions"] if "job" in one and one["job"]["id"] == job_id), None)


class Records:
    """All executions of the account: those that run in memory, of the others the last."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._table = account.store.table("codepipeline.executions", Execution)
        self._lock = threading.RLock()
        self._of: dict[str, dict[str, None]] = {}
        """The ids of each pipeline's executions, oldest first."""
        self._running: dict[str, Execution] = {}
        self._ended: OrderedDict[str, Execution] = OrderedDict()
        """The last that were asked for: with many labs, all of them would take hundreds of megabytes."""
        listed = self._table.members("pipeline", "number", "status")
        for execution_id, pipeline, _, status in sorted(listed, key=lambda row: int(row[2])):
            self._of.setdefault(pipeline, {})[execution_id] = None
            if status in _RUNNING:
                self._running[execution_id] = self._table.require(execution_id)
        self._unsaved: dict[str, list[tuple[str, Params]]] = {}
        """What has happened to executions since they were saved: the types and details of events."""

    def save(self, execution: Execution) -> None:
        """Write an execution to the store, and its events to the bus: all or nothing.

        If that fails, the execution in memory is again what is in the store.
        """
        execution["updated"] = self._account.now()
        events = self._unsaved.pop(execution["id"], [])

        try:
            with self._account.store.together():
                self._table.put(execution["id"], execution)
                for detail_type, detail in events:
                    arn = self._account.arn("codepipeline", execution["pipeline"])
                    self._account.bus.publish("aws.codepipeline", detail_type, detail, [arn])
        except Exception:
            if before := self._table.get(execution["id"]):
                with self._lock:
                    self._remember(before)
            raise
        with self._lock:
            self._remember(execution)

    def require_room(self, execution: Execution) -> None:
        """Raise sqlite3.OperationalError while the disk is full: to be asked before anything changes."""
        if stored := self._table.get(execution["id"]):
            self._table.put(execution["id"], stored)

    def get(self, execution_id: str) -> Execution | None:
        """Return the execution itself (change it only under the engine's lock)."""
        with self._lock:
            found = self._running.get(execution_id) or self._ended.get(execution_id)
            if found is None and (found := self._table.get(execution_id)) is not None:
                self._remember(found)
            return found

    def of(self, pipeline: str) -> list[Execution]:
        """Return the executions of a pipeline, oldest first."""
        found = (self.get(execution_id) for execution_id in list(self._of.get(pipeline, {})))
        return [execution for execution in found if execution is not None]

    def running(self, pipeline: str | None = None) -> list[Execution]:
        """Return the executions that have not ended, of one pipeline or of all, oldest first."""
        found = list(self._running.values())
        if pipeline is not None:
            found = [one for one in found if one["pipeline"] == pipeline]
        return sorted(found, key=lambda one: one["number"])

    def of_job(self, job_id: str) -> tuple[Execution, ActionRecord] | None:
        """Return the action that has a job, and its execution."""
        for execution in self.running():
            if record := _with_job(execution, job_id):
                return execution, record
        for stored in self._table.containing(job_id):
            ended = self.get(stored["id"])
            if ended and (record := _with_job(ended, job_id)):
                return ended, record
        return None

    def forget(self, pipeline: str) -> None:
        """Delete the executions of a pipeline."""
        with self._lock:
            for execution_id in self._of.pop(pipeline, {}):
                self._table.delete(execution_id)
                self._ended.pop(execution_id, None)
                self._running.pop(execution_id, None)

    def _remember(self, execution: Execution) -> None:
        execution_id = execution["id"]
        self._of.setdefault(execution["pipeline"], {})[execution_id] = None
        if execution["status"] in _RUNNING:
            self._ended.pop(execution_id, None)
            self._running[execution_id] = execution
            return
        self._running.pop(execution_id, None)
        self._ended[execution_id] = execution
        self._ended.move_to_end(execution_id)
        while len(self._ended) > _ENDED:
            self._ended.popitem(last=False)

    def pipeline_event(self, execution: Execution, state: str) -> None:
        """Note a ``CodePipeline Pipeline Execution State Change``; `save` publishes it."""
        extra: Params = {}
        if state == "STARTED":
            extra["execution-trigger"] = {
                "trigger-type": execution["trigger"]["triggerType"],
                "trigger-detail": execution["trigger"]["triggerDetail"],
            }
        self._event("Pipeline", execution, {**extra, "state": state})

    def stage_event(self, execution: Execution, stage: str, state: str) -> None:
        """Note a ``CodePipeline Stage Execution State Change``; `save` publishes it."""
        self._event("Stage", execution, {"stage": stage, "state": state})

    def action_event(self, execution: Execution, record: ActionRecord) -> None:
        """Note a ``CodePipeline Action Execution State Change``; `save` publishes it."""
        detail = record["detail"]
        result = detail["output"].get("executionResult", {})
        error = result.get("errorDetails", {})
        named = {
            "external-execution-url": result.get("externalExecutionUrl"),
            "external-execution-summary": error.get("message") or result.get("externalExecutionSummary"),
            "external-execution-id": result.get("externalExecutionId"),
            "error-code": error.get("code"),
        }
        about: dict[str, Any] = {
            "stage": detail["stageName"],
            "action-execution-id": detail["actionExecutionId"],
            "action": detail["actionName"],
            "state": _ACTION_EVENTS[detail["status"]],
            "region": self._account.config.region,
            "type": detail["input"]["actionTypeId"],
        }
        if detail["status"] != "InProgress":
            about["execution-result"] = {key: value for key, value in named.items() if value is not None}
        for direction, listed in (
            ("input", detail["input"].get("inputArtifacts")),
            ("output", detail["output"].get("outputArtifacts")),
        ):
            if listed:
                about[f"{direction}-artifacts"] = [
                    {"name": entry["name"], "s3location": entry["s3location"]} for entry in listed
                ]
        self._event("Action", execution, about)

    def _event(self, level: str, execution: Execution, about: Params) -> None:
        detail = {
            "pipeline": execution["pipeline"],
            "execution-id": execution["id"],
            "start-time": execution["started"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **about,
            "version": float(execution["version"]),
            "pipeline-execution-attempt": float(execution["attempt"]),
        }
        event = (f"CodePipeline {level} Execution State Change", detail)
        self._unsaved.setdefault(execution["id"], []).append(event)
