"""Lambda functions: configuration and log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from local_account.console import links, log_pages, metrics
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_SECTION = "Functions"


def listing(visit: Visit) -> Answer:
    """All functions."""
    found = list(visit.all("lambda", "list_functions", "Functions"))
    return Page("functions.html", _SECTION, _SECTION, {"functions": found}, service="lambda")


def shown(visit: Visit, name: str) -> Answer:
    """A function."""
    client: LambdaClient = visit.client("lambda")
    function = client.get_function_configuration(FunctionName=name)
    group = function.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function['FunctionName']}"
    streams = log_pages.streams(visit, group, limit=5)
    part = log_pages.read(visit, group, streams[0], lines=200) if streams else log_pages.NOTHING
    end = datetime.now(UTC)
    wanted = [
        metrics.Wanted(
            metric.lower(), "AWS/Lambda", metric, {"FunctionName": function["FunctionName"]}, "Sum"
        )
        for metric in ("Invocations", "Errors")
    ]
    values = {
        "function": function,
        "group": group,
        "stream": streams[0] if streams else "",
        "part": part,
        "since": end - timedelta(hours=3),
        "lines": metrics.lines(visit, wanted, end - timedelta(hours=3), end, 60),
    }
    return Page(
        "function.html",
        function["FunctionName"],
        _SECTION,
        values,
        ((_SECTION, links.functions()),),
        live=5,
    )


PAGES: Mapping[str, Render] = {
    "/lambda/home": listing,
    "/lambda/functions": listing,
    "/lambda/functions/<name>": shown,
}
