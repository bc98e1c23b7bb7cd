"""Notebook instances: their state, and what their lifecycle scripts wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links, log_pages
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_SECTION = "Notebook instances"
_LOG_GROUP = "/aws/sagemaker/NotebookInstances"
_CHANGING = ("Pending", "Stopping", "Updating", "Deleting")


def listing(visit: Visit) -> Answer:
    """All notebook instances."""
    client: SageMakerClient = visit.client("sagemaker")
    found = [
        one
        for page in client.get_paginator("list_notebook_instances").paginate(
            PaginationConfig={"PageSize": 100}
        )
        for one in page["NotebookInstances"]
    ]
    live = 2 * any(one.get("NotebookInstanceStatus") in _CHANGING for one in found)
    return Page("notebook_instances.html", _SECTION, _SECTION, {"instances": found}, live=live)


def shown(visit: Visit, name: str) -> Answer:
    """A notebook instance."""
    client: SageMakerClient = visit.client("sagemaker")
    instance = client.describe_notebook_instance(NotebookInstanceName=name)
    logs = log_pages.newest(visit, _LOG_GROUP, f"{name}/", most=3, lines=200)
    values = {"instance": instance, "logs": logs, "group": _LOG_GROUP}
    live = 2 * (instance["NotebookInstanceStatus"] in _CHANGING)
    return Page(
        "notebook_instance.html", name, _SECTION, values, ((_SECTION, links.notebook_instances()),), live=live
    )


PAGES: Mapping[str, Render] = {
    "/sagemaker/notebook-instances": listing,
    "/sagemaker/notebook-instances/<name>": shown,
}
