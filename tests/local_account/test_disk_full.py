"""A full disk is reported, loses nothing, and is over once there is space again."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.small_disk import fill, small_file_system

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    with small_file_system(tmp_path, megabytes=6) as where:
        yield where


@pytest.mark.skipif(os.name != "posix", reason="mounts a file system")
def test_a_full_disk_is_reported_and_nothing_is_lost(
    small_disk: Path, account_process: type[AccountProcess]
) -> None:
    account = account_process(small_disk / "state").start()
    try:
        s3, events = account.client("s3"), account.client("events")
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="before", Body=b"1")
        upload = {"Bucket": "kept", "Key": "parts"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        filler = small_disk / "filler"
        fill(filler)
        attempts: tuple[Callable[[], Any], ...] = (
            lambda: s3.put_object(Bucket="kept", Key="big", Body=b"x" * 200_000),
            lambda: s3.upload_part(PartNumber=1, Body=b"x" * 200_000, **upload),
            lambda: s3.put_object(Bucket="kept", Key="small", Body=b"x" * 2_000),
            lambda: events.put_rule(Name="r", EventPattern='{"source": ["' + "x" * 1500 + '"]}'),
        )
        for attempt in attempts:
            with pytest.raises(ClientError, match="Disk full: free some space"):
                for _ in range(2000):
                    attempt()
        filler.unlink()
        assert "big" not in [one["Key"] for one in s3.list_objects_v2(Bucket="kept")["Contents"]]
        s3.put_object(Bucket="kept", Key="after", Body=b"2")
        s3.upload_part(PartNumber=1, Body=b"x", **upload)
        events.put_rule(Name="after", EventPattern='{"source": ["a"]}')
        account.stop(9)
        account.start()
        s3, events = account.client("s3"), account.client("events")
        assert s3.get_object(Bucket="kept", Key="before")["Body"].read() == b"1"
        assert s3.get_object(Bucket="kept", Key="after")["Body"].read() == b"2"
        assert events.describe_rule(Name="after")["State"] == "ENABLED"
    finally:
        account.stop()


@pytest.mark.skipif(os.name != "posix", reason="mounts a file system")
def test_log_events_that_do_not_fit_are_refused_whole_and_the_others_stay(
    small_disk: Path, account_process: type[AccountProcess]
) -> None:
    account = account_process(small_disk / "state").start()
    stream = {"logGroupName": "kept", "logStreamName": "s"}
    event = {"timestamp": int(time.time() * 1000), "message": "before"}

    def messages() -> list[str]:
        pages = account.client("logs").get_paginator("filter_log_events").paginate(logGroupName="kept")
        return [one["message"] for page in pages for one in page["events"]]

    try:
        logs = account.client("logs")
        logs.create_log_group(logGroupName="kept")
        logs.create_log_stream(**stream)
        logs.put_log_events(**stream, logEvents=[event])
        filler = small_disk / "filler"
        fill(filler)
        big = [{**event, "message": "x" * 100_000}] * 9
        answered = 0
        with pytest.raises(ClientError, match="Disk full: free some space"):
            for _ in range(20):
                logs.put_log_events(**stream, logEvents=big)
                answered += 9
        assert len(messages()) == 1 + answered, "what is there can be read"
        filler.unlink()
        logs.put_log_events(**stream, logEvents=[{**event, "message": "after"}])
        account.stop(9)
        account.start()
        found = messages()
        assert (found[0], found[-1], len(found)) == ("before", "after", 2 + answered)
    finally:
        account.stop()
