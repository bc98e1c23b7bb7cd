"""Operations on metric filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.pages import page
from local_account.gateway.service import Answer
from local_account.services.logs.base import LogsBase, invalid, refuse
from local_account.services.logs.groups import group_of
from local_account.services.logs.metric_filters import FilterDocument, Transformation, documents, number
from local_account.services.logs.patterns import Pattern, PatternError, compile_pattern

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import (
        DeleteMetricFilterRequestTypeDef,
        DescribeMetricFiltersRequestTypeDef,
        DescribeSubscriptionFiltersRequestTypeDef,
        PutMetricFilterRequestTypeDef,
        TestMetricFilterRequestTypeDef,
    )

_PAGE = 50
_MOST_FILTERS = 100
_MOST_REGEX_FILTERS = 5
_MOST_DIMENSIONS = 3


class FilterOperations(LogsBase):
    """Metric filters."""

    def put_metric_filter(self, params: PutMetricFilterRequestTypeDef) -> Answer:
        """PutMetricFilter: for events that come from now on."""
        refuse(params, "applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")
        pattern = _compiled(params["filterPattern"])
        transformation = cast("Transformation", params["metricTransformations"][0])
        _check(transformation, pattern)
        document: FilterDocument = {
            "filterName": params["filterName"],
            "filterPattern": params["filterPattern"],
            "metricTransformations": [transformation],
            "creationTime": self.milliseconds(),
            "logGroupName": params["logGroupName"],
            "applyOnTransformedLogs": False,
        }
        with self.database.write() as connection:
            group = group_of(connection, params["logGroupName"])
            others = [
                one for one in documents(connection, group.id) if one["filterName"] != params["filterName"]
            ]
            with_regex = [one for one in others if compile_pattern(one["filterPattern"]).regexes]
            if len(others) >= _MOST_FILTERS or (pattern.regexes and len(with_regex) >= _MOST_REGEX_FILTERS):
                raise ServiceError("LimitExceededException", "Resource limit exceeded.")
            self.metric_filters.put(connection, group.id, document)
        return {}

    def describe_metric_filters(self, params: DescribeMetricFiltersRequestTypeDef) -> Answer:
        """DescribeMetricFilters: by group and prefix, or by metric."""
        name, namespace = params.get("metricName"), params.get("metricNamespace")
        if bool(name) != bool(namespace):
            raise invalid("metricName and metricNamespace must be specified together.")
        group_name = params.get("logGroupName")
        prefix = params.get("filterNamePrefix", "") if group_name else ""
        with self.database.read() as connection:
            if group_name:
                groups = [group_of(connection, group_name).id]
            else:
                rows = connection.execute("SELECT DISTINCT log_group FROM metric_filters")
                groups = [row[0] for row in rows]
            found = [one for group in groups for one in documents(connection, group)]
        chosen = sorted(
            (one for one in found if one["filterName"].startswith(prefix) and _is_for(one, name, namespace)),
            key=lambda one: (one["filterName"], one["logGroupName"]),
        )
        shown, token = page(chosen, params.get("nextToken"), params.get("limit", _PAGE))
        return {"metricFilters": shown, "nextToken": token}

    def delete_metric_filter(self, params: DeleteMetricFilterRequestTypeDef) -> Answer:
        """DeleteMetricFilter."""
        with self.database.write() as connection:
            group = group_of(connection, params["logGroupName"])
            if not self.metric_filters.delete(connection, group.id, params["filterName"]):
                raise ServiceError("ResourceNotFoundException", "The specified metric filter does not exist.")
        return {}

    def test_metric_filter(self, params: TestMetricFilterRequestTypeDef) -> Answer:
        """TestMetricFilter: which messages match, and the fields of space-delimited ones."""
        pattern = _compiled(params["filterPattern"])
        return {
            "matches": [
                {
                    "eventNumber": number,
                    "eventMessage": message,
                    "extractedValues": pattern.extracted(message),
                }
                for number, message in enumerate(params["logEventMessages"], 1)
                if pattern.matches(message)
            ]
        }

    def describe_subscription_filters(self, params: DescribeSubscriptionFiltersRequestTypeDef) -> Answer:
        """DescribeSubscriptionFilters: a group has none, as PutSubscriptionFilter is refused."""
        with self.database.read() as connection:
            group_of(connection, params["logGroupName"])
        return {"subscriptionFilters": []}


def _check(transformation: Transformation, pattern: Pattern) -> None:
    value, dimensions = transformation["metricValue"], transformation.get("dimensions")
    if value.startswith("$"):
        if not pattern.names_values:
            raise invalid("Invalid metric transformation: the filter pattern does not name the metric value")
        if not pattern.has_value(value):
            raise invalid(f"Invalid metric transformation: metric value '{value}' is not a field")
    elif number(value) is None:
        raise invalid(
            f"Invalid metric transformation: metric value '{value}' is neither a number nor a field"
        )
    if not dimensions:
        return
    if not pattern.names_values:
        raise invalid("The specified filter pattern does not support dimensions")
    if transformation.get("defaultValue") is not None:
        raise invalid(
            "Invalid metric transformation: dimensions and default value are mutually exclusive properties."
        )
    if len(dimensions) > _MOST_DIMENSIONS:
        raise invalid(f"Invalid metric transformation: at most {_MOST_DIMENSIONS} dimensions")
    for selector in dimensions.values():
        if not pattern.has_value(selector):
            raise invalid(f"Invalid metric transformation: dimension value '{selector}' is not a field")


def _is_for(document: FilterDocument, name: str | None, namespace: str | None) -> bool:
    return not name or any(
        (one["metricName"], one["metricNamespace"]) == (name, namespace)
        for one in document["metricTransformations"]
    )


def _compiled(text: str) -> Pattern:
    try:
        return compile_pattern(text)
    except PatternError as error:
        raise invalid(str(error) or "Invalid metric filter pattern") from error
