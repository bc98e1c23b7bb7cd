"""The event to check: the participants, their instance types, the account and the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab_helpers.clients import Clients
from lab_helpers.instructor import defaults, regions
from lab_helpers.names import Names

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Room:
    """The input of every check.

    `labs` are those of the roster; `size` is the number of participants, known even without a roster.
    The instance types are the defaults of the templates and of notebook 03.
    """

    clients: Clients
    region: str
    size: int
    labs: tuple[Names, ...] = ()
    notebook_type: str = defaults.NOTEBOOK_TYPE
    notebook_gigabytes: int = defaults.NOTEBOOK_GIGABYTES
    training_type: str = defaults.TRAINING_TYPE
    dev_type: str = defaults.DEV_TYPE
    prd_type: str = defaults.PRD_TYPE
    prd_instances: int = 2
    """Maximum number of PRD instances: a release runs two fleets side by side, and autoscaling adds more."""
    source_provider: str = "CodeCommit"
    """The labs' parameter SourceProvider: CodeCommit or S3."""
    subnet: str = ""
    security_groups: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clients_at_home: Clients | None = None
    """Clients of the region that has the quotas of global services (`regions.home`), if it is another one."""

    @property
    def images(self) -> Path:
        """Where a local account keeps its images; same variables as in `local_account.engine.home`."""
        if configured := self.environ.get("MLOPS_ENGINE_HOME"):
            return Path(configured)
        return (
            Path(self.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-workshop" / "engine"
        )

    @property
    def is_local(self) -> bool:
        """Whether the account is local, so that this machine's engine and disk do the work."""
        return bool(self.environ.get("AWS_ENDPOINT_URL"))

    @property
    def uses_codecommit(self) -> bool:
        """Whether the labs keep their repositories in CodeCommit."""
        return self.source_provider == "CodeCommit"

    @property
    def a_lab(self) -> Names:
        """A lab that stands for all of them."""
        return self.labs[0] if self.labs else Names("doctor")

    @cached_property
    def identity(self) -> GetCallerIdentityResponseTypeDef:
        """The account and the caller (GetCallerIdentity). Raises botocore's exceptions."""
        return self.clients("sts").get_caller_identity()

    @property
    def account(self) -> str:
        """The account id."""
        return self.identity["Account"]

    @property
    def partition(self) -> str:
        """The first part of ARNs in this region: aws, aws-us-gov, …"""
        return regions.partition(self.region)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the account and region; buckets and IAM's have fewer parts."""
        where = {"s3": ":", "iam": f":{self.account}"}.get(service, f"{self.region}:{self.account}")
        return f"arn:{self.partition}:{service}:{where}:{resource}"
