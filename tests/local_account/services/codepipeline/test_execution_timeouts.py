"""Approvals and jobs do not wait forever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.foundation.errors import Params
from local_account.services.codepipeline import engine as engine_module
from local_account.services.codepipeline.engine import APPROVAL_TIMEOUT, JOB_TIMEOUT, Engine
from local_account.services.codepipeline.records import Execution

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ExecutionTriggerTypeDef

TRIGGER: ExecutionTriggerTypeDef = {"triggerType": "StartPipelineExecution", "triggerDetail": "x"}


class RecordingBus:
    def __init__(self) -> None:
        self.events: list[tuple[str, Params]] = []

    def publish(self, source: str, detail_type: str, detail: Params, resources: Any = ()) -> None:
        self.events.append((detail_type, detail))


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine without a gateway: functions are accepted and never answer."""
    account = Account(AccountConfig.load(tmp_path))
    account.bus = RecordingBus()
    monkeypatch.setattr(engine_module, "invoke_lambda", lambda context, job: None)
    yield Engine(account)
    account.tasks.stop()
    account.store.close()


def begin(engine: Engine, action: Params) -> Execution:
    whole = {"name": "Act", "runOrder": 1, "configuration": {}, "inputArtifacts": [], "outputArtifacts": []}
    declaration = {
        "name": "p",
        "version": 1,
        "executionMode": "QUEUED",
        "roleArn": "arn:aws:iam::123456789012:role/r",
        "artifactStore": {"location": "b"},
        "stages": [{"name": "Only", "actions": [{**whole, **action}]}],
    }
    document: Any = {"pipeline": declaration, "versions": {"1": declaration}, "transitions": {}}
    engine.pipelines.put("p", document)
    execution = engine.records.get(engine.start_execution("p", TRIGGER, {}, {}, None))
    assert execution is not None
    return execution


def kind(category: str, provider: str) -> Params:
    return {"actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"}}


@pytest.mark.parametrize(
    ("action", "limit"),
    [
        (kind("Approval", "Manual"), APPROVAL_TIMEOUT),
        ({**kind("Approval", "Manual"), "timeoutInMinutes": 5}, timedelta(minutes=5)),
        ({**kind("Invoke", "Lambda"), "configuration": {"FunctionName": "f"}}, JOB_TIMEOUT),
    ],
)
def test_an_action_without_an_answer_fails_when_its_time_is_up(
    engine: Engine, action: Params, limit: timedelta
) -> None:
    execution = begin(engine, action)
    states = []
    for second in (-1, 1):
        engine.expire(execution["started"] + limit + timedelta(seconds=second))
        states.append(execution["status"])
    assert states == ["InProgress", "Failed"]
    error = execution["actions"][0]["detail"]["output"]["executionResult"]["errorDetails"]
    assert error["code"] == "JobTimedOut"
    assert ("failed to return a result" in error["message"]) is (limit == JOB_TIMEOUT)


def test_the_documented_limits() -> None:
    assert timedelta(days=7) == APPROVAL_TIMEOUT
    assert timedelta(minutes=20) == JOB_TIMEOUT


def test_at_most_fifty_executions_queue(engine: Engine) -> None:
    begin(engine, kind("Approval", "Manual"))
    for _ in range(49):
        engine.start_execution("p", TRIGGER, {}, {}, None)
    with pytest.raises(Exception, match="50 executions in progress"):
        engine.start_execution("p", TRIGGER, {}, {}, None)
