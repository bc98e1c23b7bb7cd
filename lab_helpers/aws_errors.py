"""What the services' errors mean, whatever each of them calls it."""

from __future__ import annotations

from botocore.exceptions import ClientError

_GONE = {
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchEntity",
    "NoSuchTagSet",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ObjectNotFoundException",
    "RepositoryNotFoundException",
    "RepositoryDoesNotExistException",
    "PipelineNotFoundException",
}
_GONE_MESSAGES = ("could not find", "does not exist", "not found", "recordnotfound")
_BUSY = {
    "ConflictException",
    "OperationAbortedException",
    "OperationAborted",
    "ConcurrentModificationException",
    "ResourceInUse",
    "ResourceConflictException",
    "DeleteConflict",
    "ConcurrentUpdateException",
}
_BUSY_MESSAGES = ("in-progress", "in progress", "in status", "status (", "currently in", "is being")


def is_gone(error: ClientError) -> bool:
    """Tell whether a service says that there is no such thing."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "").lower()
    return code in _GONE or (
        code.startswith("Validation") and any(sign in message for sign in _GONE_MESSAGES)
    )


def is_busy(error: ClientError) -> bool:
    """Tell whether a service asks to wait until something else has ended."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "").lower()
    return code in _BUSY or (
        code.startswith("Validation") and any(sign in message for sign in _BUSY_MESSAGES)
    )
