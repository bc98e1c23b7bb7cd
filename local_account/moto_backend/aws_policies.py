"""The managed policies of AWS, such as `AmazonSageMakerFullAccess`: in the account from when they are named.

moto ships them as one text of 5 MB. All of them as objects would take 30 MB, so that the text is read when a
request names one of them or lists all, and only what was named stays.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from moto.iam.models import AWSManagedPolicy, IAMBackend

_ARN = re.compile(r"arn:aws[\w-]*:iam::aws:policy/(?:.*/)?([\w+=,.@-]+)")
_MODULE = "moto.iam.aws_managed_policies"


@contextmanager
def present(backend: IAMBackend, operation: str, params: Mapping[str, str]) -> Iterator[None]:
    """Let a request see the policies that it names or lists."""
    added = _listed(backend, params) if operation == "ListPolicies" else []
    if operation != "ListPolicies":
        for value in params.values():
            if (found := _ARN.fullmatch(value)) and value not in backend.managed_policies:
                _add(backend, value, found[1])
    try:
        yield
    finally:
        for arn in added:
            del backend.managed_policies[arn]


def service_principals() -> frozenset[str]:
    """Return the service principals that AWS's policies name, such as `ecs-tasks.amazonaws.com`."""
    return frozenset(re.findall(r'"([a-z0-9.-]+\.amazonaws\.com)"', _text()))


def _listed(backend: IAMBackend, params: Mapping[str, str]) -> list[str]:
    """Add all policies, if the scope of ListPolicies has them; return the ARNs of those that were added."""
    if params.get("Scope") == "Local" or params.get("OnlyAttached", "").lower() == "true":
        return []  # what is attached has been named
    made = (_policy(backend, name, one) for name, one in msgspec.json.decode(_text()).items())
    new = {one.arn: one for one in made if one.arn not in backend.managed_policies}
    backend.managed_policies.update(new)
    return list(new)


def _add(backend: IAMBackend, arn: str, name: str) -> None:
    raw = msgspec.json.decode(_text(), type=dict[str, msgspec.Raw]).get(name)
    if raw is not None:
        made = _policy(backend, name, msgspec.json.decode(raw))
        if made.arn == arn:
            backend.managed_policies[arn] = made


def _policy(backend: IAMBackend, name: str, data: dict[str, Any]) -> AWSManagedPolicy:
    return AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, data)


def _text() -> str:
    """Read moto's text again: `patches` dropped it from the module that moto imports."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or spec.loader is None:
        raise ImportError(f"moto has no module {_MODULE}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.aws_managed_policies_data)
