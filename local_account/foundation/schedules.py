"""Schedule expressions, of EventBridge rules and of deployment windows: which moment comes next.

The contract is the EventBridge User Guide, "Using cron and rate expressions to schedule rules". All times
are aware and in UTC; a schedule has a precision of one minute.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = dict(zip(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), range(1, 8), strict=True))
_YEARS = (1970, 2199)

DayTest = Callable[[date], bool]


class ScheduleError(ValueError):
    """A schedule expression that EventBridge would reject; the message says why."""


@dataclass(frozen=True)
class Rate:
    """``rate(value unit)``: at regular intervals, counted from when the rule was created."""

    period: timedelta

    def next_after(self, moment: datetime, origin: datetime) -> datetime | None:
        """Return the first tick after ``moment``."""
        elapsed = max(moment - origin, timedelta(0))
        return origin + (elapsed // self.period + 1) * self.period


@dataclass(frozen=True)
class Cron:
    """``cron(minutes hours day-of-month month day-of-week year)``."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    on_day: DayTest

    def next_after(self, moment: datetime, origin: datetime) -> datetime | None:
        """Return the first minute after ``moment`` that matches; None if there is none until 2199."""
        for year in range(moment.year, _YEARS[1] + 1):
            if year not in self.years:
                continue
            for month in sorted(self.months):
                if (year, month) < (moment.year, moment.month):
                    continue
                for day in range(1, calendar.monthrange(year, month)[1] + 1):
                    found = self._on(date(year, month, day), moment)
                    if found:
                        return found
        return None

    def _on(self, day: date, after: datetime) -> datetime | None:
        if day < after.date() or not self.on_day(day):
            return None
        for hour in self.hours:
            for minute in self.minutes:
                tick = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if tick > after:
                    return tick
        return None


Schedule = Rate | Cron


def parse_schedule(expression: str) -> Schedule:
    """Parse ``rate(…)`` or ``cron(…)``; raise ScheduleError."""
    found = re.fullmatch(r"(rate|cron)\((.*)\)", expression)
    if not found:
        raise ScheduleError("it must be rate(value unit) or cron(fields)")
    return _rate(found[2]) if found[1] == "rate" else _cron(found[2])


def _rate(text: str) -> Rate:
    found = re.fullmatch(r"([0-9]+) (minute|hour|day)(s?)", text)
    if not found or int(found[1]) == 0:
        raise ScheduleError("a rate is a positive number and minute(s), hour(s) or day(s)")
    value, unit = int(found[1]), found[2]
    if (value == 1) == bool(found[3]):
        raise ScheduleError(
            f"use '{value} {unit}{'s' if value > 1 else ''}': the unit is singular for 1 only"
        )
    return Rate(value * _UNITS[unit])


def _cron(text: str) -> Cron:
    fields = text.upper().split()
    if len(fields) != 6:
        raise ScheduleError(f"cron has six fields, not {len(fields)}")
    minutes, hours, day_of_month, month, day_of_week, year = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ScheduleError("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        minutes=tuple(sorted(_values(minutes, 0, 59))),
        hours=tuple(sorted(_values(hours, 0, 23))),
        months=frozenset(_values(month, 1, 12, {key.upper(): value for key, value in _MONTHS.items()})),
        years=frozenset(_values(year, *_YEARS)),
        on_day=_day_of_week(day_of_week) if day_of_month == "?" else _day_of_month(day_of_month),
    )


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and not (_is_number(step) and int(step)):
            raise ScheduleError(f"'{part}' has no positive increment")
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, low, high, names)
            last = _number(end, low, high, names) if dash else high if slash else first
            if last < first:
                raise ScheduleError(f"the range '{span}' ends before it begins")
        found.update(range(first, last + 1, int(step) if slash else 1))
    return found


def _number(text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not _is_number(text) or not low <= int(text) <= high:
        raise ScheduleError(f"'{text}' is not between {low} and {high}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _weekday(day: date) -> int:
    """Return EventBridge's number for a weekday: Sunday is 1."""
    return day.isoweekday() % 7 + 1


def _month_end(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_of_month(field: str) -> DayTest:
    if field == "L":
        return lambda day: day.day == _month_end(day)
    if field.endswith("W"):
        target = None if field == "LW" else _number(field[:-1], 1, 31, None)
        return lambda day: day.day == _nearest_weekday(day, target)
    days = _values(field, 1, 31)
    return lambda day: day.day in days


def _nearest_weekday(day: date, target: int | None) -> int | None:
    """Return the weekday (Monday to Friday) closest to day ``target`` within the month of ``day``."""
    end = _month_end(day)
    wanted = end if target is None else target
    if wanted > end:
        return None
    match day.replace(day=wanted).isoweekday():
        case 6:
            return wanted - 1 if wanted > 1 else wanted + 2
        case 7:
            return wanted - 2 if wanted == end else wanted + 1
    return wanted


def _day_of_week(field: str) -> DayTest:
    if field == "L":
        return lambda day: _weekday(day) == 7
    if "#" in field:
        name, _, instance = field.partition("#")
        weekday, nth = _number(name, 1, 7, _WEEKDAYS), _number(instance, 1, 5, None)
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == nth
    if field.endswith("L"):
        weekday = _number(field[:-1], 1, 7, _WEEKDAYS)
        return lambda day: _weekday(day) == weekday and day.day > _month_end(day) - 7
    weekdays = _values(field, 1, 7, _WEEKDAYS)
    return lambda day: _weekday(day) in weekdays
