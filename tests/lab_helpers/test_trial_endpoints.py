"""The endpoint of notebook 06: what guards its releases, how they are read, and what is removed of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers import safe_releases
from lab_helpers.safe_releases import Endpoint, ReleaseError
from local_account.services.sagemaker import deployments
from tests.lab_helpers import fakes
from tests.lab_helpers.fakes import START

ARN = "arn:aws:sagemaker:us-east-1:123456789012:thing/x"
NAME = "iris-model-safe-0a1b2c"


def endpoint(tmp_path: Path, **clients: Any) -> Endpoint:
    return Endpoint(fakes.lab(tmp_path, **clients), "0a1b2c", "image@sha256:1", "ml.m5.large", 2)


def described(status: str, config: str = "good", **more: Any) -> dict[str, Any]:
    return {
        "EndpointName": NAME,
        "EndpointArn": ARN,
        "EndpointConfigName": f"{NAME}-{config}",
        "EndpointStatus": status,
        "CreationTime": START,
        "LastModifiedTime": START,
        **more,
    }


def states(*found: dict[str, Any]) -> fakes.FakeClient:
    """SageMaker, whose endpoint is in these states one after the other."""
    left = list(found)
    return fakes.FakeClient(
        "sagemaker", describe_endpoint=lambda EndpointName: left.pop(0) if len(left) > 1 else left[0]
    )


def test_a_release_that_serves_and_one_that_was_rolled_back_have_the_same_status(tmp_path: Path) -> None:
    reason = f"these alarms are in ALARM: {NAME}-wrong-answers"
    pending = {
        "EndpointConfigName": f"{NAME}-bad",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "VariantStatus": [{"Status": "Baking", "StatusMessage": "Baking for 600 seconds"}],
            }
        ],
    }
    good = safe_releases.follow(
        endpoint(tmp_path, sagemaker=states(described("Updating"), described("InService"))),
        sleep=lambda _: None,
    )
    bad = safe_releases.follow(
        endpoint(
            tmp_path,
            sagemaker=states(
                described("Updating", PendingDeploymentSummary=pending),
                described("InService", FailureReason=reason),
            ),
        ),
        sleep=lambda _: None,
    )

    assert good.status == bad.status == "InService"
    assert (good.rolled_back, bad.rolled_back) == (False, True)
    assert bad.serves == f"{NAME}-good"
    assert bad.failure == reason


@pytest.mark.parametrize(
    ("state", "said"),
    [("ALARM", f"in ALARM: {NAME}-wrong-answers"), ("OK", "no alarm is on any more: look at their history")],
)
def test_a_rollback_without_a_reason_is_told_by_what_was_to_serve_and_by_the_alarms(
    tmp_path: Path, state: str, said: str
) -> None:
    """Reports differ on whether SageMaker gives a FailureReason then."""
    sagemaker = states(
        described(
            "Updating",
            PendingDeploymentSummary={
                "EndpointConfigName": f"{NAME}-bad",
                "ProductionVariants": [{"VariantName": "AllTraffic"}],
            },
        ),
        described("Updating"),
        described("InService"),
    )
    alarms = [{"AlarmName": f"{NAME}-wrong-answers", "StateValue": state}]
    cloudwatch = fakes.FakeClient("cloudwatch", describe_alarms=lambda **_: {"MetricAlarms": alarms})

    outcome = safe_releases.follow(
        endpoint(tmp_path, sagemaker=sagemaker, cloudwatch=cloudwatch), sleep=lambda _: None
    )

    assert outcome.rolled_back
    assert outcome.serves == f"{NAME}-good"
    assert outcome.failure == f"{NAME}-bad was rolled back, and SageMaker gives no reason; {said}"


def test_each_stage_of_a_release_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def pending(message: str) -> dict[str, Any]:
        status = {"Status": "Baking", "StatusMessage": message}
        variant = {"VariantName": "AllTraffic", "VariantStatus": [status]}
        summary = {"EndpointConfigName": f"{NAME}-bad", "ProductionVariants": [variant]}
        return described("Updating", PendingDeploymentSummary=summary)

    client = states(pending("Launching"), pending("Baking for 3 seconds"), described("InService", "bad"))
    safe_releases.follow(endpoint(tmp_path, sagemaker=client), sleep=lambda _: None)

    shown = capsys.readouterr().out
    assert shown.index("Launching") < shown.index("Baking for 3 seconds") < shown.index("InService")


def test_an_endpoint_that_failed_says_why(tmp_path: Path) -> None:
    client = states(described("Failed", FailureReason="no such image"))
    with pytest.raises(ReleaseError, match="no such image"):
        safe_releases.follow(endpoint(tmp_path, sagemaker=client))


def test_the_alarms_look_at_whole_minutes_of_the_endpoints_own_variant(tmp_path: Path) -> None:
    made: list[dict[str, Any]] = []

    def put(**given: Any) -> dict[str, Any]:
        made.append(given)
        return {}

    one = endpoint(tmp_path, cloudwatch=fakes.FakeClient("cloudwatch", put_metric_alarm=put))
    names = safe_releases.watch(one, server_errors=5, milliseconds=500, wrong=0.12)

    assert names == [f"{NAME}-{what}" for what in ("server-errors", "model-latency", "wrong-answers")]
    assert {given["Period"] for given in made} == {60}
    assert {given["TreatMissingData"] for given in made} == {"notBreaching"}
    assert [given["Threshold"] for given in made] == [5, 500_000, 0.12]
    assert [given.get("Statistic") or given["ExtendedStatistic"] for given in made] == [
        "Sum",
        "p90",
        "Average",
    ]
    for given in made:
        values = {one["Name"]: one["Value"] for one in given["Dimensions"]}
        assert values == {"EndpointName": NAME, "VariantName": "AllTraffic"}
        assert {tag["Key"] for tag in given["Tags"]} == {"mlops-workshop:lab", "mlops-workshop:expires"}


@pytest.mark.parametrize("routing", [safe_releases.canary(50), safe_releases.linear(50)])
@pytest.mark.parametrize("bake", [0, 3, 600, 3600])
def test_a_guarded_deployment_is_one_that_sagemaker_takes(routing: Any, bake: int) -> None:
    spec: Any = {"name": "AllTraffic", "count": 2}
    config = safe_releases.guarded(routing, ["alarm"], bake_seconds=bake)

    deployments.check_deployment_config(config, [spec])  # raises, if its waits take longer than its time
    assert config["AutoRollbackConfiguration"]["Alarms"] == [{"AlarmName": "alarm"}]
    policy = config["BlueGreenUpdatePolicy"]
    assert 600 <= policy["MaximumExecutionTimeoutInSeconds"] <= 28_800, "BlueGreenUpdatePolicy, valid range"
    assert policy["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] == bake
    assert policy["TerminationWaitInSeconds"] == bake


class Account:
    """What notebook 06 has left in an account, and what is deleted of it."""

    def __init__(self, statuses: Sequence[str], others: Sequence[str] = ()) -> None:
        self.statuses, self.others = list(statuses), list(others)
        self.done: list[str] = []

        def did(what: str) -> fakes.Handler:
            def call(**given: Any) -> dict[str, Any]:
                self.done.append(f"{what} {next(iter(given.values()))}")
                if what == "delete_endpoint":
                    self.statuses = ["Deleting"]
                return {}

            return call

        names = [NAME, *self.others]
        self.sagemaker = fakes.FakeClient(
            "sagemaker",
            list_endpoints=lambda NameContains: {"Endpoints": self._endpoints()},
            delete_endpoint=did("delete_endpoint"),
            list_endpoint_configs=lambda NameContains: {
                "EndpointConfigs": [
                    {"EndpointConfigName": f"{n}-good", "EndpointConfigArn": ARN, "CreationTime": START}
                    for n in names
                ]
            },
            delete_endpoint_config=did("delete_endpoint_config"),
            list_models=lambda NameContains: {
                "Models": [{"ModelName": f"{n}-good", "ModelArn": ARN, "CreationTime": START} for n in names]
            },
            delete_model=did("delete_model"),
        )
        self.cloudwatch = fakes.FakeClient(
            "cloudwatch",
            describe_alarms=lambda AlarmNamePrefix: {
                "MetricAlarms": [{"AlarmName": f"{NAME}-server-errors"}]
                if NAME.startswith(AlarmNamePrefix.rstrip("-")) or AlarmNamePrefix.startswith(NAME)
                else []
            },
            set_alarm_state=did("set_alarm_state"),
            delete_alarms=did("delete_alarms"),
        )
        self.s3 = fakes.FakeClient(
            "s3",
            list_objects_v2=lambda Bucket, Prefix: {"Contents": [{"Key": f"{Prefix}x"}]},
            delete_object=lambda Bucket, Key: did("delete_object")(Key=Key),
        )

    def _endpoints(self) -> list[dict[str, Any]]:
        own = [(NAME, self.statuses[0])] if self.statuses else []
        self.statuses = self.statuses[1:] or ([] if self.statuses == ["Deleting"] else self.statuses)
        return [
            {
                "EndpointName": name,
                "EndpointArn": ARN,
                "EndpointStatus": status,
                "CreationTime": START,
                "LastModifiedTime": START,
            }
            for name, status in [*own, *((name, "InService") for name in self.others)]
        ]

    def remove(self, tmp_path: Path, number: str = "") -> list[str]:
        lab = fakes.lab(tmp_path, sagemaker=self.sagemaker, cloudwatch=self.cloudwatch, s3=self.s3)
        return safe_releases.remove(lab, number, sleep=lambda _: None)


def test_everything_that_a_run_has_made_is_removed_and_nothing_of_another_lab(tmp_path: Path) -> None:
    account = Account(["InService", "InService"], others=["bea-iris-model-safe-ffffff"])

    assert account.remove(tmp_path) == [NAME]
    assert account.done == [
        f"delete_endpoint {NAME}",
        f"delete_endpoint_config {NAME}-good",
        f"delete_model {NAME}-good",
        f"delete_alarms {[f'{NAME}-server-errors']}",
        "delete_object monitoring/candidates/x",
        "delete_object monitoring/capture/iris-model-safe-x",
    ]


def test_a_drill_removes_its_own_endpoint_and_leaves_that_of_the_lesson(tmp_path: Path) -> None:
    account, number = Account(["InService", "InService"], others=["iris-model-safe-lesson"]), NAME[-6:]

    assert account.remove(tmp_path, number) == [NAME]
    assert not [one for one in account.done if "lesson" in one]
    assert account.done[-2:] == [
        f"delete_object monitoring/candidates/{number}x",
        f"delete_object monitoring/capture/{NAME}x",
    ]


def test_an_alarm_is_set_off_until_a_release_that_is_under_way_has_stopped(tmp_path: Path) -> None:
    """CloudWatch gives an alarm its own state back within seconds: SageMaker may not have looked by then."""
    account = Account(["InService", "Updating", "Updating", "RollingBack", "InService", "InService"])

    assert account.remove(tmp_path) == [NAME]
    set_off = f"set_alarm_state {NAME}-server-errors"
    assert account.done[:3] == [set_off, set_off, f"delete_endpoint {NAME}"]


def test_without_an_endpoint_what_an_interruption_has_left_is_removed_all_the_same(tmp_path: Path) -> None:
    account = Account([])

    assert account.remove(tmp_path) == []
    assert f"delete_model {NAME}-good" in account.done


def test_an_endpoint_that_stays_is_named(tmp_path: Path) -> None:
    account = Account(["Creating"] * 5)
    lab = fakes.lab(tmp_path, sagemaker=account.sagemaker, cloudwatch=account.cloudwatch, s3=account.s3)
    with pytest.raises(ReleaseError, match=rf"{NAME} \(Creating\)"):
        safe_releases.remove(lab, sleep=lambda _: None, timeout=-1)


# --- a cell that is run again


class Again:
    """An account in which a cell has begun a release before, and was interrupted."""

    def __init__(self, status: str, config: str, firing: int = 0) -> None:
        self.done: list[str] = []
        self.status, self.config, self._firing = status, config, firing
        self._sagemaker = fakes.FakeClient(
            "sagemaker",
            describe_endpoint=lambda EndpointName: self._described(),
            update_endpoint=self._update,
            create_model=self._refuse("CreateModel", f'Cannot create already existing model "{ARN}".'),
            create_endpoint_config=self._refuse(
                "CreateEndpointConfig", f'Cannot create already existing endpoint configuration "{ARN}".'
            ),
        )
        self._cloudwatch = fakes.FakeClient(
            "cloudwatch", describe_alarms=self._alarms, set_alarm_state=self._set
        )
        self._scaling = fakes.FakeClient(
            "application-autoscaling",
            deregister_scalable_target=self._refuse("DeregisterScalableTarget", "No scalable target found"),
        )

    def endpoint(self, tmp_path: Path) -> Endpoint:
        clients = {"application-autoscaling": self._scaling}
        return endpoint(tmp_path, sagemaker=self._sagemaker, cloudwatch=self._cloudwatch, **clients)

    def _described(self) -> dict[str, Any]:
        now = self.status
        if now == "Updating" and self.done.count("stopped") > 1:  # SageMaker has missed the first
            self.status = "InService"
        return described(now, self.config)

    def _update(self, **given: Any) -> dict[str, Any]:
        assert self.status == "InService", "SageMaker refuses to update an endpoint that is being updated"
        self.config = given["EndpointConfigName"].removeprefix(f"{NAME}-")
        self.done.append(f"update {self.config}")
        return {"EndpointArn": ARN}

    def _alarms(self, **given: Any) -> dict[str, Any]:
        found = {"MetricAlarms": [{"AlarmName": f"{NAME}-wrong-answers"}]}
        if "StateValue" not in given:
            return found
        self._firing -= 1
        return found if self._firing >= 0 else {"MetricAlarms": []}

    def _set(self, **given: Any) -> dict[str, Any]:
        assert given["StateValue"] == "ALARM"
        self.done.append("stopped")
        return {}

    def _refuse(self, operation: str, message: str) -> fakes.Handler:
        code = "ObjectNotFoundException" if "found" in message else "ValidationException"

        def call(**_: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": code, "Message": message}}, operation)

        return call


def test_the_first_time_there_is_nothing_to_make_ready(tmp_path: Path) -> None:
    account = Again("InService", "good")
    safe_releases.ready(account.endpoint(tmp_path), f"{NAME}-good", ["alarm"])
    assert account.done == []


def test_a_release_that_was_interrupted_is_rolled_back_before_it_begins_again(tmp_path: Path) -> None:
    account = Again("Updating", "good", firing=3)
    naps: list[float] = []
    safe_releases.ready(account.endpoint(tmp_path), f"{NAME}-good", ["alarm"], sleep=naps.append)
    assert len(account.done) > 1
    assert set(account.done) == {"stopped"}
    assert len(naps) >= 3, "a release that begins while its alarm fires is rolled back at once"


def test_what_an_earlier_run_of_a_cell_has_released_is_replaced(tmp_path: Path) -> None:
    account = Again("InService", "bad")
    safe_releases.ready(account.endpoint(tmp_path), f"{NAME}-good", ["alarm"])
    assert account.done == ["update good"]


def test_an_alarm_that_never_ends_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_releases, "SETTLES", -1)
    account = Again("InService", "good", firing=10**6)
    with pytest.raises(ReleaseError, match=f"{NAME}-wrong-answers is still in ALARM"):
        safe_releases.ready(account.endpoint(tmp_path), f"{NAME}-good", ["alarm"])


def test_what_an_interrupted_cell_has_made_is_used(tmp_path: Path) -> None:
    plain = Again("InService", "good").endpoint(tmp_path)
    role = {"SAGEMAKER_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}
    one = replace(plain, lab=replace(plain.lab, settings={**plain.lab.settings, **role}))
    assert safe_releases.model(one, "bad", "s3://bucket/model.tar.gz") == f"{NAME}-bad"
    assert safe_releases.config(one, "bad", [safe_releases.variant(one, "m")]) == f"{NAME}-bad"
    safe_releases.unscale(one)


def test_what_is_left_is_told_apart_from_other_labs(tmp_path: Path) -> None:
    account = Account(["InService"], others=["bea-iris-model-safe-ffffff"])
    lab = fakes.lab(tmp_path, sagemaker=account.sagemaker)
    assert safe_releases.left(lab) == [NAME]
