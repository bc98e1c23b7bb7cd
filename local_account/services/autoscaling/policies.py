"""Target-tracking configurations, and the two CloudWatch alarms of a policy.

Contract: PutScalingPolicy in the Application Auto Scaling API Reference; alarms as described under "Target
tracking scaling policies" in its User Guide: three minutes above the target scale out, fifteen minutes below
nine tenths of it scale in.

Refuses (PutScalingPolicy): step scaling (`StepScalingPolicyConfiguration`) and predictive scaling
(`PredictiveScalingPolicyConfiguration`), predefined metrics other than
`SageMakerVariantInvocationsPerInstance`, and customized metrics by metric math (`Metrics`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import Params
from local_account.services.autoscaling.resources import DIMENSION, invalid, variant_of
from local_account.services.autoscaling.tracking import COOLDOWN_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import (
        AlarmTypeDef,
        TargetTrackingScalingPolicyConfigurationOutputTypeDef,
    )

    from local_account.foundation.account import Account
    from local_account.services.autoscaling.records import ScalingPolicy

_METRIC = "SageMakerVariantInvocationsPerInstance"
_OTHER_CONFIGURATIONS = {"StepScalingPolicyConfiguration", "PredictiveScalingPolicyConfiguration"}
_LARGEST_TARGET = 2.0**360
_HIGH_PERIODS, _LOW_PERIODS = 3, 15
_LOW_FRACTION = 0.9


def target_tracking(
    params: Mapping[str, Any], known: ScalingPolicy | None, others: Iterable[ScalingPolicy]
) -> TargetTrackingScalingPolicyConfigurationOutputTypeDef:
    """Return the checked configuration of a PutScalingPolicy request, with its defaults.

    ``known`` is the policy that the request changes, ``others`` are the target's other policies. Raises
    ServiceError ValidationException.
    """
    kind = params.get("PolicyType", known["PolicyType"] if known else "StepScaling")
    configuration: Params | None = params.get("TargetTrackingScalingPolicyConfiguration")
    if kind != "TargetTrackingScaling":
        raise invalid(f"{kind} is not supported by the local account: use TargetTrackingScaling")
    if others_given := sorted(_OTHER_CONFIGURATIONS & params.keys()):
        raise invalid(f"{others_given[0]} is not for the policy type TargetTrackingScaling")
    if configuration is None:
        raise invalid("TargetTrackingScalingPolicyConfiguration must be given for TargetTrackingScaling")
    _check_metric(configuration)
    metric = _metric(params["ResourceId"], configuration)
    for other in others:
        if _metric(other["ResourceId"], other["TargetTrackingScalingPolicyConfiguration"]) == metric:
            raise invalid(
                "Only one TargetTrackingScaling policy for a given metric specification is allowed: "
                f"{other['PolicyName']} already uses this one"
            )
    if not 0 < configuration["TargetValue"] <= _LARGEST_TARGET:
        raise invalid("TargetValue must be greater than 0, and at most 2^360")
    for cooldown in ("ScaleOutCooldown", "ScaleInCooldown"):
        if configuration.setdefault(cooldown, COOLDOWN_SECONDS) < 0:
            raise invalid(f"{cooldown} must be 0 seconds or more")
    configuration.setdefault("DisableScaleIn", False)
    return cast("TargetTrackingScalingPolicyConfigurationOutputTypeDef", configuration)


def _check_metric(configuration: Mapping[str, Any]) -> None:
    """Raise ServiceError unless a configuration has one metric, in a form that is supported."""
    predefined, customized = (
        configuration.get(f"{word}MetricSpecification") for word in ("Predefined", "Customized")
    )
    if (predefined is None) == (customized is None):
        raise invalid("Specify either PredefinedMetricSpecification or CustomizedMetricSpecification")
    if predefined and predefined["PredefinedMetricType"] != _METRIC:
        raise invalid(
            f"{predefined['PredefinedMetricType']} is not supported by the local account for "
            f"{DIMENSION}: use {_METRIC}"
        )
    if predefined and "ResourceLabel" in predefined:
        raise invalid("ResourceLabel is only for the predefined metric ALBRequestCountPerTarget")
    if customized and "Metrics" in customized:
        raise invalid(
            "Metrics of a CustomizedMetricSpecification (metric math) is not supported by the local account: "
            "use MetricName, Namespace and Statistic"
        )
    if customized and not {"MetricName", "Namespace", "Statistic"} <= customized.keys():
        raise invalid("CustomizedMetricSpecification needs MetricName, Namespace and Statistic")


def put_alarms(account: Account, policy: ScalingPolicy) -> list[AlarmTypeDef]:
    """Create or update the policy's alarms from its configuration; return them as the policy lists them."""
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    target = configuration["TargetValue"]
    wanted = {"High": ("GreaterThanThreshold", _HIGH_PERIODS, target)}
    if not configuration["DisableScaleIn"]:
        wanted["Low"] = ("LessThanThreshold", _LOW_PERIODS, target * _LOW_FRACTION)
    names = {side: name for side in ("High", "Low") if (name := alarm_name(policy, side))}
    alarms: list[AlarmTypeDef] = []
    for side, (comparison, periods, threshold) in wanted.items():
        name = names.pop(side, f"TargetTracking-{policy['ResourceId']}-Alarm{side}-{uuid.uuid4()}")
        account.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            AlarmDescription="DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
            f"{policy['PolicyARN']}.",
            AlarmActions=[policy["PolicyARN"]],
            ComparisonOperator=comparison,
            EvaluationPeriods=periods,
            Threshold=threshold,
            Period=60,
            **_metric(policy["ResourceId"], configuration),
        )
        alarms.append({"AlarmName": name, "AlarmARN": account.arn("cloudwatch", f"alarm:{name}")})
    delete_alarms(account, names.values())
    return alarms


def delete_alarms(account: Account, names: Iterable[str]) -> None:
    """Delete alarms; any of them may be gone already."""
    cloudwatch = account.client("cloudwatch")
    for name in names:
        try:
            cloudwatch.delete_alarms(AlarmNames=[name])
        except cloudwatch.exceptions.ResourceNotFound:
            continue


def alarm_name(policy: ScalingPolicy, side: str) -> str | None:
    """Return the name of a policy's ``High`` or ``Low`` alarm."""
    for alarm in policy["Alarms"]:
        if f"-Alarm{side}-" in alarm["AlarmName"]:
            return str(alarm["AlarmName"])
    return None


def _metric(resource_id: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    customized = configuration.get("CustomizedMetricSpecification")
    if customized:
        taken = ("MetricName", "Namespace", "Statistic", "Dimensions", "Unit")
        return {name: customized[name] for name in taken if name in customized}
    endpoint, variant = variant_of(resource_id)
    return {
        # "Amazon SageMaker endpoint invocation metrics"
        "Namespace": "AWS/SageMaker",
        "MetricName": "InvocationsPerInstance",
        "Statistic": "Sum",
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ],
    }
