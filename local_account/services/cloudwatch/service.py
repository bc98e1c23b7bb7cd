"""The CloudWatch API for metrics and metric alarms (CloudWatch API Reference)."""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service, moment
from local_account.services.cloudwatch import datum, evaluation
from local_account.services.cloudwatch.alarms import BY_HAND, Alarm, Alarms, HistoryItem
from local_account.services.cloudwatch.metrics import Metric, MetricStore
from local_account.services.cloudwatch.statistics import SIMPLE, is_statistic

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import (
        DeleteAlarmsInputTypeDef,
        DescribeAlarmHistoryInputTypeDef,
        DescribeAlarmsForMetricInputTypeDef,
        DescribeAlarmsInputTypeDef,
        DimensionFilterTypeDef,
        DisableAlarmActionsInputTypeDef,
        EnableAlarmActionsInputTypeDef,
        GetMetricDataInputTypeDef,
        GetMetricStatisticsInputTypeDef,
        ListMetricsInputTypeDef,
        ListTagsForResourceInputTypeDef,
        MetricAlarmTypeDef,
        PutMetricAlarmInputTypeDef,
        PutMetricDataInputTypeDef,
        SetAlarmStateInputTypeDef,
        TagResourceInputTypeDef,
        TagTypeDef,
        UntagResourceInputTypeDef,
    )

    from local_account.foundation.account import Account
    from local_account.foundation.store import Table

_EVALUATION_SECONDS = 1.0
_HOUSEKEEPING_SECONDS = 600.0
_FINE_PERIODS = (1, 5, 10, 20, 30)
_FINE_ALARM_PERIODS = (10, 20, 30)
_MINUTE = 60
_DATAPOINTS = 1440
_METRICS_PAGE = 500
_ALARMS_PAGE = 50
_RESULTS_PAGE = 100_800
_QUERIES = 500
_METRICS = 1000
_RECENT = 10_800
"""Seconds of RecentlyActive ``PT3H``."""
_NEEDED_BY_ALARM = (
    "Namespace", "MetricName", "Period", "Threshold", "EvaluationPeriods", "ComparisonOperator",
)  # fmt: skip
"""What the model of the API leaves open, since alarms of another kind do without."""
_UNSUPPORTED_ALARM = (
    "Metrics", "EvaluationCriteria", "ThresholdMetricId", "EvaluationInterval", "WarmUpConfiguration",
    "ActionConfiguration",
)  # fmt: skip
"""Refuses in PutMetricAlarm."""
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_QUERY_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_HOUR, _DAY, _WEEK = 3_600, 86_400, 604_800


