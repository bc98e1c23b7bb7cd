"""EventBridge rules: what they wait for, where they deliver it, and how often they have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_account.console import links, metrics
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

_SECTION = "Rules"
_BUS = "default"


def listing(visit: Visit) -> Answer:
    """All rules, with their targets."""
    found = list(visit.all("events", "list_rules", "Rules", Limit=100))
    targets = {
        rule["Name"]: visit.operation("events", "list_targets_by_rule", {"Rule": rule["Name"]})["Targets"]
        for rule in found
    }
    values = {"rules": found, "targets": targets, "waits_for": waits_for}
    return Page("rules.html", _SECTION, _SECTION, values, live=10, service="events")


def shown(visit: Visit, name: str, bus: str = _BUS) -> Answer:
    """A rule: its event pattern or schedule, its targets and its deliveries."""
    if bus != _BUS:
        raise NotFoundError(f"There is no event bus {bus}.")
    client: EventBridgeClient = visit.client("events")
    rule = client.describe_rule(Name=name)
    targets = client.list_targets_by_rule(Rule=name)["Targets"]
    end = datetime.now(UTC)
    wanted = [
        metrics.Wanted(label, "AWS/Events", metric, {"RuleName": name}, "Sum")
        for label, metric in (("delivered", "Invocations"), ("failed", "FailedInvocations"))
    ]
    since = end - timedelta(hours=3)
    values = {
        "rule": rule,
        "pattern": json.dumps(json.loads(rule.get("EventPattern") or "null"), indent=2),
        "targets": targets,
        "since": since,
        "lines": metrics.lines(visit, wanted, since, end, 60),
    }
    return Page("rule.html", name, _SECTION, values, ((_SECTION, links.rules()),), live=5)


def waits_for(rule: Mapping[str, Any]) -> str:
    """Return what starts a rule, in a few words: its schedule, or the kinds of events in its pattern."""
    if expression := rule.get("ScheduleExpression"):
        return str(expression)
    pattern = json.loads(rule.get("EventPattern") or "{}")
    said = [
        ", ".join(one if isinstance(one, str) else json.dumps(one) for one in pattern[member])
        for member in ("source", "detail-type")
        if isinstance(pattern.get(member), list)
    ]
    return ": ".join(said) or "an event pattern"


PAGES: Mapping[str, Render] = {
    "/events/home": listing,
    "/events/rules": listing,
    "/events/eventbus/<bus>/rules/<name>": shown,
}
