"""Endpoints: the operations, and the work behind them.

Refuses (UpdateEndpointWeightsAndCapacities): `ServerlessUpdateConfig`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Unpack, cast

from local_account.foundation.containers import engine_errors
from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker import deployments, instance_quotas, scaled_variants
from local_account.services.sagemaker.data_capture import DataCapture, summary
from local_account.services.sagemaker.endpoint_configs import EndpointConfigs
from local_account.services.sagemaker.fleets import DeploymentError, Fleet, Routes
from local_account.services.sagemaker.instance_metrics import InstanceMetrics
from local_account.services.sagemaker.instances import Patience
from local_account.services.sagemaker.leftovers import when_engine_answers
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.models import PRINCIPAL, model_data_url, primary_container
from local_account.services.sagemaker.records import DeploymentStage, Endpoint, EndpointChanges, VariantSpec
from local_account.services.sagemaker.resources import (
    INTERNAL_ERROR,
    invalid,
    list_page,
    public,
    unsupported,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import EndpointStatusType
    from mypy_boto3_sagemaker.type_defs import (
        CreateEndpointInputTypeDef,
        DataCaptureConfigUnionTypeDef,
        DeleteEndpointInputTypeDef,
        DescribeEndpointInputTypeDef,
        ListEndpointsInputTypeDef,
        ProductionVariantStatusTypeDef,
        ProductionVariantSummaryTypeDef,
        UpdateEndpointInputTypeDef,
        UpdateEndpointWeightsAndCapacitiesInputTypeDef,
        VariantPropertyTypeDef,
    )

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

EVENT = "SageMaker Endpoint State Change"
DEPLOYMENT_EVENT = "SageMaker Endpoint Deployment State Change"
_REASON_LENGTH = 1024


class Endpoints(EndpointConfigs):
    """Endpoints with one container per instance of each production variant.

    ``startup_seconds`` is the time after which a container that does not answer ``GET /ping`` with 200 is
    given up, unless the variant has a ContainerStartupHealthCheckTimeoutInSeconds: eight minutes on AWS.
    A container that serves is pinged every ``health_seconds``.
    ``grace_seconds`` pass between SIGTERM and SIGKILL when a container that has served ends: 30 on AWS.
    The containers' CPU and memory metrics go to CloudWatch every ``metrics_seconds``: 60 on AWS.
    """

    startup_seconds = 480.0
    health_seconds = 5.0
    grace_seconds = 30.0
    metrics_seconds = 10.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._endpoint_logs = Logs(account)
        self._routes = Routes.of(account)
        self._instance_metrics = InstanceMetrics(account)

    def start(self) -> None:
        """Restore the endpoints that were in service, and resume what was in progress."""
        super().start()
        self.account.tasks.every(self.metrics_seconds, "instance-metrics", self._instance_metrics.send)
        steps = {"Creating": self._create_fleet, "Deleting": self._remove_endpoint}
        for name, endpoint in self.table("endpoints").items():
            status = endpoint["EndpointStatus"]
            if status == "Failed":
                continue
            if status not in steps:
                self._record_endpoint(name, "Updating")
            self.account.tasks.spawn(
                f"endpoint-{name}", self._recover_endpoint, name, steps.get(status, self._resume_endpoint)
            )

    def stop(self) -> None:
        """End all containers; ``start`` restores them at the account's next start."""
        names = [
            name
            for name, endpoint in self.table("endpoints").items()
            if endpoint["EndpointStatus"] != "Failed"
        ]
        try:
            if names:
                with ThreadPoolExecutor(8) as pool:
                    list(pool.map(lambda name: self.account.containers.end(_group(name)), names))
        except engine_errors() as error:
            log.warning("the containers of endpoints end when the account starts again: %s", error)
        finally:
            super().stop()

    # --- operations

    def create_endpoint(self, params: CreateEndpointInputTypeDef) -> Answer:
        """See CreateEndpoint; the endpoint becomes InService or Failed later."""
        name = params["EndpointName"]
        arn = self.resource_arn("endpoint", name)
        specs = self._variant_specs(params["EndpointConfigName"])
        deployments.check_deployment_config(params.get("DeploymentConfig"), specs)
        now = self.account.now()
        endpoint: Endpoint = {
            "EndpointName": name,
            "EndpointArn": arn,
            "EndpointConfigName": params["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
            "LastDeploymentConfig": params.get("DeploymentConfig"),
            "variants": specs,
            "capture": self._capture_config(params["EndpointConfigName"]),
        }
        in_use = invalid(f'Cannot create already existing endpoint "{arn}".')
        quotas = self.account.quotas("sagemaker")
        with self.table("endpoints").lock, self.table("tags").lock:
            if self.exists(arn):
                raise in_use
            self._check_endpoint_instances(quotas, instance_quotas.endpoint(specs))
            with self.account.store.together():
                self.add(self.table("endpoints"), name, endpoint, arn, params.get("Tags", []), in_use=in_use)
                self._publish_endpoint(name)
        self.account.tasks.spawn(f"endpoint-{name}", self._create_fleet, name)
        return {"EndpointArn": arn}

    def describe_endpoint(self, params: DescribeEndpointInputTypeDef) -> Answer:
        """See DescribeEndpoint."""
        return self._describe_endpoint(self._endpoint(params["EndpointName"]))

    def list_endpoints(self, params: ListEndpointsInputTypeDef) -> Answer:
        """See ListEndpoints."""
        endpoints, token = list_page(
            params, self.table("endpoints"), name="EndpointName", status="EndpointStatus"
        )
        return {"Endpoints": [public(endpoint) for endpoint in endpoints], "NextToken": token}

    def update_endpoint(self, params: UpdateEndpointInputTypeDef) -> Answer:
        """See UpdateEndpoint: blue/green, so that the endpoint serves without interruption.

        Raises ServiceError ValidationException for a configuration that does not exist, the current one
        included, and for a variant that is scaled automatically and would change its instance type or go.
        If the new fleet does not come into service, the old one stays: the endpoint is InService with its old
        configuration and a FailureReason.
        """
        name = params["EndpointName"]
        config_name = params["EndpointConfigName"]
        specs, capture = self._variant_specs(config_name), self._capture_config(config_name)
        current = self._settled_endpoint(name)["EndpointConfigName"]
        scaled_variants.check_update(
            self.account, name, self._instance_types(current), self._instance_types(config_name)
        )
        quotas = self.account.quotas("sagemaker")
        with self.table("endpoints").lock:
            endpoint = self._settled_endpoint(name)
            if params.get("RetainAllVariantProperties"):
                _retain(specs, endpoint["variants"], params.get("ExcludeRetainedVariantProperties", []))
            # The old fleet serves until the new one does.
            self._check_endpoint_instances(quotas, instance_quotas.endpoint(specs))
            config = params.get("DeploymentConfig")
            if config is None and params.get("RetainDeploymentConfig"):
                config = endpoint.get("LastDeploymentConfig")
            deployments.check_deployment_config(config, specs)
            with self.account.store.together():
                with self.table("endpoints").update(name) as endpoint:
                    endpoint["pending"] = {
                        "EndpointConfigName": config_name,
                        "StartTime": self.account.now(),
                        "deployment_config": config,
                        "variants": specs,
                        "capture": capture,
                    }
                    endpoint["EndpointStatus"] = "Updating"
                    endpoint["LastModifiedTime"] = self.account.now()
                self._publish_endpoint(name)
        self.account.tasks.spawn(f"endpoint-{name}", self._replace_fleet, name)
        return {"EndpointArn": endpoint["EndpointArn"]}

    def update_endpoint_weights_and_capacities(
        self, params: UpdateEndpointWeightsAndCapacitiesInputTypeDef
    ) -> Answer:
        """See UpdateEndpointWeightsAndCapacities; containers are added and removed without a new fleet."""
        name = params["EndpointName"]
        quotas = self.account.quotas("sagemaker")
        with self.table("endpoints").lock:
            endpoint = self._settled_endpoint(name)
            before = [variant.copy() for variant in endpoint["variants"]]
            variants = {variant["name"]: variant for variant in endpoint["variants"]}
            for desired in params["DesiredWeightsAndCapacities"]:
                if desired.get("ServerlessUpdateConfig"):
                    raise unsupported("ServerlessUpdateConfig")
                if desired["VariantName"] not in variants:
                    raise invalid(
                        f'Could not find variant "{desired["VariantName"]}" of endpoint '
                        f'"{endpoint["EndpointArn"]}"; it has: {", ".join(variants)}.'
                    )
                variant = variants[desired["VariantName"]]
                variant["count"] = desired.get("DesiredInstanceCount", variant["count"])
                variant["weight"] = desired.get("DesiredWeight", variant["weight"])
            wanted = instance_quotas.endpoint(variants.values())
            wanted.subtract(instance_quotas.endpoint(before))
            self._check_endpoint_instances(quotas, wanted)
            with self.account.store.together():
                with self.table("endpoints").update(name) as stored:
                    stored["variants"] = list(variants.values())
                    stored["EndpointStatus"] = "Updating"
                    stored["LastModifiedTime"] = self.account.now()
                self._publish_endpoint(name)
        self.account.tasks.spawn(f"endpoint-{name}", self._rescale_fleet, name, before)
        return {"EndpointArn": endpoint["EndpointArn"]}

    def delete_endpoint(self, params: DeleteEndpointInputTypeDef) -> Answer:
        """See DeleteEndpoint; its models and its configuration stay, its scalable targets go.

        Raises ServiceError AccessDeniedException if there are targets that the caller may not deregister.
        """
        name = params["EndpointName"]
        deletable = self._deletable_endpoint(name)
        scaled_variants.deregister(self.account, name, [one["name"] for one in deletable["variants"]])
        with self.table("endpoints").lock:
            self._deletable_endpoint(name)
            self._record_endpoint(name, "Deleting")
        self.account.tasks.spawn(f"endpoint-{name}", self._remove_endpoint, name)
        return {}

    # --- the work behind them

    def _create_fleet(self, name: str) -> None:
        self._deploy_endpoint(name, "InService", self._bring_up)

    def _resume_endpoint(self, name: str) -> None:
        """Restore an endpoint that was in service when the account ended, then resume what was going on."""
        if self._deploy_endpoint(name, "Updating", self._bring_back) and self._endpoint(name).get("pending"):
            self._replace_fleet(name)
        elif self._endpoint(name)["EndpointStatus"] == "Updating":
            self._record_endpoint(name, "InService")

    def _deploy_endpoint(
        self, name: str, succeeded: EndpointStatusType, bring_up: Callable[[str, list[VariantSpec]], Fleet]
    ) -> bool:
        specs = self._endpoint(name)["variants"]
        fleets: list[Fleet] = []
        reason = self._try_deployment(lambda: fleets.append(bring_up(name, specs)))
        if self.account.tasks.stopping.is_set():
            return False
        if reason:
            with contextlib.suppress(*engine_errors()):
                self.account.containers.end(_group(name))
            self._record_endpoint(name, "Failed", FailureReason=reason)
            return False
        self._routes.set(name, fleets[0])
        self._record_endpoint(name, succeeded, variants=specs)
        return True

    def _replace_fleet(self, name: str) -> None:
        pending = self._endpoint(name).get("pending")
        if pending is None:
            return
        specs = pending["variants"]
        green = self._fleet(name, specs, pending.get("capture"))
        blue = self._routes.current(name)
        deployment = deployments.Deployment(
            self.account,
            name,
            pending["deployment_config"] or {},
            report=partial(self._report_stage, name),
            began=pending["StartTime"],
        )

        def deploy() -> None:
            deployment.launching(sum(spec["count"] for spec in specs))
            self._check_references(pending["EndpointConfigName"], specs)
            self._launch_fleet(name, green, specs)
            if blue:
                deployment.shift(blue, green)
            else:
                self._routes.set(name, green)

        reason = self._try_deployment(deploy)
        if self.account.tasks.stopping.is_set():
            return
        if reason:
            green.end()
            self._record_endpoint(name, "InService", FailureReason=reason, pending=None)
            return
        if blue:
            blue.end()
        self._record_endpoint(
            name,
            "InService",
            EndpointConfigName=pending["EndpointConfigName"],
            LastDeploymentConfig=pending["deployment_config"],
            FailureReason=None,
            pending=None,
            variants=specs,
            capture=pending.get("capture"),
        )
        deployments.remove_other_models(self.account, name, specs)

    def _report_stage(self, name: str, stage: DeploymentStage) -> None:
        table = self.table("endpoints")
        with table.lock, self.account.store.together():
            with table.update(name) as endpoint:
                if pending := endpoint.get("pending"):
                    pending["stage"] = stage
            self._publish_endpoint(name, DEPLOYMENT_EVENT)

    def _rescale_fleet(self, name: str, before: list[VariantSpec]) -> None:
        fleet = self._routes.current(name)
        if fleet is None:
            self._record_endpoint(name, "Failed", FailureReason="The endpoint has no containers")
            return
        desired = self._endpoint(name)["variants"]
        for variant in desired:
            fleet.variants[variant["name"]].weight = variant["weight"]

        def rescale() -> None:
            grown = [one for one in desired if one["count"] > len(fleet.variants[one["name"]].instances)]
            # A new instance pulls the image and fetches the model just as the first one did.
            self._check_references(self._endpoint(name)["EndpointConfigName"], grown)
            for one in grown:
                deployments.check_sources(self.account, one)
            specs = [fleet.variants[one["name"]].spec for one in grown]
            deployments.prepare(self.account, name, specs)
            fleet.scale({variant["name"]: variant["count"] for variant in desired})

        reason = self._try_deployment(rescale)
        if self.account.tasks.stopping.is_set():
            return
        if reason is None:
            self._record_endpoint(name, "InService", FailureReason=None)
            return
        self._record_endpoint(name, "RollingBack", variants=before)
        for variant in before:
            fleet.variants[variant["name"]].weight = variant["weight"]
        self._try_deployment(lambda: fleet.scale({variant["name"]: variant["count"] for variant in before}))
        self._record_endpoint(name, "InService", FailureReason=reason)

    def _check_references(self, config_name: str, specs: list[VariantSpec]) -> None:
        """Raise DeploymentError if something that new instances are made from no longer exists.

        An endpoint refers to its configuration, its models and their roles: it keeps serving without them,
        but cannot grow.
        """
        try:
            if specs:
                self.endpoint_config(config_name)
            for spec in specs:
                self.account.check_role(self.model(spec["model_name"])["ExecutionRoleArn"], PRINCIPAL)
        except ServiceError as error:
            raise DeploymentError(error.message) from error

    def _remove_endpoint(self, name: str) -> None:
        fleet = self._routes.remove(name)
        if fleet:
            fleet.end()
        if not self._end_containers(name):
            return  # start() resumes it
        shutil.rmtree(deployments.endpoint_directory(self.account, name), ignore_errors=True)
        arn = self._endpoint(name)["EndpointArn"]
        self.remove(self.table("endpoints"), name, arn)

    def _recover_endpoint(self, name: str, step: Callable[[str], object]) -> None:
        """Run a step once the Docker Engine answers: no endpoint is lost because the engine starts late."""
        if self._end_containers(name):  # left, unwatched, by a killed account
            step(name)

    def _end_containers(self, name: str) -> bool:
        """Remove all containers of an endpoint once the engine answers; False if the account stops before."""
        end = partial(self.account.containers.end, _group(name))
        return when_engine_answers(self.account, f"endpoint {name}", end)

    def _bring_up(self, name: str, specs: list[VariantSpec]) -> Fleet:
        fleet = self._fleet(name, specs, self._endpoint(name).get("capture"))
        self._launch_fleet(name, fleet, specs)
        return fleet

    def _bring_back(self, name: str, specs: list[VariantSpec]) -> Fleet:
        """Bring up what was in service when the account ended: again if the engine goes away meanwhile."""
        while True:
            try:
                return self._bring_up(name, specs)
            except DeploymentError as error:
                if not error.lost_engine or not self._end_containers(name):
                    raise

    def _fleet(
        self, name: str, specs: list[VariantSpec], capture: DataCaptureConfigUnionTypeDef | None
    ) -> Fleet:
        return Fleet(
            self.account, self._endpoint_logs, name, specs, self._patience, capture=DataCapture.of(capture)
        )

    def _launch_fleet(self, name: str, fleet: Fleet, specs: list[VariantSpec]) -> None:
        deployments.prepare(self.account, name, specs)
        fleet.launch()

    def _try_deployment(self, step: Callable[[], object]) -> str | None:
        """Run a step; return why it failed, or None."""
        try:
            step()
        except DeploymentError as error:
            return str(error)[:_REASON_LENGTH]
        except Exception:
            if not self.account.tasks.stopping.is_set():
                log.exception("a deployment failed")
            return INTERNAL_ERROR
        return None

    @property
    def _patience(self) -> Patience:
        return Patience(self.grace_seconds, self.health_seconds)

    # --- documents

    def _capture_config(self, config_name: str) -> DataCaptureConfigUnionTypeDef | None:
        return self.endpoint_config(config_name).get("DataCaptureConfig")

    def _variant_specs(self, config_name: str) -> list[VariantSpec]:
        config = self.endpoint_config(config_name)
        specs: list[VariantSpec] = []
        shadows = config.get("ShadowProductionVariants", [])
        for variant in [*config["ProductionVariants"], *shadows]:
            model = self.model(variant["ModelName"])
            container = primary_container(model)
            startup = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", self.startup_seconds)
            specs.append(
                {
                    "name": variant["VariantName"],
                    "model_name": variant["ModelName"],
                    "specified_image": container["Image"],
                    "environment": container.get("Environment", {}),
                    "model_data_url": model_data_url(container),
                    "role_arn": model["ExecutionRoleArn"],
                    "startup_seconds": float(startup),
                    "instance_type": variant["InstanceType"],
                    "count": variant["InitialInstanceCount"],
                    "weight": variant["InitialVariantWeight"],
                    "shadow": variant in shadows,
                    "image": "",
                    "resolved_at": None,
                    "model_dir": None,
                }
            )
        return specs

    def _check_endpoint_instances(self, quotas: Mapping[str, float], wanted: Counter[str]) -> None:
        """Raise ServiceError ResourceLimitExceeded if there is no room for that many instances more."""
        used: Counter[str] = Counter()
        for endpoint in self.table("endpoints").values():
            if endpoint["EndpointStatus"] != "Failed":
                pending = endpoint.get("pending")
                used += instance_quotas.endpoint(endpoint["variants"])
                used += instance_quotas.endpoint(pending["variants"] if pending else [])
        instance_quotas.check_total(quotas, instance_quotas.ENDPOINTS, used.total(), wanted.total())
        instance_quotas.check_types(quotas, used, wanted)

    def _instance_types(self, config_name: str) -> dict[str, str]:
        """Return the instance types by variant, as the configuration has them."""
        variants = self.endpoint_config(config_name)["ProductionVariants"]
        return {variant["VariantName"]: variant["InstanceType"] for variant in variants}

    def _endpoint(self, name: str) -> Endpoint:
        endpoint = self.table("endpoints").get(name)
        if endpoint is None:
            raise invalid(f'Could not find endpoint "{self.resource_arn("endpoint", name)}".')
        return endpoint

    def _deletable_endpoint(self, name: str) -> Endpoint:
        endpoint = self._endpoint(name)
        if endpoint["EndpointStatus"] not in ("InService", "Failed", "OutOfService"):
            raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
        return endpoint

    def _settled_endpoint(self, name: str) -> Endpoint:
        endpoint = self._endpoint(name)
        if endpoint["EndpointStatus"] == "Failed":
            raise invalid(
                f'Cannot update endpoint "{endpoint["EndpointArn"]}" in status Failed: delete it and create '
                "it again."
            )
        if endpoint["EndpointStatus"] != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
        return endpoint

    def _record_endpoint(
        self, name: str, status: EndpointStatusType, **changes: Unpack[EndpointChanges]
    ) -> None:
        table = self.table("endpoints")
        with table.lock, self.account.store.together():
            with table.update(name) as endpoint:
                endpoint.update(cast("Endpoint", changes))
                endpoint.update({"EndpointStatus": status, "LastModifiedTime": self.account.now()})
            self._publish_endpoint(name)

    def _publish_endpoint(self, name: str, event: str = EVENT) -> None:
        """Publish the event, in which the status is in capitals, unlike in the API (``IN_SERVICE``)."""
        description = self._describe_endpoint(self._endpoint(name))
        status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", description["EndpointStatus"]).upper()
        self.publish(event, description["EndpointArn"], {**description, "EndpointStatus": status})

    def _describe_endpoint(self, endpoint: Endpoint) -> Params:
        description = public(endpoint)
        serving = endpoint["EndpointStatus"] not in ("Creating", "Failed")
        if captured := summary(endpoint.get("capture"), serving=serving):
            description["DataCaptureConfig"] = captured
        fleet = self._routes.current(endpoint["EndpointName"])
        if serving:
            description.update(_summaries(endpoint["variants"], fleet))
        pending = endpoint.get("pending")
        if endpoint["EndpointStatus"] == "Creating":
            pending = {
                "EndpointConfigName": endpoint["EndpointConfigName"],
                "StartTime": endpoint["CreationTime"],
                "deployment_config": None,
                "variants": endpoint["variants"],
            }
        if pending:
            description["PendingDeploymentSummary"] = {
                "EndpointConfigName": pending["EndpointConfigName"],
                "StartTime": pending["StartTime"],
                **_summaries(pending["variants"], None, pending.get("stage")),
            }
        return description


def _group(name: str) -> str:
    return f"endpoint-{name}"


def _retain(
    specs: list[VariantSpec], current: list[VariantSpec], excluded: Sequence[VariantPropertyTypeDef]
) -> None:
    """Keep the endpoint's current counts and weights (RetainAllVariantProperties)."""
    left_out = {prop["VariantPropertyType"] for prop in excluded}
    by_name = {variant["name"]: variant for variant in current}
    for spec in specs:
        if spec["name"] in by_name and "DesiredInstanceCount" not in left_out:
            spec["count"] = by_name[spec["name"]]["count"]
        if spec["name"] in by_name and "DesiredWeight" not in left_out:
            spec["weight"] = by_name[spec["name"]]["weight"]


def _summaries(
    specs: Sequence[VariantSpec], fleet: Fleet | None, stage: DeploymentStage | None = None
) -> dict[str, list[ProductionVariantSummaryTypeDef]]:
    found: dict[str, list[ProductionVariantSummaryTypeDef]] = {"ProductionVariants": []}
    for spec in specs:
        member = "ShadowProductionVariants" if spec.get("shadow") else "ProductionVariants"
        summary = _variant_summary(spec, fleet)
        if stage:
            status: ProductionVariantStatusTypeDef = {
                "Status": stage["status"],
                "StatusMessage": stage["message"],
                "StartTime": stage["since"],
            }
            summary["VariantStatus"] = [status]
            summary["CurrentInstanceCount"] = math.ceil(stage["share"] * spec["count"])
        found.setdefault(member, []).append(summary)
    return found


def _variant_summary(variant: VariantSpec, fleet: Fleet | None) -> ProductionVariantSummaryTypeDef:
    running = fleet.variants.get(variant["name"]) if fleet else None
    summary: ProductionVariantSummaryTypeDef = {
        "VariantName": variant["name"],
        "CurrentWeight": running.weight if running else variant["weight"],
        "DesiredWeight": variant["weight"],
        "CurrentInstanceCount": sum(instance.healthy for instance in running.instances) if running else 0,
        "DesiredInstanceCount": variant["count"],
    }
    if variant["resolved_at"]:
        summary["DeployedImages"] = [
            {
                "SpecifiedImage": variant["specified_image"],
                "ResolvedImage": variant["image"],
                "ResolutionTime": variant["resolved_at"],
            }
        ]
    return summary
