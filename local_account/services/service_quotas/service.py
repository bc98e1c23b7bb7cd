"""Service Quotas: the quotas that matter to the workshop, with the defaults of a new AWS account.

Contract: Service Quotas API Reference. `quotas.json` has the codes, names and default values listed by AWS.
Services ask `Account.quota` for those that they enforce (docs/local-account.md, "Quotas"). Every increase is
granted at once; AWS can take a few days.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from local_account.foundation.errors import ServiceError
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service

if TYPE_CHECKING:
    from mypy_boto3_service_quotas.type_defs import (
        GetAWSDefaultServiceQuotaRequestTypeDef,
        GetServiceQuotaRequestTypeDef,
        ListAWSDefaultServiceQuotasRequestTypeDef,
        ListServiceQuotasRequestTypeDef,
        ListServicesRequestTypeDef,
        RequestServiceQuotaIncreaseRequestTypeDef,
        ServiceQuotaTypeDef,
    )

    from local_account.foundation.store import Table

_TABLE = Path(__file__).with_name("quotas.json")
_PAGE = 100
_UNIT = "None"


class Increase(TypedDict):
    """What a request has raised a quota to."""

    Value: float


class ServiceQuotas(Service):
    """The Service Quotas API.

    Differs from AWS: every increase is granted at once; on AWS it can take days.

    Differs from AWS: enforced are: notebook instances in total (8; those that are stopped count), instances
    across all training jobs (4), all transform jobs (4), all processing jobs (4) and active endpoints (20;
    both fleets of an update count), instances of each type for these uses (of notebook instances, those that
    run), builds that run at the same time and five times as many that wait, rules of a bus. Quotas of 1,000
    and more are not; functions have ten concurrent executions, as in a new account.

    Differs from AWS: a quota of 0 for an instance type is listed and **not** enforced until it is raised. In
    a new account it is: no lab can train or serve on `ml.m5.large` there before Service Quotas allows it, and
    `doctor` says so. A type that is not listed has no quota here.

    Lacks: `GetRequestedServiceQuotaChange`, `ListRequestedServiceQuotaChangeHistory`.
    """

    name = "service-quotas"
    validation_error: ClassVar[str] = "IllegalArgumentException"

    def list_services(self, params: ListServicesRequestTypeDef) -> Answer:
        """ListServices: those with quotas in the local account."""
        found = {one["ServiceCode"]: one["ServiceName"] for one in _defaults()}
        services = [{"ServiceCode": code, "ServiceName": name} for code, name in sorted(found.items())]
        return _page("Services", services, params)

    def list_service_quotas(self, params: ListServiceQuotasRequestTypeDef) -> Answer:
        """ListServiceQuotas: applied values; none of them is of a single resource."""
        listed = _of(params["ServiceCode"]) if params.get("QuotaAppliedAtLevel") != "RESOURCE" else []
        return _page("Quotas", [self._applied(one) for one in listed], params)

    def list_aws_default_service_quotas(self, params: ListAWSDefaultServiceQuotasRequestTypeDef) -> Answer:
        """ListAWSDefaultServiceQuotas."""
        return _page("Quotas", [self._quota(one) for one in _of(params["ServiceCode"])], params)

    def get_service_quota(self, params: GetServiceQuotaRequestTypeDef) -> Answer:
        """GetServiceQuota: the applied value."""
        return {"Quota": self._applied(_find(params))}

    def get_aws_default_service_quota(self, params: GetAWSDefaultServiceQuotaRequestTypeDef) -> Answer:
        """GetAWSDefaultServiceQuota."""
        return {"Quota": self._quota(_find(params))}

    def request_service_quota_increase(self, params: RequestServiceQuotaIncreaseRequestTypeDef) -> Answer:
        """RequestServiceQuotaIncrease: granted at once."""
        quota, desired = _find(params), params["DesiredValue"]
        applied = self._applied(quota)
        if desired <= applied["Value"]:
            raise ServiceError(
                "IllegalArgumentException",
                f"The desired value {desired:g} is not above the applied value {applied['Value']:g}",
            )
        self._table.put(quota["QuotaCode"], {"Value": desired})
        request = {
            "Id": uuid.uuid4().hex,
            "Status": "APPROVED",
            "DesiredValue": desired,
            "Created": self.account.now(),
            "LastUpdated": self.account.now(),
        }
        named = {member: value for member, value in quota.items() if member != "Value"}
        return {"RequestedQuota": {**request, **named, "Unit": _UNIT}}

    @property
    def _table(self) -> Table[Increase]:
        return self.account.store.table("service-quotas", Increase)

    def _applied(self, default: ServiceQuotaTypeDef) -> ServiceQuotaTypeDef:
        increase = self._table.get(default["QuotaCode"])
        return self._quota({**default, "Value": increase["Value"]} if increase else default)

    def _quota(self, quota: ServiceQuotaTypeDef) -> ServiceQuotaTypeDef:
        arn = self.account.arn("servicequotas", f"{quota['ServiceCode']}/{quota['QuotaCode']}")
        return {**quota, "QuotaArn": arn, "Value": float(quota["Value"]), "Adjustable": True, "Unit": _UNIT}


def _defaults() -> list[ServiceQuotaTypeDef]:
    found: list[ServiceQuotaTypeDef] = json.loads(_TABLE.read_text())
    return found


def _of(service: str) -> list[ServiceQuotaTypeDef]:
    found = [one for one in _defaults() if one["ServiceCode"] == service]
    if not found:
        raise ServiceError("NoSuchResourceException", f"The local account has no quotas for {service}", 404)
    return found


def _find(params: Mapping[str, Any]) -> ServiceQuotaTypeDef:
    for one in _of(params["ServiceCode"]):
        if one["QuotaCode"] == params["QuotaCode"]:
            return one
    raise ServiceError(
        "NoSuchResourceException",
        f"The local account has no quota {params['QuotaCode']} for {params['ServiceCode']}",
        404,
    )


def _page(member: str, items: Sequence[object], params: Mapping[str, Any]) -> Answer:
    size = params.get("MaxResults", _PAGE)
    shown, token = page(items, params.get("NextToken"), size, "InvalidPaginationTokenException")
    return {member: shown, "NextToken": token}
