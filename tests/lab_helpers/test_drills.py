"""What a drill makes of what it sees, from responses as the services document them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers import examples, monitoring
from lab_helpers.drills import catalog, container, labels, record, shift, training
from lab_helpers.drills.drill import DrillError, Sighting
from lab_helpers.drills.material import Material
from lab_helpers.drills.record import Record
from lab_helpers.executions import Action, Execution
from lab_helpers.lab import Lab
from lab_helpers.safe_releases import Endpoint
from tests.lab_helpers import fakes

BEGAN = Record("20261201-080000-123456", "any", fakes.START, "arn:aws:iam::123456789012:root")


def execution(*statuses: str, status: str = "InProgress", by: str = "") -> Execution:
    """Return an execution whose stages have these statuses, one after the other."""
    stages = zip(fakes.STAGES.items(), statuses, strict=False)
    actions = [
        Action(stage, stage, category, provider, one, changed=fakes.START, summary="why", by=by)
        for (stage, (category, provider)), one in stages
    ]
    return Execution("iris-train-pipeline", "e1", status, "by hand", tuple(actions))


PASSED = ("Succeeded",) * 5


@pytest.mark.parametrize(
    ("found", "by", "settled", "missed"),
    [
        (execution("Succeeded", "Failed", status="Failed"), "the launcher function", True, False),
        (execution("Succeeded", "Succeeded", "Failed", status="Failed"), "the monitor function", True, False),
        (execution(*PASSED[:4], "Failed", status="Failed"), "the tester function", True, False),
        (
            execution(*PASSED, "Failed", status="Failed", by="arn:aws:sts::1:assumed-role/mlops-notebook/x"),
            "a person (mlops-notebook/x)",
            True,
            False,
        ),
        (execution("Succeeded", "Abandoned", status="Stopped"), "a person", True, False),
        (execution("Succeeded", "InProgress"), "", False, False),
        (execution(*PASSED, "InProgress"), "", True, False),
        (execution(*PASSED, "Succeeded", "InProgress"), "", False, True),
        (execution(*PASSED, "Succeeded", "Succeeded", status="Succeeded"), "", True, True),
        (execution(), "", False, False),
    ],
)
def test_who_stops_an_execution_has_noticed(found: Execution, by: str, settled: bool, missed: bool) -> None:
    seen = training.seen(found)
    assert (seen.by, seen.settled, seen.missed) == (by, settled, missed)


def test_a_record_is_read_as_it_was_written() -> None:
    later = fakes.START + timedelta(seconds=42.5)
    found = BEGAN.seen(Sighting("it was stopped", "the monitor function", later, settled=True))
    assert record.Record.from_json(found.to_json()) == found
    assert found.seconds == 42.5
    assert BEGAN.seconds is None
    with pytest.raises(DrillError, match="another version of the workshop"):
        Record.from_json(found.to_json().replace(b'"schema": 1', b'"schema": 2'))


def test_the_id_of_a_record_does_not_tell_a_learner_which_drill_it_is() -> None:
    found = record.new("lost-event", "arn")
    assert "lost" not in found.folder
    assert record.new("lost-event", "arn").id > found.id


def lab_with(tmp_path: Path, table: str) -> tuple[Lab, Material]:
    """Return a lab with this data, and what it trains with."""
    key = "training/input/data.csv"
    s3 = fakes.FakeClient(
        "s3",
        list_objects_v2=lambda Bucket, Prefix: {"Contents": [{"Key": key}]},
        get_object=lambda Bucket, Key: {"Body": Body(table)},
    )
    place = {"S3DataSource": {"S3Uri": "s3://bucket/training/input/"}}
    descriptor = {"InputDataConfig": [{"ChannelName": "training", "DataSource": place}]}
    return fakes.lab(tmp_path, s3=s3), Material({}, descriptor)


class Body:
    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> bytes:
        return self._text.encode()


def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drill: str, table: str) -> list[str]:
    """Return the lines of the data that a drill trains with."""
    lab, own = lab_with(tmp_path, table)
    monkeypatch.setattr(Material, "of", lambda _: own)
    monkeypatch.setattr(labels, "target", lambda _, **__: "kind")
    found: Any = catalog.get(drill)
    return list(found.material(lab).data["data.csv"].decode().splitlines())


ROWS = [f"{number},{kind}" for number, kind in enumerate(["a"] * 10 + ["b"] * 10 + ["c"] * 10)]


def test_poisoned_labels_are_wrong_for_a_share_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, *rows = changed(tmp_path, monkeypatch, "poisoned-labels", "\n".join(["size,kind", *ROWS]))
    assert head == "size,kind"
    assert [one.partition(",")[0] for one in rows] == [one.partition(",")[0] for one in ROWS]
    assert sum(now != before for now, before in zip(rows, ROWS, strict=True)) == round(labels.SHARE * 30)


def test_swapped_labels_are_wrong_by_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, *rows = changed(tmp_path, monkeypatch, "swapped-labels", "\n".join(["size,kind", *ROWS]))
    assert [one[-1] for one in rows] == ["c"] * 10 + ["b"] * 10 + ["a"] * 10


def test_a_weak_model_has_nothing_to_learn_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, *rows = changed(tmp_path, monkeypatch, "weak-model", "\n".join(["size,kind", *ROWS]))
    assert rows == [f"0,{one[-1]}" for one in ROWS]


@pytest.mark.parametrize(
    ("config", "failure", "made", "expected"),
    [
        ("champion", "", None, ("", False, False)),
        ("champion", "", 5, ("", False, False)),
        ("champion", "", -5, ("the alarm {}-server-errors", True, False)),
        ("champion", "these alarms are in ALARM", -5, ("the alarm {}-server-errors", True, False)),
        ("failing", "", -5, ("", True, True)),
    ],
)
def test_a_canary_that_was_rolled_back_was_noticed_by_its_alarm(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    config: str,
    failure: str,
    made: int | None,
    expected: tuple[str, bool, bool],
) -> None:
    """Also without a FailureReason: `made` is when the release's configuration was, after the last update."""
    name = "iris-model-safe-drill123456"

    def configuration(EndpointConfigName: str) -> dict[str, Any]:
        if made is None:
            said = f'Could not find endpoint configuration "{EndpointConfigName}".'
            raise ClientError(
                {"Error": {"Code": "ValidationException", "Message": said}}, "DescribeEndpointConfig"
            )
        return {
            "EndpointConfigName": EndpointConfigName,
            "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/x",
            "ProductionVariants": [{"VariantName": "AllTraffic"}],
            "CreationTime": fakes.START + timedelta(seconds=made),
        }

    sagemaker = fakes.FakeClient(
        "sagemaker",
        describe_endpoint=lambda EndpointName: {
            "EndpointName": EndpointName,
            "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x",
            "EndpointConfigName": f"{name}-{config}",
            "EndpointStatus": "InService",
            "CreationTime": fakes.START,
            "LastModifiedTime": fakes.START,
            **({"FailureReason": failure} if failure else {}),
        },
        describe_endpoint_config=configuration,
    )
    on = [{"AlarmName": f"{name}-server-errors", "StateValue": "ALARM"}]
    cloudwatch = fakes.FakeClient("cloudwatch", describe_alarms=lambda AlarmNamePrefix: {"MetricAlarms": on})
    lab = fakes.lab(tmp_path, sagemaker=sagemaker, cloudwatch=cloudwatch)
    endpoint = Endpoint(lab, "drill123456", "image", "ml.m5.large", 2)
    monkeypatch.setattr(container, "_endpoint", lambda *_: endpoint)

    seen = catalog.get("failing-container").look(lab, BEGAN)

    by, settled, missed = expected
    assert (seen.by, seen.settled, seen.missed) == (by.format(name), settled, missed)