class CloudWatch(Service):
    """Metrics and metric alarms. Metric math, composite alarms and dashboards are not supported.

    Lacks: `GetMetricWidgetImage`, `PutAnomalyDetector`, `PutCompositeAlarm`, `PutDashboard`,
    `PutInsightRule`, `PutMetricStream`.

    Refuses (PutMetricAlarm, GetMetricData): metric math, anomaly detection, statistics such as trimmed means.

    Refuses (PutMetricAlarm): evaluation windows of the wall clock (`WallClockWindow`).

    Refuses (PutMetricData): metrics of entities (`EntityMetricData`).

    Refuses (DescribeAlarms): `ChildrenOfAlarmName` (of composite alarms).

    Refuses (GetMetricData): labels with dynamic expressions (`${MAX}`); metrics of other accounts, as in
    `ListMetrics`.
    """

    name = "cloudwatch"
    validation_error = "ValidationError"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.metrics = MetricStore(account.store)
        self.alarms = Alarms(account, self.metrics)

    def start(self) -> None:
        """Evaluate alarms from now on."""
        self.alarms.start()
        self.account.tasks.every(_EVALUATION_SECONDS, "alarms", self.alarms.evaluate_all)
        self.account.tasks.every(_HOUSEKEEPING_SECONDS, "metrics", self._forget_old)

    def stop(self) -> None:
        """Notify no more topics."""
        self.alarms.stop()

    # --- metrics

    def put_metric_data(self, params: PutMetricDataInputTypeDef) -> Answer:
        """PutMetricData: a value, values with counts, or a statistic set per datum."""
        if params.get("EntityMetricData"):
            raise _unsupported("EntityMetricData")
        now = self.account.now()
        # All are read before any is written: a request with an error leaves nothing behind.
        data = []
        datum.check_namespace(params["Namespace"])
        if (size := len(params.get("MetricData", []))) > _METRICS:
            raise ServiceError(
                "InvalidParameterValue",
                f"MetricData has {size} metrics: a request can have at most {_METRICS}",
            )
        for number, one in enumerate(params.get("MetricData", []), 1):
            where = f"MetricData.member.{number}"
            datum.check(one, where)
            metric = Metric.of({"Namespace": params["Namespace"], **one})
            second = _second(datum.time_of(one, where, now))
            data.append((metric, one.get("Unit", "None"), second, datum.values_of(one, where)))
        self.metrics.put_all(data)
        return {}

    def get_metric_statistics(self, params: GetMetricStatisticsInputTypeDef) -> Answer:
        """GetMetricStatistics: at most 1,440 datapoints; percentiles as ExtendedStatistics."""
        asked = params.get("Statistics", []), params.get("ExtendedStatistics", [])
        if not any(asked):
            raise ServiceError(
                "InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics"
            )
        if all(asked):
            raise ServiceError(
                "InvalidParameterCombination", "Must specify Statistics or ExtendedStatistics, but not both"
            )
        _check_statistics([*asked[0], *asked[1]])
        if simple := [name for name in asked[1] if name in SIMPLE]:
            raise ServiceError("InvalidParameterValue", f"ExtendedStatistics: {simple[0]} is for Statistics")
        start, end, period = _span(
            moment(params["StartTime"]),
            moment(params["EndTime"]),
            params["Period"],
            "InvalidParameterValue",
        )
        # Counted from the start as given: a whole day in minutes is allowed, whenever it begins.
        if (end - _second(moment(params["StartTime"]))) / period > _DATAPOINTS:
            raise ServiceError(
                "InvalidParameterCombination",
                f"You have requested up to {(end - start) // period} datapoints, which exceeds the limit "
                f"of {_DATAPOINTS}. You may reduce the datapoints requested by increasing Period, or "
                "decreasing the time range.",
            )
        found = self.metrics.periods(Metric.of(params), start, end, period, params.get("Unit"))
        datapoints: list[Params] = []
        for (second, unit), values in found.items():
            point: Params = {name: values.value(name) for name in asked[0]}
            extended = {name: values.value(name) for name in asked[1]}
            if extended := {name: value for name, value in extended.items() if value is not None}:
                point["ExtendedStatistics"] = extended
            datapoints.append({"Timestamp": _time(second), "Unit": unit, **point})
        return {"Label": params["MetricName"], "Datapoints": datapoints}

    def get_metric_data(self, params: GetMetricDataInputTypeDef) -> Answer:
        """GetMetricData for metrics; expressions (metric math, Metrics Insights) are not supported."""
        descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        _check_queries(params["MetricDataQueries"])
        self._check_accounts(query.get("AccountId") for query in params["MetricDataQueries"])
        results = []
        differing = _differing(params["MetricDataQueries"])
        for query in params["MetricDataQueries"]:
            if "MetricStat" not in query:
                raise _unsupported(f"the expression of the query {query['Id']}: query its metrics instead")
            if not query.get("ReturnData", True):
                continue
            asked = query["MetricStat"]
            _check_statistics([asked["Stat"]])
            start, end, period = _span(
                moment(params["StartTime"]), moment(params["EndTime"]), asked["Period"]
            )
            found = self.metrics.periods(Metric.of(asked["Metric"]), start, end, period, asked.get("Unit"))
            units = sorted({unit for _, unit in found})
            chosen = ((second, values) for (second, unit), values in found.items() if unit == units[0])
            points = [(second, values.value(asked["Stat"])) for second, values in chosen]
            points = sorted((point for point in points if point[1] is not None), reverse=descending)
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or _label(asked, differing),
                    "Timestamps": [_time(second) for second, _ in points],
                    "Values": [value for _, value in points],
                    "StatusCode": "Complete",
                    "Messages": _units_message(units) or None,
                }
            )
        return _datapoints_page(results, params)

    def list_metrics(self, params: ListMetricsInputTypeDef) -> Answer:
        """ListMetrics: by namespace, name, dimensions (with or without a value) and recent data."""
        self._check_accounts([params.get("OwningAccount")])
        wanted = params.get("Dimensions", [])
        since = int(time.time()) - _RECENT if "RecentlyActive" in params else None
        found = [
            metric.as_api()
            for metric in self.metrics.metrics(params.get("Namespace"), params.get("MetricName"))
            if all(_has_dimension(metric, one) for one in wanted)
            and (since is None or self.metrics.has_data_since(metric, since))
        ]
        shown, token = page(found, params.get("NextToken"), _METRICS_PAGE, "InvalidParameterValue")
        return {"Metrics": shown, "NextToken": token}

    # --- alarms

    def put_metric_alarm(self, params: PutMetricAlarmInputTypeDef) -> Answer:
        """PutMetricAlarm: a new alarm has insufficient data, an existing one keeps its state."""
        _check_alarm(params)
        tags = limited(_tags(params.get("Tags", [])), "InvalidParameterValue")
        name = params["AlarmName"]
        now = self.account.now()
        fresh = {
            "StateValue": evaluation.INSUFFICIENT_DATA,
            "StateReason": "Unchecked: Initial alarm creation",
            "StateUpdatedTimestamp": now,
            "StateTransitionedTimestamp": now,
        }
        with self.alarms.table.lock:
            known = self.alarms.table.get(name)
            state = {key: value for key, value in (known or fresh).items() if key.startswith("State")}
            members = {
                "ActionsEnabled": True,
                "OKActions": [],
                "AlarmActions": [],
                "InsufficientDataActions": [],
                "Dimensions": [],
                **{key: value for key, value in params.items() if key != "Tags"},
                **{key: value for key, value in state.items() if value is not None},
                "AlarmArn": self.account.arn("cloudwatch", f"alarm:{name}"),
                "AlarmConfigurationUpdatedTimestamp": now,
            }
            document = cast("Alarm", members)
            self.alarms.table.put(name, document)
            if not known and tags:  # an existing alarm is tagged by TagResource
                self._tags.put(document["AlarmArn"], tags)
        done = "updated" if known else "created"
        self.alarms.record(name, "ConfigurationUpdate", f'Alarm "{name}" {done}', {"type": done.title()})
        return {}

    def describe_alarms(self, params: DescribeAlarmsInputTypeDef) -> Answer:
        """DescribeAlarms: by name or prefix, state, and prefix of an action."""
        names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix", "")
        if names and prefix:
            raise ServiceError("ValidationError", "AlarmNames and AlarmNamePrefix cannot be combined")
        if _asks_for_relatives(params):  # there are no composite alarms, so no alarm has a parent
            return {"MetricAlarms": [], "CompositeAlarms": []}
        if "MetricAlarm" not in params.get("AlarmTypes", ["MetricAlarm"]):
            return {"MetricAlarms": [], "CompositeAlarms": []}
        action = params.get("ActionPrefix", "")
        found = [
            _public(alarm)
            for _, alarm in sorted(self._alarms(names) if names else self.alarms.table.items(prefix))
            if params.get("StateValue") in (None, alarm["StateValue"])
            and (not action or any(one.startswith(action) for one in _actions(alarm)))
        ]
        size = params.get("MaxRecords", 100 if names else _ALARMS_PAGE)
        shown, token = page(found, params.get("NextToken"), size, "InvalidNextToken")
        return {"MetricAlarms": shown, "CompositeAlarms": [], "NextToken": token}

    def describe_alarms_for_metric(self, params: DescribeAlarmsForMetricInputTypeDef) -> Answer:
        """DescribeAlarmsForMetric."""
        wanted: Mapping[str, Any] = params
        optional = ("Statistic", "ExtendedStatistic", "Period", "Unit")
        return {
            "MetricAlarms": [
                _public(alarm)
                for alarm in self.alarms.table.values()
                if Metric.of(alarm) == Metric.of(params)
                and all(alarm.get(key) == wanted[key] for key in optional if key in wanted)
            ]
        }

    def describe_alarm_history(self, params: DescribeAlarmHistoryInputTypeDef) -> Answer:
        """DescribeAlarmHistory: the last thirty days, newest first unless ScanBy says otherwise."""
        history, name = self.alarms.history, params.get("AlarmName")
        listed = history.where("AlarmName", name) if name else history.values()
        found = [item for item in listed if _in_history(item, params)]
        if params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            found.reverse()
        size = params.get("MaxRecords", 100)
        shown, token = page(found, params.get("NextToken"), size, "InvalidNextToken")
        return {"AlarmHistoryItems": shown, "NextToken": token}

    def delete_alarms(self, params: DeleteAlarmsInputTypeDef) -> Answer:
        """DeleteAlarms: all of them or, if one does not exist, none."""
        with self.alarms.table.lock:
            found = [self._alarm(name) for name in params["AlarmNames"]]
            for alarm in found:
                self.alarms.table.delete(alarm["AlarmName"])
                self._tags.delete(alarm["AlarmArn"])
        for alarm in found:
            name = alarm["AlarmName"]
            self.alarms.record(name, "ConfigurationUpdate", f'Alarm "{name}" deleted', {"type": "Delete"})
        return {}

    def set_alarm_state(self, params: SetAlarmStateInputTypeDef) -> Answer:
        """SetAlarmState: until the next evaluation, a few seconds later."""
        alarm = self._alarm(params["AlarmName"])
        data = params.get("StateReasonData")
        try:
            json.loads(data or "{}")
        except ValueError as error:
            raise ServiceError("InvalidFormat", f"StateReasonData is not valid JSON: {error}") from error
        self.alarms.set_state(
            alarm["AlarmName"],
            params["StateValue"],
            params["StateReason"],
            data,
            held_until=time.time() + BY_HAND,
        )
        return {}

    def enable_alarm_actions(self, params: EnableAlarmActionsInputTypeDef) -> Answer:
        """EnableAlarmActions."""
        return self._enable_actions(params["AlarmNames"], enabled=True)

    def disable_alarm_actions(self, params: DisableAlarmActionsInputTypeDef) -> Answer:
        """DisableAlarmActions."""
        return self._enable_actions(params["AlarmNames"], enabled=False)

    # --- tags

    def tag_resource(self, params: TagResourceInputTypeDef) -> Answer:
        """TagResource: of an alarm."""
        arn = self._tagged(params)
        self._tags.put(
            arn, limited((self._tags.get(arn) or {}) | _tags(params["Tags"]), "InvalidParameterValue")
        )
        return {}

    def untag_resource(self, params: UntagResourceInputTypeDef) -> Answer:
        """UntagResource."""
        arn = self._tagged(params)
        kept = {k: v for k, v in (self._tags.get(arn) or {}).items() if k not in params["TagKeys"]}
        self._tags.put(arn, kept)
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceInputTypeDef) -> Answer:
        """ListTagsForResource: none of an alarm that has gone."""
        tags = self._tags.get(params["ResourceARN"]) or {}
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    # --- shared

    @property
    def _tags(self) -> Table[dict[str, str]]:
        return self.account.store.table("cloudwatch.tags", dict[str, str])

    def _alarms(self, names: Iterable[str]) -> list[tuple[str, Alarm]]:
        found = {name: self.alarms.table.get(name) for name in names}
        return [(name, alarm) for name, alarm in found.items() if alarm]

    def _alarm(self, name: str) -> Alarm:
        alarm = self.alarms.table.get(name)
        if alarm is None:
            raise ServiceError("ResourceNotFound", f"The alarm {name} does not exist", status=404)
        return alarm

    def _tagged(self, params: Mapping[str, Any]) -> str:
        arn: str = params["ResourceARN"]
        name = arn.partition(":alarm:")[2]
        if self.alarms.table.get(name) is None:
            raise ServiceError("ResourceNotFoundException", f"{arn} does not exist", status=404)
        return arn

    def _check_accounts(self, accounts: Iterable[str | None]) -> None:
        for account in accounts:
            if account not in (None, self.account.config.account_id):
                raise _unsupported(f"the account {account} (metrics of other accounts)")

    def _enable_actions(self, names: Sequence[str], *, enabled: bool) -> Params:
        for name in names:
            if self.alarms.table.get(name):
                with self.alarms.table.update(name) as alarm:
                    alarm["ActionsEnabled"] = enabled
        return {}

    def _forget_old(self) -> None:
        self.metrics.compact(int(time.time()))
        self.alarms.forget_old_history()


