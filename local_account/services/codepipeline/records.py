"""The records of executions, in memory and in the store, and the events published about them.

An execution is one document; see ``new_execution`` for its members. An action execution ("record") is one
entry of its ``actions``, with the members of ActionExecutionDetail under ``detail``.
"""

from __future__ import annotations

import queue
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local_account.foundation.errors import Params

if TYPE_CHECKING:
    from local_account.foundation.account import Account

_ACTION_EVENTS = {
    "InProgress": "STARTED",
    "Succeeded": "SUCCEEDED",
    "Failed": "FAILED",
    "Abandoned": "ABANDONED",
}


def new_execution(pipeline: Params, number: int, now: datetime) -> Params:
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
        "stages": {},  # name -> status, entered, retries
        "actions": [],
        "artifacts": {},
        "namespaces": {},
        "revisions": [],
        "stop": None,
    }


class Records:
    """All executions of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._table = account.store.table("codepipeline.executions")
        self._executions = dict(self._table.items())
        self._events: queue.SimpleQueue[tuple[str, Params, str] | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to publish events, in the order in which they occur."""
        self._account.tasks.spawn("codepipeline-events", self._publish)

    def stop(self) -> None:
        """Publish the waiting events, and no more."""
        self._events.put(None)

    def save(self, execution: Params) -> None:
        """Write an execution to the store."""
        execution["updated"] = self._account.now()
        self._executions[execution["id"]] = execution
        self._table.put(execution["id"], execution)

    def get(self, execution_id: str) -> Params | None:
        """Return the execution itself (change it only under the engine's lock)."""
        return self._executions.get(execution_id)

    def of(self, pipeline: str) -> list[Params]:
        """Return the executions of a pipeline, oldest first."""
        found = [e for e in self.all() if e["pipeline"] == pipeline]
        return sorted(found, key=lambda execution: execution["number"])

    def all(self) -> list[Params]:
        """Return all executions."""
        return list(self._executions.values())

    def running(self) -> list[Params]:
        """Return the executions that have not ended."""
        return [e for e in self.all() if e["status"] in ("InProgress", "Stopping")]

    def forget(self, pipeline: str) -> None:
        """Delete the executions of a pipeline."""
        for execution in self.of(pipeline):
            del self._executions[execution["id"]]
            self._table.delete(execution["id"])

    def pipeline_event(self, execution: Params, state: str) -> None:
        """Queue a ``CodePipeline Pipeline Execution State Change``."""
        extra = {}
        if state == "STARTED":
            extra["execution-trigger"] = {
                "trigger-type": execution["trigger"]["triggerType"],
                "trigger-detail": execution["trigger"]["triggerDetail"],
            }
        self._event("Pipeline", execution, {**extra, "state": state})

    def stage_event(self, execution: Params, stage: str, state: str) -> None:
        """Queue a ``CodePipeline Stage Execution State Change``."""
        self._event("Stage", execution, {"stage": stage, "state": state})

    def action_event(self, execution: Params, record: Params) -> None:
        """Queue a ``CodePipeline Action Execution State Change``."""
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
        for direction in ("input", "output"):
            if listed := detail[direction].get(f"{direction}Artifacts"):
                about[f"{direction}-artifacts"] = [
                    {"name": entry["name"], "s3location": entry["s3location"]} for entry in listed
                ]
        self._event("Action", execution, about)

    def _event(self, level: str, execution: Params, about: Params) -> None:
        name = execution["pipeline"]
        detail = {
            "pipeline": name,
            "execution-id": execution["id"],
            "start-time": execution["started"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **about,
            "version": float(execution["version"]),
            "pipeline-execution-attempt": float(execution["attempt"]),
        }
        self._events.put((f"CodePipeline {level} Execution State Change", detail, name))

    def _publish(self) -> None:
        while event := self._events.get():
            detail_type, detail, name = event
            arn = self._account.arn("codepipeline", name)
            self._account.bus.publish("aws.codepipeline", detail_type, detail, [arn])
