"""Schedule expressions fire when the EventBridge User Guide says they do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_account.foundation.schedules import ScheduleError, parse_schedule

ORIGIN = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)


def ticks(expression: str, after: str, count: int = 1) -> list[str]:
    schedule = parse_schedule(expression)
    found, moment = [], datetime.fromisoformat(after).replace(tzinfo=UTC)
    for _ in range(count):
        tick = schedule.next_after(moment, ORIGIN)
        if tick is None:
            break
        found.append(tick.strftime("%Y-%m-%d %H:%M"))
        moment = tick
    return found


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        # the examples of the user guide
        ("cron(0 10 * * ? *)", "2026-03-01 10:00", ["2026-03-02 10:00"]),
        ("cron(15 12 * * ? *)", "2026-03-01", ["2026-03-01 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-03-06 18:00", ["2026-03-09 18:00"]),
        ("cron(0 8 1 * ? *)", "2026-03-01 08:00", ["2026-04-01 08:00"]),
        ("cron(0/15 * * * ? *)", "2026-03-01 09:50", ["2026-03-01 10:00", "2026-03-01 10:15"]),
        ("cron(0/10 * ? * MON-FRI *)", "2026-03-07", ["2026-03-09 00:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-03-09 17:55", ["2026-03-10 08:00"]),
        ("cron(0/30 20-23 * * ? *)", "2026-03-09 21:10", ["2026-03-09 21:30"]),
        # wildcards
        ("cron(1/10 0 * * ? *)", "2026-03-09", ["2026-03-09 00:01", "2026-03-09 00:11"]),
        ("cron(0 0 L * ? *)", "2028-02-03", ["2028-02-29 00:00", "2028-03-31 00:00"]),
        ("cron(0 0 3W * ? *)", "2026-05-01", ["2026-05-04 00:00", "2026-06-03 00:00"]),
        ("cron(0 0 1W * ? *)", "2026-07-30", ["2026-08-03 00:00"]),
        ("cron(0 0 31W * ? *)", "2026-05-01", ["2026-05-29 00:00", "2026-07-31 00:00"]),
        ("cron(0 0 ? * 3#2 *)", "2026-03-01", ["2026-03-10 00:00", "2026-04-14 00:00"]),
        ("cron(0 0 ? * 6L *)", "2026-03-01", ["2026-03-27 00:00"]),
        ("cron(0 0 ? * L *)", "2026-03-01", ["2026-03-07 00:00"]),
        ("cron(0 0 1 JAN,MAR ? 2027-2028)", "2026-03-01", ["2027-01-01 00:00", "2027-03-01 00:00"]),
        ("cron(0 0 29 2 ? *)", "2026-03-01", ["2028-02-29 00:00"]),
        ("cron(0 0 30 2 ? *)", "2190-01-01", []),
        ("cron(0 0 1 1 ? 2020)", "2026-03-01", []),
        # a rate counts from when the rule was made
        ("rate(1 minute)", "2026-01-01 00:05:00", ["2026-01-01 00:05", "2026-01-01 00:06"]),
        ("rate(5 minutes)", "2026-01-01 00:04:00", ["2026-01-01 00:05", "2026-01-01 00:10"]),
        ("rate(2 hours)", "2025-12-31 00:00:00", ["2026-01-01 02:00"]),
        ("rate(1 day)", "2026-01-01 10:00:00", ["2026-01-02 00:00"]),
    ],
)
def test_ticks(expression: str, after: str, expected: list[str]) -> None:
    assert ticks(expression, after, count=max(len(expected), 1)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "every minute",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(0 minutes)",
        "rate(-1 minutes)",
        "rate(1.5 hours)",
        "rate(30 seconds)",
        "cron(0 10 * * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(0 10 1 * MON *)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 ? * 8 *)",
        "cron(0 10 ? * MON#6 *)",
        "cron(0/0 10 * * ? *)",
        "cron(30-10 10 * * ? *)",
        "cron(0 10 * FOO ? *)",
        "cron(0 10 * * ? 1969)",
    ],
)
def test_invalid_expressions(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse_schedule(expression)


@given(st.integers(1, 10_000), st.integers(-10_000_000, 10_000_000))
def test_a_rate_never_misses_a_tick(minutes: int, offset: int) -> None:
    schedule = parse_schedule(f"rate({minutes} minute{'s' if minutes > 1 else ''})")
    moment = ORIGIN + timedelta(seconds=offset)
    tick = schedule.next_after(moment, ORIGIN)
    assert tick is not None
    assert tick > moment
    assert (tick - ORIGIN) % timedelta(minutes=minutes) == timedelta(0)
    assert tick - timedelta(minutes=minutes) <= max(moment, ORIGIN)
