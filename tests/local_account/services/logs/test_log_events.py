"""PutLogEvents, GetLogEvents and FilterLogEvents through unmodified boto3."""

import random
from datetime import datetime
from typing import Any

import pytest

from local_account.services.logs import Logs, reading
from tests.local_account.services.logs.conftest import LogWriter

DAY = 86_400_000


def test_events_are_read_as_they_were_written(writer: LogWriter) -> None:
    writer.stream("s")
    answer = writer.put("s", (0, "one"), (0, "two\n"), (5, "drei ü 🙂 \x1b[0m"))

    assert "rejectedLogEventsInfo" not in answer
    page = writer.get("s", startFromHead=True)
    assert [(one["timestamp"] - writer.now, one["message"]) for one in page["events"]] == [
        (0, "one"),
        (0, "two\n"),
        (5, "drei ü 🙂 \x1b[0m"),
    ]
    assert all(one["ingestionTime"] >= writer.now for one in page["events"])


def test_memory_is_given_back_between_requests(writer: LogWriter, logs: Logs) -> None:
    writer.stream("s")
    for number in range(3):
        writer.put("s", (number, str(number)))
        logs.trim()
        assert writer.read("s", startFromHead=True) == [str(one) for one in range(number + 1)]
        logs.trim()


def test_pages_go_forward_to_the_end_and_continue_with_later_events(writer: LogWriter) -> None:
    writer.stream("s")
    for start in range(0, 10, 2):
        writer.put("s", (start, str(start)), (start + 1, str(start + 1)))
    seen: list[str] = []
    page = writer.get("s", startFromHead=True, limit=3)
    while page["events"]:
        seen += [one["message"] for one in page["events"]]
        token = page["nextForwardToken"]
        page = writer.get("s", startFromHead=True, limit=3, nextToken=token)
    assert seen == [str(number) for number in range(10)]
    assert page["nextForwardToken"] == token, "the same token says that the end is reached"

    writer.put("s", (20, "later"))
    assert writer.read("s", startFromHead=True, nextToken=token) == ["later"]
    assert writer.read("s", startFromHead=True, limit=2, nextToken=page["nextBackwardToken"]) == ["8", "9"]


def test_without_a_token_the_latest_events_come_first_and_pages_go_backward(writer: LogWriter) -> None:
    writer.stream("s")
    writer.put("s", *((number, str(number)) for number in range(7)))
    page = writer.get("s", limit=3)
    assert [one["message"] for one in page["events"]] == ["4", "5", "6"]
    page = writer.get("s", limit=3, nextToken=page["nextBackwardToken"])
    assert [one["message"] for one in page["events"]] == ["1", "2", "3"]
    assert writer.read("s", limit=3, nextToken=page["nextForwardToken"]) == ["4", "5", "6"]
    page = writer.get("s", limit=3, nextToken=page["nextBackwardToken"])
    assert [one["message"] for one in page["events"]] == ["0"]
    last = writer.get("s", limit=3, nextToken=page["nextBackwardToken"])
    assert (last["events"], last["nextBackwardToken"]) == ([], page["nextBackwardToken"])


def test_a_token_of_an_empty_stream_finds_what_comes_later(writer: LogWriter) -> None:
    writer.stream("s")
    token = writer.get("s")["nextForwardToken"]
    writer.put("s", (0, "first"))
    assert writer.read("s", nextToken=token) == ["first"]


def test_a_token_from_after_the_end_of_time_is_valid(writer: LogWriter) -> None:
    writer.stream("s")
    page = writer.get("s", startTime=2**63 - 1)
    assert page["events"] == []
    assert writer.get("s", nextToken=page["nextForwardToken"])["nextForwardToken"] == page["nextForwardToken"]


def test_the_end_of_a_time_range_is_excluded_when_reading_and_included_when_filtering(
    writer: LogWriter,
) -> None:
    writer.stream("s")
    writer.put("s", *((number, str(number)) for number in range(5)))
    times = {"startTime": writer.now + 1, "endTime": writer.now + 3}
    assert writer.read("s", **times) == ["1", "2"]
    assert writer.filter(**times) == ["1", "2", "3"]


