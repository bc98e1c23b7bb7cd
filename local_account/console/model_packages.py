"""The model registry: groups, their versions, and what is known about each version."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.console import links
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef, UserContextTypeDef

_SECTION = "Training jobs"
_TITLE = "Model registry"
_SHOWN = 50
_LARGEST = 100_000
"""Of a report with metrics, what is read of it in bytes."""


def listing(visit: Visit) -> Answer:
    """The model package groups, and the newest version of each."""
    client: SageMakerClient = visit.client("sagemaker")
    groups = client.list_model_package_groups(SortBy="Name", MaxResults=100)["ModelPackageGroupSummaryList"]
    rows = [(group, _newest(visit, group["ModelPackageGroupName"])) for group in groups]
    return Page("model_package_groups.html", _TITLE, _SECTION, {"rows": rows}, _crumbs())


def group(visit: Visit, name: str) -> Answer:
    """The versions of a group, the newest first."""
    client: SageMakerClient = visit.client("sagemaker")
    described = client.describe_model_package_group(ModelPackageGroupName=name)
    found = client.list_model_packages(ModelPackageGroupName=name, SortOrder="Descending", MaxResults=_SHOWN)[
        "ModelPackageSummaryList"
    ]
    versions = [client.describe_model_package(ModelPackageName=one["ModelPackageArn"]) for one in found]
    values = {"group": described, "versions": versions, "by": _who}
    crumbs = (*_crumbs(), (_TITLE, links.model_package_groups()))
    return Page("model_package_group.html", name, _SECTION, values, crumbs, live=5)


def version(visit: Visit, name: str, number: str) -> Answer:
    """One version: what it is made of, what was measured, and who decided."""
    client: SageMakerClient = visit.client("sagemaker")
    package = client.describe_model_package(ModelPackageName=f"{name}/{number}")
    card = package.get("ModelCard", {}).get("ModelCardContent", "")
    values = {
        "package": package,
        "containers": package.get("InferenceSpecification", {}).get("Containers", []),
        "metrics": dict(_metrics(visit, package)),
        "sources": dict(_sources(package)),
        "card": json.dumps(json.loads(card), indent=2) if card else "",
        "by": _who,
    }
    crumbs = (
        *_crumbs(),
        (_TITLE, links.model_package_groups()),
        (name, links.model_package_group(name)),
    )
    return Page("model_package.html", f"{name}, version {number}", _SECTION, values, crumbs)


def of_pipeline(visit: Visit, pipeline: str) -> list[str]:
    """Return the groups whose newest version says that it comes from a pipeline.

    CodePipeline does not know what is registered; a version names its pipeline in `GeneratedBy` or in a
    property of its own.
    """
    named = re.compile(rf"(?:^|[:/]){re.escape(pipeline)}(?:$|[:/])")
    groups = visit.operation("sagemaker", "list_model_package_groups", {"MaxResults": 100})
    found = []
    for one in groups["ModelPackageGroupSummaryList"]:
        name = one["ModelPackageGroupName"]
        if (newest := _newest(visit, name)) is None:
            continue
        package = visit.operation(
            "sagemaker", "describe_model_package", {"ModelPackageName": newest["ModelPackageArn"]}
        )
        said = [
            package.get("MetadataProperties", {}).get("GeneratedBy", ""),
            *package.get("CustomerMetadataProperties", {}).values(),
        ]
        if any(named.search(text) for text in said):
            found.append(name)
    return found


def _newest(visit: Visit, group_name: str) -> Mapping[str, Any] | None:
    wanted = {"ModelPackageGroupName": group_name, "SortOrder": "Descending", "MaxResults": 1}
    found = visit.operation("sagemaker", "list_model_packages", wanted)["ModelPackageSummaryList"]
    return found[0] if found else None


def _sources(package: DescribeModelPackageOutputTypeDef) -> Iterator[tuple[str, str]]:
    """Yield what of ModelMetrics and DriftCheckBaselines is where, by its path."""
    parts: Mapping[str, Any] = package
    for part in ("ModelMetrics", "DriftCheckBaselines"):
        for kind, sources in parts.get(part, {}).items():
            for name, source in sources.items():
                yield f"{part}: {kind} {name}", source["S3Uri"]


def _metrics(visit: Visit, package: DescribeModelPackageOutputTypeDef) -> Iterator[tuple[str, float]]:
    """Yield the numbers in the report on the model's quality; none if it cannot be read as JSON."""
    uri = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {}).get("S3Uri", "")
    if not uri.startswith("s3://"):
        return
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client: S3Client = visit.client("s3")
    with contextlib.suppress(ClientError, ValueError):
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read(_LARGEST)
        yield from _numbers(json.loads(body))


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield path, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _numbers(member, f"{path}.{name}" if path else str(name))


def _who(context: UserContextTypeDef | None) -> str:
    """Return who did something: the session or user of an identity's ARN."""
    arn = (context or {}).get("IamIdentity", {}).get("Arn", "")
    return arn.split(":", 5)[5] if arn.count(":") >= 5 else arn


def _crumbs() -> tuple[tuple[str, str], ...]:
    return ((_SECTION, links.training_jobs()),)


PAGES: Mapping[str, Render] = {
    "/sagemaker/model-package-groups": listing,
    "/sagemaker/model-package-groups/<name>": group,
    "/sagemaker/model-package-groups/<name>/<number>": version,
}
