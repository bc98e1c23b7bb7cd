"""Application Auto Scaling of SageMaker endpoint variants: target tracking that really scales."""

from __future__ import annotations

from lab_helpers.local_account.autoscaling.service import ApplicationAutoScaling

__all__ = ["ApplicationAutoScaling"]
