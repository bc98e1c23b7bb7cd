"""A build's log, in its file and in CloudWatch Logs."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_account.services.codebuild.log import BuildLog


def test_a_full_disk_holds_up_neither_the_build_nor_its_lines(client: Callable[[str], Any]) -> None:
    logs, group = client("logs"), f"log-{uuid.uuid4().hex[:8]}"
    log = BuildLog(Path("/dev/full"), logs, group, "stream")
    lines = 2_000  # more than the pipe holds
    for number in range(lines):
        log.write(f"line {number} {'x' * 100}")
    log.close()
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    assert sum(len(page["events"]) for page in pages) == lines
