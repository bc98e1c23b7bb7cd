"""Releases under a steady load: a bad one is rolled back, a good one fails no request.

Nor does a kill or autoscaling disturb them.
"""

import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab
from tests.local_account.services.sagemaker.scaling_lab import counts, target, track

pytestmark = pytest.mark.docker

CALLERS, PER_SECOND = 8, 100.0
PERIOD = 10
"""Of the alarms, in seconds: shorter than the metrics' on AWS (60), so that the test is quick."""
BAKE = 60

OLD, NEW, FAILED = "old fleet", "new fleet", "error of the new fleet"


class Load:
    """Requests at a fixed rate without retries, with who answered each."""

    def __init__(self, lab: SageMakerLab, name: str) -> None:
        self._lab, self._name = lab, name
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answers: list[tuple[float, str]] = []

    def count(self, who: str) -> int:
        return self.seen[who]

    def wait_for(self, who: str, more: int) -> None:
        """Wait until so many more answers have come from there."""
        enough = self.count(who) + more
        self._lab.when(lambda: self.count(who), lambda count: count >= enough)

    @property
    def seen(self) -> Counter[str]:
        with self._lock:
            return Counter(who for _, who in self.answers)

    def spread(self, who: str) -> float:
        """Return the seconds between the first and the last answer."""
        times = [when for when, one in self.answers if one == who]
        return max(times) - min(times)

    def _call(self) -> None:
        runtime = self._lab.account.client("sagemaker-runtime", read_timeout=30)
        while not self._over.wait(CALLERS / PER_SECOND):
            try:
                answer = runtime.invoke_endpoint(EndpointName=self._name, Body=b"x")["Body"].read()
                who = {b"x": OLD, b"[x]": NEW}[answer]
            except runtime.exceptions.ModelError as error:
                who = FAILED if error.response["OriginalStatusCode"] == 500 else str(error)
            except Exception as error:
                who = repr(error)
            with self._lock:
                self.answers.append((time.monotonic(), who))

    @contextmanager
    def running(self) -> Iterator[None]:
        callers = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            self._over.set()
            for caller in callers:
                caller.join()


@pytest.fixture(scope="module")
def models(image_lab: SageMakerLab) -> SageMakerLab:
    """A model that serves, and three that could follow it: a good one, one that fails, and a slow one."""
    environments: dict[str, dict[str, str]] = {
        "steady": {},
        "good": {"BRACKETS": "1"},
        "failing": {"REFUSE": "x", "STATUS": "500"},
        "slow": {"BRACKETS": "1", "SLOW": "0.5"},
    }
    for name, environment in environments.items():
        image_lab.model(name, **environment)
        image_lab.config(name, {"ModelName": name, "InitialInstanceCount": 2})
    return image_lab


@pytest.fixture
def endpoint(models: SageMakerLab) -> Iterator[str]:
    """Two instances of the model that serves, and alarms, which metrics of another endpoint would set off."""
    name = f"released-{uuid.uuid4().hex[:8]}"
    assert models.endpoint(name, "steady")["EndpointStatus"] == "InService"
    for alarm, metric, statistic, threshold in (
        ("errors", "Invocation5XXErrors", "Sum", 5),
        ("latency", "ModelLatency", "Average", 150_000),
    ):
        models.alarm(f"{name}-{alarm}", name, metric, Statistic=statistic, Period=PERIOD, Threshold=threshold)
    yield name
    models.cloudwatch.delete_alarms(AlarmNames=[f"{name}-errors", f"{name}-latency"])
    models.delete_endpoint(name)


def release(
    lab: SageMakerLab, endpoint: str, config: str, *, bake: int, routing: dict[str, Any] | None = None
) -> None:
    """Update the endpoint; by default with a canary of one of two instances."""
    canary = {"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}
    lab.sagemaker.update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName=config,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {**(routing or canary), "WaitIntervalInSeconds": bake},
                "TerminationWaitInSeconds": min(bake, 2),
                "MaximumExecutionTimeoutInSeconds": 600,
            },
            "AutoRollbackConfiguration": {
                "Alarms": [{"AlarmName": f"{endpoint}-errors"}, {"AlarmName": f"{endpoint}-latency"}]
            },
        },
    )


def kill_one(lab: SageMakerLab, endpoint: str) -> None:
    """Kill the oldest container of an endpoint, as a fault of its machine would."""
    own = [one for one in lab.containers if f"endpoint-{endpoint}" in one.labels.values()]
    min(own, key=lambda one: one.attrs["Created"]).kill()


