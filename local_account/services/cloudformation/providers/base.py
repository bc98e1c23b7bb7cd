"""What a resource provider is, what it is handed, and how properties become API parameters."""

from __future__ import annotations

import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from local_account.foundation.account import Account

Properties = dict[str, Any]
T = TypeVar("T")
POLL_SECONDS = 0.1


class ResourceError(Exception):
    """A resource cannot be made, changed or deleted; the message is the reason in the stack's events."""


class CancelledError(Exception):
    """The operation was given up because another resource failed, or because the user asked for it."""


class StoppedError(Exception):
    """The local account is stopping; the operation is taken up again at its next start."""


@dataclass
class Context:
    """One resource in one stack, as its provider sees it."""

    account: Account
    role_arn: str | None
    """Whose permissions count: the stack's role, else that of whoever began the operation."""
    stack_id: str
    stack_name: str
    logical_id: str
    name: str
    """The name that the template gives or CloudFormation generated; empty for types without one."""
    physical_id: str
    attributes: dict[str, Any]
    """What Fn::GetAtt gives; empty before creation."""
    capabilities: list[str]
    cancelled: threading.Event
    on_created: Callable[[str], None]

    def client(self, service: str) -> Any:
        """Return a client of the account's own API, with the permissions of the operation."""
        return self.account.client(service, self.role_arn)

    def created(self, physical_id: str) -> None:
        """Tell that the resource is there from now on, so that a rollback deletes it."""
        self.physical_id = physical_id
        self.on_created(physical_id)

    def wait(self, check: Callable[[], T | None], seconds: float = POLL_SECONDS) -> T:
        """Call ``check`` until it returns something true, and return that.

        Raises CancelledError or StoppedError when there is no reason to wait any longer.
        """
        while True:
            if result := check():
                return result
            if self.cancelled.is_set():
                raise CancelledError
            if self.account.tasks.stopping.wait(seconds):
                raise StoppedError


class Provider(ABC):
    """Makes, changes and deletes the resources of one type through the account's own APIs."""

    type: ClassVar[str]
    name_property: ClassVar[str] = ""
    """The property that names the resource; without it a name is generated."""
    name_limit: ClassVar[int] = 64
    name_lower: ClassVar[bool] = False

    @abstractmethod
    def create(self, ctx: Context, props: Properties) -> None:
        """Make the resource: ``ctx.created(physical id)`` as soon as it exists, then wait until it is
        usable."""

    @abstractmethod
    def delete(self, ctx: Context, props: Properties) -> None:
        """Delete the resource and wait until it is gone; a not-found error means the same."""

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change the resource from ``old`` to ``props``; never called for properties that are create-only."""
        raise ResourceError(f"{self.type} cannot be changed; give it another name to replace it")

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Return what Fn::GetAtt gives for the resource as it is now."""
        return {}

    def extra_attributes(self) -> set[str]:
        """Return names that Fn::GetAtt takes besides the read-only properties of the schema."""
        return set()


def fit(shape: Any, value: Any, where: str = "") -> Any:  # noqa: PLR0911  (one per kind of shape)
    """Turn properties into parameters of an API operation, guided by botocore's shape of its input.

    Names match whatever their case; text, numbers and booleans become what the shape asks for; an object
    where the API takes text becomes JSON; a list of Key/Value where it takes a map becomes a map.
    Raises ResourceError for a member that the operation does not know.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        members = {name.lower(): name for name in shape.members}
        result = {}
        for key, item in value.items():
            name = members.get(key.lower())
            if name is None:
                raise ResourceError(f"Property {where}{key} is not supported by the local account")
            result[name] = fit(shape.members[name], item, f"{where}{key}/")
        return result
    if kind == "list" and isinstance(value, list):
        return [fit(shape.member, item, where) for item in value]
    if kind == "map":
        pairs = {item["Key"]: item["Value"] for item in value} if isinstance(value, list) else value
        return {key: fit(shape.value, item, f"{where}{key}/") for key, item in pairs.items()}
    if kind == "string" and not isinstance(value, str):
        return json.dumps(value)
    if kind in ("integer", "long") and isinstance(value, (str, float)):
        return int(value)
    if kind in ("float", "double") and isinstance(value, (str, int)):
        return float(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    return value


def call(client: Any, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Call an operation (boto3's name for it) with properties fitted to its input."""
    model = client.meta.service_model
    shape = model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
    return getattr(client, operation)(**fit(shape, dict(params)))  # type: ignore[no-any-return]


def pick(props: Mapping[str, Any], *names: str) -> Properties:
    """Return those properties that are set."""
    return {name: props[name] for name in names if name in props}


def without(props: Mapping[str, Any], *names: str) -> Properties:
    """Return the properties but those named."""
    return {name: value for name, value in props.items() if name not in names}


def missing(error: ClientError) -> bool:
    """Tell whether an error says that the resource does not exist."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return bool(
        re.search(r"NotFound|NoSuch|DoesNotExist|^404$", code)
        or (
            code.startswith("Validation")
            and re.search(r"(?i)could not find|does not exist|not ?found", message)
        )
    )


def exists(describe: Callable[[], Any]) -> bool:
    """Tell whether a lookup finds something: it raises no not-found error and returns something true."""
    try:
        return bool(describe())
    except ClientError as error:
        if missing(error):
            return False
        raise


def refuse_existing(type_name: str, identifier: str, describe: Callable[[], Any]) -> None:
    """Raise ResourceError when the lookup finds something: for APIs that would overwrite it."""
    if exists(describe):
        raise ResourceError(already_exists(type_name, identifier))


def already_exists(type_name: str, identifier: str) -> str:
    """Return the reason of a creation that found the resource there."""
    return f"Resource of type '{type_name}' with identifier '{identifier}' already exists."


def forget_missing(function: Callable[..., Any], **params: Any) -> None:
    """Call a deleting operation; that there is nothing to delete is fine."""
    try:
        function(**params)
    except ClientError as error:
        if not missing(error):
            raise
