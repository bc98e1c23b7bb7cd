"""Application Auto Scaling through unmodified boto3, with CloudWatch behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.iam_roles import make_role
from tests.local_account.services.served import Served
from tests.waiting import Eventually

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_application_autoscaling.type_defs import PutScalingPolicyResponseTypeDef
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
TRACKING: Any = {
    "TargetValue": 100.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleOutCooldown": 30,
}


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


@pytest.fixture(scope="session")
def autoscaling(service_client: Callable[[str], Any]) -> ApplicationAutoScalingClient:
    client: ApplicationAutoScalingClient = service_client("application-autoscaling")
    return client


@pytest.fixture
def resource(served: Served, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Members that name a variant of an endpoint for this test only (and for this attempt only)."""
    test = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:50]
    name = f"{test}-{len(served.sagemaker.endpoints)}"
    served.sagemaker.endpoints[name] = ["AllTraffic"]
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/AllTraffic",
        "ScalableDimension": DIMENSION,
    }


@pytest.fixture
def target(autoscaling: ApplicationAutoScalingClient, resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same, registered as a scalable target."""
    autoscaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3, Tags={"a": "1"})
    yield resource
    with suppress(autoscaling.exceptions.ObjectNotFoundException):
        autoscaling.deregister_scalable_target(**resource)


def put_policy(
    autoscaling: ApplicationAutoScalingClient, target: dict[str, Any], **changes: Any
) -> PutScalingPolicyResponseTypeDef:
    return autoscaling.put_scaling_policy(
        **target,
        PolicyName="invocations",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING | changes,
    )


def alarms(service_client: Callable[[str], Any], target: dict[str, Any]) -> list[MetricAlarmTypeDef]:
    cloudwatch: CloudWatchClient = service_client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNamePrefix=f"TargetTracking-{target['ResourceId']}-")
    return found["MetricAlarms"]


def test_the_first_target_of_an_account_needs_a_permission_to_create_the_role_of_the_service(
    served: Served, resource: dict[str, Any]
) -> None:
    iam, name = served.account.client("iam"), "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    with suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_role(RoleName=name)
    role = make_role(
        iam, "scaling-caller", "lambda.amazonaws.com", actions=["application-autoscaling:*", "sagemaker:*"]
    )
    caller = served.account.client("application-autoscaling", role)

    with pytest.raises(ClientError, match="is not authorized to perform: iam:CreateServiceLinkedRole") as no:
        caller.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3)
    assert code(no) == "AccessDeniedException"
    assert not caller.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]

    service = "sagemaker.application-autoscaling.amazonaws.com"
    own = f"arn:aws:iam::{served.account.config.account_id}:role/aws-service-role/{service}/{name}"
    allowed = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iam:CreateServiceLinkedRole",
                "Resource": own,
                "Condition": {"StringEquals": {"iam:AWSServiceName": service}},
            }
        ],
    }
    iam.put_role_policy(RoleName="scaling-caller", PolicyName="role", PolicyDocument=json.dumps(allowed))
    caller.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3)
    assert iam.get_role(RoleName=name)["Role"]["Arn"] == own

    iam.delete_role_policy(RoleName="scaling-caller", PolicyName="role")
    caller.register_scalable_target(**resource, MaxCapacity=4)
    with pytest.raises(ClientError, match=f"InvalidInput.*Service role name {name} has been taken in this"):
        iam.create_service_linked_role(AWSServiceName=service)
    caller.deregister_scalable_target(**resource)


def test_a_target_is_registered_described_and_updated(
    autoscaling: ApplicationAutoScalingClient, resource: dict[str, Any]
) -> None:
    first = autoscaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3)
    again = autoscaling.register_scalable_target(**resource, MaxCapacity=5)
    assert first["ScalableTargetARN"] == again["ScalableTargetARN"]
    (found,) = autoscaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[resource["ResourceId"]]
    )["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 5)
    assert "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint" in found["RoleARN"]
    assert found["SuspendedState"]["DynamicScalingInSuspended"] is False


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"MinCapacity": 4}, "MinCapacity 4 is greater than MaxCapacity 3"),
        ({"MinCapacity": -1}, "0 or more"),
        ({"ResourceId": "endpoint/nobody/variant/AllTraffic"}, "Could not find endpoint"),
        ({"ResourceId": "endpoint/{endpoint}/variant/other"}, "it has AllTraffic"),
        ({"ResourceId": "variant/AllTraffic"}, "not endpoint/NAME/variant/NAME"),
        ({"ScalableDimension": "ecs:service:DesiredCount"}, "not supported by the local account"),
    ],
)
def test_targets_that_cannot_be_registered(
    autoscaling: ApplicationAutoScalingClient, resource: dict[str, Any], changes: Any, says: str
) -> None:
    if "ResourceId" in changes:
        endpoint = resource["ResourceId"].split("/")[1]
        changes = {"ResourceId": changes["ResourceId"].replace("{endpoint}", endpoint)}
    with pytest.raises(ClientError, match=says) as error:
        autoscaling.register_scalable_target(**({"MinCapacity": 1, "MaxCapacity": 3} | resource | changes))
    assert code(error) == "ValidationException"
    assert not autoscaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[resource["ResourceId"]]
    )["ScalableTargets"]


def test_an_endpoint_that_is_being_deleted_gets_no_target_which_the_next_of_its_name_would_have(
    autoscaling: ApplicationAutoScalingClient, served: Served, resource: dict[str, Any]
) -> None:
    served.sagemaker.status[resource["ResourceId"].split("/")[1]] = "Deleting"
    with pytest.raises(ClientError, match="cannot be scaled: it is being deleted") as error:
        autoscaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3)
    assert code(error) == "ValidationException"


def test_burstable_instances_are_not_scaled(
    autoscaling: ApplicationAutoScalingClient,
    served: Served,
    resource: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(served.sagemaker, "instance_type", "ml.t2.medium")
    with pytest.raises(ClientError, match=r"burstable instance types such as ml\.t2\.medium"):
        autoscaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3)


def test_a_new_target_needs_its_capacity(
    autoscaling: ApplicationAutoScalingClient, resource: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="MaxCapacity must be given"):
        autoscaling.register_scalable_target(**resource, MinCapacity=1)


def test_a_policy_comes_with_its_two_alarms(
    autoscaling: ApplicationAutoScalingClient, target: dict[str, Any], service_client: Callable[[str], Any]
) -> None:
    put = put_policy(autoscaling, target)
    low, high = sorted(alarms(service_client, target), key=lambda one: one["Threshold"])
    assert {one["AlarmARN"] for one in put["Alarms"]} == {low["AlarmArn"], high["AlarmArn"]}
    assert high["AlarmName"].startswith(f"TargetTracking-{target['ResourceId']}-AlarmHigh-")
    assert (high["Threshold"], high["EvaluationPeriods"], high["ComparisonOperator"]) == (
        100.0,
        3,
        "GreaterThanThreshold",
    )
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (
        90.0,
        15,
        "LessThanThreshold",
    )
    for alarm in (low, high):
        assert alarm["AlarmActions"] == [put["PolicyARN"]]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SageMaker", "InvocationsPerInstance")
        assert {one["Name"] for one in alarm["Dimensions"]} == {"EndpointName", "VariantName"}
    (policy,) = autoscaling.describe_scaling_policies(**target)["ScalingPolicies"]
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    assert (configuration["ScaleOutCooldown"], configuration["ScaleInCooldown"]) == (30, 300)


def test_a_changed_policy_keeps_its_name_arn_and_alarms(
    autoscaling: ApplicationAutoScalingClient, target: dict[str, Any], service_client: Callable[[str], Any]
) -> None:
    first = put_policy(autoscaling, target)
    second = put_policy(autoscaling, target, TargetValue=200.0)
    assert first["PolicyARN"] == second["PolicyARN"]
    assert first["Alarms"] == second["Alarms"]
    assert sorted(one["Threshold"] for one in alarms(service_client, target)) == [180.0, 200.0]
    put_policy(autoscaling, target, DisableScaleIn=True)
    (left,) = alarms(service_client, target)
    assert "-AlarmHigh-" in left["AlarmName"]


@pytest.mark.parametrize(
    "changes",
    [
        {"TargetValue": 0.0},
        {"TargetValue": 2.0**361},
        {"ScaleInCooldown": -1},
        {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
        {"CustomizedMetricSpecification": {"MetricName": "m", "Namespace": "n", "Statistic": "Sum"}},
        {"PredefinedMetricSpecification": TRACKING["PredefinedMetricSpecification"] | {"ResourceLabel": "x"}},
        {
            "PredefinedMetricSpecification": None,
            "CustomizedMetricSpecification": {"Metrics": [{"Id": "e", "Expression": "1"}]},
        },
    ],
)
def test_policies_that_cannot_be_put_leave_no_alarm(
    autoscaling: ApplicationAutoScalingClient,
    target: dict[str, Any],
    service_client: Callable[[str], Any],
    changes: Any,
) -> None:
    changed: Any = {key: value for key, value in (TRACKING | changes).items() if value is not None}
    with pytest.raises(ClientError) as error:
        autoscaling.put_scaling_policy(
            **target,
            PolicyName="invocations",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=changed,
        )
    assert code(error) == "ValidationException"
    assert not alarms(service_client, target)


def test_a_policy_needs_a_target_and_a_supported_type(
    autoscaling: ApplicationAutoScalingClient, resource: dict[str, Any], target: dict[str, Any]
) -> None:
    autoscaling.deregister_scalable_target(**target)
    with pytest.raises(ClientError, match="No scalable target registered") as error:
        put_policy(autoscaling, resource)
    assert code(error) == "ObjectNotFoundException"
    autoscaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=1)
    with pytest.raises(ClientError, match="StepScaling is not supported"):
        autoscaling.put_scaling_policy(**resource, PolicyName="steps", PolicyType="StepScaling")


def test_alarms_are_deleted_with_the_policy_and_policies_with_the_target(
    autoscaling: ApplicationAutoScalingClient, target: dict[str, Any], service_client: Callable[[str], Any]
) -> None:
    put_policy(autoscaling, target)
    autoscaling.delete_scaling_policy(**target, PolicyName="invocations")
    assert not alarms(service_client, target)
    with pytest.raises(ClientError) as error:
        autoscaling.delete_scaling_policy(**target, PolicyName="invocations")
    assert code(error) == "ObjectNotFoundException"
    put_policy(autoscaling, target)
    autoscaling.deregister_scalable_target(**target)
    assert not alarms(service_client, target)
    assert not autoscaling.describe_scaling_policies(**target)["ScalingPolicies"]
    with pytest.raises(ClientError) as error:
        autoscaling.deregister_scalable_target(**target)
    assert code(error) == "ObjectNotFoundException"


def test_one_policy_per_metric(autoscaling: ApplicationAutoScalingClient, target: dict[str, Any]) -> None:
    put_policy(autoscaling, target)
    with pytest.raises(ClientError, match="Only one TargetTrackingScaling policy"):
        autoscaling.put_scaling_policy(
            **target,
            PolicyName="another",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING,
        )


def invocations(service_client: Callable[[str], Any], target: dict[str, Any], per_second: float) -> None:
    """Send an endpoint's metrics for the last twenty seconds."""
    now = datetime.now(UTC)
    _, endpoint, _, variant = target["ResourceId"].split("/")
    service_client("cloudwatch").put_metric_data(
        Namespace="AWS/SageMaker",
        MetricData=[
            {
                "MetricName": "InvocationsPerInstance",
                "Dimensions": [
                    {"Name": "EndpointName", "Value": endpoint},
                    {"Name": "VariantName", "Value": variant},
                ],
                "Timestamp": now - timedelta(seconds=age),
                "Value": per_second,
            }
            for age in range(20)
        ],
    )


def test_an_alarm_scales_and_is_recorded_as_an_activity(
    autoscaling: ApplicationAutoScalingClient,
    target: dict[str, Any],
    service_client: Callable[[str], Any],
    served: Served,
    eventually: Eventually,
) -> None:
    endpoint = target["ResourceId"].split("/")[1]

    def newest(**options: Any) -> Any:
        found = autoscaling.describe_scaling_activities(**target, **options)["ScalingActivities"]
        return found[0] if found else None

    put_policy(autoscaling, target, ScaleOutCooldown=0, ScaleInCooldown=0)
    invocations(service_client, target, 3.0)  # 180 per minute, the target is 100
    activity = eventually(newest)
    assert activity["Description"] == "Setting desired instance count to 2."
    assert activity["StatusCode"] == "InProgress"
    assert "EndTime" not in activity
    assert "Waiting for change to be fulfilled by sagemaker" in activity["StatusMessage"]
    high = next(one for one in alarms(service_client, target) if "-AlarmHigh-" in one["AlarmName"])
    assert (
        activity["Cause"] == f"monitor alarm {high['AlarmName']} in state ALARM triggered policy invocations"
    )
    assert high["StateValue"] == "ALARM"
    assert "[180.0 (" in high["StateReason"]
    served.sagemaker.status[endpoint] = "InService"
    activity = eventually(lambda: (found := newest()) and "EndTime" in found and found)
    assert activity["StatusCode"] == "Successful"
    assert activity["StatusMessage"] == (
        "Successfully set desired instance count to 2. Change successfully fulfilled by sagemaker."
    )

    autoscaling.register_scalable_target(**target, MaxCapacity=2)
    time.sleep(1.1)  # requests counted before the change are ignored

    def not_scaled() -> Any:
        invocations(service_client, target, 9.0)  # again and again: a busy machine looks at some seconds late
        found = newest(IncludeNotScaledActivities=True)
        return "NotScaledReasons" in found and found

    refused = eventually(not_scaled)
    assert refused["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 2}]
    assert refused["Description"] == "Attempting to scale due to alarm triggered"
    assert "NotScaledReasons" not in newest()


def test_a_capacity_below_a_new_minimum_is_raised(
    autoscaling: ApplicationAutoScalingClient,
    target: dict[str, Any],
    served: Served,
    eventually: Eventually,
) -> None:
    endpoint = target["ResourceId"].split("/")[1]
    served.sagemaker.status[endpoint] = "Updating"  # an update is in progress: scaling has to wait
    autoscaling.register_scalable_target(**target, MinCapacity=2)
    assert autoscaling.describe_scaling_activities(**target)["ScalingActivities"] == []
    served.sagemaker.status[endpoint] = "InService"
    (activity,) = eventually(lambda: autoscaling.describe_scaling_activities(**target)["ScalingActivities"])
    assert activity["Cause"] == "minimum capacity was set to 2"
    assert eventually(lambda: served.sagemaker.desired.get(endpoint)) == 2  # requested after it is recorded


def test_tags_and_activities(autoscaling: ApplicationAutoScalingClient, target: dict[str, Any]) -> None:
    (found,) = autoscaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[target["ResourceId"]]
    )["ScalableTargets"]
    arn = found["ScalableTargetARN"]
    autoscaling.tag_resource(ResourceARN=arn, Tags={"b": "2"})
    autoscaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
    assert autoscaling.describe_scaling_activities(**target)["ScalingActivities"] == []
    with pytest.raises(ClientError) as error:
        autoscaling.list_tags_for_resource(ResourceARN=arn + "0")
    assert code(error) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("operation", "most"),
    [
        ("describe_scalable_targets", 50),
        ("describe_scaling_activities", 50),
        ("describe_scaling_policies", 10),
    ],
)
def test_pages_are_as_long_as_documented(
    autoscaling: ApplicationAutoScalingClient, operation: str, most: int
) -> None:
    describe = getattr(autoscaling, operation)
    assert describe(ServiceNamespace="sagemaker", MaxResults=most)
    for size in (0, most + 1):
        with pytest.raises(ClientError, match=f"MaxResults must be between 1 and {most}, not {size}"):
            describe(ServiceNamespace="sagemaker", MaxResults=size)
    with pytest.raises(ClientError, match="ScalableDimension needs ResourceId"):
        describe(ServiceNamespace="sagemaker", ScalableDimension="sagemaker:variant:DesiredInstanceCount")


