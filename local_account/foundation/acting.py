"""On whose behalf a request is made: services of the account act with the roles they were given.

A service shares one client for all roles; a header names the role of each call to the gateway, and only the
account's own credentials may use that header.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_account.foundation.account import Account

HEADER = "X-Local-Account-Role"
SOURCE = "X-Local-Account-Source"
"""Names the resource for which a service makes a call: the rule of a target."""
_caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("caller", default=None)
_HARMLESS = ("can_paginate",)
_source: contextvars.ContextVar[str] = contextvars.ContextVar("source", default="")
_role: contextvars.ContextVar[str] = contextvars.ContextVar("role", default="")


@dataclass(frozen=True)
class Caller:
    """A session of a role (STS AssumeRole, AssumedRoleUser)."""

    arn: str
    role_arn: str
    source: str = ""
    """ARN of the resource for which a service acts with the role, where it says so (`aws:SourceArn`)."""


@contextlib.contextmanager
def answering(as_caller: Caller | None) -> Iterator[None]:
    """Make `caller` return this caller while its request is answered."""
    token = _caller.set(as_caller)
    try:
        yield
    finally:
        _caller.reset(token)


def caller() -> Caller | None:
    """Return the caller whose request is being answered; None for the account itself."""
    return _caller.get()


def calling_role() -> str | None:
    """Return the ARN of the role whose request is being answered; None for the account itself."""
    found = caller()
    return found.role_arn if found else None


def acting_caller(role_arn: str | None, account: Account, source: str | None = None) -> Caller | None:
    """Return the role session a service of the account acts as, by its header; None if it acts as itself."""
    if not role_arn:
        return None
    session = f"assumed-role/{role_arn.rpartition('/')[2]}/local-account"
    return Caller(f"arn:aws:sts::{account.config.account_id}:{session}", role_arn, source or "")


@contextlib.contextmanager
def for_source(arn: str) -> Iterator[None]:
    """Let the calls in the block say for which resource they are made."""
    token = _source.set(arn)
    try:
        yield
    finally:
        _source.reset(token)


def send_role(params: Mapping[str, Any], **_: Any) -> None:
    """Write the role of the current call into its headers (botocore's event `before-call`)."""
    if role_arn := _role.get():
        params["headers"][HEADER] = role_arn
    if source := _source.get():
        params["headers"][SOURCE] = source


class ActingClient:
    """A boto3 client whose calls are made as a role, one by one or by a paginator.

    Nothing else of a client makes calls as the role, so nothing else that makes calls is there: waiters, and
    transfers such as ``upload_file``, which use threads of their own.
    """

    def __init__(self, client: Any, role_arn: str) -> None:
        self._client = client
        self._role_arn = role_arn

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in self._client.meta.method_to_api_mapping:
            return self._acting(found)
        if callable(found) and not name.startswith("_") and name not in _HARMLESS:
            raise AttributeError(f"{name} would act as the account, not as {self._role_arn}")
        return found

    def get_paginator(self, operation_name: str) -> Any:
        """Return a paginator that makes its calls as the role."""
        # botocore's method takes the operation from the client that it is called on.
        return type(self._client).get_paginator(self, operation_name)

    def _acting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def acting(**params: Any) -> Any:
            token = _role.set(self._role_arn)
            try:
                return call(**params)
            finally:
                _role.reset(token)

        return acting
