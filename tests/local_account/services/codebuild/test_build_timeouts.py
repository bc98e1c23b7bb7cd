"""Builds that run too long, or wait too long, are ended."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.services.codebuild import CodeBuild
from tests.waiting import Eventually


class SilentBus:
    def publish(self, *event: Any) -> None:
        """Nothing is listening."""


@pytest.fixture
def codebuild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeBuild]:
    """The service without a gateway."""
    account = Account(AccountConfig.load(tmp_path))
    account.bus = SilentBus()
    monkeypatch.setattr(account, "check_role", lambda *_: None)
    monkeypatch.setattr(account, "quota", lambda *_: 2)
    monkeypatch.setattr(account, "environment", lambda *_: {"PATH": os.environ["PATH"]})
    service = CodeBuild(account)
    yield service
    service.stop()
    account.tasks.stop()
    account.processes.end()
    account.store.close()


def test_running_and_queued_builds_time_out(codebuild: CodeBuild, eventually: Eventually) -> None:
    spec = "version: 0.2\nphases: {build: {commands: [sleep 35.99]}, post_build: {commands: ['true']}}"
    codebuild.create_project(
        {
            "name": "slow",
            "source": {"type": "NO_SOURCE", "buildspec": spec},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            "serviceRole": "arn:aws:iam::123456789012:role/r",
            "timeoutInMinutes": 10,
            "queuedTimeoutInMinutes": 5,
            "logsConfig": {"cloudWatchLogs": {"status": "DISABLED"}},
        }
    )
    started: list[Any] = [codebuild.start_build({"projectName": "slow"})["build"] for _ in range(3)]
    ids = [build["id"] for build in started]

    def builds() -> Any:
        return codebuild.batch_get_builds({"ids": ids})["builds"]

    eventually(lambda: [build["currentPhase"] for build in builds()] == ["BUILD", "BUILD", "QUEUED"])
    begun = max(build["startTime"] for build in builds())
    codebuild.expire(begun + timedelta(minutes=4))
    assert [build["buildStatus"] for build in builds()] == ["IN_PROGRESS"] * 3
    codebuild.expire(begun + timedelta(minutes=5, seconds=1))
    assert [build["buildStatus"] for build in builds()] == ["IN_PROGRESS", "IN_PROGRESS", "TIMED_OUT"]
    codebuild.expire(begun + timedelta(minutes=10, seconds=30))
    assert eventually(lambda: [b["buildStatus"] for b in builds()] == ["TIMED_OUT"] * 3)
    running = builds()[0]
    statuses = {phase["phaseType"]: phase.get("phaseStatus") for phase in running["phases"]}
    assert statuses["BUILD"] == "TIMED_OUT"
    assert "POST_BUILD" not in statuses
