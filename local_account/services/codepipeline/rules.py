"""Rules of stage conditions: what they accept, and how each is checked.

Contract: CodePipeline User Guide, "Rule structure reference".

Differs from AWS (CreatePipeline, UpdatePipeline): in conditions, `DeploymentWindow` waits until its window
opens, and `CloudWatchAlarm` without `AlarmStates` watches for ALARM; AWS documents neither. Regular
expressions of `VariableCheck` are Python's, not Java's. Of time zones by abbreviation, those are known that
the time zone database has, and those of the United States.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from botocore.exceptions import ClientError

from local_account.foundation.schedules import Cron, ScheduleError, parse_schedule
from local_account.services.codepipeline.context import ActionFailed, Context, lacks_permission

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import RuleDeclarationOutputTypeDef as Rule

_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "EQ": lambda variable, value: variable == value,
    "NE": lambda variable, value: variable != value,
    "CONTAINS": lambda variable, value: value in variable,
    "MATCHES": lambda variable, value: re.fullmatch(value, variable) is not None,
}
_ALARM_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_PAUSE = 0.5
"""Seconds between two looks at an alarm or at the clock."""
_UNITED_STATES = {
    "PST": "America/Los_Angeles",
    "CST": "America/Chicago",
    "PDT": "America/Los_Angeles",
    "EDT": "America/New_York",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
}


class RuleFailed(Exception):  # noqa: N818 - as the API names it
    """The check of a rule says no; the message says why."""


class RuleFaultError(Exception):
    """The declaration of a rule is not valid; the message says why."""


@dataclass(frozen=True)
class _Kind:
    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    inputs: int = 0
    """How many input artifacts it takes at most."""


KINDS: Mapping[str, _Kind] = {
    "VariableCheck": _Kind(frozenset({"Variable", "Value", "Operator"})),
    "DeploymentWindow": _Kind(frozenset({"Cron"}), frozenset({"TimeZone"})),
    "CloudWatchAlarm": _Kind(frozenset({"AlarmName"}), frozenset({"AlarmStates", "WaitTime"})),
    "LambdaInvoke": _Kind(frozenset({"FunctionName"}), frozenset({"UserParameters"}), inputs=5),
}


def check_declaration(rule: Rule) -> None:
    """Raise RuleFaultError unless a rule is of a known type and has the configuration that this takes."""
    kind, configuration = rule["ruleTypeId"], rule.get("configuration", {})
    known = KINDS.get(kind["provider"])
    if known is None or kind.get("owner", "AWS") != "AWS" or kind.get("version", "1") != "1":
        raise RuleFaultError(
            f"the rule type {kind['provider']} is not supported by the local account; available: "
            f"{', '.join(KINDS)} (owner AWS, version 1)"
        )
    if missing := sorted(known.required - configuration.keys()):
        raise RuleFaultError(f"the configuration {', '.join(missing)} is missing")
    if unknown := sorted(configuration.keys() - known.required - known.optional):
        raise RuleFaultError(f"the configuration {', '.join(unknown)} is unknown")
    if len(rule.get("inputArtifacts", [])) > known.inputs:
        raise RuleFaultError(f"{kind['provider']} takes at most {known.inputs} input artifacts")
    if rule.get("commands"):
        raise RuleFaultError("commands are not supported by the local account")
    _check_values(kind["provider"], configuration)


def check(context: Context) -> str | None:
    """Check a rule; return a summary, or None if the answer comes later (of a function).

    Raises RuleFailed if the check says no, ActionFailed if it cannot be made.
    """
    return _CHECKS[context.action["actionTypeId"]["provider"]](context)


def _check_values(provider: str, configuration: Mapping[str, str]) -> None:
    if provider == "VariableCheck" and configuration["Operator"] not in _OPERATORS:
        raise RuleFaultError(f"Operator is not one of {', '.join(_OPERATORS)}")
    if provider == "CloudWatchAlarm":
        if unknown := [one for one in _states(configuration) if one not in _ALARM_STATES]:
            raise RuleFaultError(
                f"AlarmStates has {unknown[0]}, which is not one of {', '.join(_ALARM_STATES)}"
            )
        if not configuration.get("WaitTime", "0").isdigit():
            raise RuleFaultError("WaitTime is not a number of minutes")
    if provider == "DeploymentWindow":
        _window(configuration["Cron"])
        _zone(configuration.get("TimeZone", "UTC"))


def _variable(context: Context) -> str:
    variable, value = context.configuration["Variable"], context.configuration["Value"]
    operator = context.configuration["Operator"]
    try:
        holds = _OPERATORS[operator](variable, value)
    except re.error as error:
        raise ActionFailed("ConfigurationError", f"{value!r} is not a regular expression: {error}") from error
    said = f"{variable!r} {operator} {value!r}"
    if not holds:
        raise RuleFailed(f"The variable check failed: {said} does not hold")
    return f"The variable check succeeded: {said}"


def _deployment_window(context: Context) -> str:
    window = _window(context.configuration["Cron"])
    zone = _zone(context.configuration.get("TimeZone", "UTC"))
    context.wait_until(lambda: is_open(window, context.account.now().astimezone(zone)), _PAUSE)
    return "The deployment window is open"


def is_open(window: Cron, moment: datetime) -> bool:
    """Return whether a moment, in the zone of the window, is in one of its minutes."""
    minute = moment.replace(tzinfo=UTC, second=0, microsecond=0)
    return window.next_after(minute - timedelta(minutes=1), minute) == minute


def _alarm(context: Context) -> str:
    name, watched = context.configuration["AlarmName"], _states(context.configuration)
    deadline = time.monotonic() + 60 * int(context.configuration.get("WaitTime", "0"))
    state = ""

    def good() -> bool:
        nonlocal state
        state = _state_of(context, name)
        return state not in watched or time.monotonic() >= deadline

    context.wait_until(good, _PAUSE)
    if state in watched:
        raise RuleFailed(f"The alarm {name} is in the state {state}")
    return f"The alarm {name} is in the state {state}"


def _state_of(context: Context, name: str) -> str:
    try:
        found = context.client("cloudwatch").describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    except ClientError as error:
        kind = "PermissionError" if lacks_permission(error) else "JobFailed"
        raise ActionFailed(kind, f"The alarm {name} cannot be read: {error}") from error
    for alarm in (*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])):
        return str(alarm["StateValue"])
    raise ActionFailed("ConfigurationError", f"There is no alarm {name}")


def _states(configuration: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(one.strip() for one in configuration.get("AlarmStates", "ALARM").split(","))


def _window(text: str) -> Cron:
    fields = text.split()
    if len(fields) not in (6, 7):
        raise RuleFaultError(f"Cron has six or seven fields, not {len(fields)}")
    minutes_on = [*fields[1:], *(["*"] if len(fields) == 6 else [])]
    try:
        schedule = parse_schedule(f"cron({' '.join(minutes_on)})")
    except ScheduleError as error:
        raise RuleFaultError(f"Cron is not valid: {error}") from error
    if not isinstance(schedule, Cron):
        raise RuleFaultError("Cron is not a cron expression")
    return schedule


def _zone(text: str) -> tzinfo:
    if found := re.fullmatch(r"UTC(?:([+-])(\d\d):(\d\d))?", text):
        offset = timedelta(hours=int(found[2] or 0), minutes=int(found[3] or 0))
        return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(_UNITED_STATES.get(text, text))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise RuleFaultError(f"the time zone {text} is not known to the local account") from error


_CHECKS: Mapping[str, Callable[[Context], str | None]] = {
    "VariableCheck": _variable,
    "DeploymentWindow": _deployment_window,
    "CloudWatchAlarm": _alarm,
}
"""How a rule is checked; what LambdaInvoke says comes by PutJobSuccessResult or PutJobFailureResult."""
