"""The operations of the Lambda API."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.outbox import Outbox
from local_account.foundation.system_tags import counted
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, blob
from local_account.services.lambda_ import code, configuration, states
from local_account.services.lambda_.configuration import INVALID, function_arn, parse_name
from local_account.services.lambda_.invocation import (
    CONCURRENCY,
    AsynchronousInvocation,
    Function,
    Invoker,
    Pool,
    Request,
)
from local_account.services.lambda_.logs import LogWriter
from local_account.services.lambda_.permissions import Permissions

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import (
        CreateFunctionRequestTypeDef,
        DeleteFunctionConcurrencyRequestTypeDef,
        DeleteFunctionRequestTypeDef,
        GetFunctionConcurrencyRequestTypeDef,
        GetFunctionConfigurationRequestTypeDef,
        GetFunctionRequestTypeDef,
        InvocationRequestTypeDef,
        ListFunctionsRequestTypeDef,
        ListTagsRequestTypeDef,
        ListVersionsByFunctionRequestTypeDef,
        PublishVersionRequestTypeDef,
        PutFunctionConcurrencyRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagResourceRequestTypeDef,
        UpdateFunctionCodeRequestTypeDef,
        UpdateFunctionConfigurationRequestTypeDef,
    )
    from werkzeug.wrappers import Request as HttpRequest
    from werkzeug.wrappers import Response

    from local_account.foundation.account import Account
    from local_account.services.lambda_.configuration import FunctionConfiguration
    from local_account.services.lambda_.permissions import FunctionDocument

log = logging.getLogger(__name__)

LATEST = "$LATEST"
_REQUEST_LIMIT, _EVENT_LIMIT = 6_291_456, 1_048_576
_RETRY_SECONDS = (60.0, 120.0)
_REAP_SECONDS = 15.0
_PREPARE_SECONDS = 10.0
_EVENT_RETRIES, _EVENT_SECONDS = 2, 21_600
_UNVERSIONED = frozenset(("Version", "FunctionArn", "LastModified", "RevisionId"))
_TAGS = 50
_LEAST_UNRESERVED = 10
"""Of an account with ten concurrent executions; reported by those who have one, not documented."""


class Lambda(Permissions):
    """AWS Lambda with zip packages and Python handlers.

    Lacks: `CreateAlias`, `CreateEventSourceMapping`, `CreateFunctionUrlConfig`, `InvokeAsync`,
    `InvokeWithResponseStream`, `PublishLayerVersion`, `PutProvisionedConcurrencyConfig`,
    `PutRuntimeManagementConfig`.
    """

    name = "lambda"
    settle_seconds = 1.0
    """How long a function is Pending, and an update InProgress: on AWS a few seconds."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._directory = account.config.state_dir / "lambda"
        self._scratch = self._directory / ".environments"
        self._logs = LogWriter(account)
        self._pool = Pool(account, self._logs, self._scratch)
        self._invoker = Invoker(account, self._pool)
        self._events = Outbox(account, "lambda.events", self._run_event, threads=CONCURRENCY)
        self._listed: tuple[int, list[FunctionConfiguration]] = (-1, [])
        """The configurations of all functions as lists have them, valid until their table changes."""

    def start(self) -> None:
        """Resume the events that are waiting, and clean up after a killed account."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        for document in self._functions.values():
            self._settle(document["config"]["FunctionName"])
        for directory in self._directory.iterdir():
            self._sweep(directory.name)
        self._logs.start()
        self._events.start()
        self.account.tasks.every(_REAP_SECONDS, "lambda-reaper", self._pool.reap)

    def stop(self) -> None:
        """End every handler; unfinished events are served after the next start."""
        self._events.stop()
        self._pool.stop()
        self._logs.stop()

    def paths(self) -> Mapping[str, Callable[[HttpRequest], Response]]:
        """Give out the copies of deployment packages."""
        return {code.PATH: partial(code.download, self._directory)}

    # --- functions

    def create_function(self, params: CreateFunctionRequestTypeDef) -> Answer:
        """See CreateFunction. The function is Pending when this returns."""
        name, qualifier = parse_name(self.account, params["FunctionName"])
        if qualifier:
            raise ServiceError(INVALID, "A function is created without a qualifier")
        if self._functions.get(name):
            raise ServiceError("ResourceConflictException", f"Function already exist: {name}", status=409)
        for member in ("Runtime", "Handler"):
            if member not in params:
                raise ServiceError(
                    INVALID, f"{member} is mandatory for functions created with deployment packages."
                )
        config = configuration.new(name, function_arn(self.account, name))
        configuration.configure(self.account, config, params)
        document: FunctionDocument = {
            "config": config,
            "tags": cast("dict[str, str]", params.get("Tags", {})),
            "versions": {},
            "last_version": 0,
            "policies": {},
            "events": {},
        }
        if counted(document["tags"]) > _TAGS:
            raise _too_many_tags()
        states.create(config)
        self._deploy(document, code.fetch(self.account, params["Code"]))
        with self._functions.lock:
            if self._functions.get(name):
                raise ServiceError("ResourceConflictException", f"Function already exist: {name}", status=409)
            result = self._publish(document) if params.get("Publish") else document["config"]
            self._functions.put(name, document)
        self.account.tasks.spawn(f"prepare-{name}", self._prepare, name)
        self._settle_later(name)
        return {**result, "FunctionArn": config["FunctionArn"]}  # never that of the version, as on AWS

    def _settle_later(self, name: str) -> None:
        self.account.tasks.spawn(f"settle-{name}", self._wait_and_settle, name)

    def _wait_and_settle(self, name: str) -> None:
        if not self.account.tasks.stopping.wait(self.settle_seconds):
            self._settle(name)

    def _settle(self, name: str) -> None:
        """End what is under way for a function and its versions, if it still exists."""
        with self._functions.lock:
            if not (document := self._functions.get(name)):
                return
            configs = [document["config"], *document["versions"].values()]
            if all(states.is_settled(config) for config in configs):
                return
            for config in configs:
                states.settle(config)
            self._functions.put(name, document)
        self._retire(name)

    def _prepare(self, name: str) -> None:
        """Prepare an environment for a new function once the deployment that brought it has had its time."""
        if not self.account.tasks.stopping.wait(_PREPARE_SECONDS) and self._functions.get(name):
            self._pool.prepare(self._function(name, "")[0])

    def get_function(self, params: GetFunctionRequestTypeDef) -> Answer:
        """See GetFunction."""
        document, config = self._version_of(params)
        result = {
            "Configuration": config,
            "Code": code.location(
                self.account,
                self._directory / config["FunctionName"],
                document["directories"][config["CodeSha256"]],
            ),
        }
        if document["tags"]:
            result["Tags"] = document["tags"]
        if "concurrency" in document:
            result["Concurrency"] = {"ReservedConcurrentExecutions": document["concurrency"]}
        return result

    def get_function_configuration(self, params: GetFunctionConfigurationRequestTypeDef) -> Answer:
        """See GetFunctionConfiguration."""
        return self._version_of(params)[1]

    def list_functions(self, params: ListFunctionsRequestTypeDef) -> Answer:
        """See ListFunctions."""
        changes = self._functions.changes
        if params.get("FunctionVersion") == "ALL":
            versions = [one for document in self._functions.values() for one in self._all_versions(document)]
            return _page("Functions", [states.without_state(config) for config in versions], params)
        if self._listed[0] != changes:  # a page of fifty would read all
            configs = [states.without_state(document["config"]) for document in self._functions.values()]
            self._listed = (changes, configs)
        return _page("Functions", self._listed[1], params)

    def _all_versions(self, document: FunctionDocument) -> list[FunctionConfiguration]:
        config = document["config"]
        arn = function_arn(self.account, config["FunctionName"], LATEST)
        return [{**config, "FunctionArn": arn}, *document["versions"].values()]

    def delete_function(self, params: DeleteFunctionRequestTypeDef) -> Answer:
        """See DeleteFunction."""
        name, qualifier = self._parse(params)
        if qualifier == LATEST:
            raise ServiceError(INVALID, "$LATEST version cannot be deleted without deleting the function.")
        self._require(name)
        if qualifier:
            with self._functions.update(name) as document:
                document["versions"].pop(qualifier, None)  # one that is not there is no error, as on AWS
        else:
            self._functions.delete(name)
        self._retire(name)
        return {"StatusCode": 204}

    def update_function_code(self, params: UpdateFunctionCodeRequestTypeDef) -> Answer:
        """See UpdateFunctionCode."""
        name, _ = self._parse(params)
        document = self._require(name)
        _check_revision(document, params)
        package = code.fetch(self.account, params)
        if params.get("DryRun"):
            code.check(package)
            return {**document["config"], "CodeSha256": package.sha256, "CodeSize": len(package.content)}
        with self._functions.update(name) as document:
            states.check_settled(document["config"])
            _check_revision(document, params)
            configuration.configure(
                self.account,
                document["config"],
                {member: params[member] for member in ("Architectures", "PublishTo") if member in params},
            )
            self._deploy(document, package)
            result = self._publish(document) if params.get("Publish") else document["config"]
            states.update(document["config"])
        self._retire(name)
        self._settle_later(name)
        return dict(result)

    def update_function_configuration(self, params: UpdateFunctionConfigurationRequestTypeDef) -> Answer:
        """See UpdateFunctionConfiguration."""
        name, _ = self._parse(params)
        self._require(name)
        with self._functions.update(name) as document:
            states.check_settled(document["config"])
            _check_revision(document, params)
            configuration.configure(self.account, document["config"], params)
            self._revise(document)
            states.update(document["config"])
        self._retire(name)
        self._settle_later(name)
        return dict(document["config"])

    def publish_version(self, params: PublishVersionRequestTypeDef) -> Answer:
        """See PublishVersion: the version is active at once, which those of other operations are not."""
        name, _ = self._parse(params)
        self._require(name)
        with self._functions.update(name) as document:
            states.check_settled(document["config"])
            _check_revision(document, params)
            current = document["config"]["CodeSha256"]
            if params.get("CodeSha256", current) != current:
                raise ServiceError(
                    INVALID,
                    f"CodeSHA256 ({params['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
                    f"({current}). Please try again with the CodeSHA256 in $LATEST.",
                )
            published = self._publish(document, params.get("Description"))
            if not states.is_settled(published):
                states.activate(published)
                document["config"]["RevisionId"] = str(uuid.uuid4())
        self._retire(name)
        return dict(published)

    def list_versions_by_function(self, params: ListVersionsByFunctionRequestTypeDef) -> Answer:
        """See ListVersionsByFunction."""
        name, _ = self._parse(params)
        document = self._require(name)
        found = [states.without_state(config) for config in self._all_versions(document)]
        return _page("Versions", found, params)

    def get_account_settings(self, _params: Params) -> Answer:
        """See GetAccountSettings."""
        documents = self._functions.values()
        reserved = sum(document.get("concurrency", 0) for document in documents)
        return {
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800,
                "CodeSizeUnzipped": 262_144_000,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": CONCURRENCY,
                "UnreservedConcurrentExecutions": max(CONCURRENCY - reserved, 0),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(document["config"]["CodeSize"] for document in documents),
                "FunctionCount": len(documents),
            },
        }

    # --- concurrency, tags

    def put_function_concurrency(self, params: PutFunctionConcurrencyRequestTypeDef) -> Answer:
        """See PutFunctionConcurrency; 0 stops all invocations.

        In an account with ten concurrent executions, as new ones are, nothing else can be reserved.
        """
        value = params["ReservedConcurrentExecutions"]
        name, qualifier = self._parse(params)
        if qualifier:
            raise ServiceError(
                INVALID,
                "This operation is permitted on Lambda functions only. Aliases and versions do not support "
                "this operation. Please specify either a function name or an unqualified function ARN.",
            )
        self._require(name)
        if value > CONCURRENCY - _LEAST_UNRESERVED:
            raise ServiceError(
                INVALID,
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{_LEAST_UNRESERVED}].",
            )
        with self._functions.update(name) as document:
            document["concurrency"] = value
        return {"ReservedConcurrentExecutions": value}

    def get_function_concurrency(self, params: GetFunctionConcurrencyRequestTypeDef) -> Answer:
        """See GetFunctionConcurrency."""
        document = self._require(self._parse(params)[0])
        return {"ReservedConcurrentExecutions": document.get("concurrency")}

    def delete_function_concurrency(self, params: DeleteFunctionConcurrencyRequestTypeDef) -> Answer:
        """See DeleteFunctionConcurrency."""
        name, _ = self._parse(params)
        self._require(name)
        with self._functions.update(name) as document:
            document.pop("concurrency", None)
        return {}

    def list_tags(self, params: ListTagsRequestTypeDef) -> Answer:
        """See ListTags."""
        return {"Tags": self._require(self._tagged(params["Resource"]))["tags"]}

    def _tagged(self, arn: str) -> str:
        name, qualifier = parse_name(self.account, arn)
        if qualifier:
            raise ServiceError(
                INVALID,
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            )
        return name

    def tag_resource(self, params: TagResourceRequestTypeDef) -> Answer:
        """See TagResource."""
        name = self._tagged(params["Resource"])
        self._require(name)
        if not params["Tags"]:
            raise ServiceError(INVALID, "An error occurred and the request cannot be processed.")
        with self._functions.update(name) as document:
            if counted({**document["tags"], **params["Tags"]}) > _TAGS:
                raise _too_many_tags()
            document["tags"] |= params["Tags"]
        return {}

    def untag_resource(self, params: UntagResourceRequestTypeDef) -> Answer:
        """See UntagResource."""
        name = self._tagged(params["Resource"])
        self._require(name)
        with self._functions.update(name) as document:
            for key in params["TagKeys"]:
                document["tags"].pop(key, None)
        return {}

    # --- invocation

    def invoke(self, params: InvocationRequestTypeDef) -> Answer:
        """See Invoke.

        Refuses (Invoke): `TenantId` and `DurableExecutionName`, of functions with tenants or durable
        executions.
        """
        for member in ("TenantId", "DurableExecutionName"):
            if member in params:
                raise ServiceError(
                    "InvalidParameterValueException", f"{member} is not supported by the local account"
                )
        name, qualifier = self._parse(params)
        states.check_active(self._version_of(params)[1])
        kind = params.get("InvocationType", "RequestResponse")
        payload = _payload(
            blob(params.get("Payload") or b"{}"), _EVENT_LIMIT if kind == "Event" else _REQUEST_LIMIT
        )
        request_id = str(uuid.uuid4())
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            self._events.put(
                {
                    "name": name,
                    "qualifier": qualifier,
                    "payload": payload,
                    "request_id": request_id,
                    "accepted": time.time(),
                    "attempts": 0,
                    "throttled": 0,
                }
            )
            return {"StatusCode": 202, "Payload": b""}
        function, arn = self._function(name, qualifier)
        outcome = self._invoker.run(function, Request(request_id, arn, payload, params.get("ClientContext")))
        return {
            "StatusCode": 200,
            "Payload": outcome.payload,
            "ExecutedVersion": function.config["Version"],
            "FunctionError": "Unhandled" if outcome.failed else None,
            "LogResult": base64.b64encode(outcome.log).decode() if params.get("LogType") == "Tail" else None,
        }

    def _run_event(self, event: AsynchronousInvocation) -> float | None:  # noqa: PLR0911 - one per documented end
        """Serve one asynchronous invocation (called by the outbox)."""
        name, qualifier = event["name"], event["qualifier"]
        document = self._functions.get(name)
        if document is None or (qualifier not in ("", LATEST) and qualifier not in document["versions"]):
            log.warning("an event for the function %s is dropped: the function was deleted", name)
            return None
        policy: Mapping[str, Any] = document["events"].get(qualifier or LATEST, {})
        if time.time() - event["accepted"] > policy.get("MaximumEventAgeInSeconds", _EVENT_SECONDS):
            log.warning("an event for the function %s is dropped: it reached its maximum age", name)
            return None
        function, arn = self._function(name, qualifier)
        try:
            outcome = self._invoker.run(function, Request(event["request_id"], arn, event["payload"]))
        except ServiceError:
            event["throttled"] += 1
            return float(min(2 ** (event["throttled"] - 1), 300))
        if self.account.tasks.stopping.is_set():
            return 0.0
        if not outcome.failed:
            return None
        event["attempts"] += 1
        if event["attempts"] > policy.get("MaximumRetryAttempts", _EVENT_RETRIES):
            log.warning(
                "an event for the function %s is dropped after %d attempts: %s",
                name,
                event["attempts"],
                outcome.payload.decode()[:500],
            )
            return None
        return _RETRY_SECONDS[event["attempts"] - 1]

    # --- documents

    def _version_of(self, params: Mapping[str, Any]) -> tuple[FunctionDocument, FunctionConfiguration]:
        name, qualifier = self._parse(params)
        document = self._require(name, qualifier)
        if qualifier in ("", LATEST):
            config: FunctionConfiguration = {
                **document["config"],
                "FunctionArn": function_arn(self.account, name, qualifier),
            }
            return document, config
        return document, document["versions"][qualifier]

    def _function(self, name: str, qualifier: str) -> tuple[Function, str]:
        document, config = self._version_of({"FunctionName": name, "Qualifier": qualifier or None})
        directory = self._directory / name / document["directories"][config["CodeSha256"]]
        return Function(config, directory, document.get("concurrency")), function_arn(
            self.account, name, qualifier
        )

    def _deploy(self, document: FunctionDocument, package: code.Package) -> None:
        config = document["config"]
        directory = code.unpack(package, self._directory / config["FunctionName"])
        document.setdefault("directories", {})[package.sha256] = directory.name
        config |= {"CodeSha256": package.sha256, "CodeSize": len(package.content)}
        self._revise(document)

    def _revise(self, document: FunctionDocument) -> None:
        moment = self.account.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        document["config"] |= {"RevisionId": str(uuid.uuid4()), "LastModified": f"{moment}+0000"}

    def _publish(self, document: FunctionDocument, description: str | None = None) -> FunctionConfiguration:
        """Publish a version of ``$LATEST``, unless that has not changed since the last one."""
        versions = document["versions"]
        config = document["config"].copy()
        settings = json.dumps(_settings(config), sort_keys=True)
        digest = hashlib.sha256(settings.encode()).hexdigest()
        last = versions.get(str(document["last_version"]))
        if last and document.get("published") == digest:
            return last.copy()
        document["published"] = digest
        if description is not None:
            config["Description"] = description
        document["last_version"] += 1
        version = str(document["last_version"])
        config |= {
            "Version": version,
            "FunctionArn": function_arn(self.account, config["FunctionName"], version),
            "RevisionId": str(uuid.uuid4()),
        }
        states.create(config)
        versions[version] = config
        return config

    def _retire(self, name: str) -> None:
        document = self._functions.get(name)
        configs = [document["config"], *document["versions"].values()] if document else []
        self._pool.retire(name, {config["RevisionId"] for config in configs})
        self._sweep(name)

    def _sweep(self, name: str) -> None:
        document = self._functions.get(name)
        configs = [document["config"], *document["versions"].values()] if document else []
        keep = {document["directories"][config["CodeSha256"]] for config in configs} if document else set()
        directory = self._directory / name
        if not any(path.parent == directory for path in self._pool.code_in_use()):
            code.sweep(directory, keep)


def _settings(config: FunctionConfiguration) -> Params:
    members = states.without_state(config).items()
    return {key: value for key, value in members if key not in _UNVERSIONED}


def _too_many_tags() -> ServiceError:
    return ServiceError(INVALID, "Number of tags exceeds resource tag limit.")


def _check_revision(document: FunctionDocument, params: Mapping[str, Any]) -> None:
    if params.get("RevisionId", document["config"]["RevisionId"]) != document["config"]["RevisionId"]:
        raise ServiceError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias "
            "API to retrieve the latest Revision Id",
            status=412,
        )


def _payload(content: bytes, limit: int) -> str:
    if len(content) > limit:
        raise ServiceError(
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
            status=413,
        )
    try:
        text = content.decode()
        json.loads(text)
    except ValueError as error:
        raise ServiceError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from error
    return text


def _page(member: str, items: list[Any], params: Mapping[str, Any]) -> Params:
    found, marker = page(items, params.get("Marker"), min(params.get("MaxItems", 50), 50), INVALID)
    return {member: found, "NextMarker": marker}
