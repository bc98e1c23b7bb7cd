"""Shadow variants: they get copies of requests, and nobody gets their answers."""

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from local_account.services.sagemaker.fleets import Fleet
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab

URI = f"s3://{BUCKET}/shadowed/"


def variant(name: str, model: str, weight: float = 1.0) -> Any:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": weight,
    }


@pytest.fixture(scope="module")
def serving(image_lab: SageMakerLab) -> SageMakerLab:
    """A model that answers, and two candidates: one that answers otherwise, and one that fails."""
    image_lab.model("steady")
    image_lab.model("candidate", BRACKETS="yes")
    image_lab.model("failing", REFUSE="x", STATUS="500")
    return image_lab


def captured(lab: SageMakerLab, endpoint: str) -> dict[str, dict[str, str]]:
    """Return what was answered, by variant and inference id."""
    found: dict[str, dict[str, str]] = {}
    for key, content in lab.stored(f"shadowed/{endpoint}/").items():
        for line in content.splitlines():
            one = json.loads(line)
            answer = one["captureData"]["endpointOutput"]["data"]
            found.setdefault(key.split("/")[0], {})[one["eventMetadata"]["inferenceId"]] = answer
    return found


@pytest.mark.docker
def test_a_shadow_variant_gets_copies_and_its_answers_are_captured_only(serving: SageMakerLab) -> None:
    serving.sagemaker.create_endpoint_config(
        EndpointConfigName="shadowed",
        ProductionVariants=[variant("AllTraffic", "steady")],
        ShadowProductionVariants=[variant("Candidate", "candidate")],
        DataCaptureConfig={
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": URI,
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        },
    )
    described = serving.endpoint("shadowed", "shadowed")
    assert [one["VariantName"] for one in described["ProductionVariants"]] == ["AllTraffic"]
    (shadow,) = described["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["CurrentInstanceCount"]) == ("Candidate", 1)
    for number in range(5):
        answer = serving.invoke(
            "shadowed",
            f"{number}".encode(),
            ContentType="text/csv",
            Accept="text/csv",
            InferenceId=f"id{number}",
        )
        assert (answer["Body"], answer["InvokedProductionVariant"]) == (f"{number}".encode(), "AllTraffic")
    found = serving.when(
        lambda: captured(serving, "shadowed"),
        lambda found: all(len(found.get(one, {})) == 5 for one in ("AllTraffic", "Candidate")),
    )
    assert found["AllTraffic"] == {f"id{number}": f"{number}" for number in range(5)}
    assert found["Candidate"] == {f"id{number}": f"[{number}]" for number in range(5)}
    serving.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="shadowed",
        DesiredWeightsAndCapacities=[{"VariantName": "Candidate", "DesiredWeight": 0}],
    )
    (shadow,) = serving.settled("shadowed")["ShadowProductionVariants"]
    assert shadow["CurrentWeight"] == 0
    serving.invoke("shadowed", b"6", ContentType="text/csv", Accept="text/csv", InferenceId="id6")
    found = serving.when(lambda: captured(serving, "shadowed"), lambda found: len(found["AllTraffic"]) == 6)
    assert "id6" not in found["Candidate"]
    with pytest.raises(ClientError, match="Variant Candidate of endpoint shadowed not found"):
        serving.invoke("shadowed", TargetVariant="Candidate")
    metrics = serving.cloudwatch.list_metrics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": "shadowed"},
            {"Name": "VariantName", "Value": "Candidate"},
        ],
    )
    assert metrics["Metrics"]
    serving.delete_endpoint("shadowed")


@pytest.mark.docker
def test_a_shadow_variant_that_fails_harms_nobody(serving: SageMakerLab) -> None:
    serving.sagemaker.create_endpoint_config(
        EndpointConfigName="harmless",
        ProductionVariants=[variant("AllTraffic", "steady")],
        ShadowProductionVariants=[variant("Candidate", "failing")],
    )
    serving.endpoint("harmless", "harmless")
    assert serving.invoke("harmless", b"x")["Body"] == b"x"
    for container in serving.containers:
        if "REFUSE=x" in container.attrs["Config"]["Env"]:
            container.remove(force=True)
    for _ in range(20):
        assert serving.invoke("harmless", b"x")["Body"] == b"x"
    serving.delete_endpoint("harmless")


@pytest.mark.docker
@pytest.mark.parametrize(
    ("production", "shadows", "words"),
    [
        (["A", "B"], ["C"], "you can only specify one variant"),
        (["A"], ["B", "C"], "you can only specify one variant"),
        (["A"], ["A"], "must be unique"),
    ],
)
def test_one_shadow_variant_beside_one_production_variant(
    serving: SageMakerLab, production: list[str], shadows: list[str], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        serving.sagemaker.create_endpoint_config(
            EndpointConfigName="refused",
            ProductionVariants=[variant(name, "steady") for name in production],
            ShadowProductionVariants=[variant(name, "steady") for name in shadows],
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.docker
@pytest.mark.parametrize(
    ("changes", "shadowed", "code"),
    [
        ({"InstanceType": "ml.inf1.xlarge"}, True, "ValidationException"),
        ({"InstanceType": "ml.inf1.xlarge"}, False, None),
        ({"RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}}, True, None),
        ({"RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"}}, False, "UnsupportedOperation"),
    ],
)
def test_variants_are_refused_as_documented(
    serving: SageMakerLab, changes: dict[str, Any], shadowed: bool, code: str | None
) -> None:
    """ "Exclusions" of shadow tests: Inf1 instances; and what would be kept without an effect."""
    request = {
        "EndpointConfigName": "chosen",
        "ProductionVariants": [variant("A", "steady") | changes],
        **({"ShadowProductionVariants": [variant("B", "steady")]} if shadowed else {}),
    }
    if code is None:
        serving.sagemaker.create_endpoint_config(**request)
        serving.sagemaker.delete_endpoint_config(EndpointConfigName="chosen")
        return
    with pytest.raises(ClientError) as refused:
        serving.sagemaker.create_endpoint_config(**request)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.docker
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("MetricsConfig", {"EnableEnhancedMetrics": True}),
        (
            "CrossRegionTrafficConfig",
            {"MaxInvocationsPerSecondPerInstance": 1, "MaxCrossRegionPercentPerEndpoint": 1},
        ),
    ],
)
def test_what_would_have_no_effect_is_refused(serving: SageMakerLab, member: str, value: Any) -> None:
    with pytest.raises(ClientError, match=f"{member} is not supported by the local account"):
        serving.sagemaker.create_endpoint_config(
            EndpointConfigName="refused", ProductionVariants=[variant("A", "steady")], **{member: value}
        )


@pytest.mark.parametrize(("weight", "copies"), [(0.0, 0), (1.0, 5_000), (2.0, 10_000), (5.0, 10_000)])
def test_the_weights_say_how_many_requests_are_copied(weight: float, copies: int) -> None:
    specs = [
        {"name": "AllTraffic", "weight": 2.0, "shadow": False},
        {"name": "Candidate", "weight": weight, "shadow": True},
    ]
    nothing: Any = None
    fleet = Fleet(nothing, nothing, "iris", cast("Any", specs), nothing)
    assert sum(fleet.shadows() is not None for _ in range(10_000)) == pytest.approx(copies, abs=300)
    assert {fleet.pick_variant().spec["name"] for _ in range(50)} == {"AllTraffic"}
