"""Target tracking on a serving endpoint: containers come and go with the load, without failed requests."""

import io
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab
from tests.local_account.services.sagemaker.scaling_lab import counts, target, track

pytestmark = pytest.mark.docker


class Load:
    """Requests from one thread at a fixed rate; failures are recorded."""

    def __init__(self, lab: SageMakerLab, name: str, per_second: float) -> None:
        self.lab, self.name, self.per_second = lab, name, per_second
        self.sent, self.errors = 0, list[str]()
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(1 / self.per_second):
            try:
                self.lab.invoke(self.name)
                self.sent += 1
            except Exception as error:
                self.errors.append(str(error))


@contextmanager
def load(lab: SageMakerLab, name: str, per_second: float) -> Iterator[Load]:
    made = Load(lab, name, per_second)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield made
    finally:
        made.stop.set()
        thread.join()


@pytest.fixture
def endpoint(image_lab: SageMakerLab, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50]
    image_lab.model(name, GREETING="hello")
    image_lab.config(name, {"ModelName": name})
    assert image_lab.endpoint(name, name)["EndpointStatus"] == "InService"
    yield name
    image_lab.delete_endpoint(name)


def test_containers_come_with_the_load_and_go_with_it(image_lab: SageMakerLab, endpoint: str) -> None:
    lab = image_lab
    began = datetime.now(UTC)
    client = track(lab, endpoint, 300)
    with load(lab, endpoint, 30) as heavy:
        lab.when(lambda: counts(lab, endpoint), lambda now: now[0] > 1, 60)
        lab.when(lambda: counts(lab, endpoint), lambda now: now[0] == now[1] > 1, 60)
    with load(lab, endpoint, 2) as light:
        lab.when(lambda: counts(lab, endpoint), lambda now: now == (1, 1, "InService"), 90)
    assert heavy.errors == light.errors == []

    def ended() -> list[dict[str, Any]]:
        found = client.describe_scaling_activities(**target(endpoint))["ScalingActivities"]
        return found if all("EndTime" in one for one in found) else []

    activities = lab.when(ended, bool)
    newest, oldest = activities[0], activities[-1]
    assert oldest["Description"] in {f"Setting desired instance count to {count}." for count in (2, 3)}
    assert "-AlarmHigh-" in oldest["Cause"]
    assert oldest["Cause"].endswith("in state ALARM triggered policy invocations")
    assert newest["Description"] == "Setting desired instance count to 1."
    assert "-AlarmLow-" in newest["Cause"]
    assert {one["StatusCode"] for one in activities} == {"Successful"}
    history = lab.cloudwatch.describe_alarm_history(
        HistoryItemType="StateUpdate", StartDate=began, EndDate=datetime.now(UTC)
    )["AlarmHistoryItems"]
    assert any(
        f"{endpoint}/variant/AllTraffic-AlarmHigh" in item["AlarmName"]
        and item["HistorySummary"].endswith("to ALARM")
        for item in history
    )
    invocations = sum(lab.statistic(endpoint, "Invocations", "Sum"))
    assert invocations <= heavy.sent + light.sent
    assert sum(lab.statistic(endpoint, "InvocationsPerInstance", "Sum")) < invocations


def test_cpu_and_memory_of_the_containers_are_measured(image_lab: SageMakerLab, endpoint: str) -> None:
    lab = image_lab

    def averages() -> list[list[float]]:
        return [
            lab.statistic(endpoint, metric, "Average", "/aws/sagemaker/Endpoints")
            for metric in ("CPUUtilization", "MemoryUtilization")
        ]

    with load(lab, endpoint, 50):
        cpu, memory = lab.when(averages, all)
    assert 0 < max(memory) < 50
    assert max(cpu) > 0


def test_bounds_are_kept_and_a_kill_loses_no_instance(image_lab: SageMakerLab, endpoint: str) -> None:
    lab = image_lab
    client = lab.account.client("application-autoscaling")
    client.register_scalable_target(**target(endpoint), MinCapacity=2, MaxCapacity=3)
    lab.when(lambda: counts(lab, endpoint), lambda now: now == (2, 2, "InService"))
    (activity,) = lab.when(
        lambda: [
            one
            for one in client.describe_scaling_activities(**target(endpoint))["ScalingActivities"]
            if one["StatusCode"] == "Successful"
        ],
        bool,
    )
    assert activity["Cause"] == "minimum capacity was set to 2"
    lab.account.stop(signal.SIGKILL)
    lab.account.start()
    lab.when(lambda: counts(lab, endpoint), lambda now: now == (2, 2, "InService"))
    client.register_scalable_target(**target(endpoint), MinCapacity=1, MaxCapacity=1)
    lab.when(lambda: counts(lab, endpoint), lambda now: now == (1, 1, "InService"))


def test_errors_in_the_bake_time_roll_back_a_release(image_lab: SageMakerLab, endpoint: str) -> None:
    lab = image_lab
    lab.alarm(f"{endpoint}-server-errors", endpoint, Threshold=2)
    lab.config(f"{endpoint}-new", {"ModelName": endpoint})
    lab.sagemaker.update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName=f"{endpoint}-new",
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 120}
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": f"{endpoint}-server-errors"}]},
        },
    )
    begin = time.monotonic()
    while counts(lab, endpoint)[2] == "Updating" and time.monotonic() - begin < 100:
        with pytest.raises(lab.runtime.exceptions.ModelError):
            lab.invoke(endpoint, CustomAttributes="status500")
        time.sleep(0.2)
    settled = lab.settled(endpoint)
    assert time.monotonic() - begin < 100  # not only at the end of the bake time
    assert settled["EndpointConfigName"] == endpoint
    assert "server-errors" in settled["FailureReason"]
    lab.cloudwatch.delete_alarms(AlarmNames=[f"{endpoint}-server-errors"])


def test_a_scale_out_that_fails_leaves_the_endpoint_serving(image_lab: SageMakerLab) -> None:
    lab, name = image_lab, "half-an-endpoint"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("model.json"))
    lab.s3.put_object(Bucket=BUCKET, Key="models/empty.tar.gz", Body=archive.getvalue())
    lab.model(name, f"s3://{BUCKET}/models/empty.tar.gz")
    lab.config(name, {"ModelName": name})
    lab.endpoint(name, name)
    (model,) = (lab.account.state / "endpoints" / name).iterdir()
    (model / "crash").touch()  # running containers have read their model; new ones crash
    client = track(lab, name, 300)
    with load(lab, name, 30) as requests:
        failed = lab.when(
            lambda: [
                one
                for one in client.describe_scaling_activities(**target(name))["ScalingActivities"]
                if one["StatusCode"] == "Failed"
            ],
            bool,
            60,
        )
        time.sleep(1)
    assert requests.errors == []
    assert failed[-1]["StatusMessage"].startswith("Failed to set desired instance count to ")
    assert "did not pass the ping health check" in failed[-1]["Details"]
    (model / "crash").unlink()
    client.deregister_scalable_target(**target(name))
    lab.when(lambda: counts(lab, name), lambda now: now[2] == "InService")
    assert counts(lab, name)[:2] == (1, 1)
    lab.delete_endpoint(name)
