"""What an endpoint needs before and while its containers change: images, model data, traffic shifts.

Refuses (CreateEndpoint, UpdateEndpoint): rolling updates (`RollingUpdatePolicy`); blue/green deployments with
their traffic shifting and alarms are carried out.

Differs from AWS: with `ALL_AT_ONCE`, the alarms watch for `WaitIntervalInSeconds` and then for
`TerminationWaitInSeconds`; AWS documents the former as the time between steps, and `ALL_AT_ONCE` has one.

Differs from AWS (UpdateEndpoint): after a rollback, `FailureReason` says why until the next update. On AWS it
may be empty: its documentation knows it for endpoints that have failed only. Source:
github.com/aws-controllers-k8s/sagemaker-controller issue 7, github.com/hashicorp/terraform-provider-aws
issues 39099 and 48997.
"""

from __future__ import annotations

import math
import shutil
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_account.services.sagemaker import images
from local_account.services.sagemaker.archives import unpack_model
from local_account.services.sagemaker.fleets import DeploymentError, Fleet, Routes
from local_account.services.sagemaker.records import DeploymentStage
from local_account.services.sagemaker.resources import invalid, refuse_unsupported
from local_account.services.sagemaker.s3_data import split

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sagemaker.literals import VariantStatusType
    from mypy_boto3_sagemaker.type_defs import DeploymentConfigUnionTypeDef, TrafficRoutingConfigTypeDef

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.records import VariantSpec

_ALARM_SECONDS = 1.0
_EVERYTHING_AT_ONCE: TrafficRoutingConfigTypeDef = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
_LARGEST_STEP, _SMALLEST_LINEAR_STEP = 0.5, 0.1


def endpoint_directory(account: Account, endpoint: str) -> Path:
    """Return the directory with the unpacked models of an endpoint."""
    return account.config.state_dir / "endpoints" / endpoint


def prepare(account: Account, endpoint: str, specs: list[VariantSpec]) -> None:
    """Pull the images and unpack the model data of variants, unless that is done already.

    Raises DeploymentError with SageMaker's own words for what is missing.
    """
    for spec in specs:
        if not spec["image"]:
            spec["image"] = _resolve(account, spec, spec["specified_image"])
            spec["resolved_at"] = account.now()
        try:
            images.pull(account, spec["image"], spec["role_arn"])
        except images.PullDenied as error:
            raise DeploymentError(str(error)) from error
        except images.ImageError as error:
            raise _image_missing(spec, error) from error
        except images.EngineError as error:
            raise DeploymentError(str(error), lost_engine=True) from error
        if spec["model_data_url"] and not (spec["model_dir"] and Path(spec["model_dir"]).is_dir()):
            target = endpoint_directory(account, endpoint) / uuid.uuid4().hex[:12]
            _fetch_model(account, spec, target)
            spec["model_dir"] = str(target)


def check_sources(account: Account, spec: VariantSpec) -> None:
    """Raise DeploymentError if a new instance could not get the variant's image or model data.

    What the engine and this disk still have of them is no help to a new instance on AWS.
    """
    _resolve(account, spec, spec["image"])
    if url := spec["model_data_url"]:
        bucket, key = split(url)
        try:
            account.client("s3", spec["role_arn"]).head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise _data_missing(url) from error


def _resolve(account: Account, spec: VariantSpec, image: str) -> str:
    try:
        return images.resolve(account, image)
    except images.ImageError as error:
        raise _image_missing(spec, error) from error


def _image_missing(spec: VariantSpec, error: images.ImageError) -> DeploymentError:
    return DeploymentError(
        f"Please make sure all images included in the model for the production variant {spec['name']} exist, "
        f"and that the execution role used to create the model has permissions to access them. {error}"
    )


def _data_missing(url: str) -> DeploymentError:
    return DeploymentError(
        f'Failed to download model data for container "container_1" from URL: "{url}". Please ensure that '
        "there is an object located at the URL and that the role passed to CreateModel has permissions to "
        "download the object."
    )


