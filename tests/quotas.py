"""Quotas of a local account in which several labs release, as an instructor raises them."""

from typing import Any

_DEV_INSTANCES = {"ServiceCode": "sagemaker", "QuotaCode": "L-29C181D7"}


def allow_releases(quotas: Any, labs: int) -> None:
    """Let so many labs release at once: in a new account, DEV's type is enough for one.

    ``quotas`` is a client of Service Quotas. A release runs two instances of DEV for a while.
    """
    if quotas.get_service_quota(**_DEV_INSTANCES)["Quota"]["Value"] < 2 * labs:
        quotas.request_service_quota_increase(**_DEV_INSTANCES, DesiredValue=2 * labs)
