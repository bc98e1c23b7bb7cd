"""What a lesson's first cell says about parameters that it cannot use."""

import math

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
