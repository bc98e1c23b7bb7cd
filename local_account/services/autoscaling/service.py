"""The Application Auto Scaling API for SageMaker endpoint variants: targets, policies, activities, tags.

Contract: the Application Auto Scaling API Reference.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from local_account.foundation import linked_roles
from local_account.foundation.acting import calling_role
from local_account.foundation.errors import ServiceError
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.autoscaling.policies import delete_alarms, put_alarms, target_tracking
from local_account.services.autoscaling.records import ScalableTarget, ScalingPolicy
from local_account.services.autoscaling.resources import (
    DIMENSION,
    KEY,
    NAMESPACE,
    invalid,
    key_of,
    matches,
    not_found,
    policy_key,
    variant_of,
)
from local_account.services.autoscaling.scaling import Scaling

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import (
        DeleteScalingPolicyRequestTypeDef,
        DeregisterScalableTargetRequestTypeDef,
        DescribeScalableTargetsRequestTypeDef,
        DescribeScalingActivitiesRequestTypeDef,
        DescribeScalingPoliciesRequestTypeDef,
        ListTagsForResourceRequestTypeDef,
        PutScalingPolicyRequestTypeDef,
        RegisterScalableTargetRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

    from local_account.foundation.account import Account
    from local_account.foundation.store import Table
    from local_account.services.autoscaling.tracking import Datapoint

_PAGE = 50
_POLICIES_PAGE = 10
"""The most policies of a page, and the default (DescribeScalingPolicies, MaxResults)."""
_BURSTABLE = "ml.t"
"""Instance types that SageMaker does not scale ("Configure model auto scaling with the console")."""
_RETRY_SECONDS = 0.5


class ApplicationAutoScaling(Service):
    """The Application Auto Scaling API for SageMaker variants.

    Lacks: `PutScheduledAction`, `GetPredictiveScalingForecast`.

    Refuses: everything but variants of endpoints (`sagemaker:variant:DesiredInstanceCount`).

    Differs from AWS: the service-linked role is created by the first RegisterScalableTarget, whose caller
    needs `iam:CreateServiceLinkedRole`, as on AWS; without it, the error has IAM's words, as AWS does not
    document its own. Scaling itself does not act as the role.
    """

    name = "application-autoscaling"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._scaling = Scaling(account)

    def start(self) -> None:
        """Resume following the scaling activities that were in progress."""
        self._scaling.recover()

    def on_alarm(self, policy_arn: str, alarm: str, datapoints: tuple[Datapoint, ...]) -> None:
        """Apply a scaling policy whose alarm is in ALARM; CloudWatch calls this at every evaluation."""
        policies = self._policies.values()
        for policy in policies:
            if policy["PolicyARN"] == policy_arn and (target := self._targets.get(key_of(policy))):
                siblings = [one for one in policies if key_of(one) == key_of(policy)]
                self._scaling.on_alarm(target, siblings, policy, alarm, datapoints)

    # --- scalable targets

    def register_scalable_target(self, params: RegisterScalableTargetRequestTypeDef) -> Answer:
        """RegisterScalableTarget: a new target, or the given members of an existing one.

        A capacity outside the bounds is corrected once the endpoint is in service.
        """
        self._check_resource(params)
        self._create_role()
        with self._targets.lock:
            key = key_of(params)
            known = self._targets.get(key)
            document = known or self._new_target(params)
            given: Mapping[str, Any] = params
            bounds = {name: given[name] for name in ("MinCapacity", "MaxCapacity") if name in given}
            document.update(cast("ScalableTarget", bounds))
            document["SuspendedState"] |= params.get("SuspendedState", {})
            _check_capacity(document)
            if known and params.get("Tags"):
                raise invalid("Tags can only be given for a new scalable target: use TagResource")
            self._targets.put(key, document)
        self.account.tasks.spawn(f"bounds-{key}", self._correct, key)
        return {"ScalableTargetARN": document["ScalableTargetARN"]}

    def describe_scalable_targets(self, params: DescribeScalableTargetsRequestTypeDef) -> Answer:
        """DescribeScalableTargets."""
        _check_dimension(params, "ResourceIds")
        found = [
            {name: value for name, value in document.items() if name != "Tags"}
            for document in self._targets.values()
            if matches(document, params)
            and ("ResourceIds" not in params or document["ResourceId"] in params["ResourceIds"])
        ]
        shown, token = _page(found, params)
        return {"ScalableTargets": shown, "NextToken": token}

    def deregister_scalable_target(self, params: DeregisterScalableTargetRequestTypeDef) -> Answer:
        """DeregisterScalableTarget: also deletes its policies and their alarms."""
        with self._targets.lock:
            if self._targets.get(key_of(params)) is None:
                raise not_found("scalable target", params)
            for policy in self._policies.values():
                if key_of(policy) == key_of(params):
                    self._drop_policy(policy)
            self._targets.delete(key_of(params))
        return {}

    # --- scaling policies

    def put_scaling_policy(self, params: PutScalingPolicyRequestTypeDef) -> Answer:
        """PutScalingPolicy: target tracking, and the alarms that watch the target."""
        with self._targets.lock:
            if self._targets.get(key_of(params)) is None:
                raise not_found("scalable target", params, "No scalable target registered for")
            key = policy_key(params)
            known = self._policies.get(key)
            others = [
                one
                for one in self._policies.values()
                if key_of(one) == key_of(params) and policy_key(one) != key
            ]
            configuration = target_tracking(params, known, others)
            document = known or self._new_policy(params)
            document["TargetTrackingScalingPolicyConfiguration"] = configuration
            document["Alarms"] = put_alarms(self.account, document)
            self._policies.put(key, document)
        return {"PolicyARN": document["PolicyARN"], "Alarms": document["Alarms"]}

    def describe_scaling_policies(self, params: DescribeScalingPoliciesRequestTypeDef) -> Answer:
        """DescribeScalingPolicies."""
        _check_dimension(params, "ResourceId")
        found = [
            document
            for document in self._policies.values()
            if matches(document, params)
            and ("PolicyNames" not in params or document["PolicyName"] in params["PolicyNames"])
        ]
        shown, token = _page(found, params, _POLICIES_PAGE)
        return {"ScalingPolicies": shown, "NextToken": token}

    def delete_scaling_policy(self, params: DeleteScalingPolicyRequestTypeDef) -> Answer:
        """DeleteScalingPolicy: also deletes the alarms of a target-tracking policy."""
        with self._targets.lock:
            policy = self._policies.get(policy_key(params))
            if policy is None:
                raise not_found("scaling policy", params)
            self._drop_policy(policy)
        return {}

    def describe_scaling_activities(self, params: DescribeScalingActivitiesRequestTypeDef) -> Answer:
        """DescribeScalingActivities: those of the last six weeks, newest first."""
        _check_dimension(params, "ResourceId")
        everything = params.get("IncludeNotScaledActivities", False)
        found = [
            {name: value for name, value in one.items() if name[0].isupper()}
            for one in reversed(self._scaling.activities.values())
            if matches(one, params) and (everything or "NotScaledReasons" not in one)
        ]
        shown, token = _page(found, params)
        return {"ScalingActivities": shown, "NextToken": token}

    # --- tags

    def tag_resource(self, params: TagResourceRequestTypeDef) -> Answer:
        """TagResource."""
        with self._targets.update(self._tagged(params)) as document:
            document["Tags"] = limited({**document["Tags"], **params["Tags"]}, "TooManyTagsException")
        return {}

    def untag_resource(self, params: UntagResourceRequestTypeDef) -> Answer:
        """UntagResource."""
        with self._targets.update(self._tagged(params)) as document:
            document["Tags"] = {k: v for k, v in document["Tags"].items() if k not in params["TagKeys"]}
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceRequestTypeDef) -> Answer:
        """ListTagsForResource."""
        return {"Tags": self._targets.require(self._tagged(params))["Tags"]}

    # --- shared

    @property
    def _targets(self) -> Table[ScalableTarget]:
        return self.account.store.table("autoscaling-targets", ScalableTarget)

    @property
    def _policies(self) -> Table[ScalingPolicy]:
        return self.account.store.table("autoscaling-policies", ScalingPolicy)

    def _new_target(self, params: Mapping[str, Any]) -> ScalableTarget:
        if missing := [name for name in ("MinCapacity", "MaxCapacity") if name not in params]:
            raise invalid(f"{' and '.join(missing)} must be given for a new scalable target")
        role = linked_roles.resource(linked_roles.SCALING)
        target: dict[str, Any] = {
            **{name: params[name] for name in KEY},
            "RoleARN": params.get("RoleARN") or f"arn:aws:iam::{self.account.config.account_id}:{role}",
            "CreationTime": self.account.now(),
            "SuspendedState": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
            "ScalableTargetARN": self.account.arn(
                "application-autoscaling", f"scalable-target/{uuid.uuid4().hex}"
            ),
            "Tags": limited(params.get("Tags", {}), "ValidationException"),
        }
        return cast("ScalableTarget", target)

    def _create_role(self) -> None:
        """Create the service-linked role if the account has none yet, with the permissions of the caller."""
        try:
            self.account.client("iam").get_role(RoleName=linked_roles.NAMES[linked_roles.SCALING])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
        else:
            return
        try:
            self.account.client("iam", calling_role()).create_service_linked_role(
                AWSServiceName=linked_roles.SCALING
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidInput":  # another request has just created it
                return
            raise ServiceError("AccessDeniedException", error.response["Error"]["Message"]) from error

    def _new_policy(self, params: Mapping[str, Any]) -> ScalingPolicy:
        resource, policy = params["ResourceId"], params["PolicyName"]
        path = f"resource/{NAMESPACE}/{resource}:policyName/{policy}"
        members = {
            **{name: params[name] for name in (*KEY, "PolicyName")},
            "PolicyType": "TargetTrackingScaling",
            "PolicyARN": self.account.arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:{path}"),
            "CreationTime": self.account.now(),
            "Alarms": [],
        }
        return cast("ScalingPolicy", members)

    def _check_resource(self, params: Mapping[str, Any]) -> None:
        if params["ServiceNamespace"] != NAMESPACE or params["ScalableDimension"] != DIMENSION:
            raise invalid(
                f"{params['ServiceNamespace']} with {params['ScalableDimension']} is not supported by the "
                f"local account: use {NAMESPACE} with {DIMENSION}"
            )
        endpoint, variant = variant_of(params["ResourceId"])
        sagemaker = self.account.client("sagemaker")
        try:
            found = sagemaker.describe_endpoint(EndpointName=endpoint)
            config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
        except ClientError as error:
            raise invalid(
                f"The endpoint {endpoint} cannot be scaled: {error.response['Error']['Message']}"
            ) from error
        if found["EndpointStatus"] == "Deleting":  # its targets have been deregistered: a new one would stay
            raise invalid(f"The endpoint {endpoint} cannot be scaled: it is being deleted")
        variants = [one["VariantName"] for one in found.get("ProductionVariants", [])]
        if variant not in variants:
            raise invalid(
                f"The endpoint {endpoint} has no variant {variant}: it has {', '.join(variants) or 'none'}"
            )
        for one in config["ProductionVariants"]:
            if one["VariantName"] == variant and one["InstanceType"].startswith(_BURSTABLE):
                raise invalid(
                    f"The variant {variant} of the endpoint {endpoint} cannot be scaled: automatic scaling "
                    f"does not support burstable instance types such as {one['InstanceType']}"
                )

    def _correct(self, key: str) -> None:
        while (target := self._targets.get(key)) and not self._scaling.correct(target):
            if self.account.tasks.stopping.wait(_RETRY_SECONDS):
                return

    def _drop_policy(self, policy: ScalingPolicy) -> None:
        self._policies.delete(policy_key(policy))
        delete_alarms(self.account, [alarm["AlarmName"] for alarm in policy["Alarms"]])

    def _tagged(self, params: Mapping[str, Any]) -> str:
        for key, document in self._targets.items():
            if document["ScalableTargetARN"] == params["ResourceARN"]:
                return str(key)
        raise ServiceError(
            "ResourceNotFoundException", f"No scalable target has the ARN {params['ResourceARN']}"
        )


def _check_capacity(document: ScalableTarget) -> None:
    low, high = document["MinCapacity"], document["MaxCapacity"]
    if low < 0:
        raise invalid(f"MinCapacity must be 0 or more, not {low}")
    if low > high:
        raise invalid(f"MinCapacity {low} is greater than MaxCapacity {high}")


def _check_dimension(params: Mapping[str, Any], resource: str) -> None:
    """Raise ServiceError for a dimension without a resource (the Describe operations, ScalableDimension)."""
    if "ScalableDimension" in params and resource not in params:
        raise invalid(f"ScalableDimension needs {resource}: specify both, or neither")


def _page(items: list[Any], params: Mapping[str, Any], most: int = _PAGE) -> tuple[list[Any], str | None]:
    size = params.get("MaxResults", most)
    if not 1 <= size <= most:
        raise invalid(f"MaxResults must be between 1 and {most}, not {size}")
    return page(items, params.get("NextToken"), size, "InvalidNextTokenException")
