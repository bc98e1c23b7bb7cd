"""Begins operations on stacks, one at a time per stack, and collects what they need."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import ClientError

from local_account.foundation.acting import calling_role
from local_account.foundation.errors import ServiceError
from local_account.services.cloudformation import parameters, providers
from local_account.services.cloudformation.deployment import Deployment
from local_account.services.cloudformation.plan import Plan, changed_types
from local_account.services.cloudformation.schemas import Schemas
from local_account.services.cloudformation.scope import Types
from local_account.services.cloudformation.stacks import SNAPSHOT, Snapshot, Stack, Stacks
from local_account.services.cloudformation.template import Template, invalid

if TYPE_CHECKING:
    from local_account.foundation.account import Account

MAX_BODY_BYTES, MAX_FILE_BYTES = 51_200, 1_048_576
UPDATABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_FAILED",
}
STACK_NAME = re.compile(r"[A-Za-z][-A-Za-z0-9]{0,127}")
SETTLE_SECONDS = 3.0
"""How long an operation that begins work on a stack waits for it to end before answering.

Waiters and ``aws cloudformation deploy`` poll at once and then only every 30 seconds: for the many stacks
that take a second or two, this saves them the wait. Nothing relies on it.
"""
STOP_SECONDS = 2.0
PRINCIPAL = "cloudformation.amazonaws.com"


class Engine:
    """Runs the operations on the account's stacks."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.stacks = Stacks(account)
        self.types = Types(providers.Providers(), Schemas(account.config.region))
        self.lock = threading.RLock()
        """Held while a stack is examined and an operation on it is begun."""
        self._running: dict[str, Deployment] = {}

    # Templates and requests

    def template_text(self, params: Mapping[str, Any], previous: str | None = None) -> str:
        """Return the template that a request names: TemplateBody, TemplateURL or UsePreviousTemplate."""
        named = [key for key in ("TemplateBody", "TemplateURL") if params.get(key)]
        if params.get("UsePreviousTemplate"):
            if named or previous is None:
                raise invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
            return previous
        if len(named) != 1:
            raise invalid("Either Template URL or Template Body must be specified.")
        if named == ["TemplateURL"]:
            return self._fetch(params["TemplateURL"])
        body: str = params["TemplateBody"]
        if len(body.encode()) > MAX_BODY_BYTES:
            raise invalid(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member "
                f"must have length less than or equal to {MAX_BODY_BYTES}; put the template into S3 and "
                "specify its URL"
            )
        return body

    def template(self, text: str) -> Template:
        """Parse a template; raise ServiceError ValidationError if no stack can be created from it."""
        return self.types.template(text)

    def wanted(self, stack: Stack, params: Mapping[str, Any], text: str) -> tuple[Stack, Template]:
        """Return the stack's document and template as they would be after the request; nothing is written.

        ``stack`` has empty Resources if it is new. Raises ServiceError for anything wrong with the request.
        """
        refuse_unsupported(params)
        template = self.template(text)
        template.check_capabilities(params.get("Capabilities") or [])
        values = parameters.resolve(template, params.get("Parameters") or [], stack.get("Values"))
        parameters.check_existing(template, values, self._account)
        tags = params.get("Tags")
        document = {
            **stack,
            "TemplateBody": text,
            "Description": template.description,
            "Values": values,
            "Parameters": parameters.looked_up(template, values, self._account),
            "Capabilities": params.get("Capabilities") or [],
            "Tags": stack.get("Tags", []) if tags is None else tags,
        }
        if role := params.get("RoleARN"):
            self.check_role(role)
            document["RoleARN"] = role
        if types := changed_types(template, stack["Resources"]):
            raise invalid(
                "Update of resource type is not permitted. The new template modifies resource type of the "
                f"following resources: [{', '.join(types)}]"
            )
        return cast("Stack", document), template

    def check_role(self, role_arn: str) -> None:
        """Raise ServiceError ValidationError unless CloudFormation may assume the role."""
        try:
            self._account.check_role(role_arn, PRINCIPAL)
        except ServiceError as error:
            raise invalid(error.message) from error

    def plan(self, wanted: Stack, template: Template) -> Plan:
        """Return the changes that make the stack what is wanted."""
        return Plan(self._account, self.stacks, self.types, wanted, template)

    def check_new(self, name: str) -> None:
        """Raise ServiceError if a new stack cannot have the name."""
        if not STACK_NAME.fullmatch(name):
            raise invalid(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*"
            )
        stack = self.stacks.head(name)
        if stack is not None and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
            raise ServiceError("AlreadyExistsException", f"Stack [{name}] already exists")

    def new_stack(self, name: str) -> Stack:
        """Return the document of a new stack."""
        new = {
            "StackId": self._account.arn("cloudformation", f"stack/{name}/{uuid.uuid4()}"),
            "StackName": name,
            "CreationTime": self._account.now(),
            "Resources": {},
            "Obsolete": [],
            "Outputs": [],
            "Exports": {},
            "Imports": [],
            "Tags": [],
            "Operations": 0,
        }
        return cast("Stack", new)  # `wanted` adds what its template determines

    # Operations

    def create(self, wanted: Stack, token: str | None) -> None:
        """Write the stack (new, or only in review so far) and begin to create its resources."""
        # with its status: from here on, any client may describe it
        self.stacks.add({**wanted, "StackStatus": "CREATE_IN_PROGRESS"})
        self._begin(wanted["StackId"], "CREATE_IN_PROGRESS", Deployment.create, token)
        if minutes := wanted.get("TimeoutInMinutes"):
            timer = threading.Timer(minutes * 60, self._time_out, [wanted["StackId"]])
            timer.daemon = True
            timer.start()

    def update(self, wanted: Stack, token: str | None) -> None:
        """Write the stack as wanted, keep its old state for a rollback, and begin to change its resources."""
        with self.stacks.update(wanted["StackId"]) as stack:
            # After a failure without rollback, the last stable state is still the one to roll back to.
            previous = stack.get("Previous")
            if previous is None and stack["StackStatus"] != "CREATE_FAILED":
                previous = cast("Snapshot", {key: stack.get(key) for key in SNAPSHOT})
            stack.update(wanted)
            stack["LastUpdatedTime"] = self._account.now()
            if previous is not None:
                stack["Previous"] = previous
        self._begin(wanted["StackId"], "UPDATE_IN_PROGRESS", Deployment.update, token)

    def delete(self, stack: Stack, token: str | None, **changes: Any) -> None:
        """Begin to delete the resources; a creation in progress is canceled first."""
        changes["CallerRole"] = calling_role()
        running = self._running.get(stack["StackId"])
        if running is None:
            self._begin(stack["StackId"], "DELETE_IN_PROGRESS", Deployment.delete, token, **changes)
            return
        running.cancel("Deletion requested by user.", superseded=True)

        def after_creation(deployment: Deployment) -> None:
            running.done.wait()
            self.stacks.begin_operation(stack["StackId"])
            self.stacks.set_status(stack["StackId"], "DELETE_IN_PROGRESS", "User Initiated", token, **changes)
            deployment.delete()

        self._spawn(stack["StackId"], after_creation, token)

    def roll_back(self, stack: Stack, token: str | None, **changes: Any) -> None:
        """Begin (again) to roll a failed stack back to its last stable state."""
        if "Previous" in stack:
            status, verb = "UPDATE_ROLLBACK_IN_PROGRESS", Deployment.roll_back_update
        else:
            status, verb = "ROLLBACK_IN_PROGRESS", Deployment.roll_back_creation
        self._begin(stack["StackId"], status, verb, token, **changes)

    def cancel(self, stack_id: str, reason: str) -> None:
        """Cancel the operation in progress, with a rollback."""
        if running := self._running.get(stack_id):
            running.cancel(reason)

    def resume(self) -> None:
        """Resume every operation that an earlier run of the account left unfinished."""
        for stack in self.stacks.active():
            status = stack["StackStatus"]
            if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
                self._spawn(stack["StackId"], Deployment.resume, None)

    def stop(self) -> None:
        """Wait a moment for operations to notice that the account is stopping, while its API still works."""
        deadline = time.monotonic() + STOP_SECONDS
        for running in list(self._running.values()):
            running.done.wait(max(deadline - time.monotonic(), 0))

    def settle(self, stack_id: str) -> None:
        """Wait up to ``SETTLE_SECONDS`` until no operation is in progress on a stack."""
        if running := self._running.get(stack_id):
            running.done.wait(SETTLE_SECONDS)

    def _begin(
        self,
        stack_id: str,
        status: str,
        verb: Callable[[Deployment], None],
        token: str | None,
        **changes: Any,
    ) -> None:
        self.stacks.begin_operation(stack_id)
        changes["CallerRole"] = calling_role()
        self.stacks.set_status(stack_id, status, "User Initiated", token, **changes)
        self._spawn(stack_id, verb, token)

    def _spawn(self, stack_id: str, verb: Callable[[Deployment], None], token: str | None) -> None:
        deployment = Deployment(self._account, self.stacks, self.types, stack_id, token)
        self._running[stack_id] = deployment

        def body() -> None:
            try:
                deployment.run(verb)
            finally:
                with self.lock:
                    if self._running.get(stack_id) is deployment:
                        del self._running[stack_id]

        self._account.tasks.spawn(f"cloudformation {stack_id.split('/')[1]}", body)

    def _time_out(self, stack_id: str) -> None:
        if self.stacks.require_head(stack_id)["StackStatus"] == "CREATE_IN_PROGRESS":
            self.cancel(stack_id, "Stack creation time exceeded the specified timeout.")

    def _fetch(self, url: str) -> str:
        bucket, key, version = self._s3_location(url)
        try:
            answer = self._account.client("s3", calling_role()).get_object(
                Bucket=bucket, Key=key, **({"VersionId": version} if version else {})
            )
            data: bytes = answer["Body"].read(MAX_FILE_BYTES + 1)
        except ClientError as error:
            said = error.response["Error"].get("Message")
            raise invalid(f"S3 error: {said}\n{_MORE_ABOUT_S3_ERRORS}") from error
        if len(data) > MAX_FILE_BYTES:
            raise invalid(f"Template {url} is longer than {MAX_FILE_BYTES} bytes")
        return data.decode()

    def _s3_location(self, url: str) -> tuple[str, str, str | None]:
        parts = urlsplit(url)
        host, path = parts.hostname or "", unquote(parts.path.lstrip("/"))
        version = parse_qs(parts.query).get("versionId", [None])[0]
        virtual = re.match(r"(?P<bucket>[a-z0-9.-]+)\.s3[.-]([a-z0-9-]+\.)*amazonaws\.com$", host)
        bucket, key = (virtual["bucket"], path) if virtual else path.partition("/")[::2]
        local = parts.port == self._account.config.gateway_port
        if not (host.endswith("amazonaws.com") or local) or not bucket or not key:
            raise invalid(f"TemplateURL must be a supported URL: {url} is not the URL of an object in S3")
        return bucket, key, version


_MORE_ABOUT_S3_ERRORS = (
    "For more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
)
"""What AWS adds to S3's message."""


def refuse_unsupported(params: Mapping[str, Any]) -> None:
    """Raise ServiceError for request members that would have no effect here.

    Refuses (CreateStack, UpdateStack, CreateChangeSet): notifications by SNS, stack policies, imports,
    `ResourceTypes`, rollback triggers and the time to monitor them (`MonitoringTimeInMinutes`), change sets
    of nested stacks.
    """
    unsupported: Iterable[str] = (
        "NotificationARNs",
        "ResourcesToImport",
        "ResourceTypes",
        "StackPolicyBody",
        "StackPolicyDuringUpdateBody",
        "StackPolicyDuringUpdateURL",
        "StackPolicyURL",
        "IncludeNestedStacks",
        "ImportExistingResources",
        "DeploymentMode",
    )
    given = [name for name in unsupported if params.get(name)]
    rollback = params.get("RollbackConfiguration", {})
    if rollback.get("RollbackTriggers") or rollback.get("MonitoringTimeInMinutes"):
        given.append("RollbackConfiguration")
    if given:
        raise invalid(f"{', '.join(given)} is not supported by the local account; remove it")
