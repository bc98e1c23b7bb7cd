"""Clients for tests: every call and response is checked against botocore's model of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.validate import ParamValidator

from lab_helpers.lab import Lab
from lab_helpers.names import Names
from tests.sessions import make_client, shared_session

Handler = Callable[..., dict[str, Any]]
START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


class FakeClient:
    """Return a client of `service` whose operations are the given functions, by boto3's method names."""

    def __init__(self, service: str, **handlers: Handler) -> None:
        self._real = make_client(service)
        self._handlers = handlers
        self.exceptions, self.meta = self._real.exceptions, self._real.meta
        self.calls: list[tuple[str, dict[str, Any]]] = []
        names = self._real.meta.service_model.operation_names
        self._operations = {xform_name(name): name for name in names}

    def __getattr__(self, method: str) -> Handler:
        model = self._real.meta.service_model.operation_model(self._operations[method])

        def call(**parameters: Any) -> dict[str, Any]:
            _valid(parameters, model.input_shape)
            self.calls.append((method, parameters))
            answer = self._handlers[method](**parameters)
            if not model.has_streaming_output:
                _valid(answer, model.output_shape)
            return answer

        return call

    def get_paginator(self, method: str) -> Any:
        assert self._real.can_paginate(method)
        call = getattr(self, method)

        class Paginator:
            def paginate(self, **parameters: Any) -> Iterator[dict[str, Any]]:
                yield call(**parameters)

        return Paginator()

    def add(self, **handlers: Handler) -> None:
        """Give the client more operations."""
        self._handlers |= handlers

    def error(self, name: str, operation: str) -> Exception:
        kind = getattr(self.exceptions, name)
        error: Exception = kind({"Error": {"Code": name, "Message": "…"}}, operation)
        return error


def _valid(values: Mapping[str, Any], shape: Any) -> None:
    if shape is not None:
        report = ParamValidator().validate(values, shape)
        assert not report.has_errors(), report.generate_report()


def lab(tmp_path: Path, lab_id: str = "", **clients: Any) -> Lab:
    """Return a lab with these clients (`codepipeline=…`); dashes in a service's name become underscores."""
    found = {name.replace("_", "-"): client for name, client in clients.items()}
    settings = {"BUCKET": "bucket", "ACCOUNT_ID": "123456789012"}
    return Lab(Names(lab_id), shared_session(), tmp_path, settings, found)


STAGES = {
    "Source": ("Source", "S3"),
    "Train": ("Invoke", "Lambda"),
    "TrainApproval": ("Approval", "Manual"),
    "DeployDev": ("Deploy", "CloudFormation"),
    "TestDev": ("Invoke", "Lambda"),
    "DeployApproval": ("Approval", "Manual"),
    "DeployPrd": ("Deploy", "CloudFormation"),
}


