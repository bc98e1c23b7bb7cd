"""Who may invoke a function, and how asynchronous events are retried: policies and event invoke configs.

Refuses (AddPermission, PutFunctionEventInvokeConfig): function URLs, event source tokens, destinations
(`DestinationConfig`).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.lambda_ import policy
from local_account.services.lambda_.configuration import INVALID, function_arn, parse_name

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_lambda.type_defs import (
        AddPermissionRequestTypeDef,
        DeleteFunctionEventInvokeConfigRequestTypeDef,
        FunctionEventInvokeConfigTypeDef,
        GetFunctionEventInvokeConfigRequestTypeDef,
        GetPolicyRequestTypeDef,
        ListFunctionEventInvokeConfigsRequestTypeDef,
        PutFunctionEventInvokeConfigRequestTypeDef,
        RemovePermissionRequestTypeDef,
        UpdateFunctionEventInvokeConfigRequestTypeDef,
    )

    from local_account.foundation.account import Account
    from local_account.services.lambda_.configuration import FunctionConfiguration

_PRINCIPAL = re.compile(
    r"\*|\d{12}|arn:aws[\w-]*:(iam|sts)::.+|[a-z0-9.-]+\.(amazonaws\.com|amazon\.com|internal)"
)


class PolicyDocument(TypedDict):
    """The resource-based policy of a function or a version; ``revision`` is GetPolicy's RevisionId."""

    statements: list[policy.Statement]
    revision: str


class EventConfig(TypedDict):
    """How asynchronous invocations of a function or a version are retried."""

    MaximumRetryAttempts: NotRequired[int]
    MaximumEventAgeInSeconds: NotRequired[int]
    LastModified: datetime


class FunctionDocument(TypedDict):
    """A function with all its versions."""

    config: FunctionConfiguration
    """The configuration of ``$LATEST``."""
    tags: dict[str, str]
    versions: dict[str, FunctionConfiguration]
    """The published versions by number."""
    last_version: int
    """Number of the newest published version; 0 if there is none."""
    policies: dict[str, PolicyDocument]
    """Policies by qualifier: ``""`` for the function itself."""
    events: dict[str, EventConfig]
    """Event invoke configurations by version, including ``$LATEST``."""
    concurrency: NotRequired[int]
    """Reserved concurrent executions; missing if none are reserved."""
    directories: NotRequired[dict[str, str]]
    """Names of the directories that hold its code, by CodeSha256."""
    published: NotRequired[str]
    """Digest of the settings that ``$LATEST`` had when the newest version was published."""