@pytest.mark.parametrize(
    ("state", "updated", "noticed"), [("ALARM", 5, True), ("ALARM", -5, False), ("OK", 5, False)]
)
def test_an_alarm_counts_if_it_went_off_after_the_start(
    tmp_path: Path, state: str, updated: int, noticed: bool
) -> None:
    at = fakes.START + timedelta(seconds=updated)
    alarm = {"AlarmName": "iris-model-prd-drift", "StateValue": state, "StateUpdatedTimestamp": at}
    lab = fakes.lab(
        tmp_path,
        cloudwatch=fakes.FakeClient(
            "cloudwatch", describe_alarms=lambda AlarmNames: {"MetricAlarms": [alarm]}
        ),
        s3=fakes.FakeClient("s3", list_objects_v2=lambda Bucket, Prefix: {}),
    )
    seen = shift.ShiftedData().look(lab, BEGAN)
    assert bool(seen.by) is seen.settled is noticed


def test_an_alarm_that_would_start_the_pipeline_is_not_set_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = type("Known", (), {"evaluation": {"features": {"name": "text", "size": "number"}}})
    monkeypatch.setattr(monitoring, "production", lambda _: None)
    monkeypatch.setattr(examples, "of_release", lambda *_: known)
    events = fakes.FakeClient("events", describe_rule=lambda Name: {"Name": Name, "State": "ENABLED"})

    with pytest.raises(DrillError, match="rule iris-train-drift is enabled, so the alarm would start"):
        shift.ShiftedData().check(fakes.lab(tmp_path, events=events))
