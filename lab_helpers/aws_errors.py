"""What the services' errors mean, whatever each service calls them."""

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
_GONE_MESSAGES = ("could not find", "cannot find", "does not exist", "not found", "recordnotfound")
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
    """Return whether an error means that the resource does not exist."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "").lower()
    return code in _GONE or (
        code.startswith("Validation") and any(sign in message for sign in _GONE_MESSAGES)
    )


def is_busy(error: ClientError) -> bool:
    """Return whether an error means: try again when another operation has ended."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "").lower()
    return code in _BUSY or (
        code.startswith("Validation") and any(sign in message for sign in _BUSY_MESSAGES)
    )
