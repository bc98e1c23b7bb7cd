"""Sources that are polled: ``PollForSourceChanges`` is true where it is left out.

Page "Valid settings for the PollForSourceChanges parameter" (CodePipeline User Guide). Each polled source
costs one request a period, made with the role of its action; pipelines without one cost nothing.

Differs from AWS: sources are polled once a minute (AWS: "periodically") unless they say
`PollForSourceChanges: false`; so are those of connections without `DetectChanges: false`, which AWS notices
at once. A poll is one HeadObject or GetBranch with the role of the action, and a role that may not do that
starts nothing.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NotRequired, TypedDict

from botocore.exceptions import ClientError

from local_account.foundation.errors import ServiceError
from local_account.services.codepipeline import structure

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef as Action
    from mypy_boto3_codepipeline.type_defs import PipelineDeclarationOutputTypeDef as Declaration

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

LIMIT = 300
"""Pipelines that poll, in a region (Quotas in AWS CodePipeline)."""


class Seen(TypedDict):
    """What a source action had when it was looked at last; ``revision`` is None if it had nothing."""

    source: list[str]
    revision: str | None
    token: NotRequired[str]
    """Another one each time: a start that was not noted, because the account ended, is not made twice."""


class Poller:
    """Knows the polled sources, and starts a pipeline when one of them has another revision."""

    def __init__(self, account: Account, start: Callable[[str, str, str], object]) -> None:
        """Call ``start`` with the pipeline, the source action, and a token: one execution for each token."""
        self._account = account
        self._start = start
        self._seen = account.store.table("codepipeline.polled", Seen)
        self._polled: dict[str, Declaration] = {}
        self._lock = threading.Lock()

    def recover(self, declarations: Iterable[Declaration]) -> None:
        """Find the polled pipelines again; what has changed meanwhile is found by the next poll."""
        with self._lock:
            self._polled = {one["name"]: one for one in declarations if _polled(one)}

    def check(self, declaration: Declaration) -> None:
        """Raise LimitExceededException if a pipeline is one too many to poll for."""
        name = declaration["name"]
        with self._lock:
            if _polled(declaration) and name not in self._polled and len(self._polled) >= LIMIT:
                raise ServiceError(
                    "LimitExceededException",
                    f"At most {LIMIT} pipelines can poll for changes: set PollForSourceChanges to false, "
                    "and start the pipeline from an EventBridge rule",
                )

    def watch(self, declaration: Declaration) -> None:
        """Poll the sources of a new or updated pipeline from their present revisions on."""
        name, actions = declaration["name"], _polled(declaration)
        before = dict(self._seen.items(f"{name}/"))
        for key in before.keys() - {f"{name}/{action['name']}" for action in actions}:
            self._seen.delete(key)
        for action in actions:
            key = f"{name}/{action['name']}"
            if key not in before or before[key]["source"] != _source(action):
                self._see(key, action, self._revision(declaration, action))
        with self._lock:
            self._polled.pop(name, None)
            if actions:
                self._polled[name] = declaration

    def forget(self, name: str) -> None:
        """Stop polling for a pipeline that is gone."""
        with self._lock:
            self._polled.pop(name, None)
        for key in self._seen.keys(f"{name}/"):
            self._seen.delete(key)

    def poll(self) -> None:
        """Look at each polled source once."""
        with self._lock:
            declarations = list(self._polled.values())
        for declaration in declarations:
            if self._account.tasks.stopping.is_set():
                return
            self._look(declaration)

    def _look(self, declaration: Declaration) -> None:
        name, changed, token = declaration["name"], [], ""
        for action in _polled(declaration):
            key, revision = f"{name}/{action['name']}", self._revision(declaration, action)
            seen = self._seen.get(key)
            if seen and revision is not None and revision != seen["revision"]:
                changed.append((key, action, revision))
                token += f"{seen.get('token', '')}{revision}"
        if not changed:
            return
        try:  # all changes together are one execution
            self._start(name, changed[0][1]["name"], token)
        except ServiceError as error:
            log.warning("the change of %s does not start its pipeline: %s", changed[0][0], error)
            if error.code == "ConcurrentPipelineExecutionsLimitExceededException":
                return  # and the next poll tries again
        for key, action, revision in changed:
            if self._polled.get(name) is declaration:
                self._see(key, action, revision)

    def _see(self, key: str, action: Action, revision: str | None) -> None:
        token = uuid.uuid4().hex
        self._seen.put(key, {"source": _source(action), "revision": revision, "token": token})

    def _revision(self, declaration: Declaration, action: Action) -> str | None:
        """Return what the source has now; None if it has nothing that the role can see."""
        role = action.get("roleArn") or declaration["roleArn"]
        *_, first, second = _source(action)
        try:
            if action["actionTypeId"]["provider"] == "CodeStarSourceConnection":
                found = self._account.connections.repository(_source(action)[0], first).repository
                # The connection sees the repository, whatever the role may do with CodeCommit.
                client = self._account.client("codecommit")
                return str(client.get_branch(repositoryName=found, branchName=second)["branch"]["commitId"])
            if action["actionTypeId"]["provider"] == "CodeCommit":
                client = self._account.client("codecommit", role)
                branch = client.get_branch(repositoryName=first, branchName=second)["branch"]
                return str(branch["commitId"])
            found = self._account.client("s3", role).head_object(Bucket=first, Key=second)
        except (ClientError, LookupError) as error:
            log.debug("%s of %s: %s", action["name"], declaration["name"], error)
            return None
        version: str | None = found.get("VersionId")
        return version


def _polled(declaration: Declaration) -> list[Action]:
    return [action for action in declaration["stages"][0]["actions"] if structure.is_polled(action)]


def _source(action: Action) -> list[str]:
    configuration = action["configuration"]
    if action["actionTypeId"]["provider"] == "CodeStarSourceConnection":
        return [configuration[name] for name in ("ConnectionArn", "FullRepositoryId", "BranchName")]
    if action["actionTypeId"]["provider"] == "CodeCommit":
        return [configuration["RepositoryName"], configuration["BranchName"]]
    return [configuration["S3Bucket"], configuration["S3ObjectKey"]]
