"""Application Auto Scaling: scalable targets and target-tracking policies of SageMaker endpoint variants.

Contract: the Application Auto Scaling API Reference, and "Target tracking scaling policies" in its User
Guide for the two CloudWatch alarms of a policy. This module keeps the records; it scales nothing.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers.local_account.pages import page
from lab_helpers.local_account.service import Params, Service, ServiceError

if TYPE_CHECKING:
    from lab_helpers.local_account.store import Document

_NAMESPACE = "sagemaker"
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_METRIC = "SageMakerVariantInvocationsPerInstance"
_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
_PAGE = 50
_COOLDOWN_SECONDS = 300
_TAGS = 50
# Three minutes above the target scale out, fifteen minutes well below it scale in.
_HIGH_PERIODS, _LOW_PERIODS = 3, 15
_LOW_FRACTION = 0.9
_KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class ApplicationAutoScaling(Service):
    """The Application Auto Scaling API for SageMaker variants."""

    name = "application-autoscaling"

    # --- scalable targets

    def register_scalable_target(self, params: Params) -> Params:
        """RegisterScalableTarget: new, or the given members of a known one."""
        self._check_resource(params)
        with self._targets.lock:
            key = _key(params)
            known = self._targets.get(key)
            document: Document = known or self._new_target(params)
            document |= {name: params[name] for name in ("MinCapacity", "MaxCapacity") if name in params}
            document["SuspendedState"] |= params.get("SuspendedState", {})
            _check_capacity(document)
            if known and params.get("Tags"):
                raise _invalid("Tags can be given for a new scalable target only: use TagResource")
            self._targets.put(key, document)
        return {"ScalableTargetARN": document["ScalableTargetARN"]}

    def describe_scalable_targets(self, params: Params) -> Params:
        """DescribeScalableTargets."""
        found = [
            {name: value for name, value in document.items() if name != "Tags"}
            for document in self._targets.values()
            if _matches(document, params)
            and ("ResourceIds" not in params or document["ResourceId"] in params["ResourceIds"])
        ]
        shown, token = _page(found, params)
        return {"ScalableTargets": shown, "NextToken": token}

    def deregister_scalable_target(self, params: Params) -> Params:
        """DeregisterScalableTarget: its policies and their alarms go with it."""
        with self._targets.lock:
            if self._targets.get(_key(params)) is None:
                raise _not_found("scalable target", params)
            for policy in self._policies.values():
                if _key(policy) == _key(params):
                    self._drop_policy(policy)
            self._targets.delete(_key(params))
        return {}

    # --- scaling policies

    def put_scaling_policy(self, params: Params) -> Params:
        """PutScalingPolicy: target tracking, with the alarms that watch the target."""
        with self._targets.lock:
            if self._targets.get(_key(params)) is None:
                raise _not_found("scalable target", params, "No scalable target registered for")
            key = _policy_key(params)
            known = self._policies.get(key)
            configuration = _target_tracking(params, known)
            document: Document = known or self._new_policy(params)
            document["TargetTrackingScalingPolicyConfiguration"] = configuration
            self._put_alarms(document)
            self._policies.put(key, document)
        return {"PolicyARN": document["PolicyARN"], "Alarms": document["Alarms"]}

    def describe_scaling_policies(self, params: Params) -> Params:
        """DescribeScalingPolicies."""
        found = [
            document
            for document in self._policies.values()
            if _matches(document, params)
            and ("PolicyNames" not in params or document["PolicyName"] in params["PolicyNames"])
        ]
        shown, token = _page(found, params)
        return {"ScalingPolicies": shown, "NextToken": token}

    def delete_scaling_policy(self, params: Params) -> Params:
        """DeleteScalingPolicy: the alarms of a target-tracking policy go with it."""
        with self._targets.lock:
            policy = self._policies.get(_policy_key(params))
            if policy is None:
                raise _not_found("scaling policy", params)
            self._drop_policy(policy)
        return {}

    def describe_scaling_activities(self, params: Params) -> Params:
        """DescribeScalingActivities, newest first."""
        activities = self.account.store.table("autoscaling-activities").values()
        shown, token = _page([one for one in reversed(activities) if _matches(one, params)], params)
        return {"ScalingActivities": shown, "NextToken": token}

    # --- tags

    def tag_resource(self, params: Params) -> Params:
        """TagResource."""
        with self._targets.update(self._tagged(params)) as document:
            document["Tags"] |= params["Tags"]
            if len(document["Tags"]) > _TAGS:
                raise ServiceError("TooManyTagsException", f"A scalable target has {_TAGS} tags at most")
        return {}

    def untag_resource(self, params: Params) -> Params:
        """UntagResource."""
        with self._targets.update(self._tagged(params)) as document:
            document["Tags"] = {k: v for k, v in document["Tags"].items() if k not in params["TagKeys"]}
        return {}

    def list_tags_for_resource(self, params: Params) -> Params:
        """ListTagsForResource."""
        return {"Tags": self._targets.require(self._tagged(params))["Tags"]}

    # --- shared

    @property
    def _targets(self) -> Any:
        return self.account.store.table("autoscaling-targets")

    @property
    def _policies(self) -> Any:
        return self.account.store.table("autoscaling-policies")

    def _new_target(self, params: Params) -> Document:
        if missing := [name for name in ("MinCapacity", "MaxCapacity") if name not in params]:
            raise _invalid(f"{' and '.join(missing)} must be given for a new scalable target")
        role = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
        return {
            **{name: params[name] for name in _KEY},
            "RoleARN": params.get("RoleARN")
            or f"arn:aws:iam::{self.account.config.account_id}:role/{role}/"
            "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
            "CreationTime": self.account.now(),
            "SuspendedState": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
            "ScalableTargetARN": self.account.arn(
                "application-autoscaling", f"scalable-target/{uuid.uuid4().hex}"
            ),
            "Tags": params.get("Tags", {}),
        }

    def _new_policy(self, params: Params) -> Document:
        resource, policy = params["ResourceId"], params["PolicyName"]
        path = f"resource/{_NAMESPACE}/{resource}:policyName/{policy}"
        return {
            **{name: params[name] for name in (*_KEY, "PolicyName")},
            "PolicyType": "TargetTrackingScaling",
            "PolicyARN": self.account.arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:{path}"),
            "CreationTime": self.account.now(),
            "Alarms": [],
        }

    def _check_resource(self, params: Params) -> None:
        if params["ServiceNamespace"] != _NAMESPACE or params["ScalableDimension"] != _DIMENSION:
            raise _invalid(
                f"{params['ServiceNamespace']} with {params['ScalableDimension']} is not supported by the "
                f"local account, only {_NAMESPACE} with {_DIMENSION}"
            )
        match = _RESOURCE.fullmatch(params["ResourceId"])
        if match is None:
            raise _invalid(f"The resource id {params['ResourceId']} is not endpoint/NAME/variant/NAME")
        try:
            endpoint = self.account.client("sagemaker").describe_endpoint(EndpointName=match["endpoint"])
        except ClientError as error:
            raise _invalid(
                f"The endpoint {match['endpoint']} cannot be scaled: {error.response['Error']['Message']}"
            ) from error
        variants = [one["VariantName"] for one in endpoint.get("ProductionVariants", [])]
        if match["variant"] not in variants:
            raise _invalid(
                f"The endpoint {match['endpoint']} has no variant {match['variant']}, only "
                f"{', '.join(variants) or 'none yet'}"
            )

    def _put_alarms(self, policy: Document) -> None:
        configuration = policy["TargetTrackingScalingPolicyConfiguration"]
        target = configuration["TargetValue"]
        wanted = {"High": ("GreaterThanThreshold", _HIGH_PERIODS, target)}
        if not configuration["DisableScaleIn"]:
            wanted["Low"] = ("LessThanThreshold", _LOW_PERIODS, target * _LOW_FRACTION)
        names = {
            side: alarm["AlarmName"]
            for alarm in policy["Alarms"]
            for side in ("High", "Low")
            if f"-Alarm{side}-" in alarm["AlarmName"]
        }
        cloudwatch = self.account.client("cloudwatch")
        policy["Alarms"] = []
        for side, (operator, periods, threshold) in wanted.items():
            name = names.pop(side, f"TargetTracking-{policy['ResourceId']}-Alarm{side}-{uuid.uuid4()}")
            cloudwatch.put_metric_alarm(
                AlarmName=name,
                AlarmDescription="DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
                f"{policy['PolicyARN']}.",
                AlarmActions=[policy["PolicyARN"]],
                ComparisonOperator=operator,
                EvaluationPeriods=periods,
                Threshold=threshold,
                Period=60,
                **_metric(policy["ResourceId"], configuration),
            )
            arn = self.account.arn("cloudwatch", f"alarm:{name}")
            policy["Alarms"].append({"AlarmName": name, "AlarmARN": arn})
        if names:
            cloudwatch.delete_alarms(AlarmNames=list(names.values()))

    def _drop_policy(self, policy: Document) -> None:
        self._policies.delete(_policy_key(policy))
        if policy["Alarms"]:
            self.account.client("cloudwatch").delete_alarms(
                AlarmNames=[alarm["AlarmName"] for alarm in policy["Alarms"]]
            )

    def _tagged(self, params: Params) -> str:
        for key, document in self._targets.items():
            if document["ScalableTargetARN"] == params["ResourceARN"]:
                return str(key)
        raise ServiceError(
            "ResourceNotFoundException", f"No scalable target has the ARN {params['ResourceARN']}"
        )


def _target_tracking(params: Params, known: Document | None) -> Params:
    kind = params.get("PolicyType", known["PolicyType"] if known else "StepScaling")
    configuration: Params | None = params.get("TargetTrackingScalingPolicyConfiguration")
    if kind != "TargetTrackingScaling":
        raise _invalid(f"{kind} is not supported by the local account: use TargetTrackingScaling")
    if configuration is None:
        raise _invalid("TargetTrackingScalingPolicyConfiguration must be given for TargetTrackingScaling")
    predefined, customized = (
        configuration.get(f"{word}MetricSpecification") for word in ("Predefined", "Customized")
    )
    if (predefined is None) == (customized is None):
        raise _invalid("Give one of PredefinedMetricSpecification and CustomizedMetricSpecification")
    if predefined and predefined["PredefinedMetricType"] != _METRIC:
        raise _invalid(
            f"{predefined['PredefinedMetricType']} is not supported by the local account for "
            f"{_DIMENSION}: use {_METRIC}"
        )
    if customized and not {"MetricName", "Namespace", "Statistic"} <= customized.keys():
        raise _invalid("CustomizedMetricSpecification needs MetricName, Namespace and Statistic")
    if configuration["TargetValue"] <= 0:
        raise _invalid("TargetValue must be greater than 0")
    for cooldown in ("ScaleOutCooldown", "ScaleInCooldown"):
        if configuration.setdefault(cooldown, _COOLDOWN_SECONDS) < 0:
            raise _invalid(f"{cooldown} must be 0 seconds or more")
    configuration.setdefault("DisableScaleIn", False)
    return configuration


def _metric(resource_id: str, configuration: Params) -> Params:
    customized = configuration.get("CustomizedMetricSpecification")
    if customized:
        taken = ("MetricName", "Namespace", "Statistic", "Dimensions", "Unit")
        return {name: customized[name] for name in taken if name in customized}
    match = _RESOURCE.fullmatch(resource_id)
    assert match is not None  # noqa: S101 - checked when the target was registered
    return {
        # "Amazon SageMaker endpoint invocation metrics"
        "Namespace": "AWS/SageMaker",
        "MetricName": "InvocationsPerInstance",
        "Statistic": "Sum",
        "Dimensions": [
            {"Name": "EndpointName", "Value": match["endpoint"]},
            {"Name": "VariantName", "Value": match["variant"]},
        ],
    }


def _check_capacity(document: Document) -> None:
    low, high = document["MinCapacity"], document["MaxCapacity"]
    if low < 0:
        raise _invalid(f"MinCapacity must be 0 or more, it is {low}")
    if low > high:
        raise _invalid(f"MinCapacity {low} is greater than MaxCapacity {high}")


def _key(params: Params) -> str:
    return "|".join(params[name] for name in _KEY)


def _policy_key(params: Params) -> str:
    return f"{_key(params)}|{params['PolicyName']}"


def _matches(document: Document, params: Params) -> bool:
    return all(document[name] == params[name] for name in _KEY if name in params)


def _page(items: list[Params], params: Params) -> tuple[list[Params], str | None]:
    size = params.get("MaxResults", _PAGE)
    return page(items, params.get("NextToken"), size, "InvalidNextTokenException")


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def _not_found(what: str, params: Params, words: str = "") -> ServiceError:
    words = words or f"No {what} found for"
    named = f", policy name: {params['PolicyName']}" if what == "scaling policy" else ""
    return ServiceError(
        "ObjectNotFoundException",
        f"{words} service namespace: {params['ServiceNamespace']}, resource ID: {params['ResourceId']}, "
        f"scalable dimension: {params['ScalableDimension']}{named}",
    )
