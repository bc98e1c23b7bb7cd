"""Notebook 06 in the lab that the whole run has left: real releases under a steady load, one of them bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]


def left(workshop: Workshop) -> list[str]:
    """Return the names of what notebook 06 has made and not deleted."""
    sagemaker, stem = workshop.client("sagemaker"), workshop.names.safe("")
    found = [one["EndpointName"] for one in sagemaker.list_endpoints(NameContains=stem)["Endpoints"]]
    found += [
        one["EndpointConfigName"]
        for one in sagemaker.list_endpoint_configs(NameContains=stem)["EndpointConfigs"]
    ]
    found += [one["ModelName"] for one in sagemaker.list_models(NameContains=stem)["Models"]]
    alarms = workshop.client("cloudwatch").describe_alarms(AlarmNamePrefix=stem)["MetricAlarms"]
    scaled = workshop.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    objects = workshop.client("s3").list_objects_v2(Bucket=workshop.bucket, Prefix="monitoring/candidates/")
    return [
        *found,
        *(one["AlarmName"] for one in alarms),
        *(one["ResourceId"] for one in scaled if stem in one["ResourceId"]),
        *(one["Key"] for one in objects.get("Contents", [])),
    ]


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_lesson_of_releases_runs_and_leaves_nothing(
    workshop: Workshop, tmp_path: Path, time: str
) -> None:
    before = workshop.serving(workshop.names.prd_endpoint)

    done = workshop.command("run", "--port", "0", "-n", "06", "--output", str(tmp_path))

    assert done.returncode == 0, done.stdout[-6000:]
    recorded.check(tmp_path / "06_safe_releases.ipynb")
    assert left(workshop) == []
    assert workshop.serving(workshop.names.prd_endpoint) == before, "production is never touched"
