"""Event patterns, input transformers and schedules of EventBridge.

- patterns: ``pattern`` and ``event`` as JSON, or as text where its digits matter; the answer is a boolean.
- transformers: ``template`` and ``paths`` of an InputTransformer for the event below; the answer is the text
  that the target gets, or its ``json``; ``not delivered`` if the template cannot be filled.
- schedules: ``expression`` and ``after``; the answer is the next times, as many as are expected. Rates count
  from 2026-05-13T00:00.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from local_account.foundation.schedules import ScheduleError, parse_schedule
from local_account.services.events.matcher import Matcher
from local_account.services.events.pattern import compile_pattern, loads
from local_account.services.events.transform import TransformError, target_input, undefined
from local_account.services.events.values import PatternError
from tests.conformance.cases import Case, identify, load

if TYPE_CHECKING:
    from local_account.services.events.records import Event

EVENT: Event = {
    "version": "0",
    "id": "e1",
    "detail-type": "Order",
    "source": "shop",
    "account": "123456789012",
    "time": "2026-01-02T03:04:04Z",
    "region": "us-east-1",
    "resources": ["arn:x"],
    "detail": {
        "order": {"name": "Ada", "items": 2},
        "tags": ["NEW", "GIFT"],
        "paid": True,
        "total": 12.5,
        "note": None,
        "a/b": 7,
        "lines": [{"n": 1}, {"n": 2}],
    },
}
ORIGIN = datetime(2026, 5, 13, tzinfo=UTC)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


@pytest.mark.parametrize("case", load("events/patterns"), ids=identify)
def test_patterns(case: Case) -> None:
    try:
        matcher = Matcher([(None, compile_pattern(_text(case.input["pattern"])))])
    except PatternError as error:
        case.check({"error": str(error)})
    else:
        case.check(bool(matcher.match(loads(_text(case.input["event"])))))


@pytest.mark.parametrize("case", load("events/transformers"), ids=identify)
def test_transformers(case: Case) -> None:
    template, paths = case.input["template"], case.input["paths"]
    placeholder = undefined(template, set(paths))
    if placeholder is not None:
        case.check({"error": f"InputTemplate for target t1 contains invalid placeholder {placeholder}."})
        return
    target: Any = {"Id": "t1", "Arn": "x"}
    target["InputTransformer"] = {"InputTemplate": template, "InputPathsMap": paths}
    rule: Any = {"Name": "orders", "Arn": "arn:aws:events:us-east-1:123456789012:rule/orders"}
    try:
        text = target_input(target, EVENT, rule, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    except TransformError:
        case.check({"error": "not delivered"})
    else:
        case.check(text if isinstance(case.expected, str) else {"json": json.loads(text)})


@pytest.mark.parametrize("case", load("events/schedules"), ids=identify)
def test_schedules(case: Case) -> None:
    try:
        schedule = parse_schedule(case.input["expression"])
    except ScheduleError:
        case.check({"error": "Parameter ScheduleExpression is not valid."})
        return
    found: list[str] = []
    moment: datetime | None = datetime.fromisoformat(case.input["after"]).replace(tzinfo=UTC)
    while moment and len(found) < max(len(case.expected), 1):
        moment = schedule.next_after(moment, ORIGIN)
        found += [moment.strftime("%Y-%m-%dT%H:%M")] if moment else []
    case.check(found)