def test_streams_are_interleaved_in_the_order_of_time_whatever_the_order_of_their_batches(
    writer: LogWriter,
) -> None:
    """Batches overlap, and come late; every way of paging sees the same order."""
    chance = random.Random(1)
    writer.stream("a", "b", "c")
    events = sorted(chance.sample(range(200_000), 300))
    batches: dict[tuple[str, int], list[int]] = {}
    for after in events:
        batches.setdefault((chance.choice("abc"), chance.randrange(6)), []).append(after)
    for (stream, _), some in chance.sample(sorted(batches.items()), len(batches)):
        writer.put(stream, *((after, str(after)) for after in some))

    everything = [str(after) for after in events]
    assert writer.filter() == everything
    for limit in (1, 7, 300):
        assert writer.filter(limit=limit) == everything
    assert writer.filter(limit=7, startFromHead=False, startTime=writer.now) == everything[::-1]
    only = {str(after) for (stream, _), some in batches.items() if stream != "b" for after in some}
    assert writer.filter(logStreamNames=["c", "a"], limit=11) == [one for one in everything if one in only]
    assert writer.read("b", startFromHead=True) == [one for one in everything if one not in only]


def test_a_prefix_narrows_the_streams(writer: LogWriter) -> None:
    writer.stream("job/1", "job/2", "other")
    for number, stream in enumerate(("job/1", "other", "job/2")):
        writer.put(stream, (number, stream))
    assert writer.filter(logStreamNamePrefix="job/") == ["job/1", "job/2"]
    assert writer.filter(logStreamNamePrefix="no") == []
    group, both = writer.group, {"logStreamNamePrefix": "j", "logStreamNames": ["other"]}
    assert writer.refused("filter_log_events", logGroupName=group, **both).startswith("InvalidParameter")
    assert writer.refused("filter_log_events", logGroupName=group, logStreamNames=["no"]) == (
        "ResourceNotFoundException: The specified log stream does not exist."
    )


