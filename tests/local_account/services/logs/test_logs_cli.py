"""The AWS CLI on CloudWatch Logs; and `aws logs tail`, whose requests version 2 of the CLI makes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_account.services.logs.conftest import LogWriter
from tests.local_account.services.served import Served


class Cli:
    """`aws logs` for the account that all tests of services share."""

    def __init__(self, served: Served) -> None:
        self._environment = {
            **os.environ,
            **served.account.environment(),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def __call__(self, *arguments: str) -> Any:
        done = subprocess.run(
            ["aws", "logs", *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(scope="session")
def cli(served: Served) -> Cli:
    return Cli(served)


def test_the_cli_writes_finds_and_describes(cli: Cli, writer: LogWriter) -> None:
    group = f"{writer.group}/cli"
    cli("create-log-group", "--log-group-name", group, "--tags", "team=a")
    cli("create-log-stream", "--log-group-name", group, "--log-stream-name", "s")
    events = json.dumps(
        [{"timestamp": writer.now + n, "message": text} for n, text in enumerate(("fine", "ERROR x=1"))]
    )
    stream = ("--log-group-name", group, "--log-stream-name", "s")
    cli("put-log-events", *stream, "--log-events", events)

    assert [one["message"] for one in cli("get-log-events", *stream)["events"]] == ["fine", "ERROR x=1"]
    found = cli("filter-log-events", "--log-group-name", group, "--filter-pattern", '"x=1"')["events"]
    assert [one["message"] for one in found] == ["ERROR x=1"]
    (described,) = cli("describe-log-groups", "--log-group-name-prefix", group)["logGroups"]
    tags = cli("list-tags-for-resource", "--resource-arn", described["logGroupArn"])["tags"]
    assert tags == {"team": "a"}
    ordered = ("--order-by", "LastEventTime", "--descending", "--max-items", "1")
    (latest,) = cli("describe-log-streams", "--log-group-name", group, *ordered)["logStreams"]
    assert latest["lastEventTimestamp"] == writer.now + 1
    matches = cli("test-metric-filter", "--filter-pattern", "[a, b]", "--log-event-messages", "1 2")[
        "matches"
    ]
    assert matches[0]["extractedValues"] == {"$a": "1", "$b": "2"}


def tail(client: Any, group: str, rounds: Iterator[None]) -> Iterator[str]:
    """Yield messages as `aws logs tail --follow` does.

    It pages through FilterLogEvents to the end; then it asks again from the time of the last event, and
    leaves out the ids that it has seen (awscli.customizations.logs.tail of version 2).
    """
    request: dict[str, Any] = {"logGroupName": group, "interleaved": True, "startTime": 0}
    seen: set[str] = set()
    for _ in rounds:
        while True:
            page = client.filter_log_events(**request)
            for event in page["events"]:
                if event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    request["startTime"] = max(request["startTime"], event["timestamp"])
                    yield event["message"]
            if "nextToken" not in page:
                request.pop("nextToken", None)
                break
            request["nextToken"] = page["nextToken"]


def test_tail_follows_several_streams_without_gaps_or_repetitions(writer: LogWriter) -> None:
    writer.stream("a", "b")
    written: list[str] = []

    def rounds() -> Iterator[None]:
        for number in range(6):
            for stream in "ab":
                written.append(f"{stream}{number}")
                writer.put(stream, (number // 2, written[-1]))  # some have the same time
            yield

    assert sorted(tail(writer.client, writer.group, rounds())) == sorted(written)
    assert len(written) == 12
