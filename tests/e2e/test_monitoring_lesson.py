"""Notebook 07 in the lab that the whole run has left: captured traffic is checked by real processing jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_the_monitoring_lesson_finds_the_shift_and_not_the_calm_window(
    workshop: Workshop, tmp_path: Path
) -> None:
    done = workshop.command("run", "--port", "0", "-n", "07", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout[-6000:]
    recorded.check(tmp_path / "07_monitoring.ipynb")

    jobs = workshop.client("sagemaker").list_processing_jobs(NameContains=workshop.names.check_job(""))
    others = workshop.names.check_job("safe-")  # notebook 06 trains candidates
    checks = [one for one in jobs["ProcessingJobSummaries"] if others not in one["ProcessingJobName"]]
    assert [one["ProcessingJobStatus"] for one in checks] == ["Completed"] * 4
    s3 = workshop.client("s3")
    found = s3.list_objects_v2(Bucket=workshop.bucket, Prefix="monitoring/checks/")["Contents"]
    reports = [one["Key"] for one in found if one["Key"].endswith("report.json")]
    bodies = [s3.get_object(Bucket=workshop.bucket, Key=key)["Body"].read() for key in reports]
    assert [bool(json.loads(body)["drifted"]) for body in bodies].count(True) == 2
