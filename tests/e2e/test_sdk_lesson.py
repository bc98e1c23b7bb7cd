"""Notebook 03a in the lab that the whole run has left: the real SDK trains, tunes, serves and transforms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_the_sdk_lesson_runs_and_leaves_nothing_that_costs_money(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop.command("run", "--port", "0", "-n", "03a", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout[-6000:]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [one["name"] for one in summary["notebooks"]] == ["03a_sagemaker_sdk"]
    recorded.check(tmp_path / "03a_sagemaker_sdk.ipynb")

    sagemaker = workshop.client("sagemaker")
    name = workshop.names.sdk
    assert sagemaker.list_endpoints(NameContains=name)["Endpoints"] == []
    assert sagemaker.list_models(NameContains=name)["Models"] == []
    tuned = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    transformed = sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
    assert [one["HyperParameterTuningJobStatus"] for one in tuned] == ["Completed"]
    assert [one["TransformJobStatus"] for one in transformed] == ["Completed"]
    assert {endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints()["Endpoints"]} == {
        workshop.names.dev_endpoint,
        workshop.names.prd_endpoint,
    }