def test_more_streams_than_are_read_side_by_side(writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MERGED_STREAMS", 1)
    writer.stream("job/1", "job/2", "other")
    for number, stream in enumerate(("job/1", "other", "job/2")):
        writer.put(stream, (number, stream))
    assert writer.filter(logStreamNamePrefix="job/") == ["job/1", "job/2"]


def test_filtered_events_say_where_they_are_from_and_have_ids_that_stay(writer: LogWriter) -> None:
    writer.stream("s")
    writer.put("s", (0, "same"), (0, "same"))
    page = writer.client.filter_log_events(logGroupName=writer.group, filterPattern="same")
    assert [one["logStreamName"] for one in page["events"]] == ["s", "s"]
    assert page["searchedLogStreams"] == []
    ids = [one["eventId"] for one in page["events"]]
    assert len(set(ids)) == 2
    writer.put("s", (0, "same"))
    again = writer.client.filter_log_events(logGroupName=writer.group, startTime=writer.now)
    assert [one["eventId"] for one in again["events"]][:2] == ids


def test_a_page_that_has_read_enough_is_incomplete_and_has_a_token(
    writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SCANNED_BYTES", 100)
    writer.stream("s")
    for number in range(9):
        writer.put("s", (number, "x" * 90), (number, f"needle{number}"))
    first = writer.client.filter_log_events(logGroupName=writer.group, filterPattern="needle8")
    assert (first["events"], "nextToken" in first) == ([], True)
    assert writer.filter(filterPattern="needle8") == ["needle8"]
    assert writer.filter(filterPattern="needle", limit=4) == [f"needle{number}" for number in range(9)]


def test_a_page_has_a_megabyte_at_most(writer: LogWriter) -> None:
    writer.stream("s")
    for number in range(4):
        writer.put("s", (number, str(number) * 400_000))
    assert [one[0] for one in writer.read("s", startFromHead=True)] == ["0", "1"]
    assert [one[0] for one in writer.read("s")] == ["2", "3"]
    assert [one[0] for one in writer.filter()] == ["0", "1", "2", "3"]


def test_events_outside_the_accepted_time_are_rejected_and_the_others_kept(writer: LogWriter) -> None:
    writer.stream("s")
    too_old = writer.put("s", (-15 * DAY, "old"), (-1, "kept"))
    assert too_old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    too_new = writer.put("s", (0, "kept too"), (3 * 3_600_000, "new"))
    assert too_new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    writer.client.put_retention_policy(logGroupName=writer.group, retentionInDays=3)
    expired = writer.put("s", (-4 * DAY, "expired"))
    assert expired["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert writer.read("s") == ["kept", "kept too"]


def test_a_batch_that_spans_hours_is_found_by_time(writer: LogWriter) -> None:
    writer.stream("s")
    hours = [(-hour * 3_600_000, f"{hour} hours ago") for hour in range(24, 0, -1)]
    writer.put("s", *hours)
    start = writer.now - 3 * 3_600_000
    assert writer.read("s", startTime=start) == ["3 hours ago", "2 hours ago", "1 hours ago"]
    assert writer.read("s", startFromHead=True, limit=2) == ["24 hours ago", "23 hours ago"]
    assert writer.filter(endTime=start, limit=1) == [text for _, text in hours[:22]]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(1, "a"), (0, "b")], "Log events in a single PutLogEvents request must be in chronological order."),
        (
            [(-DAY - 2, "a"), (0, "b")],
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        ([(0, "x" * 1_048_551)], "Log event too large: 1048577 bytes exceeds limit of 1048576"),
        ([(0, "ü" * 300_000)] * 2, "Upload too large: 1200052 bytes exceeds limit of 1048576"),
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused_as_a_whole(
    writer: LogWriter, events: list[tuple[int, str]], message: str
) -> None:
    writer.stream("s")
    refusal = writer.refused(
        "put_log_events",
        logGroupName=writer.group,
        logStreamName="s",
        logEvents=[{"timestamp": writer.now + after, "message": text} for after, text in events],
    )
    assert refusal == f"InvalidParameterException: {message}"
    assert writer.read("s") == []


def test_the_limits_of_a_batch_are_inclusive(writer: LogWriter) -> None:
    writer.stream("s")
    writer.put("s", (0, "x" * 1_048_550))
    writer.put("s", *[(1, "x")] * 10_000)
    assert writer.refused(
        "put_log_events",
        logGroupName=writer.group,
        logStreamName="s",
        logEvents=[{"timestamp": writer.now, "message": "x"}] * 10_001,
    ).startswith("InvalidParameterException: ")


def test_sequence_tokens_are_ignored(writer: LogWriter) -> None:
    writer.stream("s")
    token = writer.put("s", (0, "a"))["nextSequenceToken"]
    for one in (token, token, "1"):
        writer.client.put_log_events(
            logGroupName=writer.group,
            logStreamName="s",
            sequenceToken=one,
            logEvents=[{"timestamp": writer.now, "message": "a"}],
        )
    assert len(writer.read("s")) == 4


def test_what_does_not_exist_is_said(writer: LogWriter) -> None:
    event = [{"timestamp": writer.now, "message": "x"}]
    group = {"logGroupName": "/test/no-such-group"}
    assert (
        writer.refused("put_log_events", **group, logStreamName="s", logEvents=event)
        == writer.refused("filter_log_events", **group)
        == "ResourceNotFoundException: The specified log group does not exist."
    )
    assert (
        writer.refused("get_log_events", logGroupName=writer.group, logStreamName="s")
        == writer.refused("put_log_events", logGroupName=writer.group, logStreamName="s", logEvents=event)
        == "ResourceNotFoundException: The specified log stream does not exist."
    )


def test_tokens_and_patterns_that_mean_nothing_are_refused(writer: LogWriter) -> None:
    writer.stream("s")
    group = {"logGroupName": writer.group}
    assert writer.refused("get_log_events", **group, logStreamName="s", nextToken="x") == (
        "InvalidParameterException: The specified nextToken is invalid."
    )
    assert writer.refused("filter_log_events", **group, nextToken=f"f/{'9' * 56}") == (
        "InvalidParameterException: The specified nextToken is invalid."
    )
    assert writer.refused("get_log_events", **group, logStreamName="s", nextToken="f/\u0663").endswith(
        "is invalid."
    )
    assert writer.refused("filter_log_events", **group, filterPattern="{ $.a = ") == (
        "InvalidParameterException: Invalid filter pattern"
    )
    assert writer.refused("filter_log_events", **group, filterPattern="a:b") == (
        "InvalidParameterException: Invalid character(s) in term ':'"
    )


def test_a_group_can_be_named_by_its_arn(writer: LogWriter) -> None:
    writer.stream("s")
    writer.put("s", (0, "here"))
    arn = writer.described()["logGroupArn"]
    page = writer.client.get_log_events(logGroupIdentifier=arn, logStreamName="s")
    assert [one["message"] for one in page["events"]] == ["here"]
    assert writer.client.filter_log_events(logGroupIdentifier=writer.group)["events"]
    assert "either" in writer.refused(
        "get_log_events", logGroupIdentifier=arn, logGroupName=writer.group, logStreamName="s"
    )


def test_a_deleted_stream_is_no_longer_found_and_its_successor_is_empty(writer: LogWriter) -> None:
    writer.stream("s", "other")
    writer.put("s", (0, "gone"))
    writer.put("other", (0, "stays"))
    writer.client.delete_log_stream(logGroupName=writer.group, logStreamName="s")
    assert writer.filter() == ["stays"]
    writer.stream("s")
    assert writer.read("s") == []
    assert writer.described()["storedBytes"] == len("stays") + 26


@pytest.mark.parametrize("operation", ["filter_log_events", "get_log_events"])
def test_a_group_that_is_deleted_meanwhile_is_read_or_does_not_exist(
    writer: LogWriter, logs: Logs, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    writer.stream("s")
    writer.put("s", (0, "x"))
    clock, groups = logs.clock, [writer.group]

    def deleting() -> datetime:
        while groups:
            logs.groups.delete(groups.pop())
        return clock()

    monkeypatch.setattr(logs, "clock", deleting)
    stream = {"logStreamName": "s"} if operation == "get_log_events" else {}
    page = getattr(writer.client, operation)(logGroupName=writer.group, **stream)

    assert [one["message"] for one in page["events"]] == ["x"]
    assert writer.refused(operation, logGroupName=writer.group, **stream).startswith(
        "ResourceNotFoundException"
    )


def test_events_for_a_stream_that_is_replaced_meanwhile_are_in_the_new_one(
    writer: LogWriter, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.stream("s")
    write = logs.database.write

    def after_replacing() -> Any:
        monkeypatch.setattr(logs.database, "write", write)
        writer.client.delete_log_group(logGroupName=writer.group)
        writer.client.create_log_group(logGroupName=writer.group)
        writer.stream("s")
        return write()

    monkeypatch.setattr(logs.database, "write", after_replacing)
    writer.put("s", (0, "kept"))
    assert writer.read("s") == ["kept"]


@pytest.mark.parametrize("operation", ["start_query", "put_subscription_filter", "create_export_task"])
def test_what_the_account_lacks_is_refused_by_name(writer: LogWriter, operation: str) -> None:
    requests: dict[str, dict[str, Any]] = {
        "start_query": {"logGroupName": "g", "startTime": 0, "endTime": 1, "queryString": "fields @message"},
        "put_subscription_filter": {
            "logGroupName": "g",
            "filterName": "f",
            "filterPattern": "",
            "destinationArn": "arn",
        },
        "create_export_task": {"logGroupName": "g", "fromTime": 0, "to": 1, "destination": "bucket"},
    }
    name = "".join(part.title() for part in operation.split("_"))
    assert writer.refused(operation, **requests[operation]).startswith(
        f"UnsupportedOperation: logs.{name} is not supported by the local account"
    )
