"""Resource-based policies of functions: whether one lets a service invoke the function.

The contract is "Viewing resource-based IAM policies in Lambda" of the AWS Lambda Developer Guide.

Differs from AWS: resource-based policies that are evaluated are trust policies of roles, policies of S3
buckets and of functions. Those of ECR repositories and of CloudWatch Logs are kept only.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

Statement = dict[str, Any]


def allows(policy: dict[str, Any], service: str, source_arn: str, source_account: str) -> bool:
    """Return whether a policy lets a service invoke the function on behalf of a resource.

    Parameters
    ----------
    policy
        The document that ``GetPolicy`` returns.
    service
        The service principal, such as ``events.amazonaws.com``.
    source_arn, source_account
        The resource that the service acts for (for EventBridge, the rule), and its account.
    """
    context = {"aws:sourcearn": source_arn, "aws:sourceaccount": source_account}
    return any(_grants(item, service, context) for item in policy.get("Statement", []))


def _grants(item: Statement, service: str, context: dict[str, str]) -> bool:
    principal = item["Principal"]
    if principal != "*" and principal.get("Service") != service:
        return False
    if item["Effect"] != "Allow" or not fnmatchcase("lambda:InvokeFunction", item["Action"]):
        return False
    return all(
        _holds(operator, context.get(key.lower()), expected)
        for operator, entries in item.get("Condition", {}).items()
        for key, expected in entries.items()
    )


def _holds(operator: str, value: str | None, expected: str) -> bool:
    if value is None:
        return False
    if operator in ("ArnLike", "ArnEquals", "StringLike"):
        # * and ? are IAM's wildcards; [ is not one.
        return fnmatchcase(value, expected.replace("[", "[[]"))
    return operator == "StringEquals" and value == expected
