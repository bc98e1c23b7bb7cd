"""Targets of rules: the supported kinds, the checks when they are put, and the delivery of an event.

The contract is ``PutTargets`` of the EventBridge API, "Event bus targets in Amazon EventBridge", "Using
resource-based policies" and "How EventBridge retries delivering events".

Refuses (PutTargets): targets other than functions, pipelines and topics, other accounts and regions,
`DeadLetterConfig`, and what other kinds of targets take.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local_account.authorization import resource_policies
from local_account.foundation.acting import for_source
from local_account.foundation.errors import ServiceError
from local_account.services.events.transform import TransformError, check_path, target_input, undefined

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import RetryPolicyTypeDef, TargetUnionTypeDef

    from local_account.foundation.account import Account
    from local_account.services.events.records import Delivery

PRINCIPAL = "events.amazonaws.com"
_SUPPORTED = ("Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "RetryPolicy")
_INPUTS = ("Input", "InputPath", "InputTransformer")
_TRANSIENT_CODES = frozenset(
    (
        "ConcurrentPipelineExecutionsLimitExceededException",
        "ConflictException",
        "ResourceConflictException",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
_LONGEST_DELAY = 300.0
_BY_POLICY = {
    "lambda": f"give {PRINCIPAL} a permission with AddPermission",
    "sns": f"let {PRINCIPAL} publish in the policy of the topic",
}
"""Targets that say themselves who may use them, and how."""


class DeliveryError(Exception):
    """A target that rejects the event for good: EventBridge does not try again."""


def check(account: Account, target: TargetUnionTypeDef) -> None:
    """Raise ServiceError ValidationException unless the local account can deliver to ``target``."""
    arn = target["Arn"]
    kind = _kind(account, arn)
    for member in target:
        if member not in _SUPPORTED:
            raise _invalid(f"{member} (target {target['Id']}) is not supported by the local account")
    if sum(member in target for member in _INPUTS) > 1:
        raise _invalid(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
        )
    if kind in _BY_POLICY and "RoleArn" in target:
        raise _invalid(f"RoleArn is not supported for target {arn}: {_BY_POLICY[kind]}")
    if kind == "codepipeline":
        if "RoleArn" not in target:
            raise _invalid(f"RoleArn is required for target {arn}.")
        _check_role(account, target["RoleArn"])
    try:
        _check_input(target)
    except (TransformError, ValueError) as error:
        raise _invalid(f"Invalid input for target {target['Id']}: {error}") from error


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def _check_role(account: Account, role_arn: str) -> None:
    try:
        account.check_role(role_arn, PRINCIPAL)
    except ServiceError as error:
        raise _invalid(
            f"Provided role '{role_arn}' cannot be assumed by principal '{PRINCIPAL}': {error.message}"
        ) from error


def _kind(account: Account, arn: str) -> str:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise _invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
    _, _, service, region, owner, resource = parts
    supported = (service == "lambda" and resource.startswith("function:")) or service in (
        "codepipeline",
        "sns",
    )
    if not supported:
        raise _invalid(
            f"The target {arn} is not supported by the local account: use a Lambda function, a pipeline or "
            "a topic"
        )
    if (region, owner) != (account.config.region, account.config.account_id):
        raise _invalid(f"The target {arn} is in another account or region")
    return service


def _check_input(target: TargetUnionTypeDef) -> None:
    if "Input" in target:
        json.loads(target["Input"])
    if "InputPath" in target:
        check_path(target["InputPath"])
    if "InputTransformer" in target:
        paths = target["InputTransformer"].get("InputPathsMap", {})
        for (
            path
        ) in paths.values():  # names of AWS's own variables have dots: the model of the API forbids them
            check_path(path)
        placeholder = undefined(target["InputTransformer"]["InputTemplate"], set(paths))
        if placeholder is not None:
            raise _invalid(
                f"InputTemplate for target {target['Id']} contains invalid placeholder {placeholder}."
            )


def deliver(account: Account, delivery: Delivery) -> None:
    """Deliver an event to a target, as the rule's permissions allow.

    Raises
    ------
    DeliveryError
        The target rejected it for good.
    ClientError, BotoCoreError
        The attempt failed, but another may succeed.
    """
    target, rule = delivery["target"], delivery["rule"]
    try:
        text = target_input(
            target, delivery["event"], rule, datetime.fromtimestamp(delivery["accepted"], UTC)
        )
    except TransformError as error:
        raise DeliveryError(str(error)) from error
    try:
        kind = _kind(account, target["Arn"])
        if kind == "lambda":
            _invoke(account, target["Arn"], rule["Arn"], text)
        elif kind == "sns":
            _publish(account, target["Arn"], rule["Arn"], text)
        else:
            with for_source(rule["Arn"]):
                _start_pipeline(account, target, delivery["id"], text)
    except ServiceError as error:
        raise DeliveryError(error.message) from error
    except ClientError as error:
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
        if status >= 500 or error.response["Error"]["Code"] in _TRANSIENT_CODES:
            raise
        raise DeliveryError(str(error)) from error


def _invoke(account: Account, function_arn: str, rule_arn: str, payload: str) -> None:
    client = account.client("lambda")
    try:
        policy = json.loads(client.get_policy(FunctionName=function_arn)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        policy = {}
    if not resource_policies.allows(policy, PRINCIPAL, rule_arn, account.config.account_id):
        client.get_function_configuration(
            FunctionName=function_arn
        )  # raises first if the function does not exist
        raise DeliveryError(
            f"the policy of {function_arn} does not allow {PRINCIPAL} to invoke it for {rule_arn}: grant it "
            "with AddPermission (AWS::Lambda::Permission)"
        )
    client.invoke(FunctionName=function_arn, InvocationType="Event", Payload=payload.encode())


def _publish(account: Account, topic_arn: str, rule_arn: str, text: str) -> None:
    source = {"aws:sourcearn": rule_arn, "aws:sourceaccount": account.config.account_id}
    if not resource_policies.publish(account, PRINCIPAL, topic_arn, source, Message=text):
        raise DeliveryError(
            f"the policy of {topic_arn} does not allow {PRINCIPAL} to publish for {rule_arn} "
            "(AWS::SNS::TopicPolicy)"
        )


def _start_pipeline(account: Account, target: TargetUnionTypeDef, token: str, text: str) -> None:
    _check_role(account, target["RoleArn"])
    overrides: dict[str, Any] = {}
    if "Input" in target or "InputTransformer" in target:
        given = json.loads(text)
        if isinstance(given, dict):
            overrides = {key: given[key] for key in ("sourceRevisions", "variables") if key in given}
    name = target["Arn"].rpartition(":")[2]
    client = account.client("codepipeline", target["RoleArn"])
    client.start_pipeline_execution(name=name, clientRequestToken=token, **overrides)


def retry_delay(delivery: Delivery, now: float) -> float | None:
    """Return the seconds until the next attempt, longer each time; None if the RetryPolicy allows no more.

    ``delivery["attempts"]`` counts the failed attempts; defaults as documented: 185 times in 24 hours.
    """
    policy: RetryPolicyTypeDef = {
        "MaximumRetryAttempts": 185,
        "MaximumEventAgeInSeconds": 86_400,
        **delivery["target"].get("RetryPolicy", {}),
    }
    delay = min(2.0 ** (delivery["attempts"] - 1), _LONGEST_DELAY)
    too_old = now + delay - delivery["accepted"] > policy["MaximumEventAgeInSeconds"]
    return None if too_old or delivery["attempts"] > policy["MaximumRetryAttempts"] else delay


def is_transient(error: Exception) -> bool:
    """Return whether another attempt is worthwhile after ``error``."""
    return isinstance(error, ClientError | BotoCoreError)
