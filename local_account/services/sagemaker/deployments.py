"""What an endpoint needs before and while its containers change: images, model data, traffic shifts.

Refuses (CreateEndpoint, UpdateEndpoint): rolling updates; blue/green deployments with their traffic shifting
and alarms are carried out.
"""

from __future__ import annotations

import math
import shutil
import tarfile
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_account.services.sagemaker import images
from local_account.services.sagemaker.archives import unpack_model
from local_account.services.sagemaker.fleets import DeploymentError, Fleet, Routes
from local_account.services.sagemaker.resources import refuse_unsupported
from local_account.services.sagemaker.s3_data import split

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DeploymentConfigUnionTypeDef, TrafficRoutingConfigTypeDef

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.records import VariantSpec

_ALARM_SECONDS = 1.0


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


def check_deployment_config(config: DeploymentConfigUnionTypeDef | None) -> None:
    """Raise ServiceError for parts of a DeploymentConfig that the local account does not support."""
    refuse_unsupported(config or {}, ("RollingUpdatePolicy",))


def traffic_steps(policy: TrafficRoutingConfigTypeDef, instances: int) -> list[float]:
    """Return the shares of the traffic that go to the new fleet, step by step.

    ``policy`` is a TrafficRoutingConfig; ``instances`` is the number of instances in the new fleet.

    >>> traffic_steps({"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 40}}, 5)
    [0.4, 0.8, 1.0]
    """
    kind = policy.get("Type", "ALL_AT_ONCE")
    if kind == "ALL_AT_ONCE":
        return [1.0]
    size = policy.get("CanarySize") if kind == "CANARY" else policy.get("LinearStepSize")
    if size is None:
        return [1.0]
    share = size["Value"] / (instances if size["Type"] == "INSTANCE_COUNT" else 100)
    if share >= 1:
        return [1.0]
    if kind == "CANARY":
        return [share, 1.0]
    return [round(step * share, 6) for step in range(1, math.ceil(1 / share))] + [1.0]


def shift_traffic(
    account: Account, endpoint: str, blue: Fleet, green: Fleet, config: DeploymentConfigUnionTypeDef
) -> None:
    """Shift the traffic from the blue to the green fleet by DeploymentConfig ("Blue/Green Deployments").

    Raises DeploymentError, after shifting all traffic back, if one of the alarms goes off, or if an execution
    role of the models is not allowed to look at them ("Auto-Rollback Configuration and Monitoring").
    """
    everything_at_once: TrafficRoutingConfigTypeDef = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    policy, rollback = config.get("BlueGreenUpdatePolicy"), config.get("AutoRollbackConfiguration")
    routing = policy["TrafficRoutingConfiguration"] if policy else everything_at_once
    alarms = [alarm["AlarmName"] for alarm in (rollback.get("Alarms", []) if rollback else [])]
    routes = Routes.of(account)
    roles = {variant.spec["role_arn"] for variant in green.variants.values()}
    watch = _Watch(account, alarms, roles)
    instances = sum(len(variant.instances) for variant in green.production)
    watch.fired()  # no request goes to a fleet that could not be taken back
    for share in traffic_steps(routing, instances):
        routes.set(endpoint, blue, green, share)
        try:
            fired = watch.bake(routing.get("WaitIntervalInSeconds", 0))
        except DeploymentError:
            routes.set(endpoint, blue)
            raise
        if fired:
            routes.set(endpoint, blue)
            raise DeploymentError(
                f"The deployment was rolled back because these alarms are in ALARM: {', '.join(fired)}"
            )
    routes.set(endpoint, green)


class _Watch:
    """The alarms of a deployment, seen with the permissions of the models' execution roles."""

    def __init__(self, account: Account, alarms: list[str], roles: set[str]) -> None:
        self._account = account
        self._alarms = alarms
        self._roles = sorted(roles)

    def bake(self, seconds: float) -> list[str]:
        """Watch the alarms for ``seconds``; return those in ALARM as soon as there are any."""
        end = time.monotonic() + seconds
        while not (fired := self.fired()):
            left = end - time.monotonic()
            if left <= 0 or self._account.tasks.stopping.wait(min(left, _ALARM_SECONDS)):
                break
        return fired

    def fired(self) -> list[str]:
        """Return the alarms in ALARM; raise DeploymentError if a role may not see them."""
        found: list[str] = []
        for role in self._roles if self._alarms else ():
            try:
                answer = self._account.client("cloudwatch", role).describe_alarms(AlarmNames=self._alarms)
            except ClientError as error:
                raise DeploymentError(
                    f"The execution role {role} cannot monitor the auto-rollback alarms "
                    f"{', '.join(self._alarms)}: {error.response['Error']['Message']}"
                ) from error
            found += [one["AlarmName"] for one in answer["MetricAlarms"] if one["StateValue"] == "ALARM"]
        return list(dict.fromkeys(found))
