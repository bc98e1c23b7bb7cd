"""The form of policies of roles, users and groups: moto's validator without what IAM accepts.

Contract: IAM User Guide, "IAM JSON policy elements: Version" and "Resource".
"""

from __future__ import annotations

import re

from moto.iam.policy_validation import IAMPolicyDocumentValidator

_WHOLE_ACCOUNT = re.compile(r"arn:[a-z-]+:iam::[^:]*:\*")


class ManagedPolicyValidator(IAMPolicyDocumentValidator):  # type: ignore[misc]  # moto has no types here
    """Validates a managed policy, which needs the version 2012-10-17."""

    def _validate_resource_format(self, resource: str) -> None:
        """Accept a path that is `*`: `IAM resource path must either be "*" or start with user/, …`."""
        if not _WHOLE_ACCOUNT.fullmatch(resource):
            super()._validate_resource_format(resource)


class InlinePolicyValidator(ManagedPolicyValidator):
    """Validates an inline policy, which can be of the older version, or of none: so are those of AWS SAM."""

    def _validate_version(self) -> None:
        """Accept both; what is neither is an error of syntax."""
