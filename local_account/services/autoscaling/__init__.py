"""Application Auto Scaling for SageMaker endpoint variants: target tracking that really scales."""

from __future__ import annotations

from local_account.services.autoscaling.service import ApplicationAutoScaling

__all__ = ["ApplicationAutoScaling"]
