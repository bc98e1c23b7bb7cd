"""The account object that every service gets: its configuration, state, clients and permissions."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from local_account.foundation import environments, system_tags
from local_account.foundation.acting import ActingClient, send_role
from local_account.foundation.config import LOOPBACK, AccountConfig
from local_account.foundation.containers import Containers
from local_account.foundation.direct import Direct
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.journal import Journal
from local_account.foundation.processes import Processes
from local_account.foundation.sessions import Sessions
from local_account.foundation.store import Store
from local_account.foundation.tasks import Tasks

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.client import BaseClient

Tagged = tuple[str, Mapping[str, str]]
"""The ARN of a resource and its tags."""
ROOT_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIALOCALACCOUNT0000", "AWS_SECRET_ACCESS_KEY": "local-account"}
_PROGRAMS = Path(__file__).parent / "programs"
"""What stands for programs that would leave the account."""
_UNCHECKED = frozenset({"logs"})
"""Clients that leave it to the gateway to check parameters. A client takes 5.1 ms for PutLogEvents with 1,000
lines, 3.3 of them for botocore's check, in the process that everybody waits for."""


class Bus(Protocol):
    """The default event bus."""

    def publish(self, source: str, detail_type: str, detail: Params, resources: Iterable[str] = ()) -> None:
        """Put one event on the bus; see ``PutEvents`` in the EventBridge API Reference.

        In a block `Store.together` with the change that it is about, neither can happen without the other.
        """


@dataclass(frozen=True)
class Commit:
    """A commit of a repository, and its files as a zip file."""

    commit_id: str
    author_date: str
    """The committer's date in ISO 8601."""
    committer_date: str
    message: str
    archive: bytes


class Repositories(Protocol):
    """The repositories of CodeCommit, as CodePipeline reads them (on AWS: codecommit:UploadArchive)."""

    def commit(self, repository: str, revision: str) -> Commit:
        """Return a commit by its id or reference. Raises LookupError with the reason if there is none."""


class Connected(NamedTuple):
    """Where a connection leads."""

    provider: str
    repository: str
    """Of CodeCommit."""


class Connections(Protocol):
    """The connections of CodeConnections, as CodePipeline uses them (on AWS: UseConnection)."""

    def repository(self, connection_arn: str, full_name: str) -> Connected:
        """Return what stands for a repository of the connection's provider.

        Raises LookupError with the reason if there is none.
        """


