"""Whether there is room for more instances, in all and of a type."""

from collections import Counter

import pytest

from local_account.foundation.errors import ServiceError
from local_account.services.sagemaker import instance_quotas

QUOTAS = {
    "Number of instances across active endpoints": 20.0,
    "ml.t2.medium for endpoint usage": 2.0,
    "ml.m5.large for endpoint usage": 0.0,
}
SMALL, LARGE = "ml.t2.medium for endpoint usage", "ml.m5.large for endpoint usage"


def test_a_type_is_limited_by_its_own_quota() -> None:
    instance_quotas.check_types(QUOTAS, Counter({SMALL: 1}), Counter({SMALL: 1}))

    with pytest.raises(ServiceError, match="is 2 Instances, with current utilization of 1 Instances") as full:
        instance_quotas.check_types(QUOTAS, Counter({SMALL: 1}), Counter({SMALL: 2}))

    assert full.value.code == "ResourceLimitExceeded"


@pytest.mark.parametrize(
    "name", [LARGE, "ml.g5.xlarge for training job usage", "ml.g5.xlarge for spot training job usage",
             "ml.g5.xlarge for transform job usage"],
)  # fmt: skip
def test_a_quota_of_zero_allows_none_and_no_type_trains_without_one(name: str) -> None:
    with pytest.raises(ServiceError, match=f"'{name}' is 0 Instances, with current utilization of 0") as full:
        instance_quotas.check_types(QUOTAS, Counter(), Counter({name: 1}))

    assert full.value.code == "ResourceLimitExceeded"


def test_an_endpoint_of_a_type_that_is_not_listed_has_no_limit_of_its_own() -> None:
    instance_quotas.check_types(QUOTAS, Counter(), Counter({"ml.c5.large for endpoint usage": 3}))


def test_what_gives_instances_back_is_always_allowed() -> None:
    """The quota may be lower than what is in use: endpoints of an account from before it was enforced."""
    fewer = instance_quotas.endpoint([{"instance_type": "ml.t2.medium", "count": 3}])
    fewer.subtract({SMALL: 4})

    instance_quotas.check_types(QUOTAS, Counter({SMALL: 9}), fewer)
    instance_quotas.check_total(QUOTAS, instance_quotas.ENDPOINTS, 30, fewer.total())


@pytest.mark.parametrize(("spot", "word"), [(False, ""), (True, "spot ")])
def test_spot_training_has_quotas_of_its_own(spot: bool, word: str) -> None:
    job = {"ResourceConfig": {"InstanceType": "ml.m5.large"}, "EnableManagedSpotTraining": spot}

    assert instance_quotas.training(job) == f"ml.m5.large for {word}training job usage"