def _fetch_model(account: Account, spec: VariantSpec, target: Path) -> None:
    url = spec["model_data_url"] or ""
    bucket, key = split(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        body = account.client("s3", spec["role_arn"]).get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        raise _data_missing(url) from error
    with tempfile.TemporaryFile(dir=target.parent) as archive:
        shutil.copyfileobj(body, archive)
        archive.seek(0)
        try:
            unpack_model(archive, target)
        except (tarfile.TarError, EOFError, OSError) as error:
            shutil.rmtree(target, ignore_errors=True)
            raise DeploymentError(
                f'Failed to extract model data archive for container "container_1" from URL "{url}". Please '
                f"ensure that the object located at the URL is a valid tar.gz archive. ({error})"
            ) from error


def remove_other_models(account: Account, endpoint: str, specs: list[VariantSpec]) -> None:
    """Delete unpacked models that no variant uses any more."""
    used = {spec["model_dir"] for spec in specs}
    directory = endpoint_directory(account, endpoint)
    for path in directory.iterdir() if directory.is_dir() else ():
        if str(path) not in used:
            shutil.rmtree(path, ignore_errors=True)


def check_deployment_config(
    config: DeploymentConfigUnionTypeDef | None, specs: Iterable[VariantSpec]
) -> None:
    """Refuse a DeploymentConfig that AWS's documentation forbids for these variants, or an unsupported one.

    Raises ServiceError ValidationException for a canary of more than half of the instances, for linear steps
    outside 10 to 50 percent, for either without its size, and for a timeout that the waits alone reach
    (TrafficRoutingConfig, BlueGreenUpdatePolicy); UnsupportedOperation for rolling updates. AWS's own words
    are not documented.
    """
    config = config or {}
    refuse_unsupported(config, ("RollingUpdatePolicy",))
    policy = config.get("BlueGreenUpdatePolicy")
    if not policy:
        return
    routing = policy["TrafficRoutingConfiguration"]
    instances = sum(spec["count"] for spec in specs if not spec.get("shadow"))
    kind = routing["Type"]
    if kind != "ALL_AT_ONCE":
        member = "CanarySize" if kind == "CANARY" else "LinearStepSize"
        least, bounds = (0.0, "at most 50%") if kind == "CANARY" else (_SMALLEST_LINEAR_STEP, "10-50%")
        share = _share(routing, instances)
        if share is None:
            raise invalid(f"{member} is required for traffic routing of type {kind}.")
        if not least <= share <= _LARGEST_STEP:
            raise invalid(
                f"{member} must be {bounds} of the variant's total instance count, but is {share:.0%} of "
                f"{instances} instance(s)."
            )
    waits = sum(_waits(routing, len(traffic_steps(routing, instances))))
    waits += policy.get("TerminationWaitInSeconds", 0)
    timeout = policy.get("MaximumExecutionTimeoutInSeconds")
    if timeout is not None and timeout <= waits:
        raise invalid(
            f"MaximumExecutionTimeoutInSeconds ({timeout}) must be larger than the total waiting time "
            f"specified in TerminationWaitInSeconds and WaitIntervalInSeconds ({waits})."
        )


def traffic_steps(policy: TrafficRoutingConfigTypeDef, instances: int) -> list[float]:
    """Return the shares of the traffic that go to the new fleet, step by step.

    ``policy`` is a TrafficRoutingConfig; ``instances`` is the number of instances in the new fleet.

    >>> traffic_steps({"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40}}, 5)
    [0.4, 0.8, 1.0]
    """
    share = _share(policy, instances)
    if share is None or share >= 1:
        return [1.0]
    if policy["Type"] == "CANARY":
        return [share, 1.0]
    return [round(step * share, 6) for step in range(1, math.ceil(1 / share))] + [1.0]


def _share(policy: TrafficRoutingConfigTypeDef, instances: int) -> float | None:
    """Return the share of the first step; None for everything at once, or if the size is missing."""
    kind = policy.get("Type", "ALL_AT_ONCE")
    if kind == "ALL_AT_ONCE":
        return None
    size = policy.get("CanarySize") if kind == "CANARY" else policy.get("LinearStepSize")
    return size["Value"] / (instances if size["Type"] == "INSTANCE_COUNT" else 100) if size else None


def _waits(policy: TrafficRoutingConfigTypeDef, steps: int) -> list[int]:
    """Return how many seconds pass after each step: the interval lies between steps."""
    interval = policy.get("WaitIntervalInSeconds", 0)
    return [interval] if steps == 1 else [interval] * (steps - 1) + [0]


def _names(fleet: Fleet) -> set[str]:
    return {variant.spec["name"] for variant in fleet.production}


class Deployment:
    """The traffic of an endpoint on its way from the blue to the green fleet.

    ``report`` hears of each stage (VariantStatus). MaximumExecutionTimeoutInSeconds counts from ``began``.
    """

    def __init__(
        self,
        account: Account,
        endpoint: str,
        config: DeploymentConfigUnionTypeDef,
        *,
        report: Callable[[DeploymentStage], None],
        began: datetime,
    ) -> None:
        policy, rollback = config.get("BlueGreenUpdatePolicy"), config.get("AutoRollbackConfiguration")
        self._account = account
        self._endpoint = endpoint
        self._routing = policy["TrafficRoutingConfiguration"] if policy else _EVERYTHING_AT_ONCE
        self._termination = policy.get("TerminationWaitInSeconds", 0) if policy else 0
        self._timeout = policy.get("MaximumExecutionTimeoutInSeconds") if policy else None
        self._alarms = [alarm["AlarmName"] for alarm in (rollback.get("Alarms", []) if rollback else [])]
        self._roles: list[str] = []
        self._report = report
        self._began = began

    def launching(self, instances: int) -> None:
        """Report that the green fleet starts."""
        self._enter("Creating", f"Launching {instances} instance(s).", 0.0)

    def shift(self, blue: Fleet, green: Fleet) -> None:
        """Shift the traffic by DeploymentConfig ("Blue/Green Deployments"); the blue fleet may end then.

        A fleet with other variants gets all traffic at once, without a baking period ("Exclusions").
        Raises DeploymentError, after shifting all traffic back, if one of the alarms goes off, if the time is
        up, or if an execution role of the models is not allowed to look at the alarms ("Auto-Rollback
        Configuration and Monitoring").
        """
        routes = Routes.of(self._account)
        try:
            self._shift(routes, blue, green)
        except BaseException:
            routes.set(self._endpoint, blue)  # whatever happened, no request goes to a fleet that ends
            raise
        routes.set(self._endpoint, green)

    def _shift(self, routes: Routes, blue: Fleet, green: Fleet) -> None:
        self._roles = sorted({variant.spec["role_arn"] for variant in green.variants.values()})
        instances = sum(len(variant.instances) for variant in green.production)
        guarded = _names(blue) == _names(green)
        routing, termination = (self._routing, self._termination) if guarded else (_EVERYTHING_AT_ONCE, 0)
        self._check_time()
        self._check_alarms()  # no request goes to a fleet that could not be taken back
        steps = traffic_steps(routing, instances)
        for share, wait in zip(steps, _waits(routing, len(steps)), strict=True):
            kind = "full" if share == 1 else routing["Type"].lower()
            capacity = f"{kind} capacity of {math.ceil(share * instances)} instance(s)."
            self._enter("ActivatingTraffic", f"Activating traffic on {capacity}", share)
            routes.set(self._endpoint, blue, green, share)
            self._bake(wait, "WaitIntervalInSeconds", capacity, share)
        self._bake(termination, "TerminationWaitInSeconds", capacity, 1.0)

    def _bake(self, seconds: int, member: str, capacity: str, share: float) -> None:
        if seconds:
            message = f"Baking for {seconds} seconds ({member}) with traffic enabled on {capacity}"
            self._enter("Baking", message, share)
        end = time.monotonic() + seconds
        while True:
            self._check_alarms()
            left = end - time.monotonic()
            if left <= 0 or self._account.tasks.stopping.wait(min(left, _ALARM_SECONDS)):
                return
            self._check_time()

    def _enter(self, status: VariantStatusType, message: str, share: float) -> None:
        self._report({"status": status, "message": message, "since": self._account.now(), "share": share})

    def _check_time(self) -> None:
        spent = (self._account.now() - self._began).total_seconds()
        if self._timeout is not None and spent > self._timeout:
            raise DeploymentError(
                f"The deployment was rolled back because it did not complete within {self._timeout} seconds "
                "(MaximumExecutionTimeoutInSeconds)"
            )

    def _check_alarms(self) -> None:
        """Raise DeploymentError if an alarm is in ALARM, or if a role may not see them."""
        fired: list[str] = []
        for role in self._roles if self._alarms else ():
            try:
                answer = self._account.client("cloudwatch", role).describe_alarms(AlarmNames=self._alarms)
            except ClientError as error:
                raise DeploymentError(
                    f"The execution role {role} cannot monitor the auto-rollback alarms "
                    f"{', '.join(self._alarms)}: {error.response['Error']['Message']}"
                ) from error
            fired += [one["AlarmName"] for one in answer["MetricAlarms"] if one["StateValue"] == "ALARM"]
        if fired:
            names = ", ".join(dict.fromkeys(fired))
            raise DeploymentError(
                f"The deployment was rolled back because these alarms are in ALARM: {names}"
            )