class Account:
    """The local account as its services see it."""

    bus: Bus
    repositories: Repositories
    connections: Connections
    tagged: list[Callable[[], Iterable[Tagged]]]
    """Functions that return the tagged resources of services whose tags are not in the store."""
    whole_arn: dict[str, Callable[[str], str]]
    """By service, a function that completes an ARN with what a request does not name: for policies."""

    def __init__(self, config: AccountConfig) -> None:
        self.config = config
        self.store = Store(config.state_dir / "account.sqlite")
        self.sessions = Sessions(self.store, config.account_id)
        self.tasks = Tasks()
        self.processes = Processes(config.uid)
        self.containers = Containers(config.uid)
        self.direct = Direct()
        self.journal = Journal.of(config.state_dir)
        self.tagged = []
        self.whole_arn = {}
        self._session: Session | None = None
        self._clients: dict[str, BaseClient] = {}
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the current time as an aware datetime in UTC."""
        return datetime.now(UTC)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region; IAM has no regions."""
        region = "" if service == "iam" else self.config.region
        return f"arn:aws:{service}:{region}:{self.config.account_id}:{resource}"

    def client(self, service: str, role_arn: str | None = None) -> Any:
        """Return a boto3 client for the account's own gateway; cached, and safe to share between threads.

        With ``role_arn`` the client acts as that role: its calls need the role's permissions.
        """
        client = self._client(service)
        return ActingClient(client, role_arn) if role_arn else client

    def _client(self, service: str) -> BaseClient:
        import boto3
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                # One session for all: each holds its own copy of botocore's tables, about ten megabytes.
                self._session = self._session or boto3.session.Session()
                self._clients[service] = self._session.client(
                    service,
                    region_name=self.config.region,
                    endpoint_url=self.config.endpoint_url,
                    aws_access_key_id=ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
                    aws_secret_access_key=ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                    config=Config(
                        retries={"total_max_attempts": 1},
                        max_pool_connections=50,
                        parameter_validation=service not in _UNCHECKED,
                        # Nothing happens to a body on its way: no digest of it is needed, nor a check.
                        s3={"addressing_style": "path", "payload_signing_enabled": False},
                        response_checksum_validation="when_required",
                    ),
                )
                self._clients[service].meta.events.register("before-call", send_role)
                self._clients[service].meta.events.register("before-call", system_tags.send)
                self.direct.connect(self._clients[service], ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"])
            return self._clients[service]

    def check_role(self, role_arn: str, service_principal: str) -> None:
        """Raise ServiceError unless the role exists and trusts the service to assume it."""
        name = role_arn.rpartition("/")[2]
        iam = self.client("iam")
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException as error:
            raise ServiceError("ValidationException", f"The role {role_arn} does not exist") from error
        if not trusts(role["AssumeRolePolicyDocument"], service_principal):
            raise ServiceError(
                "ValidationException",
                f"{service_principal} is not authorized to assume the role {role_arn}: add it to the "
                "Principal of the role's trust policy",
            )

    def quota(self, service: str, code: str) -> float:
        """Return the applied value of a quota of a service (Service Quotas API, GetServiceQuota)."""
        quotas = self.client("service-quotas")
        return float(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])

    def quotas(self, service: str) -> dict[str, float]:
        """Return the applied values of all quotas of a service by their names (ListServiceQuotas)."""
        pages = self.client("service-quotas").get_paginator("list_service_quotas")
        return {
            one["QuotaName"]: float(one["Value"])
            for page in pages.paginate(ServiceCode=service)
            for one in page["Quotas"]
        }

    def environment(
        self, role_arn: str | None = None, home: Path | None = None, session: str = "local-account"
    ) -> dict[str, str]:
        """Return the environment of a child process: the only seam between AWS and the local account.

        With ``role_arn`` the credentials are those of the assumed role, as on AWS, in a session of the name
        that the service gives it there; otherwise the account's.

        Differs from AWS (everywhere): programs find the account by `AWS_ENDPOINT_URL`, credentials and region
        in their environment (`local env`, and what builds, functions and notebook instances are given). There
        is no instance metadata service, and containers get no credentials: the account listens on the
        loopback interface, which they cannot reach.
        """
        credentials = self._assume(role_arn, session) if role_arn else ROOT_CREDENTIALS
        return environment(self.config, credentials, home)

    def _assume(self, role_arn: str, name: str) -> dict[str, str]:
        session = self.sessions.of_process(role_arn, name)
        return {
            "AWS_ACCESS_KEY_ID": session.access_key_id,
            "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
            "AWS_SESSION_TOKEN": session.session_token,
        }


def environment(
    config: AccountConfig, credentials: dict[str, str] = ROOT_CREDENTIALS, home: Path | None = None
) -> dict[str, str]:
    """Return this process's environment with an account's seam variables added and AWS's own removed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "GIT_CONFIG_", "VIRTUAL_ENV", "PYTHON"))
    }
    environment |= {
        "AWS_ENDPOINT_URL": config.endpoint_url,
        "AWS_REGION": config.region,
        "AWS_DEFAULT_REGION": config.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        **credentials,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.http://{LOOPBACK}:{config.git_port}/.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://git-codecommit.{config.region}.amazonaws.com/",
        "GIT_TERMINAL_PROMPT": "0",
        "DOCKER_CONFIG": str((home or config.state_dir) / ".docker"),
        "PATH": os.pathsep.join(
            [str(_PROGRAMS), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        ),
    }
    if home:
        environment["HOME"] = str(home)
        # A separate home directory has no caches; uv's downloads and this machine's environments stay in use.
        environment.setdefault("UV_CACHE_DIR", str(environments.cache() / "uv"))
        environment.setdefault(environments.VARIABLE, str(environments.shared()))
    return environment


def trusts(policy: dict[str, Any] | str, service_principal: str) -> bool:
    """Return whether a trust policy lets a service principal assume the role."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and service_principal in (
            services if isinstance(services, list) else [services]
        ):
            return True
    return False
