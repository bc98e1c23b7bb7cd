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
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict

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


class _Default(TypedDict):
    """A row of `quotas.json`."""

    ServiceCode: str
    ServiceName: str
    QuotaCode: str
    QuotaName: str
    Value: float
    GlobalQuota: bool
    Granted: NotRequired[float]
    """What the account begins with, if it is more than the default."""


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

    Differs from AWS: the account begins with increases that a new account has to request. The default of
    `ml.m5.large` is 0 for training, transform and processing jobs and for endpoints; here 4 are granted for
    each kind of job (as of `ml.m6i.large` for training and transform jobs), and 20 for endpoints, as many as
    of all types together. Every other quota of 0 holds until it is raised: a lab that chooses `ml.m5.xlarge`
    is refused as in a new account.

    Differs from AWS: AWS lists hundreds of instance types, the account those that the workshop is likely to
    use. Of a type that is not listed no training and no transform job runs, since new accounts may run none
    of any type (reported by several; the General Reference has no table of these defaults any more). For
    endpoints, processing jobs and notebook instances, a type that is not listed has no limit of its own.

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
        named = {member: value for member, value in quota.items() if member not in ("Value", "Granted")}
        return {"RequestedQuota": {**request, **named, "Unit": _UNIT}}

    @property
    def _table(self) -> Table[Increase]:
        return self.account.store.table("service-quotas", Increase)

    def _applied(self, default: _Default) -> ServiceQuotaTypeDef:
        increase = self._table.get(default["QuotaCode"])
        value = increase["Value"] if increase else default.get("Granted", default["Value"])
        return {**self._quota(default), "Value": float(value)}

    def _quota(self, default: _Default) -> ServiceQuotaTypeDef:
        arn = self.account.arn("servicequotas", f"{default['ServiceCode']}/{default['QuotaCode']}")
        return {
            "ServiceCode": default["ServiceCode"],
            "ServiceName": default["ServiceName"],
            "QuotaArn": arn,
            "QuotaCode": default["QuotaCode"],
            "QuotaName": default["QuotaName"],
            "Value": float(default["Value"]),
            "Unit": _UNIT,
            "Adjustable": True,
            "GlobalQuota": default["GlobalQuota"],
        }


def _defaults() -> list[_Default]:
    found: list[_Default] = json.loads(_TABLE.read_text())
    return found


def _of(service: str) -> list[_Default]:
    found = [one for one in _defaults() if one["ServiceCode"] == service]
    if not found:
        raise ServiceError("NoSuchResourceException", f"The local account has no quotas for {service}", 404)
    return found


def _find(params: Mapping[str, Any]) -> _Default:
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
