"""Resource-based policies of functions and topics: whether one lets a service use it.

The contract is "Viewing resource-based IAM policies in Lambda" of the AWS Lambda Developer Guide, and
"Example cases for Amazon SNS access control".

Differs from AWS: resource-based policies that are evaluated are trust policies of roles, policies of S3
buckets, of functions and of topics. Those of ECR repositories and of CloudWatch Logs are kept only.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from local_account.authorization.policies import Policy, Request

if TYPE_CHECKING:
    from local_account.foundation.account import Account

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


def lets_publish(policy: str, service: str, topic_arn: str, context: Mapping[str, str]) -> bool:
    """Return whether the policy of a topic (JSON) lets a service publish to it.

    ``context`` has the condition keys that the service sets, in lower case.
    """
    request = Request("sns:Publish", topic_arn, {key: [value] for key, value in context.items()})
    found = [
        one.allows
        for one in Policy.parse(policy, "Policy").statements
        if one.applies(request)
        and (one.grants_to(service) or service in (one.principals or {}).get("Service", ()))
    ]
    return bool(found) and all(found)


def publish(
    account: Account, service: str, topic_arn: str, context: Mapping[str, str], **message: str
) -> bool:
    """Publish to a topic for a service; return whether the topic's policy lets it.

    ``message`` is that of Publish. Raises ClientError.
    """
    sns = account.client("sns")
    policy = sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["Policy"]
    if not lets_publish(policy, service, topic_arn, context):
        return False
    sns.publish(TopicArn=topic_arn, **message)
    return True


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
