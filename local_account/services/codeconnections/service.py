"""AWS CodeConnections: connections to repositories of GitHub and others, which stand for local ones here.

Contract: the AWS CodeConnections API Reference; "Update a pending connection" in the Developer Tools console
user guide. A connection is PENDING until somebody completes it: on AWS in the console, here with
``python -m lab_helpers local connect``, which also says which repositories of CodeCommit stand for those of
the provider.

Differs from AWS (codepipeline, codeconnections): nothing leaves this machine. A connection leads to
repositories of the local CodeCommit, which `python -m lab_helpers local connect` names; until then it is
pending.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, TypedDict

from werkzeug.wrappers import Request, Response

from local_account.foundation.account import Account, Connected, Tagged
from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service

if TYPE_CHECKING:
    from local_account.foundation.store import Table

PATH = "/_codeconnections/"
"""Takes what completes a connection."""
_PAGE = 100
_TAGS = 200
_INSTALLED = ("GitHubEnterpriseServer", "GitLabSelfManaged")
"""Providers that a host stands for."""


class Connection(TypedDict):
    """A connection."""

    ConnectionName: str
    ConnectionArn: str
    ProviderType: str
    OwnerAccountId: str
    ConnectionStatus: str


class Completion(TypedDict):
    """The repositories of CodeCommit that stand for those of the provider, by owner/name."""

    Repositories: dict[str, str]


class _Connections(Service):
    """What both APIs have in common: they know the same connections."""

    validation_error: ClassVar[str] = "ValidationException"

    def create_connection(self, params: Params) -> Answer:
        """CreateConnection: it is PENDING."""
        if params.get("HostArn"):
            raise ServiceError(
                "ResourceNotFoundException",
                "The local account does not have hosts: give a ProviderType instead of HostArn",
            )
        provider = params.get("ProviderType")
        if provider is None:
            raise ServiceError("InvalidInputException", "Either ProviderType or HostArn must be specified")
        if provider in _INSTALLED:
            raise ServiceError("InvalidInputException", f"{provider} needs a HostArn")
        arn = self.account.arn(self.name, f"connection/{uuid.uuid4()}")
        connection: Connection = {
            "ConnectionName": params["ConnectionName"],
            "ConnectionArn": arn,
            "ProviderType": provider,
            "OwnerAccountId": self.account.config.account_id,
            "ConnectionStatus": "PENDING",
        }
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags") or []}
        with self.account.store.together():
            self._tags.put(arn, tags)
            self._table.put(arn, connection)
        return {"ConnectionArn": arn, "Tags": _listed(tags) or None}

    def get_connection(self, params: Params) -> Answer:
        """GetConnection."""
        return {"Connection": self._require(params["ConnectionArn"])}

    def list_connections(self, params: Params) -> Answer:
        """ListConnections."""
        wanted = params.get("ProviderTypeFilter")
        found = [
            one
            for one in self._table.values()
            if (not wanted or one["ProviderType"] == wanted) and not params.get("HostArnFilter")
        ]
        shown, token = page(
            found, params.get("NextToken"), params.get("MaxResults") or _PAGE, "ValidationException"
        )
        return {"Connections": shown, "NextToken": token}

    def delete_connection(self, params: Params) -> Answer:
        """DeleteConnection."""
        arn = self._require(params["ConnectionArn"])["ConnectionArn"]
        with self.account.store.together():
            for table in (self._table, self._tags, self._completions):
                table.delete(arn)
        return {}

    def tag_resource(self, params: Params) -> Answer:
        """TagResource."""
        arn = self._require(params["ResourceArn"])["ConnectionArn"]
        with self._tags.update(arn) as tags:
            tags.update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
            if len(tags) > _TAGS:
                raise ServiceError("LimitExceededException", f"A resource can have at most {_TAGS} tags")
        return {}

    def untag_resource(self, params: Params) -> Answer:
        """UntagResource."""
        arn = self._require(params["ResourceArn"])["ConnectionArn"]
        with self._tags.update(arn) as tags:
            for key in params["TagKeys"]:
                tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, params: Params) -> Answer:
        """ListTagsForResource."""
        return {"Tags": _listed(self._tags.require(self._require(params["ResourceArn"])["ConnectionArn"]))}

    def _require(self, arn: str) -> Connection:
        connection = self._table.get(arn)
        if connection is None:
            raise ServiceError("ResourceNotFoundException", f"Connection not found: {arn}")
        return connection

    @property
    def _table(self) -> Table[Connection]:
        return self.account.store.table("codeconnections.connections", Connection)

    @property
    def _completions(self) -> Table[Completion]:
        return self.account.store.table("codeconnections.completions", Completion)

    @property
    def _tags(self) -> Table[dict[str, str]]:
        return self.account.store.table("codeconnections.tags", dict[str, str])


class CodeStarConnections(_Connections):
    """The API by its old name, which templates and command lines of years use."""

    name = "codestar-connections"


class CodeConnections(_Connections):
    """The API by its present name.

    Lacks: `CreateHost`, `CreateRepositoryLink`, `CreateSyncConfiguration`.
    """

    name = "codeconnections"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        account.tagged.append(self._tagged)

    def paths(self) -> Mapping[str, Callable[[Request], Response]]:
        """Take what completes a connection."""
        return {PATH: self._complete}

    def repository(self, connection_arn: str, full_name: str) -> Connected:
        """Return the repository of CodeCommit that stands for one of the provider.

        Raises LookupError with the reason if the connection is not available, or leads to no such repository.
        """
        connection = self._table.get(connection_arn)
        if connection is None:
            raise LookupError(f"Connection not found: {connection_arn}")
        if connection["ConnectionStatus"] != "AVAILABLE":
            raise LookupError(
                f"Connection {connection_arn} is not available: its status is "
                f"{connection['ConnectionStatus']}. Complete it in the console; in the local account with "
                f"'python -m lab_helpers local connect {connection_arn} {full_name} REPOSITORY'"
            )
        completion = self._completions.get(connection_arn)
        found = completion["Repositories"].get(full_name) if completion else None
        if found is None:
            raise LookupError(
                f"Connection {connection_arn} leads to no repository {full_name}: in the local account, "
                f"'python -m lab_helpers local connect {connection_arn} {full_name} REPOSITORY' names one"
            )
        return Connected(connection["ProviderType"], found)

    def _complete(self, request: Request) -> Response:
        try:
            given = json.loads(request.get_data(as_text=True))
            arn, name, repository = given["connection"], given["name"], given["repository"]
        except (KeyError, TypeError, ValueError):
            return Response("JSON with connection, name and repository is needed\n", 400)
        if request.method != "POST" or self._table.get(arn) is None:
            return Response(f"Connection not found: {arn}\n", 404)
        codecommit = self.account.client("codecommit")
        try:
            codecommit.get_repository(repositoryName=repository)
        except codecommit.exceptions.ClientError as error:
            return Response(f"{error.response['Error']['Message']}\n", 404)
        with self._table.lock, self._completions.lock, self.account.store.together():
            known = self._completions.get(arn) or {"Repositories": {}}
            self._completions.put(arn, {"Repositories": {**known["Repositories"], name: repository}})
            with self._table.update(arn) as connection:
                connection["ConnectionStatus"] = "AVAILABLE"
        return Response("")

    def _tagged(self) -> Iterable[Tagged]:
        yield from self._tags.items()


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
