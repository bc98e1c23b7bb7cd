"""Endpoints run on a type that their region has, and that every template allows."""

import importlib.resources
import json

import boto3
import pytest

from lab_helpers import instance_types
from lab_helpers.instructor import defaults
from tests.cfn.templates import TEMPLATES

REGIONS = [
    region
    for partition in ("aws", "aws-cn", "aws-us-gov")
    for region in boto3.Session().get_available_regions("sagemaker", partition)
]


def allowed(template: str, parameter: str) -> list[str]:
    return list(TEMPLATES[template]["Parameters"][parameter]["AllowedValues"])


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_has_the_types_that_are_chosen_for_it(region: str) -> None:
    package = importlib.resources.files("cfnlint.data.schemas.extensions")
    hosting = package / "aws_sagemaker_hosting" / "instancetype_enum.json"
    if not hosting.is_file():
        pytest.skip("this cfn-lint has no instance types of hosting")
    offered = json.loads(hosting.read_text())[region]["enum"]

    assert instance_types.dev(region) in offered
    assert instance_types.prd(region) in offered
    processing = package / "aws_sagemaker_processing" / "instancetype_enum.json"
    # Training jobs are no resource of CloudFormation; processing jobs run on the same machines. For one new
    # region, four burstable types are listed: too few to tell.
    listed = json.loads(processing.read_text())[region]["enum"]
    assert len(listed) < 10 or instance_types.training(region) in listed
    assert instance_types.processing(region) in listed
    assert ("ml.t2.medium" in offered) == (instance_types.dev(region) == "ml.t2.medium")


def test_every_chosen_type_can_be_deployed() -> None:
    for region in [*REGIONS, "xx-north-9"]:
        assert instance_types.dev(region) in allowed("deploy-model-dev", "InstanceType")
        assert instance_types.prd(region) in allowed("deploy-model-prd", "InstanceType")


def test_the_defaults_are_those_of_most_regions() -> None:
    assert (instance_types.dev("us-east-1"), instance_types.prd("us-east-1")) == (
        defaults.DEV_TYPE,
        defaults.PRD_TYPE,
    )


@pytest.mark.parametrize("name", ["dev", "prd"])
def test_a_lab_offers_what_its_pipeline_and_its_deployment_allow(name: str) -> None:
    parameter = f"{name.title()}InstanceType"
    types = allowed(f"deploy-model-{name}", "InstanceType")

    assert allowed("train-model-pipeline", parameter) == types
    assert allowed("m", parameter) == ["", *types]
