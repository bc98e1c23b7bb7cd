"""The keys of scalable targets and policies, and the errors of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from local_account.foundation.errors import ServiceError

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
KEY: tuple[Literal["ServiceNamespace", "ResourceId", "ScalableDimension"], ...] = (
    "ServiceNamespace",
    "ResourceId",
    "ScalableDimension",
)
_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")


def key_of(params: Mapping[str, Any]) -> str:
    """Return the key of the scalable target that a request or a document names."""
    return "|".join(params[name] for name in KEY)


def policy_key(params: Mapping[str, Any]) -> str:
    """Return the key of the scaling policy that a request or a document names."""
    return f"{key_of(params)}|{params['PolicyName']}"


def matches(document: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Return whether a document is for the resource that a request asks for."""
    return all(document[name] == params[name] for name in KEY if name in params)


def variant_of(resource_id: str) -> tuple[str, str]:
    """Return endpoint and variant of ``endpoint/NAME/variant/NAME``; raise ServiceError for other forms."""
    match = _RESOURCE.fullmatch(resource_id)
    if match is None:
        raise invalid(f"The resource id {resource_id} is not endpoint/NAME/variant/NAME")
    return match["endpoint"], match["variant"]


def invalid(message: str) -> ServiceError:
    """Return the API's error for an invalid request."""
    return ServiceError("ValidationException", message)


def not_found(what: str, params: Mapping[str, Any], words: str = "") -> ServiceError:
    """Return the API's error for a target or policy that does not exist."""
    words = words or f"No {what} found for"
    named = f", policy name: {params['PolicyName']}" if what == "scaling policy" else ""
    return ServiceError(
        "ObjectNotFoundException",
        f"{words} service namespace: {params['ServiceNamespace']}, resource ID: {params['ResourceId']}, "
        f"scalable dimension: {params['ScalableDimension']}{named}",
    )
