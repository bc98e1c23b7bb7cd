"""Targets receive what Input, InputPath and InputTransformer say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local_account.services.events.records import Delivery, Event, RuleReference
from local_account.services.events.targets import retry_delay
from local_account.services.events.transform import TransformError, target_input, undefined

EVENT: Event = {
    "version": "0",
    "id": "e1",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-01-02T03:04:04Z",
    "region": "us-east-1",
    "resources": ["arn:aws:s3:::b"],
    "detail": {"object": {"key": 'a "b"', "size": 5}, "tags": [{"k": 1}, {"k": 2}]},
}
RULE: RuleReference = {"Name": "r", "Arn": "arn:aws:events:us-east-1:123456789012:rule/r"}


def received(**target: Any) -> Any:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    given: Any = {"Id": "1", "Arn": "x", **target}
    return json.loads(target_input(given, EVENT, RULE, moment))


def transformed(template: str, **paths: str) -> Any:
    return received(InputTransformer={"InputPathsMap": paths, "InputTemplate": template})


def test_without_anything_it_is_the_event() -> None:
    assert received() == EVENT


def test_a_constant() -> None:
    assert received(Input='{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.detail-type", "Object Created"),
        ("$.detail.object", {"key": 'a "b"', "size": 5}),
        ("$.resources[0]", "arn:aws:s3:::b"),
        ("$.detail.tags[*].k", [1, 2]),
        ("$['detail']['object']['size']", 5),
        ("$", EVENT),
        ("$.nothing.here", None),
    ],
)
def test_a_part_of_the_event(path: str, value: Any) -> None:
    assert received(InputPath=path) == value


def test_variables_are_text_in_quotation_marks_and_json_outside() -> None:
    template = '{"text": "key <key> of <size> bytes", "object": <object>, "size": <size>, "key": <key>}'
    paths = {"key": "$.detail.object.key", "size": "$.detail.object.size", "object": "$.detail.object"}
    result = transformed(template, **paths)
    assert result == {
        "text": 'key a "b" of 5 bytes',
        "object": {"key": 'a "b"', "size": 5},
        "size": 5,
        "key": 'a "b"',
    }


def test_a_template_can_be_one_string() -> None:
    assert transformed('"size: <size>"', size="$.detail.object.size") == "size: 5"


def test_reserved_variables() -> None:
    template = (
        '{"rule": "<aws.events.rule-name>", "arn": <aws.events.rule-arn>, '
        '"at": "<aws.events.event.ingestion-time>", "whole": <aws.events.event.json>, '
        '"head": <aws.events.event>}'
    )
    result = transformed(template)
    assert (result["rule"], result["arn"]) == (RULE["Name"], RULE["Arn"])
    assert result["at"] == "2026-01-02T03:04:05Z"
    assert result["whole"] == EVENT
    assert "detail" not in result["head"]


def test_what_is_missing_leaves_nothing_behind() -> None:
    assert transformed('{"a": "<gone>"}', gone="$.no.such") == {"a": ""}
    assert transformed('{"a": <gone>}', gone="$.no.such") == {"a": ""}


def test_json_holds_no_object_in_quotation_marks() -> None:
    with pytest.raises(TransformError, match="does not produce valid JSON"):
        transformed('{"a": "<object>"}', object="$.detail.object")


def test_undefined_variables_are_found() -> None:
    assert undefined("<x>", {"y"}) == "x"
    assert undefined("<y> <aws.events.rule-arn>", {"y"}) is None
    assert undefined("<aws.events.bus>", {"y"}) == "aws.events.bus"


def test_retries_slow_down_and_end() -> None:
    delivery: Delivery = {
        "id": "d1",
        "rule": RULE,
        "target": {"Id": "1", "Arn": "x"},
        "event": EVENT,
        "accepted": 0.0,
        "attempts": 1,
    }
    delays = []
    for attempts in range(1, 12):
        delays.append(retry_delay({**delivery, "attempts": attempts}, now=0.0))
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert retry_delay({**delivery, "attempts": 186}, now=0.0) is None
    assert retry_delay(delivery, now=86_400.0) is None
    delivery["target"]["RetryPolicy"] = {"MaximumRetryAttempts": 0}
    assert retry_delay(delivery, now=0.0) is None
