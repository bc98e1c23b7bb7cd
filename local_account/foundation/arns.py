"""Amazon Resource Names in policies.

Contract: IAM User Guide, "IAM JSON policy elements: Resource", Using wildcards in resource ARNs.
"""

from __future__ import annotations

OPEN_SERVICE = "Resource vendor must be fully qualified and cannot contain regexes."
"""What IAM says about a wildcard for the service (public reports of many users)."""
_SERVICE = 2


def has_open_service(arn: str) -> bool:
    """Return whether a wildcard stands for the service or a part of its name, as in ``arn:aws:s*:::bucket``.

    An ARN that ends with a bare wildcard there (``arn:aws:*``) has none: nobody reports that it is refused.
    """
    parts = arn.split(":")
    if len(parts) <= _SERVICE or parts[0] != "arn":
        return False
    is_last = len(parts) == _SERVICE + 1
    return not (is_last and parts[_SERVICE] == "*") and any(sign in parts[_SERVICE] for sign in "*?")
