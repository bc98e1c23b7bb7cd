"""What an alarm publishes to a topic of SNS.

Contract: CloudWatch User Guide, "Notifying users on alarm changes"; the members as users of AWS show them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypedDict

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from local_account.authorization import resource_policies

if TYPE_CHECKING:
    from local_account.foundation.account import Account

PRINCIPAL = "cloudwatch.amazonaws.com"
_SUBJECT = 100


class Notice(TypedDict):
    """A message of an alarm that waits to be published."""

    alarm: str
    topic: str
    subject: str
    text: str


def is_topic(action: str) -> bool:
    """Return whether an action of an alarm is a topic."""
    return action.split(":")[2:3] == ["sns"]


def subject(account: Account, alarm: Mapping[str, Any], state: str) -> str:
    """Return the subject, which has at most 100 characters."""
    return f'{state}: "{alarm["AlarmName"]}" in {_region(account.config.region)}'[:_SUBJECT]


def text(
    account: Account,
    alarm: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    when: datetime,
) -> str:
    """Return the message, a JSON document."""
    statistic = alarm.get("Statistic")
    trigger = {
        "MetricName": alarm["MetricName"],
        "Namespace": alarm["Namespace"],
        "StatisticType": "Statistic" if statistic else "ExtendedStatistic",
        "Statistic" if statistic else "ExtendedStatistic": _upper(statistic)
        if statistic
        else alarm["ExtendedStatistic"],
        "Unit": alarm.get("Unit"),
        "Dimensions": [{"value": one["Value"], "name": one["Name"]} for one in alarm["Dimensions"]],
        "Period": alarm["Period"],
        "EvaluationPeriods": alarm["EvaluationPeriods"],
        **({"DatapointsToAlarm": alarm["DatapointsToAlarm"]} if "DatapointsToAlarm" in alarm else {}),
        "ComparisonOperator": alarm["ComparisonOperator"],
        "Threshold": alarm["Threshold"],
        "TreatMissingData": alarm.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile", ""),
    }
    return json.dumps(
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmDescription": alarm.get("AlarmDescription"),
            "AWSAccountId": account.config.account_id,
            "AlarmConfigurationUpdatedTimestamp": _moment(alarm["AlarmConfigurationUpdatedTimestamp"]),
            "NewStateValue": after["StateValue"],
            "NewStateReason": after["StateReason"],
            "StateChangeTime": _moment(when),
            "Region": _region(account.config.region),
            "AlarmArn": alarm["AlarmArn"],
            "OldStateValue": before["StateValue"],
            "OKActions": alarm.get("OKActions", []),
            "AlarmActions": alarm.get("AlarmActions", []),
            "InsufficientDataActions": alarm.get("InsufficientDataActions", []),
            "Trigger": trigger,
        }
    )


def publish(account: Account, notice: Notice, alarm_arn: str) -> str:
    """Publish a notice; return why that failed, or ""."""
    topic, own = notice["topic"], account.config.account_id
    source = {"aws:sourcearn": alarm_arn, "aws:sourceaccount": own, "aws:sourceowner": own}
    message = {"Subject": notice["subject"], "Message": notice["text"]}
    try:
        if not resource_policies.publish(account, PRINCIPAL, topic, source, **message):
            return f"{PRINCIPAL} is not authorized to perform: SNS:Publish on resource: {topic}"
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    except BotoCoreError as error:
        return str(error)
    return ""


def _upper(statistic: str) -> str:
    """Return a statistic as the message has it: SAMPLE_COUNT."""
    return "SAMPLE_COUNT" if statistic == "SampleCount" else statistic.upper()


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}+0000"


@cache
def _regions() -> Mapping[str, str]:
    """Return what regions are called in messages, as botocore lists them."""
    partitions = botocore.session.get_session().get_data("endpoints")["partitions"]
    return {
        name: str(one["description"])
        for partition in partitions
        for name, one in partition["regions"].items()
    }


def _region(name: str) -> str:
    return _regions().get(name, name)