def _differing(queries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what is part of the default labels of a request: in what its queries differ."""
    asked = [query["MetricStat"] for query in queries if "MetricStat" in query]
    return [name for name in ("Stat", "Period") if len({one[name] for one in asked}) > 1]


def _label(asked: Mapping[str, Any], differing: Iterable[str]) -> str:
    return " ".join([asked["Metric"]["MetricName"], *(str(asked[name]) for name in differing)])


def _units_message(units: Sequence[str]) -> list[Params]:
    """Say that a metric has data in several units: only those in one of them are answered."""
    if len(units) < 2:
        return []
    return [{"Code": "MultipleUnits", "Value": f"Multiple units returned: '[{', '.join(units)}]'"}]


def _datapoints_page(results: list[Params], params: GetMetricDataInputTypeDef) -> Params:
    """Return a page of at most MaxDatapoints values, from where NextToken says; a result can be in two."""
    token, left = params.get("NextToken", "0"), params.get("MaxDatapoints", _RESULTS_PAGE)
    if left < 1:  # no page would be the last
        raise ServiceError(
            "InvalidParameterValue", f"The parameter MaxDatapoints must be 1 or more, not {left}"
        )
    if not token.isdigit():
        raise ServiceError("InvalidNextToken", f"The token {token} is not valid")
    begin, shown, passed = int(token), [], 0
    for result in results:
        values = result["Values"]
        first = min(max(begin - passed, 0), len(values))
        last = min(first + left, len(values))
        passed += len(values)
        if first == len(values) and values:
            continue  # on an earlier page
        left -= last - first
        rest = {"Timestamps": result["Timestamps"][first:last], "Values": values[first:last]}
        shown.append({**result, **rest, **({"StatusCode": "PartialData"} if last < len(values) else {})})
        if last < len(values) or (not left and result is not results[-1]):
            begin = passed - len(values) + last
            return {"MetricDataResults": shown, "Messages": [], "NextToken": str(begin)}
    return {"MetricDataResults": shown, "Messages": []}


def _check_statistics(names: list[str]) -> None:
    for name in names:
        if not is_statistic(name):
            raise ServiceError(
                "InvalidParameterValue", f"The statistic {name} is not supported by the local account"
            )


def _check_period(period: int, fine: Sequence[int] = _FINE_PERIODS) -> None:
    if period not in fine and (period < _MINUTE or period % _MINUTE):
        raise ServiceError(
            "InvalidParameterValue",
            f"The parameter Period must be {', '.join(map(str, fine))} or a multiple of 60, not {period}",
        )


def _span(start: datetime, end: datetime, period: int, code: str = "ValidationError") -> tuple[int, int, int]:
    """Return start, end and period in seconds; the start is rounded down to a minute (or a short period).

    Raises ServiceError, with ``code`` if the end is not after the start.
    """
    _check_period(period)
    if start >= end:
        raise ServiceError(code, "The parameter StartTime must be less than the parameter EndTime.")
    first = _second(start)
    return first - first % min(period, _MINUTE), _second(end), period


def _check_queries(queries: Sequence[Mapping[str, Any]]) -> None:
    if len(queries) > _QUERIES:
        raise ServiceError(
            "ValidationError",
            f"MetricDataQueries has {len(queries)} queries: a request can have at most {_QUERIES}",
        )
    ids = [query["Id"] for query in queries]
    for number, query in enumerate(queries, 1):
        if ("MetricStat" in query) == ("Expression" in query):
            raise ServiceError(
                "ValidationError",
                f"MetricDataQueries.member.{number} must have either Expression or MetricStat, but not both",
            )
        if "${" in query.get("Label", ""):
            raise _unsupported(f"the dynamic label {query['Label']} of the query {query['Id']}")
    for number, name in enumerate(ids, 1):
        if not _QUERY_ID.fullmatch(name):
            raise ServiceError(
                "ValidationError",
                f"The value for parameter MetricDataQueries.member.{number}.Id is not matching the expected "
                f"pattern ^{_QUERY_ID.pattern}$.",
            )
    if len(set(ids)) < len(ids):
        raise ServiceError(
            "ValidationError", "The values for parameter id in MetricDataQueries are not unique."
        )


def _check_span(period: int, periods: int) -> None:
    """Raise ServiceError if an alarm would look back too far."""
    span, longest, which = (
        ("day", _DAY, f"period < {_HOUR}") if period < _HOUR else ("week", _WEEK, f"period >= {_HOUR}")
    )
    if period * periods > longest:
        raise ServiceError(
            "ValidationError",
            f"Metrics cannot be checked across more than a {span} (EvaluationPeriods * Period must be <= "
            f"{longest}) for alarms using {which}",
        )


def _check_features(params: Mapping[str, Any]) -> None:
    """Raise ServiceError for an alarm that the local account cannot evaluate."""
    for member in _UNSUPPORTED_ALARM:
        if params.get(member):
            raise _unsupported(f"PutMetricAlarm with {member}")
    if "WallClockWindow" in params.get("EvaluationWindow", {}):
        raise _unsupported("PutMetricAlarm with a WallClockWindow (use a SlidingWindow)")
    if (comparison := params.get("ComparisonOperator")) not in (None, *evaluation.COMPARISONS):
        raise _unsupported(str(comparison))


def _check_alarm(params: Mapping[str, Any]) -> None:
    _check_features(params)
    if any(unicodedata.category(one) == "Cc" and one.isascii() for one in params["AlarmName"]):
        raise ServiceError("ValidationError", "AlarmName must not contain ASCII control characters")
    datum.check_dimensions(params.get("Dimensions", []))
    needed = [key for key in _NEEDED_BY_ALARM if key not in params]
    if ("Statistic" in params) == ("ExtendedStatistic" in params):
        needed.append("one of Statistic and ExtendedStatistic")
    if needed:
        raise ServiceError("ValidationError", f"The alarm {params['AlarmName']} needs {', '.join(needed)}")
    if not math.isfinite(params["Threshold"]):
        raise ServiceError("ValidationError", f"Threshold must be a number, not {params['Threshold']}")
    _check_period(params["Period"], _FINE_ALARM_PERIODS)
    _check_span(params["Period"], params["EvaluationPeriods"])
    _check_statistics([params.get("Statistic") or params["ExtendedStatistic"]])
    if params.get("ExtendedStatistic") in SIMPLE:
        raise ServiceError(
            "ValidationError", f"ExtendedStatistic {params['ExtendedStatistic']} belongs in Statistic"
        )
    for action in (one for kind in _ACTIONS for one in params.get(kind, [])):
        if not action.startswith("arn:"):
            raise ServiceError("ValidationError", f"Invalid arn syntax: {action}")
    low = params.get("EvaluateLowSampleCountPercentile", "evaluate")
    if low not in ("evaluate", "ignore"):
        raise ServiceError(
            "ValidationError", f"EvaluateLowSampleCountPercentile must be evaluate or ignore, not {low}"
        )
    if params.get("TreatMissingData", "missing") not in _TREATMENTS:
        raise ServiceError(
            "ValidationError",
            f"TreatMissingData must be one of {', '.join(_TREATMENTS)}, not {params['TreatMissingData']}",
        )
    if params.get("DatapointsToAlarm", 1) > params["EvaluationPeriods"]:
        raise ServiceError(
            "ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods"
        )


def _asks_for_relatives(params: DescribeAlarmsInputTypeDef) -> bool:
    """Return whether DescribeAlarms asks for the parents of an alarm; raise ServiceError for children."""
    asked = [name for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if name in params]
    others = sorted(params.keys() - {"MaxRecords", "NextToken", *asked[:1]})
    if asked and others:
        raise ServiceError("ValidationError", f"{asked[0]} cannot be combined with {', '.join(others)}")
    if "ChildrenOfAlarmName" in asked:
        raise _unsupported("ChildrenOfAlarmName (composite alarms)")
    return bool(asked)


def _has_dimension(metric: Metric, wanted: DimensionFilterTypeDef) -> bool:
    return any(
        name == wanted["Name"] and wanted.get("Value") in (None, value) for name, value in metric.dimensions
    )


def _in_history(item: HistoryItem, params: Mapping[str, Any]) -> bool:
    return (
        params.get("AlarmName") in (None, item["AlarmName"])
        and params.get("HistoryItemType") in (None, item["HistoryItemType"])
        and params.get("StartDate", item["Timestamp"]) <= item["Timestamp"]
        and item["Timestamp"] <= params.get("EndDate", item["Timestamp"])
    )


def _public(alarm: Alarm) -> MetricAlarmTypeDef:
    shown = {key: value for key, value in alarm.items() if key[0].isupper() and value is not None}
    return cast("MetricAlarmTypeDef", shown)


def _actions(alarm: Alarm) -> list[str]:
    return [*alarm["AlarmActions"], *alarm["OKActions"], *alarm["InsufficientDataActions"]]


def _tags(tags: Sequence[TagTypeDef]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _second(time: datetime) -> int:
    return int(time.timestamp())


def _time(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _unsupported(what: str) -> ServiceError:
    return ServiceError("UnsupportedOperation", f"cloudwatch: {what} is not supported by the local account")
