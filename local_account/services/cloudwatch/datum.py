"""The data of PutMetricData: which are accepted, and the values that each has.

Contract: CloudWatch API Reference, *PutMetricData* and *MetricDatum*; the messages are those that users of
AWS report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import moment
from local_account.services.cloudwatch.statistics import Statistics

_STATISTIC_SET = ("SampleCount", "Sum", "Minimum", "Maximum")
_KINDS = ("Value", "Values", "StatisticValues")
_VALUES = 150
_LARGEST = 2.0**360
_PAST, _AHEAD = timedelta(days=14), timedelta(hours=2)


def time_of(datum: Mapping[str, Any], where: str, now: datetime) -> datetime:
    """Return the time of a datum: within the past two weeks, or the next two hours. Raises ServiceError."""
    if "Timestamp" not in datum:
        return now
    given = moment(datum["Timestamp"])
    earliest = (now - _PAST).replace(second=0, microsecond=0)  # a whole minute, as data are kept
    if earliest <= given <= now + _AHEAD:
        return given
    raise _value(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")


def check(datum: Mapping[str, Any], where: str) -> None:
    """Raise ServiceError InvalidParameterValue for dimensions and a resolution that no metric has."""
    names = [one["Name"] for one in datum.get("Dimensions", [])]
    if len(set(names)) < len(names):
        raise _value("No metric may specify the same dimension name twice.")
    check_dimensions(datum.get("Dimensions", []))
    if datum.get("StorageResolution", 60) not in (1, 60):
        raise _value(
            f"The value {datum['StorageResolution']} for parameter {where}.StorageResolution is invalid."
        )


def check_dimensions(dimensions: Iterable[Mapping[str, str]]) -> None:
    """Raise ServiceError for a name or a value that the reference forbids (Dimension)."""
    for one in dimensions:
        for member in ("Name", "Value"):
            text = one[member]
            if not _is_plain(text) or not text.strip() or (member == "Name" and text.startswith(":")):
                raise _value(f"The {member} {text!r} of a dimension is not valid.")


def check_namespace(namespace: str) -> None:
    """Raise ServiceError for a namespace with other than ASCII, or with control characters."""
    if not _is_plain(namespace):
        raise _value(f"The value {namespace!r} for parameter Namespace is invalid.")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def values_of(datum: Mapping[str, Any], where: str) -> Statistics:
    """Return the values of a datum: one, several with counts, or a statistic set. Raises ServiceError."""
    given = [f"{where}.{kind}" for kind in _KINDS if kind in datum]
    if not given:
        needed = " or ".join(f"{where}.{kind}" for kind in ("Value", "StatisticValues"))
        raise ServiceError("MissingParameter", f"At least one of the parameters {needed} must be specified.")
    if len(given) > 1:
        raise ServiceError(
            "InvalidParameterCombination",
            f"The parameters {given[0]} and {given[1]} are mutually exclusive and you have specified both.",
        )
    if "StatisticValues" in datum:
        return _statistic_set(datum["StatisticValues"], given[0])
    values = [datum["Value"]] if "Value" in datum else datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(values) > _VALUES:
        raise _value(f"The collection {given[0]} must not have a size greater than {_VALUES}.")
    if len(counts) != len(values):
        raise _value(f"The parameters {given[0]} and {where}.Counts must be of the same size.")
    for value in values:
        _check(value, given[0])
    for count in counts:
        _check(count, f"{where}.Counts", at_least_zero=True)
    found = Statistics()
    for value, count in zip(values, counts, strict=True):
        found.add(float(value), float(count))
    return found


def _statistic_set(document: Mapping[str, Any], where: str) -> Statistics:
    count, total, least, most = (float(document[key]) for key in _STATISTIC_SET)
    _check(count, f"{where}.SampleCount", at_least_zero=True)
    for key, number in zip(_STATISTIC_SET[1:], (total, least, most), strict=True):
        _check(number, f"{where}.{key}")
    if most < least:
        raise _value(f"The parameter {where}.Maximum must be greater than {where}.Minimum.")
    return Statistics.of_set(count, total, least, most)


def _check(number: float, where: str, *, at_least_zero: bool = False) -> None:
    if not abs(number) <= _LARGEST or (at_least_zero and number < 0):  # NaN is not at most anything
        shown = "NaN" if number != number else number  # noqa: PLR0124 - only NaN differs from itself
        raise _value(f"The value {shown} for parameter {where} is invalid.")


def _value(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)
