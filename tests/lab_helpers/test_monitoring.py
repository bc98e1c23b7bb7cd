"""Monitoring PRD from a notebook: what it needs, where captured data is, what CloudWatch is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import monitoring
from tests.lab_helpers import fakes


@pytest.mark.parametrize(
    ("since", "until", "folder"),
    [
        ("2026-12-01T08:05", "2026-12-01T08:49", "2026/12/01/08/"),
        ("2026-12-01T08:58", "2026-12-01T08:59", "2026/12/01/"),  # what comes late can have the next hour
        ("2026-12-01T08:59", "2026-12-01T09:01", "2026/12/01/"),
        ("2026-12-31T23:59", "2027-01-01T00:01", ""),
    ],
)
def test_a_window_is_in_the_folders_of_its_hours_and_of_what_comes_late(
    since: str, until: str, folder: str
) -> None:
    first, last = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (since, until))
    traffic = monitoring.Traffic("iris-model-prd", (), (), first, last)

    assert monitoring.folder(traffic) == f"monitoring/capture/iris-model-prd/AllTraffic/{folder}"


def test_without_prd_the_learner_is_sent_to_notebook_04(tmp_path: Path) -> None:
    sagemaker = fakes.FakeClient("sagemaker", list_endpoints=lambda NameContains: {"Endpoints": []})

    with pytest.raises(monitoring.MonitoringError, match="does not exist: approve a release in notebook 04"):
        monitoring.production(fakes.lab(tmp_path, sagemaker=sagemaker))


@pytest.mark.parametrize("enough", [True, False])
def test_cloudwatch_gets_the_number_of_drifted_columns_unless_there_were_too_few_rows(
    tmp_path: Path, enough: bool
) -> None:
    sent: list[Any] = []

    def put(**given: Any) -> dict[str, Any]:
        sent.extend(given["MetricData"])
        return {}

    cloudwatch = fakes.FakeClient("cloudwatch", put_metric_data=put)
    drifted = ["petal_length", "prediction"] if enough else []
    result = monitoring.Result("check", {"enough": enough, "drifted": drifted, "rows": 1}, "")

    monitoring.publish(fakes.lab(tmp_path, cloudwatch=cloudwatch), "iris-model-prd", result)

    assert [one["Value"] for one in sent] == ([2] if enough else [])
