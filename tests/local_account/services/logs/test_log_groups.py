"""Log groups and streams: lists, pages, retention, tags, resource policies, protection."""

import base64
import json
from datetime import timedelta

import pytest

from local_account.services.logs import Logs
from tests.local_account.services.logs.conftest import LogWriter


def test_a_group_is_described(writer: LogWriter) -> None:
    writer.stream("s")
    writer.put("s", (0, "12345"), (0, "ü"))
    group = writer.described()
    assert (group["logGroupName"], group["storedBytes"]) == (writer.group, 5 + 2 + 2 * 26)
    assert group["arn"] == f"{group['logGroupArn']}:*"
    assert group["logGroupArn"].endswith(f":log-group:{writer.group}")
    assert (group["metricFilterCount"], group["logGroupClass"]) == (0, "STANDARD")
    assert "retentionInDays" not in group


def test_groups_are_found_by_prefix_part_and_page(writer: LogWriter) -> None:
    names = [f"{writer.group}/{name}" for name in ("a", "b", "c/x", "d")]
    for name in reversed(names):
        writer.client.create_log_group(logGroupName=name)

    def found(**request: object) -> list[str]:
        pages = writer.client.get_paginator("describe_log_groups").paginate(**request)
        return [one["logGroupName"] for page in pages for one in page["logGroups"]]

    assert found(logGroupNamePrefix=f"{writer.group}/") == names
    assert found(logGroupNamePrefix=f"{writer.group}/", PaginationConfig={"PageSize": 2}) == names
    assert found(logGroupNamePattern="/c/") == [names[2]]
    assert found(logGroupIdentifiers=[names[3], names[0], "missing"]) == [names[0], names[3]]
    listed = writer.client.list_log_groups(logGroupNamePattern=f"^{writer.group}")["logGroups"]
    assert {one["logGroupName"] for one in listed} >= set(names)
    assert writer.refused("describe_log_groups", logGroupNamePrefix="a", logGroupNamePattern="b").startswith(
        "InvalidParameterException"
    )


def test_names_are_unique_and_valid(writer: LogWriter) -> None:
    assert writer.refused("create_log_group", logGroupName=writer.group) == (
        "ResourceAlreadyExistsException: The specified log group already exists"
    )
    writer.stream("s")
    assert writer.refused("create_log_stream", logGroupName=writer.group, logStreamName="s") == (
        "ResourceAlreadyExistsException: The specified log stream already exists"
    )
    for name in ("with space", "aws/mine", "x" * 513):
        assert writer.refused("create_log_group", logGroupName=name).startswith("InvalidParameterException")


def test_streams_are_listed_by_name_or_by_their_last_event(writer: LogWriter) -> None:
    writer.stream("a", "b", "c", "d/1", "d/2")
    for after, stream in ((3, "b"), (1, "d/1"), (2, "a")):
        writer.put(stream, (after, "x"))

    def found(**request: object) -> list[str]:
        pages = writer.client.get_paginator("describe_log_streams").paginate(
            logGroupName=writer.group, PaginationConfig={"PageSize": 2}, **request
        )
        return [one["logStreamName"] for page in pages for one in page["logStreams"]]

    assert found() == ["a", "b", "c", "d/1", "d/2"]
    assert found(descending=True) == ["d/2", "d/1", "c", "b", "a"]
    assert found(logStreamNamePrefix="d/") == ["d/1", "d/2"]
    assert found(orderBy="LastEventTime", descending=True) == ["b", "a", "d/1", "d/2", "c"]
    assert found(orderBy="LastEventTime") == ["c", "d/2", "d/1", "a", "b"]
    assert writer.refused(
        "describe_log_streams", logGroupName=writer.group, orderBy="LastEventTime", logStreamNamePrefix="d"
    ).startswith("InvalidParameterException")


@pytest.mark.parametrize("token", ["--5:a", f"{'9' * 40}:a", f"{'1' * 5000}:a", "\u0663:a", "x"])
def test_a_page_of_streams_needs_a_token_of_such_a_page(writer: LogWriter, token: str) -> None:
    made_up = base64.urlsafe_b64encode(token.encode()).decode()
    assert writer.refused(
        "describe_log_streams", logGroupName=writer.group, orderBy="LastEventTime", nextToken=made_up
    ) == ("InvalidParameterException: The specified nextToken is invalid.")


def test_a_stream_has_the_times_of_its_events(writer: LogWriter) -> None:
    writer.stream("s")
    (empty,) = writer.client.describe_log_streams(logGroupName=writer.group)["logStreams"]
    assert "firstEventTimestamp" not in empty
    writer.put("s", (5, "x"), (9, "y"))
    writer.put("s", (2, "w"))
    (stream,) = writer.client.describe_log_streams(logGroupName=writer.group)["logStreams"]
    assert stream["firstEventTimestamp"] == writer.now + 2
    assert stream["lastEventTimestamp"] == writer.now + 9
    assert stream["lastIngestionTime"] >= writer.now
    assert stream["storedBytes"] == 0, "no longer reported for streams"
    assert stream["arn"].endswith(f":log-group:{writer.group}:log-stream:s")


