"""Parameters of a lesson: a wrong one is refused in its first cell, before anything is made or sent.

The limits are what the lesson makes sense with, within those of AWS.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from lab_helpers.errors import WorkshopError
from lab_helpers.instance_types import TRAINING

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_TYPES = {
    "endpoints": "ProductionVariantInstanceType",
    "processing jobs": "ProcessingInstanceType",
    "training jobs": "TrainingInstanceType",
    "transform jobs": "TransformInstanceType",
}
"""What instances are for, and the list of their types in SageMaker's API."""


class ParameterError(WorkshopError, ValueError):
    """A parameter has a value that the lesson cannot use; the message says which values it can."""


def whole(low: int, high: int, **given: object) -> None:
    """Raise ParameterError if one of the parameters is not a whole number from `low` to `high`."""
    for name, value in given.items():
        # True is an int, too.
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _refused(name, value, f"a whole number from {low:,} to {high:,}")


def number(low: float, high: float, **given: object) -> None:
    """Raise ParameterError if one of the parameters is not a number from `low` to `high`."""
    for name, value in given.items():
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or math.isnan(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
            raise _refused(name, value, f"a number from {low:,g} to {high:,g}")


def one_of(allowed: Collection[str], **given: object) -> None:
    """Raise ParameterError if one of the parameters is none of the texts that are allowed."""
    for name, value in given.items():
        if value not in allowed:
            raise _refused(name, value, " or ".join(f'"{one}"' for one in allowed))


def instance_types(sagemaker: SageMakerClient, *uses: str, **given: object) -> None:
    """Raise ParameterError if a parameter is no type of instance for all of these `uses`, nor empty.

    SageMaker's own refusal lists every type that it has, some 200.
    """
    model = sagemaker.meta.service_model
    known = set.intersection(*({*model.shape_for(_TYPES[use]).metadata["enum"]} for use in uses))
    for name, value in given.items():
        if value and value not in known:
            near = difflib.get_close_matches(str(value), sorted(known), n=3) or [TRAINING]
            listed = " or ".join(f'"{one}"' for one in near)
            raise _refused(name, value, f"empty or a type of instance for {' and '.join(uses)}, as {listed}")


def _refused(name: str, value: object, allowed: str) -> ParameterError:
    return ParameterError(
        f"✗ {name} is {value!r}, but has to be {allowed}.\n"
        f"  What to do: change {name} in the cell below Parameters, run that cell, then this one again"
    )
