"""The event that is examined: who takes part, with what, in which account and on which machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab_helpers.clients import Clients
from lab_helpers.instructor import defaults
from lab_helpers.names import Names

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Room:
    """What every check is handed.

    `labs` are those of the roster; `size` is the number of participants, also where only that is known.
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
    """Instances of PRD at most: a release runs the new fleet beside the old one, autoscaling adds some."""
    subnet: str = ""
    security_groups: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def images(self) -> Path:
        """Where a local account keeps its images; `local_account.engine.home` reads the same variables."""
        if configured := self.environ.get("MLOPS_ENGINE_HOME"):
            return Path(configured)
        return (
            Path(self.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-workshop" / "engine"
        )

    @property
    def is_local(self) -> bool:
        """Whether the account is one on this machine, whose engine and disk do the work."""
        return bool(self.environ.get("AWS_ENDPOINT_URL"))

    @property
    def a_lab(self) -> Names:
        """A lab to ask about where one stands for all."""
        return self.labs[0] if self.labs else Names("doctor")

    @cached_property
    def identity(self) -> GetCallerIdentityResponseTypeDef:
        """GetCallerIdentity: account and who asks. Raises botocore's exceptions."""
        return self.clients("sts").get_caller_identity()

    @property
    def account(self) -> str:
        """The account's id."""
        return self.identity["Account"]

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of the account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"
