"""What a lesson's first cell says about parameters that it cannot use."""

import math

import boto3
import pytest

from lab_helpers import parameters
from lab_helpers.parameters import ParameterError


@pytest.mark.parametrize("value", [2, 10])
def test_a_whole_number_within_the_limits_is_taken(value: int) -> None:
    parameters.whole(2, 10, instances=value)
    parameters.number(2, 10, rate=value)


@pytest.mark.parametrize("value", [1, 11, -2, 0, 10**9, 2.5, 4.0, "4", "many", "", None, True, [4]])
def test_anything_else_is_refused_with_what_would_be_right(value: object) -> None:
    with pytest.raises(ParameterError) as caught:
        parameters.whole(2, 10, requests=5, instances=value)
    assert "but has to be a whole number from 2 to 10" in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "change instances in the cell below Parameters" in str(caught.value)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.inf, -math.inf, math.nan, "0.5", None, False])
def test_a_number_has_limits_and_is_not_text(value: object) -> None:
    parameters.number(0, 1, margin=0.5)
    with pytest.raises(ParameterError, match=r"margin is .*, but has to be a number from 0 to 1"):
        parameters.number(0, 1, margin=value)


@pytest.mark.parametrize("value", ["", "retrained", "Slow", 3, None])
def test_a_choice_is_refused_with_the_choices(value: object) -> None:
    parameters.one_of(("failing", "slow"), bad="slow")
    with pytest.raises(ParameterError, match=r'bad is .*, but has to be "failing" or "slow"'):
        parameters.one_of(("failing", "slow"), bad=value)


@pytest.mark.parametrize(
    ("value", "near"),
    [
        ("ml.m5.lrage", "ml.m5.large"),
        ("m5.xlarge", "ml.m5.xlarge"),
        ("ml.m5.Large", "ml.m5.large"),
        ("big", "ml.m5.large"),
        (5, "ml.m5.large"),
    ],
)
def test_a_wrong_type_of_instance_is_refused_with_those_that_are_like_it(value: object, near: str) -> None:
    sagemaker = boto3.client("sagemaker", region_name="us-east-1")
    with pytest.raises(ParameterError) as caught:
        parameters.instance_types(sagemaker, "training jobs", "transform jobs", instance_type=value)
    assert f"instance_type is {value!r}, but has to be empty or a type of instance for training" in str(
        caught.value
    )
    assert f'"{near}"' in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("use", ["endpoints", "processing jobs", "training jobs", "transform jobs"])
@pytest.mark.parametrize("value", ["", "ml.m5.large"])
def test_a_type_that_the_use_has_is_taken_and_none_at_all(use: str, value: str) -> None:
    parameters.instance_types(boto3.client("sagemaker", region_name="us-east-1"), use, instance_type=value)


def test_a_type_is_refused_where_it_does_not_exist() -> None:
    """`ml.t2.medium` serves, and does not train."""
    sagemaker = boto3.client("sagemaker", region_name="us-east-1")
    parameters.instance_types(sagemaker, "endpoints", endpoint_type="ml.t2.medium")
    with pytest.raises(ParameterError, match="for training jobs, as "):
        parameters.instance_types(sagemaker, "training jobs", instance_type="ml.t2.medium")