@pytest.mark.parametrize(
    ("config", "killed"),
    [("failing", False), ("failing", True), ("slow", False)],
    ids=["failing", "failing-and-a-kill", "slow"],
)
def test_a_bad_canary_is_rolled_back_and_only_its_own_answers_are_bad(
    models: SageMakerLab, endpoint: str, config: str, killed: bool
) -> None:
    alarm, bad = {"failing": ("errors", FAILED), "slow": ("latency", NEW)}[config]
    load = Load(models, endpoint)
    with load.running():
        load.wait_for(OLD, 50)
        release(models, endpoint, config, bake=BAKE)
        load.wait_for(bad, 1)
        if killed:
            kill_one(models, endpoint)
        (variant,) = models.sagemaker.describe_endpoint(EndpointName=endpoint)["PendingDeploymentSummary"][
            "ProductionVariants"
        ]
        settled = models.settled(endpoint)
        before = load.count(bad)
        load.wait_for(OLD, 100)
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", "steady")
    assert settled["FailureReason"].endswith(f"in ALARM: {endpoint}-{alarm}")
    assert set(load.seen) == {OLD, bad}
    assert load.count(bad) == before, "the old fleet serves alone"
    assert load.spread(bad) <= 2 * PERIOD
    (status,) = variant["VariantStatus"]
    assert (status["Status"], variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (
        "Baking",
        1,
        2,
    )
    assert status["StatusMessage"] == (
        f"Baking for {BAKE} seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of "
        "1 instance(s)."
    )


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "a-kill"])
def test_a_good_release_fails_no_request(models: SageMakerLab, endpoint: str, killed: bool) -> None:
    load = Load(models, endpoint)
    linear = {"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 30}}
    with load.running():
        load.wait_for(OLD, 50)
        release(models, endpoint, "good", bake=2, routing=linear)
        load.wait_for(NEW, 1)
        if killed:
            kill_one(models, endpoint)
        settled = models.settled(endpoint)
        before = load.count(OLD)
        load.wait_for(NEW, 100)
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", "good")
    assert "FailureReason" not in settled
    assert set(load.seen) == {OLD, NEW}
    assert load.count(OLD) == before, "the new fleet serves alone"
    assert settled["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == {
        **linear,
        "WaitIntervalInSeconds": 2,
    }


def test_a_bad_canary_is_rolled_back_after_a_kill_of_the_account(models: SageMakerLab, endpoint: str) -> None:
    load = Load(models, endpoint)
    with load.running():
        load.wait_for(OLD, 50)
        release(models, endpoint, "failing", bake=BAKE)
        load.wait_for(FAILED, 1)
    models.account.stop(signal.SIGKILL)
    models.account.start()
    models.when(
        lambda: models.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0],
        lambda variant: variant["CurrentInstanceCount"] == 2,
    )
    again = Load(models, endpoint)
    with again.running():
        settled = models.settled(endpoint)
        again.wait_for(OLD, 100)
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", "steady")
    assert settled["FailureReason"].endswith(f"in ALARM: {endpoint}-errors")
    assert set(load.seen) == {OLD, FAILED}
    assert set(again.seen) <= {OLD, FAILED}


@contextmanager
def scaled(lab: SageMakerLab, endpoint: str) -> Iterator[Any]:
    """Between two and four instances; the load of these tests is far above the target."""
    client = track(lab, endpoint, 60 * PER_SECOND / 8, fewest=2, most=4, out=1, back=600)
    yield lambda: client.describe_scaling_activities(**target(endpoint))["ScalingActivities"]
    client.deregister_scalable_target(**target(endpoint))


def test_a_bad_canary_is_rolled_back_while_autoscaling_wants_more_instances(
    models: SageMakerLab, endpoint: str
) -> None:
    load = Load(models, endpoint)
    with load.running():
        load.wait_for(OLD, 50)
        release(models, endpoint, "failing", bake=BAKE)
        with scaled(models, endpoint) as activities:
            load.wait_for(FAILED, 1)
            settled = models.settled(endpoint)
            before = load.count(FAILED)
            models.when(lambda: counts(models, endpoint), lambda now: now == (4, 4, "InService"), 300)
            load.wait_for(OLD, 200)
            found = activities()
    assert settled["EndpointConfigName"] == "steady"
    # The scaling that follows at once clears FailureReason.
    history = models.cloudwatch.describe_alarm_history(AlarmName=f"{endpoint}-errors")["AlarmHistoryItems"]
    assert any(one["HistorySummary"].endswith("to ALARM") for one in history)
    assert set(load.seen) == {OLD, FAILED}
    assert load.count(FAILED) == before, "the new instances are of the old fleet's kind"
    assert found[0]["StatusCode"] == "Successful"


def test_a_good_release_fails_no_request_while_the_endpoint_scales(
    models: SageMakerLab, endpoint: str
) -> None:
    load = Load(models, endpoint)
    with load.running(), scaled(models, endpoint) as activities:
        models.when(activities, bool, 300)
        refused: list[str] = []

        def released() -> bool:
            try:
                release(models, endpoint, "good", bake=2)
            except ClientError as error:
                refused.append(str(error))
                return False
            return True

        models.when(released, bool, 300)
        settled = models.settled(endpoint)
        models.when(lambda: counts(models, endpoint), lambda now: now == (4, 4, "InService"), 300)
        load.wait_for(NEW, 200)
    assert settled["EndpointConfigName"] == "good"
    assert set(load.seen) == {OLD, NEW}
    assert all("Cannot update in-progress endpoint" in one for one in refused)
