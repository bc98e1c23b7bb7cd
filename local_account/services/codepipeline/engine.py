"""The state machine of executions.

How executions queue before stages: "How pipeline executions work" (CodePipeline User Guide). Every
transition happens under one lock and is in the store before anything follows from it; actions run in
threads and report back through ``finish``. An execution has the structure it was started with, and is
cancelled when the pipeline gets another (CodePipeline API, PipelineExecution, status): actions that run end
first, and what only waits (approvals, executions between stages) is given up at once.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast

from local_account.foundation.errors import ServiceError
from local_account.foundation.patience import patient
from local_account.services.codepipeline import (
    actions,
    artifacts,
    conditions,
    rollback,
    structure,
    variables,
)
from local_account.services.codepipeline.context import ActionFailed, Context, Outcome
from local_account.services.codepipeline.jobs import CONTINUATION_SECONDS, invoke_lambda
from local_account.services.codepipeline.records import (
    ActionRecord,
    Artifact,
    ConditionRun,
    Execution,
    Pipeline,
    Records,
    new_execution,
)

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.literals import (
        ActionExecutionStatusType,
        PipelineExecutionStatusType,
        ResultType,
    )
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef as Action
    from mypy_boto3_codepipeline.type_defs import (
        ActionExecutionDetailTypeDef,
        ActionExecutionInputTypeDef,
        ArtifactDetailTypeDef,
        ExecutionTriggerTypeDef,
        S3LocationTypeDef,
        SourceRevisionOverrideTypeDef,
        TransitionStateTypeDef,
    )
    from mypy_boto3_codepipeline.type_defs import PipelineDeclarationOutputTypeDef as Declaration
    from mypy_boto3_codepipeline.type_defs import StageDeclarationOutputTypeDef as Stage

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

APPROVAL_TIMEOUT = timedelta(days=7)
JOB_TIMEOUT = timedelta(minutes=20)
"""Without a word from the function of a Lambda action; each continuation token begins it again (Quotas)."""
LAMBDA_TIMEOUT = timedelta(hours=24)
"""For a Lambda action in all."""
QUEUE_LIMIT = 50
"""Executions in progress at the same time, as documented for QUEUED and PARALLEL."""
_INTERRUPTED = "The local account ended while this action ran: retry the stage with RetryStageExecution"


StageEnd = Literal["Succeeded", "Failed", "Stopped", "Cancelled", "Skipped"]
"""How a stage may end."""


class Engine:
    """Moves executions through their stages."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.pipelines = account.store.table("codepipeline.pipelines", Pipeline)
        self.records = Records(account)
        self.lock = threading.RLock()
        """Held while an execution is changed."""
        self.conditions = conditions.Conditions(
            account,
            self.records,
            self.lock,
            self._proceed,
            lambda execution: self._structure(execution)["roleArn"],
        )

    # --- start and timeouts

    def recover(self) -> None:
        """Resume where the account ended: running actions fail, those waiting for an answer keep waiting."""
        with self.lock:
            for execution in self.records.running():
                for record in execution["actions"]:
                    if record["detail"]["status"] != "InProgress":
                        continue
                    if record.get("again"):
                        self._spawn(execution, record, CONTINUATION_SECONDS)
                    elif not record.get("awaiting"):
                        self._close(execution, record, "Failed", ActionFailed("JobFailed", _INTERRUPTED))
                self.conditions.recover(execution)
                self.records.save(execution)
                if execution["inside"]:
                    self._proceed(execution)
            for name in self.pipelines.keys():  # noqa: SIM118 - a table, not a mapping
                self.cancel_outdated(name)
        self._account.tasks.every(1, "codepipeline-timeouts", self.expire)

    def expire(self, now: datetime | None = None) -> None:
        """Fail the approvals, jobs and rules whose time is up."""
        now = now or self._account.now()
        self.conditions.expire(now)
        for execution in self.records.running():
            for record in list(execution["actions"]):
                detail = record["detail"]
                if detail["status"] == "InProgress" and "limit" in record and now > record["limit"]:
                    kind = detail["input"]["actionTypeId"]["provider"]
                    message = f"The {kind} action was not answered by {record['limit']:%Y-%m-%d %H:%M:%S} UTC"
                    if kind == "Lambda":
                        function = detail["input"]["resolvedConfiguration"]["FunctionName"]
                        message = (
                            f"The AWS Lambda function {function} failed to return a result. Check the "
                            "function to verify that it has permission to send the required result to "
                            "CodePipeline."
                        )
                    self.finish(
                        execution["id"], detail["actionExecutionId"], ActionFailed("JobTimedOut", message)
                    )

    # --- executions

    def start_execution(
        self,
        name: str,
        trigger: ExecutionTriggerTypeDef,
        given: dict[str, str],
        overrides: dict[str, SourceRevisionOverrideTypeDef],
        token: str | None,
    ) -> str:
        """Start an execution and return its id. The same ``token`` returns the same execution."""
        with self.lock:
            pipeline = self.pipelines.require(name)
            earlier = self.records.of(name)
            for execution in earlier:
                if token and execution["token"] == token:
                    return str(execution["id"])
            waiting = len(self.records.running(name))
            if pipeline["pipeline"]["executionMode"] != "SUPERSEDED" and waiting >= QUEUE_LIMIT:
                raise ServiceError(
                    "ConcurrentPipelineExecutionsLimitExceededException",
                    f"The pipeline {name} has {QUEUE_LIMIT} executions in progress: wait for one to end",
                )
            number = earlier[-1]["number"] + 1 if earlier else 1
            execution = new_execution(pipeline, number, self._account.now())
            execution |= {"trigger": trigger, "token": token, "variables": given, "overrides": overrides}
            self.records.pipeline_event(execution, "STARTED")
            self.records.save(execution)
            with self._patient():
                self._admit(name)
        return str(execution["id"])

    def roll_back(self, name: str, stage: str, target: Execution, trigger: ExecutionTriggerTypeDef) -> str:
        """Start the execution that rolls a stage back, and return its id."""
        with self.lock:
            pipeline, earlier = self.pipelines.require(name), self.records.of(name)
            rollback.check(pipeline, stage, target, self.records.running(name))
            number, now = earlier[-1]["number"] + 1, self._account.now()
            execution = rollback.new_rollback(
                pipeline, stage, target, number=number, now=now, trigger=trigger
            )
            self.records.pipeline_event(execution, "STARTED")
            self.records.save(execution)
            with self._patient():
                self._admit(name)
        return str(execution["id"])

    def _roll_back_by_itself(self, failed: Execution, stage: str) -> None:
        """Roll a stage back to the last execution that succeeded in it, if there is one."""
        name, executions = failed["pipeline"], self.records.of(failed["pipeline"])
        target = rollback.last_success(executions, stage, failed)
        if target is None or rollback.is_rollback(failed):
            return
        execution = rollback.new_rollback(
            self.pipelines.require(name),
            stage,
            target,
            number=executions[-1]["number"] + 1,
            now=self._account.now(),
            trigger={"triggerType": "AutomatedRollback", "triggerDetail": failed["id"]},
        )
        self.records.pipeline_event(execution, "STARTED")
        self.records.save(execution)

    def _patient(self) -> AbstractContextManager[None]:
        """Wait while the disk is full: for what follows from something that was saved."""
        return patient(self._account.tasks.stopping)

    def stop_execution(self, execution: Execution, reason: str, *, abandon: bool) -> None:
        """Stop an execution: let running actions end (``Stopping``), or abandon them."""
        with self.lock:
            self.records.require_room(execution)
        with self._patient(), self.lock:
            execution["stop"] = {"reason": reason, "abandon": abandon}
            execution["status"] = "Stopping"
            if execution["inside"]:
                stage = self._stage(execution)["name"]
                execution["stages"][stage]["status"] = "Stopping"
                self.records.stage_event(execution, stage, "STOPPING")
            self.records.pipeline_event(execution, "STOPPING")
            if abandon:
                for record in execution["actions"]:
                    if record["detail"]["status"] == "InProgress":
                        self._close(execution, record, "Abandoned", None)
            self.records.save(execution)
            if execution["inside"]:
                self._proceed(execution)
            else:
                self._end(execution, "Stopped")

    def cancel_outdated(self, name: str) -> None:
        """Cancel the executions of a pipeline whose structure has been updated; admit those that wait."""
        with self._patient(), self.lock:
            for execution in self.records.running(name):
                if not self._outdated(execution):
                    continue
                if not execution["inside"]:
                    self._end(execution, "Cancelled", admit=False)
                    continue
                for record in execution["actions"]:
                    if record["detail"]["status"] == "InProgress" and "token" in record:
                        self._close(execution, record, "Abandoned", None)
                self.records.save(execution)
                self._proceed(execution)
            self._admit(name)

    def _outdated(self, execution: Execution) -> bool:
        """Whether an execution in progress has another structure than its pipeline; it does not go on."""
        newest = self.pipelines.require(execution["pipeline"])["pipeline"]["version"]
        return execution["status"] == "InProgress" and execution["version"] != newest

    def retry_stage(self, execution: Execution, stage: str, mode: str) -> None:
        """Run the failed actions of a stage again, or all of them (RetryMode)."""
        with self.lock:
            self.records.require_room(execution)
        with self._patient(), self.lock:
            _reopen(execution, stage, mode)
            state = execution["stages"][stage]
            state |= {"status": "InProgress", "entered": self._account.now(), "retries": state["retries"] + 1}
            execution |= {"status": "InProgress", "summary": None, "stop": None, "inside": True}
            execution["attempt"] += 1
            self.records.pipeline_event(execution, "RESUMED")
            self.records.stage_event(execution, stage, "RESUMED")
            self.records.save(execution)
            self._proceed(execution)

    def reconsider(self, name: str) -> None:
        """Admit waiting executions; call this when a transition was enabled."""
        with self._patient(), self.lock:
            self._admit(name)

    # --- actions

    def finish(self, execution_id: str, action_id: str, result: Outcome | ActionFailed) -> bool:
        """End a running action; return whether it was still running."""
        with self.lock:
            execution = self.records.get(execution_id)
            record = find_record(execution, action_id) if execution else None
            if execution is None or record is None or record["detail"]["status"] != "InProgress":
                return False
            self.records.require_room(execution)
            with self._patient():
                if isinstance(result, ActionFailed):
                    self._close(execution, record, "Failed", result)
                else:
                    self._succeed(execution, record, result)
                self.records.save(execution)
                self._proceed(execution)
            return True

    def update(
        self,
        execution_id: str,
        action_id: str,
        *,
        external_id: str | None = None,
        url: str | None = None,
        summary: str | None = None,
        awaiting: bool | None = None,
        again: bool | None = None,
        percent: int | None = None,
    ) -> None:
        """Record a running action's id, page and summary in another service, and its progress."""
        with self.lock:
            execution = self.records.get(execution_id)
            record = find_record(execution, action_id) if execution else None
            if execution is None or record is None or record["detail"]["status"] != "InProgress":
                return
            result = record["detail"]["output"].setdefault("executionResult", {})
            if external_id is not None:
                result["externalExecutionId"] = external_id
            if url is not None:
                result["externalExecutionUrl"] = url
            if summary is not None:
                result["externalExecutionSummary"] = summary
            if awaiting is not None:
                record["awaiting"] = awaiting
            if again is not None:
                record["again"] = again
            if percent is not None:
                record["percent"] = percent
            self.records.save(execution)

    # --- inside, under the lock

    def _structure(self, execution: Execution) -> Declaration:
        pipeline = self.pipelines.require(execution["pipeline"])
        return pipeline["versions"][str(execution["version"])]

    def _stage(self, execution: Execution) -> Stage:
        return self._structure(execution)["stages"][execution["position"]]

    def _admit(self, name: str) -> None:
        """Admit executions into free stages in their order, later stages first."""
        if pipeline := self.pipelines.get(name):
            while self._admit_one(name, pipeline["transitions"]):
                pass

    def _admit_one(self, name: str, transitions: dict[str, TransitionStateTypeDef]) -> bool:
        by_stage: dict[str, list[Execution]] = {}
        waiting = [e for e in self.records.running(name) if e["status"] == "InProgress" and not e["inside"]]
        for execution in sorted(waiting, key=lambda e: (-e["position"], e["number"])):
            by_stage.setdefault(self._stage(execution)["name"], []).append(execution)
        for stage, queued in by_stage.items():
            back = next((one for one in queued if rollback.is_rollback(one)), None)
            if queued[-1]["mode"] == "SUPERSEDED" and back is None:
                for older in queued[:-1]:
                    self._end(older, "Superseded", admit=False)
            execution = back or (queued[-1] if queued[-1]["mode"] == "SUPERSEDED" else queued[0])
            if self._may_enter(execution, stage, transitions):
                self._enter(execution, stage)
                return True
        return False

    def _may_enter(
        self, execution: Execution, stage: str, transitions: dict[str, TransitionStateTypeDef]
    ) -> bool:
        before = execution["position"] - 1
        outbound = self._structure(execution)["stages"][before]["name"] if before >= 0 else ""
        if not transitions.get(f"{stage}/Inbound", {}).get("enabled", True):
            return False
        if not transitions.get(f"{outbound}/Outbound", {}).get("enabled", True):
            return False
        return execution["mode"] == "PARALLEL" or not any(
            other["inside"] and self._stage(other)["name"] == stage
            for other in self.records.running(execution["pipeline"])
        )

    def _enter(self, execution: Execution, stage: str) -> None:
        execution["inside"] = True
        execution["stages"][stage] = {"status": "InProgress", "entered": self._account.now(), "retries": 0}
        self.records.stage_event(execution, stage, "STARTED")
        self.records.save(execution)
        self._proceed(execution)

    def _proceed(self, execution: Execution) -> None:
        """Start what can start now, or end the stage if none of its actions are running any more."""
        while execution["inside"] and self._step(execution):
            pass

    def _step(self, execution: Execution) -> bool:
        """Take one step; return whether another may be possible at once."""
        stage = self._stage(execution)
        latest = {
            record["detail"]["actionName"]: record["detail"]["status"]
            for record in execution["actions"]
            if record["detail"]["stageName"] == stage["name"] and not record.get("retried")
        }
        ended = self._stage_end(execution, stage, latest)
        if ended is None and not latest and not self._met(execution, stage, "beforeEntry"):
            return False
        if ended is not None:
            return self._finish(execution, stage, ended) if ended else False
        for group in structure.groups(stage):
            todo = [action for action in group if action["name"] not in latest]
            for action in todo:
                self._start_action(execution, stage, action.copy())
            if todo or any(latest[action["name"]] == "InProgress" for action in group):
                return bool(todo)
        return False

    def _stage_end(
        self, execution: Execution, stage: Stage, latest: Mapping[str, str]
    ) -> StageEnd | Literal[""] | None:
        """Return how a stage ends now: a status, "" while actions are running, None if it continues."""
        stopping, outdated = execution["status"] == "Stopping", self._outdated(execution)
        failed = bool({"Failed", "Abandoned"} & set(latest.values()))
        if "InProgress" in latest.values():
            return "" if failed or stopping or outdated else None
        if outdated:
            return "Cancelled"
        done = all(latest.get(action["name"]) == "Succeeded" for action in stage["actions"])
        last = self._is_last(execution)
        if stopping and not (done and last):
            return "Stopped"
        if failed:
            return "Failed"
        return "Succeeded" if done else None

    def _met(self, execution: Execution, stage: Stage, kind: conditions.Kind) -> bool:
        """Return whether a stage has no such condition, or one that is met; check it if it was not yet.

        A condition before entry that failed ends the stage.
        """
        condition = conditions.declared(stage, kind)
        if condition is None:
            return True
        run = conditions.current(execution, stage["name"], kind) or self.conditions.begin(
            execution, stage, kind, condition, self._namespaces(execution)
        )
        if kind == "beforeEntry" and run["status"] != "InProgress" and not conditions.is_met(run):
            if run["result"] == "SKIP":
                self._leave(execution, stage, "Skipped")
            else:
                self._blame(execution, stage, run)
                self._leave(execution, stage, "Failed")
        return conditions.is_met(run)

    def _finish(self, execution: Execution, stage: Stage, ended: StageEnd) -> bool:
        """End the stage, once its conditions allow; return whether it goes on instead, as it is retried."""
        name, back = stage["name"], False
        if ended == "Succeeded" and execution["status"] != "Stopping":
            if not self._met(execution, stage, "onSuccess"):
                run = conditions.current(execution, name, "onSuccess")
                if run is None or run["status"] == "InProgress":
                    return False
                ended, back = "Failed", run["result"] == "ROLLBACK"
                self._blame(execution, stage, run)
        elif ended == "Failed" and (failure := stage.get("onFailure")):
            result = failure.get("result")
            if conditions.declared(stage, "onFailure"):
                met = self._met(execution, stage, "onFailure")
                run = conditions.current(execution, name, "onFailure")
                if run is None or run["status"] == "InProgress":
                    return False
                result = None if met else cast("ResultType", run["result"])
            if result == "RETRY" and not execution["stages"][name].get("auto_retries"):
                self._retry(execution, name, failure.get("retryConfiguration", {}).get("retryMode"))
                return True
            back = result == "ROLLBACK"
        if back:
            self._roll_back_by_itself(execution, name)
        self._leave(execution, stage, ended)
        return False

    def _retry(self, execution: Execution, stage: str, mode: str | None) -> None:
        """Run a failed stage again, as its `onFailure` asks for."""
        _reopen(execution, stage, mode or "ALL_ACTIONS")
        execution["stages"][stage] |= {"entered": self._account.now(), "auto_retries": 1}
        execution |= {"summary": None, "attempt": execution["attempt"] + 1}
        self.records.stage_event(execution, stage, "RESUMED")
        self.records.save(execution)

    def _blame(self, execution: Execution, stage: Stage, run: ConditionRun) -> None:
        said = f"The condition {run['kind']} of stage {stage['name']} failed. {run.get('summary', '')}"
        execution["summary"] = said.strip()[:2000]

    def _leave(self, execution: Execution, stage: Stage, status: StageEnd) -> None:
        """Release the stage, and move on or end."""
        self.conditions.abandon(execution, stage["name"])
        execution["inside"] = False
        execution["stages"][stage["name"]]["status"] = status
        if status != "Skipped":
            self.records.stage_event(execution, stage["name"], _event_state(status))
        if status == "Skipped" or status == "Succeeded":  # noqa: PLR1714 - mypy narrows these
            self._advance(execution)
        else:
            self._end(execution, status)

    def _is_last(self, execution: Execution) -> bool:
        """Return whether nothing follows the stage in which an execution is."""
        return rollback.is_rollback(execution) or (
            execution["position"] + 1 == len(self._structure(execution)["stages"])
        )

    def _advance(self, execution: Execution) -> None:
        if self._is_last(execution):
            self._end(execution, "Succeeded")
            return
        execution["position"] += 1
        self.records.save(execution)
        self._admit(execution["pipeline"])

    def _end(self, execution: Execution, status: PipelineExecutionStatusType, *, admit: bool = True) -> None:
        execution["status"] = status
        if status == "Stopped" and execution["stop"]:
            execution["summary"] = execution["stop"]["reason"] or None
        if status == "Cancelled":
            execution["summary"] = "The definition of the pipeline was updated during this execution"
        self.records.pipeline_event(execution, _event_state(status))
        self.records.save(execution)
        if admit:
            self._admit(execution["pipeline"])

    def _start_action(self, execution: Execution, stage: Stage, action: Action) -> None:
        now = self._account.now()
        listed: list[ArtifactDetailTypeDef] = [
            {"name": e["name"], "s3location": location(execution["artifacts"][e["name"]])}
            for e in action["inputArtifacts"]
            if e["name"] in execution["artifacts"]
        ]
        given: ActionExecutionInputTypeDef = {
            "actionTypeId": action["actionTypeId"],
            "configuration": action["configuration"],
            "region": self._account.config.region,
            "inputArtifacts": listed,
        }
        if "namespace" in action:
            given["namespace"] = action["namespace"]
        if "roleArn" in action:
            given["roleArn"] = action["roleArn"]
        detail: ActionExecutionDetailTypeDef = {
            "pipelineExecutionId": execution["id"],
            "actionExecutionId": str(uuid.uuid4()),
            "pipelineVersion": execution["version"],
            "stageName": stage["name"],
            "actionName": action["name"],
            "startTime": now,
            "lastUpdateTime": now,
            "status": "InProgress",
            "input": given,
            "output": {"outputArtifacts": []},
        }
        bucket = structure.artifact_bucket(self._structure(execution), self._account.config.region)
        names = [entry["name"] for entry in action["outputArtifacts"]]
        record: ActionRecord = {
            "detail": detail,
            "outputs": {name: artifacts.new_location(bucket, execution["pipeline"], name) for name in names},
        }
        execution["actions"].append(record)
        self.records.action_event(execution, record)
        try:
            detail["input"]["resolvedConfiguration"] = variables.resolve(
                action["configuration"], self._namespaces(execution)
            )
        except variables.UnresolvedVariableError as error:
            self._close(execution, record, "Failed", ActionFailed("ConfigurationError", str(error)))
            self.records.save(execution)
            return
        minutes = action.get("timeoutInMinutes")
        if action["actionTypeId"]["provider"] == "Manual":
            limit = timedelta(minutes=minutes) if minutes else APPROVAL_TIMEOUT
            record |= {"token": str(uuid.uuid4()), "awaiting": True, "limit": now + limit}
        elif action["actionTypeId"]["provider"] == "Lambda":
            record |= {"job": {"id": str(uuid.uuid4())}, "limit": now + JOB_TIMEOUT}
        self.records.save(execution)
        if not record.get("awaiting"):
            self._spawn(execution, record)

    def _namespaces(self, execution: Execution) -> dict[str, dict[str, str]]:
        return {
            **execution["namespaces"],
            variables.RESERVED_NAMESPACE: {"PipelineExecutionId": execution["id"]},
            variables.PIPELINE_NAMESPACE: execution["variables"],
        }

    def _spawn(self, execution: Execution, record: ActionRecord, pause: float = 0.0) -> None:
        context = self.context(execution, record)
        self._account.tasks.spawn(
            f"{context.pipeline}/{context.action['name']}", self._run, context, record, pause
        )

    def context(self, execution: Execution, record: ActionRecord) -> Context:
        """Return the context for an action's provider."""
        detail, declaration = record["detail"], self._structure(execution)
        stage = next(s for s in declaration["stages"] if s["name"] == detail["stageName"])
        action = next(a for a in stage["actions"] if a["name"] == detail["actionName"])
        action_id = detail["actionExecutionId"]
        return Context(
            account=self._account,
            pipeline=execution["pipeline"],
            role_arn=action.get("roleArn") or declaration["roleArn"],
            execution_id=execution["id"],
            action=action,
            configuration=detail["input"]["resolvedConfiguration"],
            artifacts={name: found.copy() for name, found in execution["artifacts"].items()},
            outputs=record["outputs"],
            source_revision=execution["overrides"].get(action["name"]),
            update=lambda **values: self.update(execution["id"], action_id, **values),
            tracked=lambda: self._tracked(execution["id"], action_id),
        )

    def _run(self, context: Context, record: ActionRecord, pause: float) -> None:
        """Run one action in the current thread."""
        kind, action_id = context.action["actionTypeId"], record["detail"]["actionExecutionId"]
        if pause and self._account.tasks.stopping.wait(pause):
            return
        try:
            if kind["provider"] == "Lambda":
                self.update(context.execution_id, action_id, again=False, awaiting=False)
                invoke_lambda(context, record["job"])
                self.update(context.execution_id, action_id, awaiting=True)
                return
            result: Outcome | ActionFailed = actions.RUN[kind["category"], kind["provider"]](context)
        except ActionFailed as failure:
            result = failure
        except Exception as error:
            log.exception("the action %s of %s failed", context.action["name"], context.pipeline)
            result = ActionFailed("JobFailed", f"{type(error).__name__}: {error}")
        if isinstance(result, ActionFailed) and self._account.tasks.stopping.is_set():
            return  # services that stop fail what they are asked; the next start takes the action up again
        self.finish(context.execution_id, action_id, result)

    def continue_job(self, execution: Execution, record: ActionRecord, token: str) -> None:
        """Invoke the function of a job again, a little later, with its continuation token."""
        with self.lock:
            self.records.require_room(execution)
        with self._patient(), self.lock:
            record["job"]["continuationToken"] = token
            last = record["detail"]["startTime"] + LAMBDA_TIMEOUT
            record |= {"limit": min(self._account.now() + JOB_TIMEOUT, last), "again": True}
            self.records.save(execution)
            self._spawn(execution, record, CONTINUATION_SECONDS)

    def _tracked(self, execution_id: str, action_id: str) -> bool:
        execution = self.records.get(execution_id)
        record = find_record(execution, action_id) if execution else None
        return record is not None and record["detail"]["status"] == "InProgress"

    def _succeed(self, execution: Execution, record: ActionRecord, outcome: Outcome) -> None:
        detail, name = record["detail"], record["detail"]["actionName"]
        detail["output"]["outputArtifacts"] = [
            {"name": artifact, "s3location": location(found)} for artifact, found in outcome.artifacts.items()
        ]
        detail["output"]["outputVariables"] = dict(outcome.variables)
        execution["artifacts"].update({key: found.copy() for key, found in outcome.artifacts.items()})
        if namespace := detail["input"].get("namespace"):
            execution["namespaces"][namespace] = dict(outcome.variables)
        if outcome.revision:
            others = [r for r in execution["revisions"] if r["actionName"] != name]
            artifact = next(iter(outcome.artifacts))
            execution["revisions"] = [*others, {"name": artifact, "actionName": name, **outcome.revision}]
        result = detail["output"].setdefault("executionResult", {})
        if outcome.external_id:
            result["externalExecutionId"] = outcome.external_id
        if outcome.url:
            result["externalExecutionUrl"] = outcome.url
        if outcome.summary:
            result["externalExecutionSummary"] = outcome.summary
        self._close(execution, record, "Succeeded", None)

    def _close(
        self,
        execution: Execution,
        record: ActionRecord,
        status: ActionExecutionStatusType,
        failure: ActionFailed | None,
    ) -> None:
        detail = record["detail"]
        detail |= {"status": status, "lastUpdateTime": self._account.now()}
        if failure:
            result = detail["output"].setdefault("executionResult", {})
            result["errorDetails"] = {"code": failure.code, "message": str(failure)[:5000]}
            if failure.external_id:
                result["externalExecutionId"] = failure.external_id
            execution["summary"] = (
                f"Action {detail['actionName']} of stage {detail['stageName']} failed: {failure}"[:2000]
            )
        self.records.action_event(execution, record)


def _reopen(execution: Execution, stage: str, mode: str) -> None:
    """Let the failed actions of a stage run again, or all of them, and its conditions be checked again."""
    for record in execution["actions"]:
        if record["detail"]["stageName"] == stage and (
            mode == "ALL_ACTIONS" or record["detail"]["status"] != "Succeeded"
        ):
            record["retried"] = True
    conditions.forget(execution, stage)


def _event_state(status: str) -> str:
    """Return a status as events name it."""
    return "CANCELED" if status == "Cancelled" else status.upper()


def location(artifact: Artifact) -> S3LocationTypeDef:
    """Return the S3Location of an artifact."""
    return {"bucket": artifact["bucket"], "key": artifact["key"]}


def find_record(execution: Execution, action_id: str) -> ActionRecord | None:
    """Return the record of an action execution."""
    for record in execution["actions"]:
        if record["detail"]["actionExecutionId"] == action_id:
            return record
    return None
