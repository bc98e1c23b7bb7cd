"""Metric alarms: their records, their history, and their periodic evaluation.

Differs from AWS: alarms are evaluated each second, on two clocks. For one that invokes a scaling policy
(`TargetTracking-…`), a minute lasts `scaling_minute_seconds` (in `account.json`; 1 by default, 60 as on AWS).
Its numbers stay as documented, and a sum over the short minute is scaled up to a real one. Every other alarm
has real minutes.

Differs from AWS: an alarm that is set by hand (SetAlarmState) keeps that state for five seconds, then it is
evaluated again; AWS says "quickly, often within seconds".

Differs from AWS: of an alarm's actions, scaling policies in `AlarmActions` are carried out, and topics of SNS
are notified. All others (a function, an action of EC2) are accepted and **do nothing**. The alarm's history
says so (`Failed to execute action …`, as on AWS when a topic cannot be reached), and so does `local logs`. A
rule on the event *CloudWatch Alarm State Change* reaches functions, pipelines and topics.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from local_account.foundation.errors import FIDELITY
from local_account.foundation.outbox import Outbox
from local_account.services.cloudwatch import evaluation, notifications
from local_account.services.cloudwatch.evaluation import Datapoint, Evaluation
from local_account.services.cloudwatch.metrics import Metric, MetricStore
from local_account.services.cloudwatch.statistics import Statistics

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import (
        AlarmTypeType,
        ComparisonOperatorType,
        HistoryItemTypeType,
        StandardUnitType,
        StateValueType,
        StatisticType,
    )
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef

    from local_account.foundation.account import Account
    from local_account.foundation.store import Table

log = logging.getLogger(__name__)

HISTORY_DAYS = 30
EVENT = "CloudWatch Alarm State Change"
_MINUTE = 60
BY_HAND = 5
"""Seconds that a state from SetAlarmState lasts (CloudWatch API Reference: "often within seconds")."""
_PER_PERIOD = ("Sum", "SampleCount")
_SUMMARY = 255
"""The most characters of a history item's summary (CloudWatch API Reference, AlarmHistoryItem)."""


class Alarm(TypedDict):
    """A metric alarm: the members of the API's ``MetricAlarm``, and our own in lower case."""

    AlarmName: str
    AlarmArn: str
    AlarmDescription: NotRequired[str]
    AlarmConfigurationUpdatedTimestamp: datetime
    ActionsEnabled: bool
    OKActions: list[str]
    AlarmActions: list[str]
    InsufficientDataActions: list[str]
    StateValue: StateValueType
    StateReason: str
    StateReasonData: NotRequired[str | None]
    """JSON."""
    StateUpdatedTimestamp: datetime
    StateTransitionedTimestamp: datetime
    Namespace: str
    MetricName: str
    Dimensions: list[DimensionTypeDef]
    Statistic: NotRequired[StatisticType]
    """An alarm has either this or ``ExtendedStatistic``."""
    ExtendedStatistic: NotRequired[str]
    Unit: NotRequired[StandardUnitType]
    Period: int
    """Seconds."""
    EvaluationPeriods: int
    DatapointsToAlarm: NotRequired[int]
    Threshold: float
    ComparisonOperator: ComparisonOperatorType
    TreatMissingData: NotRequired[str]
    EvaluateLowSampleCountPercentile: NotRequired[str]
    held_until: NotRequired[float]
    """Until when a state from SetAlarmState stays, in seconds since 1970."""


class HistoryItem(TypedDict):
    """An item of DescribeAlarmHistory."""

    AlarmName: str
    AlarmType: AlarmTypeType
    Timestamp: datetime
    HistoryItemType: HistoryItemTypeType
    HistorySummary: str
    HistoryData: str
    """JSON."""


@dataclass(frozen=True)
class Window:
    """The time spans that an alarm's datapoints come from.

    ``seconds`` is the length of each, ``end`` the end of the newest (since 1970), ``count`` their number, and
    ``scale`` the factor that turns a sum over one span into a sum over the alarm's period.
    """

    seconds: int
    end: int
    count: int
    scale: float


