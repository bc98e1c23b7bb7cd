"""Bucket policies with their conditions: moto would ignore the conditions of a Deny.

The workshop's policies deny requests without TLS (``aws:SecureTransport``, IAM User Guide,
"AWS global condition context keys"). A request on the loopback interface never leaves the machine, so it
counts as secure.
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult


def permission(policy: bytes | None, action: str, resource: str) -> Any:
    """Return moto's PermissionResult of those statements whose conditions hold for a loopback request."""
    if policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(policy)
    statements = document["Statement"]
    applicable = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in (statements if isinstance(statements, list) else [statements])
        if _holds(statement)
    ]
    if not applicable:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps({**document, "Statement": applicable})).is_action_permitted(action, resource)


def _holds(statement: dict[str, Any]) -> bool:
    for operator, keys in statement.get("Condition", {}).items():
        for key, expected in keys.items():
            if operator == "Bool" and key.lower() == "aws:securetransport":
                if str(expected).lower() != "true":
                    return False
            elif statement["Effect"] == "Allow":
                return False  # an unknown condition never allows, and always denies
    return True
