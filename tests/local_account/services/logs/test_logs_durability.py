"""What PutLogEvents has answered is there after a crash at any moment; what is deleted leaves the disk."""

import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

from tests.local_account.account_process import AccountProcess

pytestmark = pytest.mark.slow

GROUP = "/durable"
WRITERS = 4
BATCH = 50


class Writer(threading.Thread):
    """Puts batches into a stream of its own until the account is gone; remembers the last answered one."""

    def __init__(self, logs: Any, stream: str) -> None:
        super().__init__(daemon=True)
        self._logs = logs
        self.stream = stream
        self.answered = 0
        self.sent = 0

    def run(self) -> None:
        self._logs.create_log_stream(logGroupName=GROUP, logStreamName=self.stream)
        while True:
            self.sent += 1
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": f"{self.sent} {n}"} for n in range(BATCH)]
            try:
                self._logs.put_log_events(logGroupName=GROUP, logStreamName=self.stream, logEvents=events)
            except (NoConnection, HTTPClientError):
                return
            self.answered = self.sent


def messages(logs: Any, stream: str) -> list[str]:
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, **token)
        if not page["events"]:
            return found
        found += [one["message"] for one in page["events"]]
        token = {"nextToken": page["nextForwardToken"]}


def test_batches_are_whole_or_absent_after_crashes(own_account: AccountProcess) -> None:
    account = own_account.start()
    logs = account.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.put_metric_filter(
        logGroupName=GROUP,
        filterName="all",
        filterPattern="",
        metricTransformations=[{"metricName": "all", "metricNamespace": "durable", "metricValue": "1"}],
    )
    writers: list[Writer] = []
    for crash in range(3):
        some = [Writer(account.client("logs"), f"{crash}-{number}") for number in range(WRITERS)]
        for one in some:
            one.start()
        while not all(one.answered > 5 * (crash + 1) for one in some):
            assert all(one.is_alive() for one in some)
        account.stop(signal.SIGKILL)
        for one in some:
            one.join(30)
        writers += some
        account.start()

    logs = account.client("logs")
    total = 0
    for one in writers:
        expected = [f"{batch} {n}" for batch in range(1, one.sent + 1) for n in range(BATCH)]
        found = messages(logs, one.stream)
        assert found == expected[: len(found)], "in order, without gaps"
        assert len(found) in {one.answered * BATCH, one.sent * BATCH}, "the last batch is whole or absent"
        total += len(found)
    group = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP)
    everything = [event["message"] for page in pages for event in page["events"]]
    assert len(everything) == total
    assert group["storedBytes"] == sum(len(text) + 26 for text in everything)
    account.stop()
    with closing(sqlite3.connect(account.state / "logs" / "logs.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_deleting_frees_the_disk(own_account: AccountProcess) -> None:
    account = own_account.start()
    logs = account.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="s")
    now = int(time.time() * 1000)
    for _ in range(20):
        event = {"timestamp": now, "message": os.urandom(250_000).hex()}
        logs.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=[event])
    logs.delete_log_group(logGroupName=GROUP)
    path = account.state / "logs" / "logs.sqlite"
    deadline = time.monotonic() + 30
    while True:
        with closing(sqlite3.connect(path)) as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            left = connection.execute("SELECT count(*) FROM batches").fetchone()[0]
        if left == 0 and pages * 4096 < 1_000_000:
            break
        assert time.monotonic() < deadline, (left, pages)
        time.sleep(0.05)
