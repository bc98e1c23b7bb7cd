"""What an action receives, and what it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.authorization import granted
from local_account.foundation.errors import pointed
from local_account.services.codepipeline.records import Artifact, SourceRevision

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef as Action
    from mypy_boto3_codepipeline.type_defs import SourceRevisionOverrideTypeDef

    from local_account.foundation.account import Account

POLL_SECONDS = 0.1


class ActionFailed(Exception):  # noqa: N818 - as the API names it
    """An action ends as Failed; ``code`` is one of FailureType of the CodePipeline API."""

    def __init__(self, code: str, message: str, external_id: str | None = None) -> None:
        super().__init__(pointed(message, "codepipeline"))
        self.code = code
        self.external_id = external_id


def lacks_permission(error: ClientError) -> bool:
    """Return whether an action's request was refused because the role is not allowed to make it."""
    return error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "403")


@dataclass(frozen=True)
class Outcome:
    """The result of a successful action."""

    variables: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """Output artifacts by name: """
    summary: str | None = None
    external_id: str | None = None
    url: str | None = None
    revision: SourceRevision | None = None
    """What a source found: the members of ArtifactRevision without ``name``."""


@dataclass(frozen=True)
class Context:
    """One action execution as its provider sees it."""

    account: Account
    pipeline: str
    execution_id: str
    role_arn: str
    action: Action
    """ActionDeclaration."""
    configuration: Mapping[str, str]
    """The configuration with all variables resolved."""
    artifacts: Mapping[str, Artifact]
    """All artifacts of the execution so far, by name."""
    outputs: Mapping[str, Artifact]
    """Where the output artifacts of this action go, by name."""
    source_revision: SourceRevisionOverrideTypeDef | None
    """SourceRevisionOverride of StartPipelineExecution for this action."""
    update: Callable[..., None]
    """Record ``external_id``, ``url`` and ``summary`` of an action in progress."""
    tracked: Callable[[], bool]
    """Whether the action is still awaited (it may have been abandoned)."""

    def require(self, service: str, *operations: str, **params: str) -> None:
        """Raise ServiceError AccessDenied unless the pipeline's role is allowed to do these operations.

        For what the action's page wants the role to be allowed, and the local account does in another way.
        """
        for operation in operations:
            granted.require(self.account, self.role_arn, service, operation, params)

    def client(self, service: str) -> Any:
        """Return a boto3 client that acts with the pipeline's role."""
        return self.account.client(service, self.role_arn)

    @property
    def stopping(self) -> threading.Event:
        """Set when the account stops."""
        return self.account.tasks.stopping

    def wait_until(self, done: Callable[[], bool], pause: float = POLL_SECONDS) -> None:
        """Poll until ``done``; raise ActionFailed if the account stops or the action is abandoned."""
        while not done():
            if self.stopping.wait(pause) or not self.tracked():
                raise ActionFailed("JobFailed", "The local account was stopped while this action ran")