def test_policies_come_in_pages_of_ten(
    autoscaling: ApplicationAutoScalingClient, target: dict[str, Any]
) -> None:
    for number in range(11):
        metric: Any = {"MetricName": f"m{number}", "Namespace": "n", "Statistic": "Sum"}
        autoscaling.put_scaling_policy(
            **target,
            PolicyName=f"p{number}",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": metric,
            },
        )
    first = autoscaling.describe_scaling_policies(**target)
    rest = autoscaling.describe_scaling_policies(**target, NextToken=first["NextToken"])
    assert (len(first["ScalingPolicies"]), len(rest["ScalingPolicies"])) == (10, 1)
    assert "NextToken" not in rest


def test_a_target_has_fifty_tags_at_most(
    autoscaling: ApplicationAutoScalingClient, resource: dict[str, Any]
) -> None:
    tags = {f"k{number}": "v" for number in range(51)}
    with pytest.raises(ClientError) as error:
        autoscaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3, Tags=tags)
    assert code(error) == "ValidationException"


def test_a_policy_has_one_configuration(
    autoscaling: ApplicationAutoScalingClient, target: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="StepScalingPolicyConfiguration is not for the policy type"):
        autoscaling.put_scaling_policy(
            **target,
            PolicyName="both",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING,
            StepScalingPolicyConfiguration={"AdjustmentType": "ChangeInCapacity"},
        )
