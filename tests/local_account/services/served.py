"""Some services of the local account on real ports, in this process, with the events that they publish."""

import threading
import time
from typing import Any

from werkzeug.serving import make_server

from local_account.authorization.authorizer import Authorizer
from local_account.foundation.account import Account
from local_account.foundation.config import LOOPBACK, AccountConfig
from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.connections import KeepAliveHandler, QuietHandler
from local_account.gateway.gateway import Gateway
from local_account.gateway.service import Service
from local_account.moto_backend.backend import MotoBackend
from local_account.services.autoscaling import ApplicationAutoScaling
from local_account.services.cloudwatch import CloudWatch
from local_account.services.codecommit import CodeCommit
from local_account.services.codecommit.git_server import git_app
from local_account.services.ecr import Ecr
from local_account.services.ecr.registry import registry_app
from local_account.services.logs import Logs


class RecordingBus:
    """The default event bus as publishers see it; records what it was given and when."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def publish(self, source: str, detail_type: str, detail: Params, resources: Any = ()) -> None:
        self.events.append(
            {
                "source": source,
                "detail-type": detail_type,
                "detail": detail,
                "resources": list(resources),
                "at": time.monotonic(),
            }
        )

    def details(self, **wanted: str) -> list[dict[str, Any]]:
        """Details of the events with these members."""
        wanted = {key.replace("_", "-"): value for key, value in wanted.items()}
        return [
            one["detail"]
            for one in self.events
            if all(one["detail"].get(key) == value for key, value in wanted.items())
        ]


class EndpointStub(Service):
    """As much of SageMaker as Application Auto Scaling calls."""

    name = "sagemaker"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.endpoints: dict[str, list[str]] = {}
        self.status: dict[str, str] = {}
        self.desired: dict[str, int] = {}
        self.instance_type = "ml.m5.large"

    def update_endpoint_weights_and_capacities(self, params: Params) -> Params:
        """The endpoint is Updating until a test says otherwise."""
        name = params["EndpointName"]
        (wanted,) = params["DesiredWeightsAndCapacities"]
        self.desired[name] = wanted["DesiredInstanceCount"]
        self.status[name] = "Updating"
        return {"EndpointArn": self.account.arn("sagemaker", f"endpoint/{name}")}

    def describe_endpoint(self, params: Params) -> Params:
        name = params["EndpointName"]
        if name not in self.endpoints:
            raise ServiceError(
                "ValidationException",
                f'Could not find endpoint "{self.account.arn("sagemaker", f"endpoint/{name}")}".',
            )
        now = self.account.now()
        return {
            "EndpointName": name,
            "EndpointArn": self.account.arn("sagemaker", f"endpoint/{name}"),
            "EndpointConfigName": name,
            "EndpointStatus": self.status.get(name, "InService"),
            "CreationTime": now,
            "LastModifiedTime": now,
            "ProductionVariants": [
                {"VariantName": variant, "DesiredInstanceCount": self.desired.get(name, 1)}
                for variant in self.endpoints[name]
            ],
        }

    def describe_endpoint_config(self, params: Params) -> Params:
        """The configuration has the name of the endpoint."""
        name = params["EndpointConfigName"]
        return {
            "EndpointConfigName": name,
            "EndpointConfigArn": self.account.arn("sagemaker", f"endpoint-config/{name}"),
            "CreationTime": self.account.now(),
            "ProductionVariants": [
                {"VariantName": variant, "InstanceType": self.instance_type}
                for variant in self.endpoints[name]
            ],
        }


class Served:
    """The account, its services and its events."""

    def __init__(self, config: AccountConfig) -> None:
        self.account = Account(config)
        self.bus = RecordingBus()
        self.account.bus = self.bus
        self.sagemaker = EndpointStub(self.account)
        moto = MotoBackend(self.account)
        self.autoscaling = ApplicationAutoScaling(self.account)
        cloudwatch = CloudWatch(self.account)
        cloudwatch.alarms.on_alarm = self.autoscaling.on_alarm
        self.ecr = Ecr(self.account)
        self.logs = Logs(self.account)
        services: list[Service] = [
            CodeCommit(self.account),
            self.ecr,
            self.autoscaling,
            cloudwatch,
            self.logs,
            self.sagemaker,
        ]
        self.services = {service.name: service for service in services}
        gateway = Gateway(self.account, self.services, Authorizer(self.account), moto)
        listeners: list[tuple[int, Any, Any]] = [
            (config.gateway_port, gateway, KeepAliveHandler.until(threading.Event())),
            (config.git_port, git_app(self.account), QuietHandler),
            (config.registry_port, registry_app(self.account), QuietHandler),
        ]
        self._listeners = [
            make_server(LOOPBACK, port, app, threaded=True, request_handler=handler)
            for port, app, handler in listeners
        ]
        for listener in self._listeners:
            threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        for service in services:
            service.start()

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()
        self.account.tasks.stopping.set()
        for service in self.services.values():
            service.stop()
        self.account.tasks.stop()
        for service in self.services.values():
            service.close()
        self.account.store.close()
