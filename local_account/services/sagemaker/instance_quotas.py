"""Quotas of instances, in all and of each type: whether there is room for more.

Contract: Service Quotas, the quotas of Amazon SageMaker AI ("ml.m5.large for endpoint usage", …), and the
error ResourceLimitExceeded of the operations in the API reference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from local_account.services.sagemaker.resources import limit_exceeded

ENDPOINTS = "Number of instances across active endpoints"
PROCESSING_JOBS = "Number of instances across all processing jobs"
NOTEBOOKS = "Total number of notebook instances"
TRAINING_JOBS = "Number of instances across all training jobs"
TRANSFORM_JOBS = "Number of instances across all transform jobs"
_NONE_IN_A_NEW_ACCOUNT = ("training job usage", "transform job usage")


def training(job: Mapping[str, Any]) -> str:
    """Return the quota of the instances of a training job."""
    spot = "spot " if job.get("EnableManagedSpotTraining") else ""
    return f"{job['ResourceConfig'].get('InstanceType', '')} for {spot}training job usage"


def transform(job: Mapping[str, Any]) -> str:
    """Return the quota of the instances of a transform job."""
    return f"{job['TransformResources']['InstanceType']} for transform job usage"


def processing(job: Mapping[str, Any]) -> str:
    """Return the quota of the instances of a processing job."""
    return f"{job['ProcessingResources']['ClusterConfig']['InstanceType']} for processing job usage"


def notebook(instance: Mapping[str, Any]) -> str:
    """Return the quota of a notebook instance."""
    return f"{instance['InstanceType']} for notebook instance usage"


def endpoint(variants: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how many instances the variants of an endpoint use, by their quotas."""
    found: Counter[str] = Counter()
    for one in variants:
        found[f"{one.get('instance_type', '')} for endpoint usage"] += one["count"]
    return found


def check_total(
    quotas: Mapping[str, float], total: str, used: int, wanted: int, unit: str = "Instances"
) -> None:
    """Raise ServiceError ResourceLimitExceeded if there is no room for so many more instances in all."""
    if wanted > 0 and used + wanted > quotas[total]:
        raise limit_exceeded(total, quotas[total], used, wanted, unit)


def check_types(quotas: Mapping[str, float], used: Counter[str], wanted: Counter[str]) -> None:
    """Raise ServiceError ResourceLimitExceeded if there is no room for so many more of a type.

    A type whose quota is not listed has none of its own, or the 0 of a new account: see `ServiceQuotas`.
    """
    for name, number in sorted(wanted.items()):
        allowed = quotas.get(name, 0 if name.endswith(_NONE_IN_A_NEW_ACCOUNT) else math.inf)
        if number > 0 and used[name] + number > allowed:
            raise limit_exceeded(name, allowed, used[name], number)


_INSTANCE = {PROCESSING_JOBS: processing, TRAINING_JOBS: training, TRANSFORM_JOBS: transform}


def check_jobs(
    quotas: Mapping[str, float],
    total: str,
    running: Sequence[Mapping[str, Any]],
    job: Mapping[str, Any],
    wanted: int = 1,
) -> None:
    """Raise ServiceError ResourceLimitExceeded if there is no room for so many jobs like this one.

    ``total`` is the quota of all jobs of the kind, such as ``TRAINING_JOBS``.
    """
    instance = _INSTANCE[total]
    check_total(quotas, total, len(running), wanted)
    check_types(quotas, Counter(map(instance, running)), Counter({instance(job): wanted}))
