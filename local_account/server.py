"""The life cycle of a local account: open the listeners, recover the services, print the ready line, stop."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from socketserver import BaseRequestHandler
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from local_account.authorization.authorizer import Authorizer
from local_account.authorization.simulation import IamSimulation
from local_account.console import Console
from local_account.foundation.account import Account
from local_account.foundation.config import LOOPBACK, AccountConfig
from local_account.gateway import own_requests
from local_account.gateway.connections import KeepAliveHandler, QuietHandler
from local_account.gateway.gateway import Gateway
from local_account.gateway.service import Service
from local_account.moto_backend import botocore_shapes, botocore_tables
from local_account.moto_backend.backend import MotoBackend
from local_account.services.autoscaling import ApplicationAutoScaling
from local_account.services.cloudformation import CloudFormation
from local_account.services.cloudwatch import CloudWatch
from local_account.services.codebuild import CodeBuild
from local_account.services.codecommit import CodeCommit
from local_account.services.codecommit.git_server import git_app
from local_account.services.codeconnections import CodeConnections, CodeStarConnections
from local_account.services.codepipeline import CodePipeline
from local_account.services.ecr import Ecr
from local_account.services.ecr.registry import registry_app
from local_account.services.events import Events
from local_account.services.lambda_ import Lambda
from local_account.services.logs import Logs
from local_account.services.s3 import S3
from local_account.services.sagemaker import SageMaker, SageMakerRuntime
from local_account.services.secretsmanager import SecretsManager
from local_account.services.service_quotas import ServiceQuotas
from local_account.services.sns import SimpleNotificationService
from local_account.services.ssm import SystemsManager
from local_account.services.sts import SecurityTokenService
from local_account.services.tagging import ResourceGroupsTagging

log = logging.getLogger(__name__)

SERVICES: tuple[type[Service], ...] = (
    CloudFormation,
    Ecr,
    CodeBuild,
    CodePipeline,
    CodeStarConnections,
    Lambda,
    Logs,
    SageMaker,
    SageMakerRuntime,
    ResourceGroupsTagging,
    SecretsManager,
    ServiceQuotas,
    SimpleNotificationService,
    SystemsManager,
    IamSimulation,
    SecurityTokenService,
)


class LocalAccount:
    """One running local account. A process can hold only one, because moto's state is the process's."""

    def __init__(self, config: AccountConfig) -> None:
        config.check_state()
        config.check_ports()
        botocore_tables.share()
        botocore_shapes.share()
        self.account = Account(config)
        self._listeners: list[BaseWSGIServer] = []
        self._closed = threading.Event()
        self.services: dict[str, Service] = {}

    def start(self) -> None:
        """Listen on all three ports, then let every service recover what was in flight."""
        config = self.account.config
        self.account.processes.end()  # what a killed account left behind
        self.account.bus = events = Events(self.account)
        autoscaling = ApplicationAutoScaling(self.account)
        cloudwatch = CloudWatch(self.account)
        cloudwatch.alarms.on_alarm = autoscaling.on_alarm
        others = (service_class(self.account) for service_class in SERVICES)
        self.account.repositories = codecommit = CodeCommit(self.account)
        self.account.connections = connections = CodeConnections(self.account)
        built = (events, codecommit, connections, *others, autoscaling, cloudwatch)
        self.services = {service.name: service for service in built}
        authorizer = Authorizer(self.account)
        self.services[S3.name] = S3(self.account, authorizer)
        self._moto = MotoBackend(self.account)
        gateway = Gateway(
            self.account, self.services, authorizer, self._moto, Console(self.account, self.services)
        )
        self.account.direct.answer = partial(own_requests.answer, gateway)
        self._listen("gateway", config.gateway_port, gateway, KeepAliveHandler.until(self._closed))
        self._listen("git", config.git_port, git_app(self.account))
        self._listen("registry", config.registry_port, registry_app(self.account))
        (config.state_dir / "server.pid").write_text(f"{os.getpid()}\n")
        for service in self.services.values():
            service.start()

    def ready_line(self) -> str:
        """Return the line that says the account is listening, and on which ports."""
        config = self.account.config
        ports = {name: getattr(config, name) for name in ("gateway_port", "git_port", "registry_port")}
        return "ready " + json.dumps({**ports, "pid": os.getpid()})

    def trim(self) -> None:
        """Give back memory that only makes the next request faster: pages of databases, some 10 MB."""
        self.account.store.trim()
        self._moto.trim()
        for service in self.services.values():
            service.trim()

    def stop(self) -> None:
        """End what runs and write what is still unwritten. Every step runs, even if an earlier one raised."""
        self.account.tasks.stopping.set()
        steps: list[tuple[str, Callable[[], object]]] = [
            *((f"service {name}", service.stop) for name, service in self.services.items()),
            ("processes", self.account.processes.end),
            ("listeners", self._close),
            ("tasks", self.account.tasks.stop),
            ("processes of the last tasks", self.account.processes.end),
            ("moto", self._moto.stop),
            *((f"files of {name}", service.close) for name, service in self.services.items()),
            ("store", self.account.store.close),
        ]
        for name, step in steps:
            try:
                step()
            except Exception:
                log.exception("stopping the %s failed", name)
        (self.account.config.state_dir / "server.pid").unlink(missing_ok=True)

    def _listen(
        self, name: str, port: int, application: Any, handler: type[BaseRequestHandler] = QuietHandler
    ) -> None:
        # werkzeug asks for a handler of its own, but needs no more of it than socketserver does.
        own: Any = handler
        server = make_server(LOOPBACK, port, application, threaded=True, request_handler=own)
        server.daemon_threads = True  # type: ignore[attr-defined]
        self._listeners.append(server)
        threading.Thread(target=server.serve_forever, args=(0.1,), name=name, daemon=True).start()

    def _close(self) -> None:
        self._closed.set()
        self.account.direct.answer = None
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()
