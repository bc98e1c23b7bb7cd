"""The base class of every service of the local account, and the error that its operations raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from lab_helpers.local_account.account import Account

Params = dict[str, Any]


class ServiceError(Exception):
    """An error that a client sees: ``code`` as documented for the operation, a message that says what to do.

    ``fields`` are further members of the modelled exception; ``status`` is the HTTP status for codes
    that the service's model gives none (the modelled status wins).
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class Service:
    """One AWS service. A public method named like an operation in boto3's snake case implements it.

    Operations take the validated request as a dict in botocore's casing and return the response likewise.
    """

    name: ClassVar[str]
    """botocore's service name, such as ``codebuild``."""
    validation_error: ClassVar[str] = "ValidationException"
    """Error code for requests that do not fit the service's model."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def start(self) -> None:
        """Recover what was in flight; called once, when the gateway listens."""

    def stop(self) -> None:
        """End everything that the service started; called once."""
