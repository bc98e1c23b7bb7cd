"""Thresholds of a `trainingjob.json`: the launcher checks them and keeps them for the monitor."""

from __future__ import annotations

from typing import TypedDict


class QualityGate(TypedDict):
    """Thresholds for a model that predicts classes, each from 0 to 1."""

    MinimumAccuracy: float
    MinimumRecall: float
    MaximumAccuracyDrop: float


class RegressionGate(TypedDict):
    """Thresholds for a model that predicts numbers, each from 0 to 1."""

    MinimumR2: float
    MaximumR2Drop: float
