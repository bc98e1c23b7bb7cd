"""What a client sees when an operation fails."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_account.foundation.patience import is_disk_full

Params = dict[str, Any]
FIDELITY = "docs/fidelity.md"
"""The page that says what the local account has, and how it differs from AWS."""
_LACKS = re.compile(
    r"(?:supported by|available in) the local account"
    r"|[Ll]ocal account (?:does not support|does not have|supports |has |only has|keeps no)"
    r"|AWS does not document"
)


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


def pointed(message: str, section: str = "") -> str:
    """Return a message; if it says what the local account lacks, with the section that says what it has.

    Sections are boto3's names of services; without one, the message points to the page.
    """
    if FIDELITY in message or not _LACKS.search(message):
        return message
    return f"{message} ({FIDELITY}{'#' if section else ''}{section})"


def failure(error: Exception, state_dir: Path) -> ServiceError:
    """Return what a client sees of an exception that nobody expected; a full disk is named."""
    if is_disk_full(error):
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
