"""What stands behind an endpoint, and what is said if nothing can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab_helpers import lineage, releases
from tests.lab_helpers import fakes

EXECUTION = "11111111-2222-3333-4444-555555555555"
MODEL = f"iris-model-prd-{EXECUTION}"
IMAGE = f"1.dkr.ecr.us-east-1.amazonaws.com/iris-model@sha256:{'a' * 64}"
DATA = f"s3://bucket/training/output/iris-model-{EXECUTION}/output/model.tar.gz"
CONFIG = f"iris-model-prd-{EXECUTION}"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"
GROUP = {"ModelPackageGroupName": "iris-model", "ModelPackageVersion": 3}
VERSION = f"{ARN}:model-package/iris-model/3"


def sagemaker(*, config: bool = True, properties: bool = True) -> fakes.FakeClient:
    """Return a client that knows PRD, and one version in the registry."""

    def describe_endpoint(EndpointName: str) -> dict[str, Any]:
        return {
            "EndpointName": EndpointName,
            "EndpointArn": f"{ARN}:endpoint/{EndpointName}",
            "EndpointConfigName": CONFIG,
            "EndpointStatus": "InService",
            "CreationTime": fakes.START,
            "LastModifiedTime": fakes.START,
        }

    def describe_endpoint_config(EndpointConfigName: str) -> dict[str, Any]:
        if not config:
            raise client.error("ClientError", "DescribeEndpointConfig")
        return {
            "EndpointConfigName": EndpointConfigName,
            "EndpointConfigArn": f"{ARN}:endpoint-config/{EndpointConfigName}",
            "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": MODEL}],
            "CreationTime": fakes.START,
        }

    def describe_model(ModelName: str) -> dict[str, Any]:
        return {
            "ModelName": ModelName,
            "ModelArn": f"{ARN}:model/{ModelName}",
            "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": DATA},
            "CreationTime": fakes.START,
        }

    def list_model_packages(**_: Any) -> dict[str, Any]:
        summary = {
            **GROUP,
            "ModelPackageArn": VERSION,
            "CreationTime": fakes.START,
            "ModelPackageStatus": "Completed",
        }
        return {"ModelPackageSummaryList": [summary]}

    def describe_model_package(ModelPackageName: str) -> dict[str, Any]:
        return {
            **GROUP,
            "ModelPackageName": ModelPackageName,
            "ModelPackageArn": VERSION,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "ModelApprovalStatus": "Approved",
            "CreationTime": fakes.START,
            "InferenceSpecification": {"Containers": [{"Image": IMAGE, "ModelDataUrl": DATA}]},
            "ModelPackageDescription": f"Model of execution {EXECUTION}",
            "CustomerMetadataProperties": {"execution": EXECUTION, "commit": "c" * 40, "parameter C": "1.0"}
            | {"trigger": "rule iris-train-upload"}
            if properties
            else {"approver": "Ana"},
        }

    client = fakes.FakeClient(
        "sagemaker",
        describe_endpoint=describe_endpoint,
        describe_endpoint_config=describe_endpoint_config,
        describe_model=describe_model,
        list_model_packages=list_model_packages,
        describe_model_package=describe_model_package,
    )
    return client


def test_a_version_whose_properties_were_replaced_still_knows_its_execution(tmp_path: Path) -> None:
    found = lineage.of(fakes.lab(tmp_path, sagemaker=sagemaker(properties=False)), "iris-model-prd")

    assert found.execution_id == EXECUTION


def test_an_endpoint_leads_to_the_version_that_trained_its_model(tmp_path: Path) -> None:
    found = lineage.of(fakes.lab(tmp_path, sagemaker=sagemaker()), "iris-model-prd")
    steps = {step.name: step for step in found.steps}
    assert found.execution_id == EXECUTION
    assert (steps["commit"].value, steps["image"].value, steps["model"].value) == ("c" * 40, IMAGE, MODEL)
    assert steps["training job"].detail == "C=1.0"
    assert steps["execution"].detail == "started by rule iris-train-upload"


def test_a_release_without_configuration_has_no_lineage_and_says_so(tmp_path: Path) -> None:
    lab = fakes.lab(tmp_path, sagemaker=sagemaker(config=False))
    with pytest.raises(lineage.LineageError, match="cannot be read"):
        lineage.of(lab, "iris-model-prd")
    assert releases.serving(lab) is None