class Permissions(Service):
    """The Lambda API's policies and event invoke configs; owns the documents of the functions."""

    name = "lambda"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._functions = account.store.table("lambda.functions", FunctionDocument)

    def add_permission(self, params: AddPermissionRequestTypeDef) -> Answer:
        """See AddPermission."""
        if not _PRINCIPAL.fullmatch(params["Principal"]):
            raise ServiceError(
                INVALID, "The provided principal was invalid. Please check the principal and try again."
            )
        for member in ("FunctionUrlAuthType", "EventSourceToken", "InvokedViaFunctionUrl"):
            if params.get(member):
                raise ServiceError(INVALID, f"{member} is not supported by the local account")
        name, qualifier = self._parse(params)
        if qualifier == "$LATEST":
            raise ServiceError(INVALID, "We currently do not support adding policies for $LATEST.")
        self._require_unless_alias(name, qualifier)
        with self._functions.update(name) as document:
            entry = document["policies"].setdefault(qualifier, {"statements": [], "revision": ""})
            _check_policy_revision(entry, params)
            if any(item["Sid"] == params["StatementId"] for item in entry["statements"]):
                raise ServiceError(
                    "ResourceConflictException",
                    f"The statement id ({params['StatementId']}) provided already exists. Please provide a "
                    "new statement id, or remove the existing statement.",
                    status=409,
                )
            statement = policy.statement(function_arn(self.account, name, qualifier), params)
            entry["statements"].append(statement)
            entry["revision"] = str(uuid.uuid4())
        return {"Statement": json.dumps(statement)}

    def remove_permission(self, params: RemovePermissionRequestTypeDef) -> Answer:
        """See RemovePermission."""
        name, qualifier = self._parse(params)
        if self._functions.get(name) is None:
            raise _not_found(f"No policy found for: {function_arn(self.account, name, qualifier)}")
        self._require_unless_alias(name, qualifier)
        with self._functions.update(name) as document:
            if qualifier not in document["policies"]:
                raise _not_found("No policy is associated with the given resource.")
            entry = document["policies"][qualifier]
            _check_policy_revision(entry, params)
            left = [item for item in entry["statements"] if item["Sid"] != params["StatementId"]]
            if len(left) == len(entry["statements"]):
                raise _not_found(f"Statement {params['StatementId']} is not found in resource policy.")
            document["policies"][qualifier] = {"statements": left, "revision": str(uuid.uuid4())}
            if not left:
                del document["policies"][qualifier]
        return {}

    def get_policy(self, params: GetPolicyRequestTypeDef) -> Answer:
        """See GetPolicy."""
        name, qualifier = self._parse(params)
        found = self._functions.get(name)
        entry = found["policies"].get(qualifier) if found else None
        if not entry:
            raise _not_found("The resource you requested does not exist.")
        document = {"Version": "2012-10-17", "Id": "default", "Statement": entry["statements"]}
        return {"Policy": json.dumps(document), "RevisionId": entry["revision"]}

    def put_function_event_invoke_config(self, params: PutFunctionEventInvokeConfigRequestTypeDef) -> Answer:
        """See PutFunctionEventInvokeConfig; destinations are not supported."""
        return self._set_event_config(params, replace=True)

    def update_function_event_invoke_config(
        self, params: UpdateFunctionEventInvokeConfigRequestTypeDef
    ) -> Answer:
        """See UpdateFunctionEventInvokeConfig."""
        return self._set_event_config(params, replace=False)

    def get_function_event_invoke_config(self, params: GetFunctionEventInvokeConfigRequestTypeDef) -> Answer:
        """See GetFunctionEventInvokeConfig."""
        name, qualifier = self._parse(params)
        return self._event_config(self._functions.get(name), name, qualifier)

    def list_function_event_invoke_configs(
        self, params: ListFunctionEventInvokeConfigsRequestTypeDef
    ) -> Answer:
        """See ListFunctionEventInvokeConfigs."""
        name, _ = self._parse(params)
        document = self._require(name)
        configs = [self._event_config(document, name, qualifier) for qualifier in document["events"]]
        shown, marker = page(configs, params.get("Marker"), params.get("MaxItems", 50), INVALID)
        return {"FunctionEventInvokeConfigs": shown, "NextMarker": marker}

    def delete_function_event_invoke_config(
        self, params: DeleteFunctionEventInvokeConfigRequestTypeDef
    ) -> Answer:
        """See DeleteFunctionEventInvokeConfig."""
        name, qualifier = self._parse(params)
        self._event_config(self._functions.get(name), name, qualifier)
        with self._functions.update(name) as document:
            del document["events"][qualifier or "$LATEST"]
        return {}

    def _set_event_config(self, params: Mapping[str, Any], replace: bool) -> FunctionEventInvokeConfigTypeDef:
        if any(target.get("Destination") for target in params.get("DestinationConfig", {}).values()):
            raise ServiceError(INVALID, "DestinationConfig is not supported by the local account")
        name, qualifier = self._parse(params)
        if self._functions.get(name) is None:
            raise _not_found("The function doesn't exist.")
        self._require(name, qualifier)
        given = {
            member: params[member]
            for member in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
            if member in params
        }
        if not given and not params.get("DestinationConfig"):
            raise ServiceError(
                INVALID, "You must specify at least one of error handling or destination setting."
            )
        with self._functions.update(name) as document:
            kept: Mapping[str, Any] = {} if replace else document["events"].get(qualifier or "$LATEST", {})
            config = {**kept, **given, "LastModified": self.account.now()}
            document["events"][qualifier or "$LATEST"] = cast("EventConfig", config)
        return self._event_config(document, name, qualifier)

    def _event_config(
        self, document: FunctionDocument | None, name: str, qualifier: str
    ) -> FunctionEventInvokeConfigTypeDef:
        version = qualifier or "$LATEST"
        arn = function_arn(self.account, name, version)
        if document is None or version not in document["events"]:
            raise _not_found(f"The function {arn} doesn't have an EventInvokeConfig")
        return {"FunctionArn": arn, "DestinationConfig": {}, **document["events"][version]}

    def _parse(self, params: Mapping[str, Any]) -> tuple[str, str]:
        return parse_name(self.account, params["FunctionName"], params.get("Qualifier"))

    def _require_unless_alias(self, name: str, qualifier: str) -> None:
        if self._functions.get(name) and re.match("[A-Za-z]", qualifier) and "$" not in qualifier:
            raise _not_found(f"Cannot find alias arn: {function_arn(self.account, name, qualifier)}")
        self._require(name, qualifier)

    def _require(self, name: str, qualifier: str = "") -> FunctionDocument:
        document = self._functions.get(name)
        if document is None or (qualifier not in ("", "$LATEST") and qualifier not in document["versions"]):
            arn = function_arn(self.account, name, qualifier)
            raise _not_found(f"Function not found: {arn}")
        return document


def _not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, status=404)


def _check_policy_revision(entry: PolicyDocument, params: Mapping[str, Any]) -> None:
    if params.get("RevisionId", entry["revision"]) != entry["revision"]:
        raise ServiceError(
            "PreconditionFailedException",
            "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to "
            "retrieve the latest Revision Id",
            status=412,
        )
