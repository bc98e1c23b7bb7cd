"""Service quotas: what AWS gives a new account, and what has been applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient

_SECTION = "Quotas"


def services(visit: Visit) -> Answer:
    """The services that have quotas here."""
    client: ServiceQuotasClient = visit.client("service-quotas")
    found = [one for page in client.get_paginator("list_services").paginate() for one in page["Services"]]
    return Page("quota_services.html", "Service quotas", _SECTION, {"services": found})


def shown(visit: Visit, service: str, code: str = "") -> Answer:
    """The quotas of a service, or the one of a code."""
    client: ServiceQuotasClient = visit.client("service-quotas")
    applied = [
        one
        for page in client.get_paginator("list_service_quotas").paginate(ServiceCode=service)
        for one in page["Quotas"]
        if code in ("", one["QuotaCode"])
    ]
    if not applied:
        raise NotFoundError(f"There is no quota {code} of {service}.")
    defaults = {
        one["QuotaCode"]: one["Value"]
        for page in client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode=service)
        for one in page["Quotas"]
    }
    values = {"quotas": sorted(applied, key=lambda one: one["QuotaName"]), "defaults": defaults}
    crumbs = [("Service quotas", links.quota_services())]
    if code:
        crumbs.append((service, links.quotas(service)))
    return Page("quotas.html", code or applied[0]["ServiceName"], _SECTION, values, crumbs)


PAGES: Mapping[str, Render] = {
    "/servicequotas/home": services,
    "/servicequotas/home/services": services,
    "/servicequotas/home/services/<service>/quotas": shown,
    "/servicequotas/home/services/<service>/quotas/<code>": shown,
}
