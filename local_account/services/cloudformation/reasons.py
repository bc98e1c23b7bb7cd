"""The reasons in a stack's events: errors in words for people."""

from __future__ import annotations

import logging

from botocore.exceptions import ClientError

from local_account.foundation.errors import ServiceError
from local_account.services.cloudformation.intrinsics import PendingError
from local_account.services.cloudformation.providers.base import ResourceError, already_exists
from local_account.services.cloudformation.stacks import Resource

log = logging.getLogger(__name__)

_EXISTING = ("alreadyexist", "already exist", "alreadyowned", "nameexists", "nameinuse")


def reason_of(error: Exception, record: Resource) -> str:
    """Return the reason that a resource's error gives for its status."""
    if isinstance(error, ClientError):
        details = error.response["Error"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code, message = details.get("Code", ""), details.get("Message", "")
        words = f"{code} {message}".lower()
        creating = record["Status"].startswith("CREATE") and not record["PhysicalResourceId"]
        if creating and any(word in words for word in _EXISTING):
            message = f"{already_exists(record['Type'], record['Name'])} {message}".strip()
        cause = f"Operation: {error.operation_name}, Status Code: {status}, Error: {code}"
        return f'Resource handler returned message: "{message} ({cause})"'
    if isinstance(error, PendingError):
        return f"{error} has no value yet"
    if isinstance(error, (ResourceError, ServiceError)):
        return str(error)
    log.error("a resource of type %s failed", record["Type"], exc_info=error)
    return f"Internal failure: {type(error).__name__}: {error}"
