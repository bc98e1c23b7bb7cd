"""Tags whose keys begin with ``aws:``: only services of AWS set and remove them.

Contract: Tagging AWS resources user guide, "Tag naming limits and requirements". CloudFormation says for whom
it acts by a header that only the account's own credentials may use, as `acting` does for roles.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, Protocol

from local_account.foundation.errors import ServiceError

HEADER = "X-Local-Account-System-Tags"
WORDS = "aws: prefixed tag key names are not allowed for external use."
"""What CloudFormation and most services answer (public reports of many users)."""
MOST = 50
"""Tags of a resource, those of AWS not counted ("Tag naming limits and requirements")."""
_EC2_WORDS = "Tag keys starting with 'aws:' are reserved for internal use"
_CODES = {
    "codebuild": "InvalidInputException",
    "codecommit": "InvalidSystemTagUsageException",
    "codepipeline": "InvalidTagsException",
    "ec2": "InvalidParameterValue",
    "ecr": "InvalidTagParameterException",
    "iam": "InvalidInput",
    "lambda": "InvalidParameterValueException",
    "logs": "InvalidParameterException",
    "secretsmanager": "InvalidParameterException",
}
_MEMBERS = frozenset(("tags", "tagkeys", "resourcetags", "tagset"))
_sending: contextvars.ContextVar[bool] = contextvars.ContextVar("system tags", default=False)


class _Headers(Protocol):
    def get(self, key: str, /) -> str | None: ...


def is_reserved(key: str) -> bool:
    """Return whether a tag's key is AWS's own."""
    return key.lower().startswith("aws:")


def counted(keys: Iterable[str]) -> int:
    """Return how many tags count towards a limit: AWS's own do not ("Tag naming limits and requirements")."""
    return sum(not is_reserved(key) for key in keys)


def limited(tags: dict[str, str], code: str) -> dict[str, str]:
    """Return tags by key; raise ServiceError with ``code`` for more than 50, the limit of most services."""
    if (number := counted(tags)) > MOST:
        raise ServiceError(code, f"{number} tags: a resource can have at most {MOST}")
    return tags


def may_set(headers: _Headers) -> bool:
    """Return whether a request may set tags of AWS; one that is signed by a session of a role may not."""
    return headers.get(HEADER) is not None and headers.get("X-Amz-Security-Token") is None


def check(service: str, params: Mapping[str, Any], validation_error: str) -> None:
    """Raise ServiceError if a request would set or remove tags of AWS; the code is the service's."""
    if any(is_reserved(key) for key in _keys(params)):
        words = _EC2_WORDS if service == "ec2" else WORDS
        raise ServiceError(_CODES.get(service, validation_error), words)


def without(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without the tags of AWS, for which its caller needs no permission."""
    left = {}
    for name, value in params.items():
        kept: Any = value
        if name.lower() in _MEMBERS and isinstance(value, Mapping):
            kept = {key: one for key, one in value.items() if not is_reserved(key)}
        elif name.lower() in _MEMBERS and isinstance(value, list):
            kept = [tag for tag in value if not any(map(is_reserved, _keys_of([tag])))]
        if kept or kept == value:
            left[name] = kept
    return left


def send(params: Mapping[str, Any], **_: Any) -> None:
    """Write into the headers of the current call that it sets tags of AWS (botocore's `before-call`)."""
    if _sending.get():
        params["headers"][HEADER] = "allowed"


class SystemClient:
    """A client whose calls may set tags of AWS: for services that act on the account's behalf."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._allowed(found) if name in self._client.meta.method_to_api_mapping else found

    def _allowed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def allowed(**params: Any) -> Any:
            token = _sending.set(True)
            try:
                return call(**params)
            finally:
                _sending.reset(token)

        return allowed


def _keys(params: Mapping[str, Any]) -> Iterator[str]:
    for name, value in params.items():
        if name.lower() in _MEMBERS:
            yield from _keys_of(value)
        elif name == "TagSpecifications":
            for one in value or ():
                yield from _keys_of(one.get("Tags"))


def _keys_of(tags: Any) -> Iterable[str]:
    if isinstance(tags, Mapping):
        return [*tags]
    found = []
    for tag in tags if isinstance(tags, list) else ():
        key = (tag.get("Key") or tag.get("key") or "") if isinstance(tag, Mapping) else tag
        found.append(str(key))
    return found