class Pipeline:
    """A training pipeline whose executions are in the states that a test sets.

    `executions` maps an execution id to the statuses of its actions in the order of STAGES; the last one is
    running if it is `InProgress`.
    """

    def __init__(self) -> None:
        self.executions: dict[str, list[str]] = {}
        self.status: dict[str, str] = {}
        self.revisions: dict[str, str] = {}
        self.triggers: dict[str, str] = {}
        self.results: dict[tuple[str, str], dict[str, Any]] = {}
        self.inputs: dict[tuple[str, str], dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.client = FakeClient(
            "codepipeline",
            list_pipeline_executions=self._list,
            get_pipeline_execution=self._get,
            get_pipeline=self._pipeline,
            list_action_executions=self._actions,
            get_pipeline_state=self._state,
            put_approval_result=self._put,
            start_pipeline_execution=self._start,
        )

    def add(self, number: int, *statuses: str, status: str = "InProgress", revision: str = "v1") -> str:
        execution_id = f"{number:08d}-0000-0000-0000-000000000000"
        self.executions[execution_id] = list(statuses)
        self.status[execution_id] = status
        self.revisions[execution_id] = revision
        return execution_id

    def _list(self, pipelineName: str, maxResults: int = 100) -> dict[str, Any]:
        summaries = [
            {
                "pipelineExecutionId": execution_id,
                "status": self.status[execution_id],
                "sourceRevisions": [{"actionName": "Source", "revisionId": self.revisions[execution_id]}],
                "trigger": {"triggerType": self.triggers.get(execution_id, "CloudWatchEvent")},
            }
            for execution_id in reversed(self.executions)
        ]
        return {"pipelineExecutionSummaries": summaries[:maxResults]}

    def _get(self, pipelineName: str, pipelineExecutionId: str) -> dict[str, Any]:
        if pipelineExecutionId not in self.executions:
            raise self.client.error("PipelineExecutionNotFoundException", "GetPipelineExecution")
        return {
            "pipelineExecution": {
                "pipelineExecutionId": pipelineExecutionId,
                "status": self.status[pipelineExecutionId],
            }
        }

    def _pipeline(self, name: str) -> dict[str, Any]:
        stages = [
            {
                "name": stage,
                "actions": [
                    {
                        "name": stage,
                        "actionTypeId": {
                            "category": category,
                            "owner": "AWS",
                            "provider": provider,
                            "version": "1",
                        },
                    }
                ],
            }
            for stage, (category, provider) in STAGES.items()
        ]
        return {"pipeline": {"name": name, "roleArn": "arn:aws:iam::123456789012:role/r", "stages": stages}}

    def _actions(self, pipelineName: str, filter: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        execution_id = filter["pipelineExecutionId"]
        if execution_id not in self.executions:
            raise self.client.error("PipelineExecutionNotFoundException", "ListActionExecutions")
        details = [
            {
                "pipelineExecutionId": execution_id,
                "stageName": stage,
                "actionName": stage,
                "status": status,
                "startTime": START + timedelta(minutes=i),
                "lastUpdateTime": START + timedelta(minutes=i, seconds=30),
                "input": self.inputs.get((execution_id, stage), {}),
                "output": self.results.get((execution_id, stage), {}),
            }
            for i, (stage, status) in enumerate(zip(STAGES, self.executions[execution_id], strict=False))
        ]
        return {"actionExecutionDetails": details[::-1]}

    def _state(self, name: str) -> dict[str, Any]:
        states = []
        for i, stage in enumerate(STAGES):
            held = [e for e, statuses in self.executions.items() if len(statuses) > i]
            waiting = [
                e
                for e, statuses in self.executions.items()
                if len(statuses) == i and statuses and statuses[-1] == "Succeeded"
            ]
            state: dict[str, Any] = {"stageName": stage, "actionStates": [{"actionName": stage}]}
            if held:
                newest, status = held[-1], self.executions[held[-1]][i]
                state["latestExecution"] = {"pipelineExecutionId": newest, "status": status}
                state["actionStates"][0]["latestExecution"] = {
                    "status": status,
                    **({"token": f"token-{newest}"} if status == "InProgress" else {}),
                }
            if waiting:
                state["inboundExecutions"] = [
                    {"pipelineExecutionId": e, "status": "InProgress"} for e in waiting
                ]
            states.append(state)
        return {"pipelineName": name, "stageStates": states}

    def _put(self, **answer: Any) -> dict[str, Any]:
        self.before_answer()
        execution_id = answer["token"].removeprefix("token-")
        statuses = self.executions[execution_id]
        if statuses[-1] != "InProgress":
            raise self.client.error("ApprovalAlreadyCompletedException", "PutApprovalResult")
        self.answers.append(answer)
        statuses[-1] = {"Approved": "Succeeded", "Rejected": "Failed"}[answer["result"]["status"]]
        return {"approvedAt": START}

    def _start(self, name: str) -> dict[str, Any]:
        return {"pipelineExecutionId": self.add(99, "Succeeded")}
