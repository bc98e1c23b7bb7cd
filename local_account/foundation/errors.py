"""What a client sees when an operation fails."""

from __future__ import annotations

import errno
import logging
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

Params = dict[str, Any]


class ServiceError(Exception):
    """An error that a client sees: ``code`` as documented for the operation, ``message`` with what to do.

    ``fields`` are further members of the modeled exception; ``status`` is the HTTP status for codes
    for which the service's model has none (the modeled status wins).
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


def failure(error: Exception, state_dir: Path) -> ServiceError:
    """Return what a client sees of an exception that nobody expected; a full disk is named."""
    if getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error):
        return ServiceError(
            "DiskFull",
            f"Disk full: free some space for {state_dir} and try again; nothing is lost",
            status=507,
        )
    return ServiceError("InternalFailure", f"{type(error).__name__}: {error}", status=500)


def log_loss(log: logging.Logger, error: Exception, what: str, *args: object) -> None:
    """Log what was lost by an error that is being handled.

    One line if a service refused the call: the user's role or request is at fault. Otherwise with the
    traceback.
    """
    if isinstance(error, ClientError):
        fault = error.response["Error"]
        log.warning(f"{what}: %s: %s", *args, fault["Code"], fault["Message"])
    else:
        log.error(what, *args, exc_info=error)
