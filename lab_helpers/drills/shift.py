"""Shifted data: clients send PRD measurements that are too large, and a check sets the alarm for drift off.

The check is that of notebook 07. Nothing runs it by itself, so the drill does: `play`. The alarm keeps its
state until a later check says otherwise (`TreatMissingData: ignore`), so putting back is calm traffic and
another check, in a later minute: the alarm takes the largest value of a minute.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_helpers import examples, instance_types, keys, monitoring, triggers
from lab_helpers.drills.drill import Drill, DrillError, Sighting
from lab_helpers.drills.role import with_role
from lab_helpers.drills.training import until
from lab_helpers.monitoring import MonitoringError, Traffic
from lab_helpers.training import read

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

    from lab_helpers.drills.record import Record
    from lab_helpers.endpoints import Release, Row
    from lab_helpers.examples import Examples
    from lab_helpers.lab import Lab

REQUESTS, DEVIATIONS = 150, 3.0
PROGRAM = Path(__file__).resolve().parents[2] / "notebooks/monitoring/check.py"
"""In a checkout, and in the package of a notebook instance."""
ALARM = "ALARM"


class ShiftedData(Drill):
    """Sends rows of the training data to PRD, with the first number shifted."""

    name = "shifted-data"
    breaks = "clients send measurements that are too large, and every answer looks like an answer"
    noticed_by = (
        "the alarm for drift, after a check has compared the captured requests with the training data"
    )
    needs_release = True
    by_hand = True

    def check(self, lab: Lab) -> None:
        """Raise DrillError if PRD captures nothing, if no feature is a number, or if the alarm is on.

        Also if the alarm would start the training pipeline: the drill could not put back what comes of that.
        """
        try:
            known = examples.of_release(lab, monitoring.production(lab))
        except MonitoringError as error:
            raise DrillError(str(error)) from error
        _place(known)
        rule = lab.names.drift_rule
        if lab.client("events").describe_rule(Name=rule)["State"] != triggers.DISABLED:
            raise DrillError(
                f"the rule {rule} is enabled, so the alarm would start the training pipeline: disable it "
                "first, in notebook 08 (`triggers.restore(lab)`)"
            )
        if _alarm(lab)["StateValue"] == ALARM:
            raise DrillError(
                f"the alarm {_alarm(lab)['AlarmName']} is on already, and could not tell a new shift: run "
                "notebook 07 to its first check"
            )

    def start(self, lab: Lab, record: Record) -> Record:
        """Send shifted rows."""
        release = monitoring.production(lab)
        known = examples.of_release(lab, release)
        _send(lab, release, monitoring.shifted(known.rows, _place(known), DEVIATIONS), record, "shifted")
        return record

    def play(self, lab: Lab, record: Record) -> None:
        """Check what was captured, unless a check has found drift since the start."""
        if not _found(lab, record):
            _check(lab, _traffic(lab, record, "shifted", record.started))

    def look(self, lab: Lab, record: Record) -> Sighting:
        """Return whether the alarm is on, and what a check has found."""
        drifted, alarm = _found(lab, record), _alarm(lab)
        said = f"a check found drift in {', '.join(drifted)}" if drifted else "nobody has checked"
        if alarm["StateValue"] == ALARM and alarm["StateUpdatedTimestamp"] >= record.started:
            by = f"the alarm {alarm['AlarmName']}"
            return Sighting(said, by, alarm["StateUpdatedTimestamp"], settled=True)
        return Sighting(f"{REQUESTS} requests were shifted; {said}")

    def put_back(self, lab: Lab, record: Record) -> list[str]:
        """Send calm rows and check them, if a check has found the shift; nothing else has changed."""
        if not _found(lab, record):
            return ["nothing is left to put back: no check has found the shift"]
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        until(
            lambda: datetime.now(UTC) > minute + timedelta(minutes=1),
            "the minute of the check has not passed",
        )
        since, release = datetime.now(UTC), monitoring.production(lab)
        _send(lab, release, list(examples.of_release(lab, release).rows), record, "calm")
        drifted = _check(lab, _traffic(lab, record, "calm", since))
        if drifted:
            raise DrillError(
                f"a check of calm traffic found drift in {', '.join(drifted)}: do other clients send "
                "something else? Then the alarm is right; end the drill again when they have stopped"
            )
        return [f"calm traffic was checked: the alarm {_alarm(lab)['AlarmName']} ends within a minute or two"]


def _place(known: Examples) -> int:
    kinds = list(known.evaluation.get("features", {}).values())
    place = next((number for number, kind in enumerate(kinds) if kind.startswith("number")), None)
    if place is None:
        raise DrillError("no feature of the model in PRD is a number: there is nothing to shift")
    return place


def _ids(record: Record, kind: str) -> list[str]:
    return [f"drill-{record.id}-{kind}-{number:04}" for number in range(REQUESTS)]


def _send(lab: Lab, release: Release, rows: list[Row], record: Record, kind: str) -> None:
    # Every so many rows of the data, so that all classes are among them.
    chosen = [rows[number * len(rows) // REQUESTS] for number in range(REQUESTS)]
    monitoring.send(lab, release.endpoint, chosen, f"drill-{record.id}-{kind}")


def _traffic(lab: Lab, record: Record, kind: str, since: datetime) -> Traffic:
    """Return the requests of a drill, whoever has sent them."""
    now = datetime.now(UTC)
    return Traffic(lab.names.prd_endpoint, tuple(_ids(record, kind)), (), since.replace(microsecond=0), now)


def _check(lab: Lab, traffic: Traffic) -> list[str]:
    """Check captured requests in a processing job, tell CloudWatch, and return what has drifted."""
    monitoring.wait_for_capture(lab, traffic)
    release = monitoring.production(lab)
    known = examples.of_release(lab, release)
    result = monitoring.check(
        with_role(lab),
        release,
        monitoring.write_baseline(lab, release, known),
        traffic,
        program=PROGRAM,
        target=known.evaluation.get("target", ""),
        instance_type=instance_types.processing(lab.region),
    )
    monitoring.publish(lab, release.endpoint, result)
    return result.drifted


def _found(lab: Lab, record: Record) -> list[str]:
    """Return what the newest check since the start has found drifted; empty if there was none."""
    pages = lab.client("s3").get_paginator("list_objects_v2")
    reports = [
        (one["LastModified"], one["Key"])
        for page in pages.paginate(Bucket=lab.bucket, Prefix=keys.CHECKS)
        for one in page.get("Contents", [])
        if one["Key"].endswith("/report.json") and one["LastModified"] >= record.started
    ]
    if not reports:
        return []
    report: dict[str, Any] = json.loads(read(lab, f"s3://{lab.bucket}/{max(reports)[1]}"))
    return list(report["drifted"])


def _alarm(lab: Lab) -> MetricAlarmTypeDef:
    endpoint = lab.names.prd_endpoint
    if not (found := monitoring.described_alarm(lab, endpoint)):
        raise DrillError(f"there is no alarm {endpoint}-drift: train and release again (notebooks 03 and 04)")
    return found