def test_a_group_goes_with_all_that_it_has(writer: LogWriter, logs: Logs) -> None:
    writer.stream("s")
    writer.put("s", (0, "x"))
    writer.client.delete_log_group(logGroupName=writer.group)
    assert writer.refused("delete_log_group", logGroupName=writer.group).startswith("ResourceNotFound")
    writer.client.create_log_group(logGroupName=writer.group)
    assert writer.filter() == []
    assert writer.described()["storedBytes"] == 0
    logs.sweep()
    with logs.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM garbage").fetchone() == (0,)
        known = "SELECT count(*) FROM batches WHERE log_group NOT IN (SELECT id FROM groups)"
        assert connection.execute(known).fetchone() == (0,)


def test_expired_events_are_not_found_and_then_deleted(
    writer: LogWriter, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.stream("s")
    writer.put("s", (0, "first"))
    writer.client.put_retention_policy(logGroupName=writer.group, retentionInDays=1)
    assert writer.described()["retentionInDays"] == 1
    real = logs.account.now
    monkeypatch.setattr(logs, "clock", lambda: real() + timedelta(days=1, minutes=5))
    later = 86_400_000 + 200_000
    writer.put("s", (later, "second"))
    assert writer.read("s") == writer.filter() == ["second"]
    logs.sweep()
    assert writer.described()["storedBytes"] == len("second") + 26
    (stream,) = writer.client.describe_log_streams(logGroupName=writer.group)["logStreams"]
    assert stream["firstEventTimestamp"] == writer.now + later
    writer.client.delete_retention_policy(logGroupName=writer.group)
    assert "retentionInDays" not in writer.described()
    assert writer.read("s") == ["second"]


def test_only_documented_days_are_accepted(writer: LogWriter) -> None:
    refusal = writer.refused("put_retention_policy", logGroupName=writer.group, retentionInDays=2)
    assert refusal.startswith(
        "InvalidParameterException: 1 validation error detected: Value '2' at 'retentionInDays' failed to "
        "satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7,"
    )


def test_tags_are_added_listed_and_removed_in_both_forms(writer: LogWriter) -> None:
    logs, arn = writer.client, writer.described()["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName=writer.group, tags={"b": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "3"}
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert logs.list_tags_log_group(logGroupName=writer.group)["tags"] == {"b": "3"}
    logs.untag_log_group(logGroupName=writer.group, tags=["b"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}
    many = {f"k{number}": "v" for number in range(50)}
    logs.tag_resource(resourceArn=arn, tags=many)
    assert writer.refused("tag_resource", resourceArn=arn, tags={"more": "v"}).startswith(
        "TooManyTagsException"
    )
    assert writer.refused("tag_resource", resourceArn=f"{arn}:*", tags={"a": "b"}).startswith("InvalidParam")
    logs.delete_log_group(logGroupName=writer.group)
    logs.create_log_group(logGroupName=writer.group)
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}


def test_a_group_does_not_have_the_tags_that_a_crash_left_of_its_predecessor(
    writer: LogWriter, logs: Logs
) -> None:
    writer.client.tag_log_group(logGroupName=writer.group, tags={"team": "a"})
    logs.groups.delete(writer.group)  # as far as the account came

    writer.client.create_log_group(logGroupName=writer.group)

    assert writer.client.list_tags_log_group(logGroupName=writer.group)["tags"] == {}


def test_a_protected_group_is_not_deleted(writer: LogWriter) -> None:
    protect = writer.client.put_log_group_deletion_protection
    protect(logGroupIdentifier=writer.group, deletionProtectionEnabled=True)
    assert writer.described()["deletionProtectionEnabled"]
    assert "deletion protection" in writer.refused("delete_log_group", logGroupName=writer.group)
    protect(logGroupIdentifier=writer.group, deletionProtectionEnabled=False)
    writer.client.delete_log_group(logGroupName=writer.group)


def test_resource_policies_are_kept(writer: LogWriter) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    logs = writer.client
    policy = logs.put_resource_policy(policyName="p", policyDocument=document)["resourcePolicy"]
    assert policy["policyDocument"] == document
    assert logs.describe_resource_policies()["resourcePolicies"] == [policy]
    for number in range(9):
        logs.put_resource_policy(policyName=f"p{number}", policyDocument=document)
    assert writer.refused("put_resource_policy", policyName="more", policyDocument=document) == (
        "LimitExceededException: Resource limit exceeded."
    )
    for name in ["p", *(f"p{number}" for number in range(9))]:
        logs.delete_resource_policy(policyName=name)
    assert writer.refused("delete_resource_policy", policyName="p").startswith("ResourceNotFoundException")
    assert writer.refused("put_resource_policy", policyName="p", policyDocument="{").startswith("InvalidP")


def test_keys_and_other_classes_are_refused_by_name(writer: LogWriter) -> None:
    assert "kmsKeyId is not supported" in writer.refused(
        "create_log_group", logGroupName="/test/key", kmsKeyId="arn:aws:kms:us-east-1:123456789012:key/1"
    )
    assert "DELIVERY is not supported" in writer.refused(
        "create_log_group", logGroupName="/test/class", logGroupClass="DELIVERY"
    )
