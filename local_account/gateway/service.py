"""The base class of every service of the local account."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from local_account.foundation.account import Account


class Service:
    """One AWS service. A public method named after an operation in boto3's snake case implements it.

    Operations take the validated request as a dict in botocore's casing and return the response likewise.
    """

    name: ClassVar[str]
    """botocore's service name, such as ``codebuild``."""
    validation_error: ClassVar[str] = "ValidationException"
    """Error code for requests that do not match the service's model."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def start(self) -> None:
        """Recover what was in flight; called once, when the gateway is listening."""

    def stop(self) -> None:
        """End everything the service started; called once."""
