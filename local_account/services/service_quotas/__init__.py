"""Service Quotas: the quotas that the doctor checks."""

from local_account.services.service_quotas.service import ServiceQuotas

__all__ = ["ServiceQuotas"]
