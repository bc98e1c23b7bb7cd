"""Service Quotas: the quotas that matter to the workshop, with the defaults of a new AWS account.

Contract: Service Quotas API Reference. `quotas.json` has the codes, names and default values listed by AWS.
The local account enforces none of them, and grants every increase at once; AWS can take a few days.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from local_account.foundation.errors import Params, ServiceError
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
    )

_TABLE = Path(__file__).with_name("quotas.json")
_PAGE = 100


class ServiceQuotas(Service):
    """The Service Quotas API."""

    name = "service-quotas"
    validation_error: ClassVar[str] = "IllegalArgumentException"

    def list_services(self, params: ListServicesRequestTypeDef) -> Answer:
        """ListServices: those with quotas in the local account."""
        found = {one["ServiceCode"]: one["ServiceName"] for one in _defaults()}
        services = [{"ServiceCode": code, "ServiceName": name} for code, name in sorted(found.items())]
        return _page("Services", services, params)

    def list_service_quotas(self, params: ListServiceQuotasRequestTypeDef) -> Answer:
        """ListServiceQuotas: applied values."""
        return _page("Quotas", [self._applied(one) for one in _of(params["ServiceCode"])], params)

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
        quota, desired = self._applied(_find(params)), params["DesiredValue"]
        if desired <= quota["Value"]:
            raise ServiceError(
                "IllegalArgumentException",
                f"The desired value {desired:g} is not above the applied value {quota['Value']:g}",
            )
        self._table.put(quota["QuotaCode"], {"Value": desired})
        request = {
            "Id": uuid.uuid4().hex,
            "Status": "APPROVED",
            "DesiredValue": desired,
            "Created": self.account.now(),
            "LastUpdated": self.account.now(),
        }
        kept = ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "GlobalQuota", "Unit")
        return {"RequestedQuota": {**request, **{name: quota[name] for name in kept}}}

    @property
    def _table(self) -> Any:
        return self.account.store.table("service-quotas")

    def _applied(self, default: Params) -> Params:
        return self._quota({**default, **(self._table.get(default["QuotaCode"]) or {})})

    def _quota(self, quota: Params) -> Params:
        arn = self.account.arn("servicequotas", f"{quota['ServiceCode']}/{quota['QuotaCode']}")
        return {**quota, "QuotaArn": arn, "Value": float(quota["Value"]), "Adjustable": True, "Unit": "None"}


def _defaults() -> list[Params]:
    found: list[Params] = json.loads(_TABLE.read_text())
    return found


def _of(service: str) -> list[Params]:
    found = [one for one in _defaults() if one["ServiceCode"] == service]
    if not found:
        raise ServiceError("NoSuchResourceException", f"The local account has no quotas for {service}", 404)
    return found


def _find(params: Mapping[str, Any]) -> Params:
    for one in _of(params["ServiceCode"]):
        if one["QuotaCode"] == params["QuotaCode"]:
            return one
    raise ServiceError(
        "NoSuchResourceException",
        f"The local account has no quota {params['QuotaCode']} for {params['ServiceCode']}",
        404,
    )


def _page(member: str, items: list[Params], params: Mapping[str, Any]) -> Params:
    size = params.get("MaxResults", _PAGE)
    shown, token = page(items, params.get("NextToken"), size, "InvalidPaginationTokenException")
    return {member: shown, "NextToken": token}
