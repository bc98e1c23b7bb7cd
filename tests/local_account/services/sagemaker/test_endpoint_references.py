"""What an endpoint depends on: scalable targets, its configuration, its models, their roles and data."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.archives import archive_of
from tests.local_account.iam_roles import make_role
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab
from tests.sessions import make_client

pytestmark = pytest.mark.docker

VARIANTS = [{"VariantName": "one", "ModelName": "plain"}, {"VariantName": "two", "ModelName": "plain"}]


@pytest.fixture(scope="module")
def two(image_lab: SageMakerLab) -> Iterator[SageMakerLab]:
    """An endpoint ``Two`` with two variants, of which ``one`` is scaled."""
    image_lab.model("plain")
    image_lab.config("two", *VARIANTS)
    assert image_lab.endpoint("Two", "two")["EndpointStatus"] == "InService"
    yield image_lab


def target(endpoint: str) -> dict[str, Any]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/one",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def scale(lab: SageMakerLab) -> Any:
    client = lab.account.client("application-autoscaling")
    client.register_scalable_target(**target("Two"), MinCapacity=1, MaxCapacity=2)
    client.put_scaling_policy(
        **target("Two"),
        PolicyName="calls",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1000.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    )
    return client


def acting(lab: SageMakerLab, role: str) -> Any:
    """Return a SageMaker client with a session of a role."""
    keys = lab.account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return make_client(
        "sagemaker",
        endpoint_url=lab.account.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def test_a_scaled_variant_keeps_its_instance_type(two: SageMakerLab) -> None:
    lab = two
    client = scale(lab)
    lab.model("other")
    for name, changes, says in (
        ("larger", [VARIANTS[0] | {"InstanceType": "ml.c5.large"}, VARIANTS[1]], "changes the instance type"),
        ("fewer", VARIANTS[1:], "removes the variant one"),
    ):
        lab.config(name, *changes)
        with pytest.raises(ClientError, match=says) as refused:
            lab.sagemaker.update_endpoint(EndpointName="Two", EndpointConfigName=name)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert "scalable target exists" in refused.value.response["Error"]["Message"]
    assert lab.settled("Two")["EndpointConfigName"] == "two"
    # Another model is allowed, and so is another type of a variant that is not scaled.
    lab.config("allowed", VARIANTS[0] | {"ModelName": "other"}, VARIANTS[1] | {"InstanceType": "ml.c5.large"})
    lab.sagemaker.update_endpoint(EndpointName="Two", EndpointConfigName="allowed")
    assert lab.settled("Two")["EndpointConfigName"] == "allowed"
    client.deregister_scalable_target(**target("Two"))
    lab.sagemaker.update_endpoint(EndpointName="Two", EndpointConfigName="fewer")
    assert lab.settled("Two")["EndpointConfigName"] == "fewer"
    lab.sagemaker.update_endpoint(EndpointName="Two", EndpointConfigName="two")
    lab.settled("Two")


def test_names_that_differ_in_case_only_are_the_same_name(two: SageMakerLab) -> None:
    with pytest.raises(ClientError, match="Cannot create already existing endpoint ") as refused:
        two.sagemaker.create_endpoint(EndpointName="two", EndpointConfigName="two")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration "):
        two.config("TWO", *VARIANTS)
    with pytest.raises(ClientError, match="Cannot create already existing model "):
        two.model("Plain")
    with pytest.raises(ClientError, match="Endpoint two of account"):
        two.invoke("two")  # the case "must be matched in InvokeEndpoint"
    assert two.invoke("Two")


def test_instances_beyond_the_quota_are_refused(two: SageMakerLab) -> None:
    """Two run; an update needs room for the old fleet and the new one."""
    lab = two
    lab.config("many", *(one | {"InitialInstanceCount": 10} for one in VARIANTS))

    def create() -> None:
        lab.sagemaker.create_endpoint(EndpointName="many", EndpointConfigName="many")

    def update() -> None:
        lab.sagemaker.update_endpoint(EndpointName="Two", EndpointConfigName="many")

    def scale_out() -> None:
        desired = {"VariantName": "one", "DesiredInstanceCount": 21}
        lab.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="Two", DesiredWeightsAndCapacities=[desired]
        )

    for step in (create, update, scale_out):
        with pytest.raises(
            ClientError, match="across active endpoints' is 20 Instances, with current"
        ) as refused:
            step()
        assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"
        assert "request delta of 20 Instances" in refused.value.response["Error"]["Message"]
    assert lab.settled("Two")["EndpointStatus"] == "InService"


def test_instances_of_a_type_beyond_its_quota_are_refused(two: SageMakerLab) -> None:
    """A new account has two of the smallest type, and none of others."""
    two.config("xlarge", *(one | {"InstanceType": "ml.m5.xlarge"} for one in VARIANTS))
    with pytest.raises(ClientError, match=r"'ml\.m5\.xlarge for endpoint usage' is 0 Instances, with cur"):
        two.sagemaker.create_endpoint(EndpointName="xlarge", EndpointConfigName="xlarge")
    small = {"InstanceType": "ml.t2.medium", "InitialInstanceCount": 2}
    two.config("small", *(one | small for one in VARIANTS))

    with pytest.raises(ClientError) as refused:
        two.sagemaker.update_endpoint(EndpointName="Two", EndpointConfigName="small")

    assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    assert refused.value.response["Error"]["Message"].startswith(
        "The account-level service limit 'ml.t2.medium for endpoint usage' is 2 Instances, with current "
        "utilization of 0 Instances and a request delta of 4 Instances."
    )


def test_an_endpoint_without_its_parts_serves_but_cannot_grow(two: SageMakerLab) -> None:
    lab = two
    iam = lab.account.client("iam")
    role = make_role(iam, "short-lived", "sagemaker.amazonaws.com")
    lab.s3.put_object(Bucket=BUCKET, Key="models/lonely.tar.gz", Body=archive_of("model.json", b"{}"))
    lab.sagemaker.create_model(
        ModelName="lonely",
        ExecutionRoleArn=role,
        PrimaryContainer={"Image": lab.image, "ModelDataUrl": f"s3://{BUCKET}/models/lonely.tar.gz"},
    )
    lab.config("lonely", {"ModelName": "lonely", "InitialInstanceCount": 2})
    assert lab.endpoint("lonely", "lonely")["EndpointStatus"] == "InService"

    def scaled(count: int) -> dict[str, Any]:
        lab.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="lonely",
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
        )
        return lab.settled("lonely")

    def stays_with(reason: str) -> None:
        described = scaled(2)
        assert described["EndpointStatus"] == "InService"
        assert reason in described["FailureReason"]
        assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        assert lab.invoke("lonely")

    lab.s3.delete_object(Bucket=BUCKET, Key="models/lonely.tar.gz")
    assert scaled(1)["ProductionVariants"][0]["CurrentInstanceCount"] == 1  # shrinking needs nothing
    stays_with("Failed to download model data")
    iam.delete_role_policy(RoleName="short-lived", PolicyName="everything")
    iam.delete_role(RoleName="short-lived")
    stays_with("role/short-lived does not exist")
    lab.sagemaker.delete_model(ModelName="lonely")
    stays_with('Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/lonely"')
    lab.sagemaker.delete_endpoint_config(EndpointConfigName="lonely")
    with pytest.raises(ClientError, match=r"Could not find endpoint configuration .*endpoint-config/lonely"):
        lab.sagemaker.update_endpoint(EndpointName="lonely", EndpointConfigName="two")
    lab.delete_endpoint("lonely")


def test_deleting_an_endpoint_deregisters_its_targets_with_the_callers_permissions(
    two: SageMakerLab,
) -> None:
    lab = two
    client = scale(lab)
    iam = lab.account.client("iam")
    only_sagemaker = make_role(iam, "only-sagemaker", "sagemaker.amazonaws.com", actions=["sagemaker:*"])
    with pytest.raises(ClientError, match="application-autoscaling:DeregisterScalableTarget") as refused:
        acting(lab, only_sagemaker).delete_endpoint(EndpointName="Two")
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert lab.settled("Two")["EndpointStatus"] == "InService"
    also = ["sagemaker:*", "application-autoscaling:DeregisterScalableTarget"]
    allowed = make_role(iam, "deregisters-too", "sagemaker.amazonaws.com", actions=also)
    acting(lab, allowed).delete_endpoint(EndpointName="Two")
    assert not client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert not client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    alarms = lab.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-endpoint/Two/")
    assert not alarms["MetricAlarms"]
