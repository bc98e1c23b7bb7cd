"""Rules and targets are stored, listed and rejected as documented."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.services.events import Events
from tests.local_account.account_process import AccountProcess

Rule = Callable[..., str]
PATTERN = {"source": ["workshop"]}
PIPELINE = "arn:aws:codepipeline:us-east-1:123456789012:p"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:somebody"


def test_a_rule_is_described_as_it_was_put(rule: Rule, events: Any) -> None:
    arn = rule("described", PATTERN, Description="what for", Tags=[{"Key": "a", "Value": "1"}])
    assert arn == "arn:aws:events:us-east-1:123456789012:rule/described"
    found = events.describe_rule(Name="described")
    assert json.loads(found["EventPattern"]) == PATTERN
    assert (found["State"], found["Description"], found["EventBusName"]) == ("ENABLED", "what for", "default")
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert [item["Name"] for item in events.list_rules(NamePrefix="descr")["Rules"]] == ["described"]


def test_the_default_bus_has_tags(events: Any) -> None:
    """Recorded on AWS: LocalStack tests/aws/services/events, test_events_tags."""
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    events.tag_resource(ResourceARN=bus, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=bus, TagKeys=["a", "c"])
    assert events.list_tags_for_resource(ResourceARN=bus)["Tags"] == [{"Key": "b", "Value": "2"}]
    events.untag_resource(ResourceARN=bus, TagKeys=["b"])
    with pytest.raises(ClientError, match="Event bus other does not exist"):
        events.tag_resource(ResourceARN=bus.replace("default", "other"), Tags=[{"Key": "a", "Value": "1"}])


def test_putting_a_rule_again_replaces_it(rule: Rule, events: Any) -> None:
    rule("replaced", PATTERN, Description="old", State="DISABLED")
    events.put_targets(Rule="replaced", Targets=[{"Id": "t", "Arn": FUNCTION}])
    rule("replaced", ScheduleExpression="rate(1 hour)")
    found = events.describe_rule(Name="replaced")
    assert "EventPattern" not in found
    assert "Description" not in found
    assert (found["State"], found["ScheduleExpression"]) == ("ENABLED", "rate(1 hour)")
    assert len(events.list_targets_by_rule(Rule="replaced")["Targets"]) == 1


def test_rules_are_enabled_and_disabled(rule: Rule, events: Any) -> None:
    rule("switched", ScheduleExpression="rate(1 day)", State="DISABLED")
    events.enable_rule(Name="switched")
    assert events.describe_rule(Name="switched")["State"] == "ENABLED"
    events.disable_rule(Name="switched")
    assert events.describe_rule(Name="switched")["State"] == "DISABLED"


def test_a_rule_with_targets_is_not_deleted(rule: Rule, events: Any) -> None:
    rule("in-use", PATTERN)
    events.put_targets(Rule="in-use", Targets=[{"Id": "t", "Arn": FUNCTION}])
    assert events.list_rule_names_by_target(TargetArn=FUNCTION)["RuleNames"] == ["in-use"]
    with pytest.raises(ClientError, match="Rule can't be deleted since it has targets"):
        events.delete_rule(Name="in-use")
    events.remove_targets(Rule="in-use", Ids=["t"])
    events.delete_rule(Name="in-use")
    with pytest.raises(events.exceptions.ResourceNotFoundException, match="Rule in-use does not exist"):
        events.describe_rule(Name="in-use")
    events.delete_rule(Name="in-use")
    rule("in-use", PATTERN)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "EventPattern or ScheduleExpression must be specified"),
        ({"EventPattern": "{}"}, "InvalidEventPatternException.*Event pattern is not valid. Reason: Empty"),
        ({"ScheduleExpression": "rate(1 minutes)"}, "Parameter ScheduleExpression is not valid"),
        ({"EventPattern": '{"a": ["b"]}', "EventBusName": "other"}, "Event bus other does not exist"),
        ({"EventPattern": '{"a": ["b"]}', "RoleArn": "arn:aws:iam::123456789012:role/no"}, "does not exist"),
        ({"EventPattern": '{"a": ["b"]}', "State": "OFF"}, "failed to satisfy constraint"),
    ],
)
def test_rules_that_are_refused(events: Any, params: dict[str, str], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        events.put_rule(Name="refused", **params)
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_rule(Name="refused")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Arn": "arn:aws:sqs:us-east-1:123456789012:queue"}, "is not supported by the local account"),
        ({"Arn": "nonsense"}, "Provided Arn is not in correct format"),
        ({"Arn": FUNCTION.replace("us-east-1", "eu-west-1")}, "another account or region"),
        ({"Arn": FUNCTION, "Input": "{}", "InputPath": "$"}, "Only one of Input, InputPath, or"),
        ({"Arn": FUNCTION, "Input": "{no json"}, "Invalid input"),
        ({"Arn": FUNCTION, "InputPath": "detail"}, "must begin with"),
        ({"Arn": FUNCTION, "InputTransformer": {"InputTemplate": "<x>"}}, r"invalid placeholder x\."),
        ({"Arn": FUNCTION, "RoleArn": "arn:aws:iam::123456789012:role/x"}, "RoleArn is not supported"),
        ({"Arn": FUNCTION, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"}},
         "DeadLetterConfig .* is not supported by the local account"),
        ({"Arn": PIPELINE}, "RoleArn is required"),
        ({"Arn": PIPELINE, "RoleArn": "arn:aws:iam::123456789012:role/no"},
         "cannot be assumed by principal 'events.amazonaws.com'"),
    ],
)  # fmt: skip
def test_targets_that_are_refused(rule: Rule, events: Any, target: dict[str, Any], message: str) -> None:
    rule("picky", PATTERN)
    with pytest.raises(ClientError, match=message) as refused:
        events.put_targets(Rule="picky", Targets=[{"Id": "t", **target}])
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert events.list_targets_by_rule(Rule="picky")["Targets"] == []


def test_only_names_with_the_prefix_of_aws_are_reserved(rule: Rule, events: Any) -> None:
    """ "The keys cannot start with "AWS."", with a dot (InputTransformer, InputPathsMap)."""
    rule("picky", PATTERN)
    for name in ("awsRegion", "AWS"):
        transformer = {"InputPathsMap": {name: "$.region"}, "InputTemplate": f'"in <{name}>"'}
        target = {"Id": "t", "Arn": FUNCTION, "InputTransformer": transformer}
        assert events.put_targets(Rule="picky", Targets=[target])["FailedEntryCount"] == 0
    transformer = {"InputPathsMap": {"AWS.region": "$.region"}, "InputTemplate": '"x"'}
    with pytest.raises(ClientError, match="ValidationException"):
        events.put_targets(
            Rule="picky", Targets=[{"Id": "t", "Arn": FUNCTION, "InputTransformer": transformer}]
        )


def test_a_rule_has_five_targets_at_most(rule: Rule, events: Any) -> None:
    rule("many", PATTERN)
    targets = [{"Id": f"t{number}", "Arn": FUNCTION} for number in range(6)]
    with pytest.raises(events.exceptions.LimitExceededException):
        events.put_targets(Rule="many", Targets=targets)
    events.put_targets(Rule="many", Targets=targets[:5])
    events.put_targets(Rule="many", Targets=[{"Id": "t0", "Arn": FUNCTION, "Input": "1"}])
    with pytest.raises(events.exceptions.LimitExceededException):
        events.put_targets(Rule="many", Targets=targets[5:])
    assert events.list_targets_by_rule(Rule="many")["Targets"][0]["Input"] == "1"


def test_a_bus_has_as_many_rules_as_the_quota_says(own_account: AccountProcess) -> None:
    own_account.start()
    events, quotas = own_account.client("events"), own_account.client("service-quotas")
    for number in range(300):
        events.put_rule(Name=f"rule-{number}", EventPattern=json.dumps(PATTERN))
    with pytest.raises(events.exceptions.LimitExceededException):
        events.put_rule(Name="one-more", EventPattern=json.dumps(PATTERN))

    quotas.request_service_quota_increase(ServiceCode="events", QuotaCode="L-244521F2", DesiredValue=301)

    events.put_rule(Name="one-more", EventPattern=json.dumps(PATTERN))
    with pytest.raises(events.exceptions.LimitExceededException):
        events.put_rule(Name="and-another", EventPattern=json.dumps(PATTERN))


def test_patterns_are_tried_out(events: Any) -> None:
    event = {"id": "1", "account": "1", "source": "workshop", "time": "2026-01-01T00:00:00Z", "region": "x",
             "resources": [], "detail-type": "t", "detail": {}}  # fmt: skip
    for source, expected in (("workshop", True), ("other", False)):
        pattern = json.dumps({"source": [source]})
        assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] is expected
    with pytest.raises(ClientError, match="Parameter Event is not valid"):
        events.test_event_pattern(EventPattern='{"a": [1]}', Event="{}")
    with pytest.raises(events.exceptions.InvalidEventPatternException):
        events.test_event_pattern(EventPattern='{"a": 1}', Event=json.dumps(event))


def test_events_that_are_refused(events: Any) -> None:
    good = {"Source": "workshop", "DetailType": "t", "Detail": "{}"}
    bad = [
        {**good, "Source": "aws.s3"},
        {**good, "Detail": "[]"},
        {"Source": "workshop", "Detail": "{}"},
        {**good, "EventBusName": "other"},
        {**good, "DetailType": "t" * 129},
    ]
    answer = events.put_events(Entries=[good, *bad])
    assert answer["FailedEntryCount"] == 5
    assert len(answer["Entries"][0]["EventId"]) == 36
    assert [entry["ErrorCode"] for entry in answer["Entries"][1:]] == [
        "NotAuthorizedForSourceException",
        "MalformedDetail",
        "InvalidArgument",
        "ResourceNotFoundException",
        "InvalidArgument",
    ]
    longest = events.put_events(Entries=[{**good, "DetailType": "t" * 128}])
    assert longest["FailedEntryCount"] == 0


def test_a_request_has_less_than_a_megabyte_of_events(events: Any) -> None:
    """ "Calculating PutEvents event entry size": keys do not count, and text counts in UTF-8."""
    small = {"Source": "workshop", "DetailType": "ü", "Time": 0, "Resources": ["one"]}
    rest = 1_048_576 - len('{"x": ""}') - len("workshop") - 2 - 14 - len("one")
    for detail in ("y" * rest, "ü" * (rest // 2) + "y" * (rest % 2)):
        with pytest.raises(ClientError, match="Total size of the entries"):
            events.put_events(Entries=[{**small, "Detail": '{"x": "%s"}' % detail}])  # noqa: UP031
        entry = {**small, "Detail": '{"x": "%s"}' % detail[:-1]}  # noqa: UP031
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_there_is_one_bus(events: Any) -> None:
    arn = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    assert events.describe_event_bus()["Arn"] == arn
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]
    with pytest.raises(ClientError, match=r"events\.CreateEventBus is not supported by the local account"):
        events.create_event_bus(Name="mine")


def test_the_aws_cli_speaks_to_it(rule: Rule, local_account: AccountProcess) -> None:
    rule("for-cli", PATTERN)
    command = [
        "aws",
        "events",
        "list-rules",
        "--name-prefix",
        "for-cli",
        "--query",
        "Rules[0].Name",
        "--output",
        "text",
    ]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=local_account.environment)
    assert done.stdout.strip() == "for-cli"


def test_rules_of_an_older_build_that_are_not_valid_any_more_are_passed_over(tmp_path: Path) -> None:
    account = Account(AccountConfig(tmp_path))
    service, table = Events(account), account.store.table("events.rules")
    when = account.now()
    old = {"State": "ENABLED", "origin": when, "enabled_at": when, "targets": [], "tags": {}}
    table.put(
        "p", {**old, "Name": "p", "Arn": "p", "EventPattern": '{"detail": {"a": [{"cidr": "1.2.3.4/32"}]}}'}
    )
    table.put("s", {**old, "Name": "s", "Arn": "s", "ScheduleExpression": "rate( 10 minutes )"})
    entry: Any = {"Source": "workshop", "DetailType": "t", "Detail": "{}"}
    assert service.put_events({"Entries": [entry]})["FailedEntryCount"] == 0
    assert service.list_rule_names_by_target({"TargetArn": "none"}) == {"RuleNames": [], "NextToken": None}
    account.store.close()
