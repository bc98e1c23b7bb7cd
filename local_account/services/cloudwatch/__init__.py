"""Amazon CloudWatch: metrics with percentiles, and alarms that are really evaluated."""

from __future__ import annotations

from local_account.services.cloudwatch.service import CloudWatch

__all__ = ["CloudWatch"]
