"""A container that fails under a canary, on an endpoint of its own: PRD is not touched.

The endpoint is one of those of notebook 06 (`safe_releases`), so notebook 99, `reset` and `clean` know it.
The drill sends the requests that the canary is watched by; without clients, no alarm could tell.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import candidates, examples, instance_types, load, monitoring, safe_releases, traffic
from lab_helpers.aws_errors import is_gone
from lab_helpers.drills.drill import Drill, DrillError, Sighting
from lab_helpers.drills.role import with_role
from lab_helpers.monitoring import MonitoringError
from lab_helpers.safe_releases import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

    from lab_helpers.drills.record import Record
    from lab_helpers.lab import Lab

CANDIDATE, CHAMPION = "failing", "champion"
"""The release that fails, as `notebooks/releases/candidates.py` trains it, and the model that PRD serves."""
INSTANCES, RATE, WATCH_SECONDS = 2, 25, 600
PROGRAM = Path(__file__).resolve().parents[2] / "notebooks/releases/candidates.py"
"""In a checkout, and in the package of a notebook instance."""
SERVER_ERRORS, MILLISECONDS, WRONG = 5, 500.0, 0.5
"""What sets the alarms off, in a minute: errors, a latency, a share of wrong answers."""


class FailingContainer(Drill):
    """Releases a model whose container answers /ping, and fails for some of the requests."""

    name = "failing-container"
    breaks = "a release on an endpoint of its own answers /ping, and then fails for some of the requests"
    noticed_by = "the alarm for server errors: SageMaker rolls the canary back, and the old fleet goes on"
    needs_release = True
    by_hand = True

    def check(self, lab: Lab) -> None:
        """Raise DrillError if PRD does not serve."""
        try:
            monitoring.production(lab)
        except MonitoringError as error:
            raise DrillError(str(error)) from error

    def start(self, lab: Lab, record: Record) -> Record:
        """Train the release that fails, and begin to create the endpoint that serves as PRD does."""
        release, endpoint = monitoring.production(lab), _endpoint(lab, record)
        known = examples.of_release(lab, release)
        candidates.start(
            endpoint.lab,
            release,
            [CANDIDATE],
            known=known,
            baseline=monitoring.write_baseline(lab, release, known),
            program=PROGRAM,
            number=endpoint.number,
            instance_type=instance_types.processing(lab.region),
        )
        model = safe_releases.model(endpoint, CHAMPION, release.model_data)
        config = safe_releases.config(endpoint, CHAMPION, [safe_releases.variant(endpoint, model)])
        safe_releases.create(endpoint, config)
        return record

    def play(self, lab: Lab, record: Record) -> None:
        """When the endpoint serves, release to a canary under a steady load, until it ends."""
        endpoint, found = _endpoint(lab, record), _described(lab, record)
        if not found or found["EndpointStatus"] != "InService" or _was_released(found, endpoint):
            return
        candidates.wait(lab, lab.names.check_job(f"safe-{endpoint.number}"))
        known = examples.of_release(lab, monitoring.production(lab))
        asked = [one for one in load.questions(known) if one.algorithm == known.algorithms[0]]
        alarms = safe_releases.watch(
            endpoint, server_errors=SERVER_ERRORS, milliseconds=MILLISECONDS, wrong=WRONG
        )
        deployment = safe_releases.guarded(safe_releases.canary(50), alarms, bake_seconds=WATCH_SECONDS)
        with traffic.steady(lab, endpoint.name, asked, rate=RATE):
            address = candidates.model_data(lab, endpoint.number, CANDIDATE)
            safe_releases.release(endpoint, CANDIDATE, address, deployment)
            safe_releases.follow(endpoint)

    def look(self, lab: Lab, record: Record) -> Sighting:
        """Return whether the canary was rolled back."""
        found = _described(lab, record)
        if not found:
            name = lab.names.safe(_number(record))
            return Sighting(f"the endpoint {name} is not there: someone has deleted it", settled=True)
        endpoint = _endpoint(lab, record)
        status, failure = found["EndpointStatus"], found.get("FailureReason", "")
        if status == "InService" and found["EndpointConfigName"] == endpoint.part(CANDIDATE):
            return Sighting("the failing release serves", settled=True, missed=True)
        if status == "InService" and _was_released(found, endpoint):
            at, why = found.get("LastModifiedTime", datetime.now(UTC)), failure or "it gives no reason"
            return Sighting(f"SageMaker has rolled it back: {why}", _alarms(lab, endpoint), at, settled=True)
        if status == "Failed":
            return Sighting(f"{endpoint.name} is Failed: {failure}", settled=True)
        return Sighting(f"{endpoint.name} is {status}")

    def put_back(self, lab: Lab, record: Record) -> list[str]:
        """Delete the endpoint, and all that belongs to it."""
        removed = safe_releases.remove(lab, _number(record))
        return [f"deleted: {', '.join(removed) or 'what the drill had made beside its endpoint'}"]


def _endpoint(lab: Lab, record: Record) -> Endpoint:
    """Return the drill's endpoint: its name follows from the record's id."""
    image = monitoring.production(lab).image
    kind = instance_types.prd(lab.region)
    return Endpoint(with_role(lab), _number(record), image, kind, INSTANCES)


def _number(record: Record) -> str:
    return f"drill{record.id[-6:]}"


def _described(lab: Lab, record: Record) -> DescribeEndpointOutputTypeDef | None:
    name = lab.names.safe(_number(record))
    try:
        return lab.client("sagemaker").describe_endpoint(EndpointName=name)
    except ClientError as error:
        if not is_gone(error):
            raise
        return None


def _was_released(found: DescribeEndpointOutputTypeDef, endpoint: Endpoint) -> bool:
    """Return whether the release that fails was begun, and serves or was rolled back.

    FailureReason may be empty after a rollback (see `safe_releases`): what tells then is that the endpoint
    was updated after the configuration of the release was made.
    """
    if found.get("FailureReason") or found["EndpointConfigName"] == endpoint.part(CANDIDATE):
        return True
    try:
        config = endpoint.lab.client("sagemaker").describe_endpoint_config(
            EndpointConfigName=endpoint.part(CANDIDATE)
        )
    except ClientError as error:
        if not is_gone(error):
            raise
        return False
    return found["LastModifiedTime"] > config["CreationTime"]


def _alarms(lab: Lab, endpoint: Endpoint) -> str:
    """Return who has taken the release back: the alarms that are on."""
    found = lab.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{endpoint.name}-")["MetricAlarms"]
    on = [one["AlarmName"] for one in found if one["StateValue"] == "ALARM"]
    return f"the alarm {', '.join(on)}" if on else "an alarm"
