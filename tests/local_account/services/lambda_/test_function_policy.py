"""Resource policies admit those they name, and asynchronous events are retried as documented."""

import time
from pathlib import Path
from typing import Any

import pytest

from local_account.authorization.resource_policies import allows
from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.foundation.errors import ServiceError
from local_account.services.lambda_ import Lambda
from local_account.services.lambda_.invocation import AsynchronousInvocation, Invoker, Outcome
from local_account.services.lambda_.policy import statement

RULE = "arn:aws:events:us-east-1:123456789012:rule/mlops-job-monitor"
OWNER = "123456789012"


def policy(**permission: str) -> dict[str, Any]:
    given: Any = {
        "StatementId": "s",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        **permission,
    }
    return {"Statement": [statement("arn:aws:lambda:us-east-1:123456789012:function:f", given)]}


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        ({}, True),
        ({"SourceArn": RULE}, True),
        ({"SourceArn": RULE[:-7] + "*"}, True),
        ({"SourceArn": RULE + "-other"}, False),
        ({"SourceArn": RULE[:-1]}, False),
        ({"SourceAccount": OWNER}, True),
        ({"SourceAccount": "210987654321"}, False),
        ({"SourceArn": RULE, "SourceAccount": "210987654321"}, False),
        ({"Principal": "s3.amazonaws.com"}, False),
        ({"Principal": "*"}, True),
        ({"Principal": OWNER}, False),
        ({"Action": "lambda:*"}, True),
        ({"Action": "lambda:GetFunction"}, False),
    ],
)
def test_who_may_invoke(permission: dict[str, str], expected: bool) -> None:
    assert allows(policy(**permission), "events.amazonaws.com", RULE, OWNER) is expected


def test_nobody_may_invoke_without_a_policy() -> None:
    assert not allows({}, "events.amazonaws.com", RULE, OWNER)


@pytest.fixture
def service(tmp_path: Path) -> Lambda:
    service = Lambda(Account(AccountConfig.load(tmp_path)))
    config = {"FunctionName": "f", "Version": "$LATEST", "CodeSha256": "x"}
    document: Any = {"config": config, "directories": {"x": "x"}, "versions": {}, "events": {}}
    service._functions.put("f", document)
    return service


def event(name: str = "f", accepted: float | None = None) -> AsynchronousInvocation:
    return {
        "name": name,
        "qualifier": "",
        "payload": "{}",
        "request_id": "r",
        "accepted": time.time() if accepted is None else accepted,
        "attempts": 0,
        "throttled": 0,
    }


def test_a_failed_event_is_tried_twice_more(service: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Invoker, "run", lambda *_: Outcome(b"{}", True, b""))
    document = event()
    assert [service._run_event(document) for _ in range(3)] == [60.0, 120.0, None]


def test_retries_can_be_turned_off(service: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Invoker, "run", lambda *_: Outcome(b"{}", True, b""))
    service.put_function_event_invoke_config({"FunctionName": "f", "MaximumRetryAttempts": 0})
    assert service._run_event(event()) is None


def test_a_throttled_event_waits_longer_each_time(service: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttle(*_: Any) -> Outcome:
        raise ServiceError("TooManyRequestsException", "Rate Exceeded.")

    monkeypatch.setattr(Invoker, "run", throttle)
    document = event()
    assert [service._run_event(document) for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert service._run_event(event(accepted=time.time() - 21_700)) is None


def test_an_event_for_a_deleted_function_is_dropped(service: Lambda) -> None:
    assert service._run_event(event(name="gone")) is None