def window(alarm: Alarm, now: float, scaling_minute: int) -> Window:
    """Return the window of an alarm's datapoints at a time (seconds since 1970).

    For an alarm of a scaling policy a minute takes ``scaling_minute`` seconds; its sums are rates per period.
    Its spans begin at whole minutes of that length and end a second ago, when all data has arrived. Every
    other alarm uses its period as it is, up to now.
    """
    count = alarm["EvaluationPeriods"] + evaluation.EXTRA_PERIODS
    period = alarm["Period"]
    if not scaling_actions(alarm):
        return Window(period, int(now), count, 1.0)
    seconds = max(1, round(period * scaling_minute / _MINUTE))
    return Window(seconds, (int(now) - 1) // seconds * seconds, count, period / seconds)


def scaling_actions(alarm: Alarm) -> list[str]:
    """Return the ARNs of the scaling policies that an alarm invokes."""
    return [action for action in alarm.get("AlarmActions", []) if ":scalingPolicy:" in action]


def actions_for(alarm: Alarm, state: StateValueType) -> list[str]:
    """Return the ARNs of the actions for a state."""
    return {
        evaluation.ALARM: alarm.get("AlarmActions", []),
        evaluation.OK: alarm.get("OKActions", []),
        evaluation.INSUFFICIENT_DATA: alarm.get("InsufficientDataActions", []),
    }[state]


def idle_actions(alarm: Alarm, state: StateValueType) -> list[str]:
    """Return the ARNs of the actions for a state that the account does not carry out."""
    actions = actions_for(alarm, state)
    carried_out = scaling_actions(alarm) if state == evaluation.ALARM else []
    return [action for action in actions if action not in carried_out and not notifications.is_topic(action)]


class Alarms:
    """The metric alarms of an account.

    ``on_alarm`` is called with a scaling policy's ARN, the alarm's name and its datapoints at every
    evaluation while the alarm is in ALARM: only Auto Scaling actions repeat in this way ("Alarm actions").
    """

    def __init__(self, account: Account, metrics: MetricStore) -> None:
        self.on_alarm: Callable[[str, str, tuple[Datapoint, ...]], None] | None = None
        self._account = account
        self._notices = Outbox(account, "cloudwatch.notices", self._notify, threads=1)
        self.history.index("AlarmName")
        self._metrics = metrics
        self._evaluated: dict[str, tuple[int, float]] = {}
        """The end of the window that was evaluated last, and until when a state set by hand lasted."""
        self._known: list[tuple[Alarm, Metric]] = []
        self._known_as_of = -1
        self._settled: dict[str, int] = {}
        """Alarms without data since their window began, with `MetricStore.puts`: they stay until it grows."""

    def start(self) -> None:
        """Notify topics from now on, and of what an earlier run of the account left."""
        self._notices.start()

    def stop(self) -> None:
        """Notify no more topics: what is left is for the next start."""
        self._notices.stop()

    @property
    def table(self) -> Table[Alarm]:
        """The alarms by name."""
        return self._account.store.table("cloudwatch.alarms", Alarm)

    @property
    def history(self) -> Table[HistoryItem]:
        """Items of DescribeAlarmHistory."""
        return self._account.store.table("cloudwatch.history", HistoryItem)

    def record(self, name: str, kind: HistoryItemTypeType, summary: str, data: dict[str, Any]) -> None:
        """Add an item to the history."""
        item: HistoryItem = {
            "AlarmName": name,
            "AlarmType": "MetricAlarm",
            "Timestamp": self._account.now(),
            "HistoryItemType": kind,
            "HistorySummary": summary,
            "HistoryData": json.dumps({"version": "1.0", **data}),
        }
        self.history.put(uuid.uuid4().hex, item)

    def forget_old_history(self) -> None:
        """Drop items older than thirty days, as CloudWatch does."""
        limit = self._account.now() - timedelta(days=HISTORY_DAYS)
        for key, item in self.history.items():
            if item["Timestamp"] < limit:
                self.history.delete(key)

    def evaluate_all(self) -> None:
        """Evaluate the alarms that have a new period, unless nothing can have changed: no data, as before."""
        now = time.time()
        if self._known_as_of != self.table.changes:
            self._known_as_of = self.table.changes
            self._known = [(alarm, Metric.of(alarm)) for alarm in self.table.values()]
            self._settled.clear()
        for alarm, metric in self._known:
            name = alarm["AlarmName"]
            puts = self._metrics.puts(metric)
            if self._settled.get(name) == puts:
                continue
            span = window(alarm, now, self._account.config.scaling_minute_seconds)
            held_until = alarm.get("held_until", 0)
            # A state that was set by hand goes without waiting for a new period.
            if self._evaluated.get(name) != (span.end, held_until) and held_until <= now:
                self._evaluated[name] = span.end, held_until
                if self._evaluate(alarm, span):
                    self._settled[name] = puts

    def set_state(
        self, name: str, state: StateValueType, reason: str, data: str | None, held_until: float = 0
    ) -> None:
        """Set a state; if it changes, record it in the history and publish an event."""
        now = self._account.now()
        with self.table.lock, self._account.store.together():
            alarm = self.table.get(name)
            if alarm is None:  # deleted in the meantime
                return
            before: dict[str, Any] = {
                key: alarm.get(key) for key in ("StateValue", "StateReason", "StateReasonData")
            }
            changed = state != before["StateValue"]
            self.table.put(
                name,
                {
                    **alarm,
                    "StateValue": state,
                    "StateReason": reason,
                    "StateReasonData": data,
                    "StateUpdatedTimestamp": now,
                    "StateTransitionedTimestamp": now if changed else alarm["StateTransitionedTimestamp"],
                    "held_until": held_until,
                },
            )
            if changed:
                after = {"StateValue": state, "StateReason": reason, "StateReasonData": data}
                self._publish(alarm, before, after)
                if alarm["ActionsEnabled"]:
                    self._own_up(alarm, state)
                    for topic in filter(notifications.is_topic, actions_for(alarm, state)):
                        text = notifications.text(self._account, alarm, before, after, now)
                        subject = notifications.subject(self._account, alarm, state)
                        self._notices.put({"alarm": name, "topic": topic, "subject": subject, "text": text})

    def datapoints(self, alarm: Alarm, span: Window) -> list[Datapoint]:
        """Return the datapoints of an alarm's evaluation range, oldest first."""
        start = span.end - span.count * span.seconds
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        found: dict[int, Statistics] = {}
        for (second, _), values in self._metrics.periods(
            Metric.of(alarm), start, span.end, span.seconds, alarm.get("Unit")
        ).items():
            found.setdefault(second, Statistics()).merge(values)
        points = []
        for second in range(start, span.end, span.seconds):
            values = found.get(second, Statistics())
            value = values.value(statistic)
            if value is not None and statistic in _PER_PERIOD:
                value = round(value * span.scale, 6)
            points.append(Datapoint(datetime.fromtimestamp(second, UTC), value, values.count))
        return points

    def _evaluate(self, alarm: Alarm, span: Window) -> bool:
        """Evaluate an alarm; return whether only new data can change its state."""
        found = evaluation.evaluate(alarm, self.datapoints(alarm, span))
        name = alarm["AlarmName"]
        if found and found.state != alarm["StateValue"]:
            self.set_state(name, found.state, found.reason, found.reason_data(alarm, self._account.now()))
        if found and found.state == evaluation.ALARM and alarm["ActionsEnabled"]:
            self._act(alarm, found)
            return False
        return not self._metrics.has_data_since(Metric.of(alarm), span.end - span.count * span.seconds)

    def _act(self, alarm: Alarm, found: Evaluation) -> None:
        for policy in scaling_actions(alarm):
            if alarm["StateValue"] != evaluation.ALARM:
                self.record(
                    alarm["AlarmName"],
                    "Action",
                    f"Successfully executed action {policy}",
                    {"actionState": "Succeeded", "notificationResource": policy},
                )
            if self.on_alarm:
                self.on_alarm(policy, alarm["AlarmName"], found.datapoints)

    def _notify(self, notice: notifications.Notice) -> None:
        """Publish to a topic (called by the outbox), and record whether that was possible."""
        topic = notice["topic"]
        error = notifications.publish(self._account, notice, self._arn(notice["alarm"]))
        done = f"Successfully executed action {topic}"
        summary = f'Failed to execute action {topic}. Received error: "{error}"' if error else done
        data: dict[str, Any] = {
            "actionState": "Failed" if error else "Succeeded",
            "notificationResource": topic,
            **({"error": error} if error else {}),
        }
        self.record(notice["alarm"], "Action", summary[:_SUMMARY], data)

    def _arn(self, name: str) -> str:
        return self._account.arn("cloudwatch", f"alarm:{name}")

    def _own_up(self, alarm: Alarm, state: StateValueType) -> None:
        """Record that actions for a new state were not carried out, so that nobody counts on them."""
        name = alarm["AlarmName"]
        for action in idle_actions(alarm, state):
            reason = f"the local account only scales and notifies topics ({FIDELITY}#cloudwatch)"
            log.warning("alarm %s is %s, and nobody is notified: %s: %s", name, state, action, reason)
            summary = f'Failed to execute action {action}. Received error: "{reason}"'
            self.record(
                name,
                "Action",
                summary[:_SUMMARY],
                {"actionState": "Failed", "notificationResource": action, "error": reason},
            )

    def _publish(self, alarm: Alarm, before: dict[str, Any], after: dict[str, Any]) -> None:
        old, new = before["StateValue"], after["StateValue"]
        self.record(
            alarm["AlarmName"],
            "StateUpdate",
            f"Alarm updated from {old} to {new}",
            {"oldState": _history_state(before), "newState": _history_state(after)},
        )
        detail = {
            "alarmName": alarm["AlarmName"],
            "state": _event_state(after),
            "previousState": _event_state(before),
            "configuration": {"description": alarm.get("AlarmDescription", "")},
        }
        self._account.bus.publish("aws.cloudwatch", EVENT, detail, [alarm["AlarmArn"]])


def _history_state(state: dict[str, Any]) -> dict[str, Any]:
    data = state["StateReasonData"]
    shown = {"stateValue": state["StateValue"], "stateReason": state["StateReason"]}
    return {**shown, "stateReasonData": json.loads(data)} if data else shown


def _event_state(state: dict[str, Any]) -> dict[str, Any]:
    shown = {"value": state["StateValue"], "reason": state["StateReason"]}
    return {**shown, "reasonData": state["StateReasonData"]} if state["StateReasonData"] else shown
