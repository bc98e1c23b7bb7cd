"""Pages of the model registry."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from local_account.console import links
from tests.local_account.console.browser import Browser
from tests.local_account.services.codepipeline.declare import approval, stage
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.waiting import Eventually


def test_a_group_shows_its_versions_who_decided_and_what_was_measured(
    browser: Browser, client: Callable[[str], Any], eventually: Eventually
) -> None:
    sagemaker, name = client("sagemaker"), f"console-{uuid.uuid4().hex[:8]}"
    lab = PipelineLab(client, eventually)
    lab.upload({"a.txt": "a"})
    pipeline = lab.create(lab.source(), stage("Ask", approval("Ask")))
    arn = client("codepipeline").get_pipeline(name=pipeline)["metadata"]["pipelineArn"]
    client("s3").create_bucket(Bucket=name)
    report = json.dumps({"accuracy": 0.97, "per_class": {"setosa": {"recall": 1}}, "ok": True})
    client("s3").put_object(Bucket=name, Key="report.json", Body=report)
    uri = f"s3://{name}/report.json"
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="iris")
    for _ in range(2):
        version = sagemaker.create_model_package(
            ModelPackageGroupName=name,
            SourceUri=uri,
            ModelMetrics={"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": uri}}},
            MetadataProperties={"GeneratedBy": f"{arn}/execution", "CommitId": "abc123"},
            CustomerMetadataProperties={"zip": "v7"},
            ModelCard={
                "ModelCardContent": json.dumps({"intended_uses": {"purpose_of_model": "<b>iris</b>"}}),
                "ModelCardStatus": "Draft",
            },
        )["ModelPackageArn"]
    sagemaker.update_model_package(
        ModelPackageArn=version, ModelApprovalStatus="Rejected", ApprovalDescription="too slow"
    )

    assert browser.open(links.model_package_groups()).links[name] == links.model_package_group(name)
    shown = browser.open(links.model_package_group(name))
    for words in ("✗ Rejected", "▶ PendingManualApproval", "too slow", "root", "zip: v7"):
        assert words in shown.text
    assert shown.links["2"] == links.model_package(name, 2)
    shown = browser.open(links.model_package(name, 2))
    for words in ("per_class.setosa.recall", "0.97", "abc123", "<b>iris</b>"):
        assert words in shown.text
    assert "<b>iris</b>" not in shown.answer.text
    assert browser.open(links.pipeline(pipeline)).links[name] == links.model_package_group(name)
