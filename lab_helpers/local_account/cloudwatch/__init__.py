"""Amazon CloudWatch: metrics with percentiles, and alarms that are really evaluated."""

from __future__ import annotations

from lab_helpers.local_account.cloudwatch.service import CloudWatch

__all__ = ["CloudWatch"]
