"""Parameters of a lesson: a wrong one is refused in its first cell, before anything is made or sent.

The limits are what the lesson makes sense with, within those of AWS.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from lab_helpers.errors import WorkshopError


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


def _refused(name: str, value: object, allowed: str) -> ParameterError:
    return ParameterError(
        f"✗ {name} is {value!r}, but has to be {allowed}.\n"
        f"  What to do: change {name} in the cell below Parameters, run that cell, then this one again"
    )
