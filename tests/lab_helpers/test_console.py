"""A link leads to the console of the endpoint that a client calls: AWS's, or the endpoint itself."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from lab_helpers import console
from tests.cfn.templates import TEMPLATES
from tests.sessions import make_client

REGION = "eu-west-1"
AWS = console.Console("https://eu-west-1.console.aws.amazon.com", REGION)


@pytest.mark.parametrize("template", ["m", "train-model-pipeline"])
def test_the_templates_know_the_same_consoles(template: str) -> None:
    mapped = TEMPLATES[template]["Mappings"]["Console"]
    assert {partition: entry["Domain"] for partition, entry in mapped.items()} == console.DOMAINS


def partition_data() -> list[dict[str, Any]]:
    loader = botocore.session.get_session().get_component("data_loader")
    return list(loader.load_data("partitions")["partitions"])


@pytest.mark.parametrize(
    ("region", "base"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_each_partition_has_its_own_console(region: str, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # other tests of this process may have set it
    client = make_client("sagemaker", region_name=region)
    assert console.of(client) == console.Console(base, region)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://vpce-0123-abcd.api.sagemaker.eu-west-1.vpce.amazonaws.com",
        "https://codepipeline.eu-west-1.api.aws",
    ],
)
def test_private_and_dual_stack_endpoints_of_aws_have_the_same_console(endpoint: str) -> None:
    assert console.of(make_client("codepipeline", endpoint_url=endpoint, region_name=REGION)) == AWS


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:5000", "http://localhost:4566", "http://[::1]:81", "https://amazonaws.com.example"],
)
def test_any_other_endpoint_is_its_own_console(endpoint: str) -> None:
    found = console.of(make_client("sagemaker", endpoint_url=endpoint, region_name=REGION))
    assert found == console.Console(endpoint, REGION)
    assert found.endpoint("iris").startswith(f"{endpoint}/sagemaker/home?region=eu-west-1#")


def test_the_endpoints_of_aws_end_as_botocore_says() -> None:
    known = [each["outputs"] for each in partition_data() if each["id"] in console.DOMAINS]
    assert len(known) == len(console.DOMAINS)
    assert {f".{one[kind]}" for one in known for kind in ("dnsSuffix", "dualStackDnsSuffix")} == set(
        console.SUFFIXES
    )


@pytest.mark.parametrize(
    ("link", "path"),
    [
        (AWS.pipeline("p"), "codesuite/codepipeline/pipelines/p/view?region=eu-west-1"),
        (
            AWS.pipeline_execution("p", "1-2"),
            "codesuite/codepipeline/pipelines/p/executions/1-2/visualization?region=eu-west-1",
        ),
        (AWS.build_project("b"), "codesuite/codebuild/projects/b/history?region=eu-west-1"),
        (AWS.build("b:1"), "codesuite/codebuild/projects/b/build/b%3A1/phase?region=eu-west-1"),
        (AWS.build_log("b:1"), "codesuite/codebuild/projects/b/build/b%3A1/log?region=eu-west-1"),
        (AWS.repository("r"), "codesuite/codecommit/repositories/r/browse?region=eu-west-1"),
        (
            AWS.repository("r", "team/x"),
            "codesuite/codecommit/repositories/r/browse/refs/heads/team/x?region=eu-west-1",
        ),
        (AWS.commit("r", "0a"), "codesuite/codecommit/repositories/r/commit/0a?region=eu-west-1"),
        (
            AWS.image_repository("123456789012", "lab/iris"),
            "ecr/repositories/private/123456789012/lab/iris?region=eu-west-1",
        ),
        (AWS.training_job("j"), "sagemaker/home?region=eu-west-1#/jobs/j"),
        (AWS.tuning_job("t"), "sagemaker/home?region=eu-west-1#/hyper-tuning-jobs/t"),
        (AWS.transform_job("b"), "sagemaker/home?region=eu-west-1#/transform-jobs/b"),
        (AWS.endpoint("e"), "sagemaker/home?region=eu-west-1#/endpoints/e"),
        (AWS.notebook_instance("n"), "sagemaker/home?region=eu-west-1#/notebook-instances/n"),
        (AWS.notebook_instances(), "sagemaker/home?region=eu-west-1#/notebook-instances"),
        (
            AWS.stack("arn:aws:cloudformation:eu-west-1:123456789012:stack/s/1"),
            "cloudformation/home?region=eu-west-1#/stacks/stackinfo?stackId="
            "arn%3Aaws%3Acloudformation%3Aeu-west-1%3A123456789012%3Astack%2Fs%2F1",
        ),
        (AWS.stacks(), "cloudformation/home?region=eu-west-1#/stacks"),
        (AWS.bucket("b"), "s3/buckets/b?region=eu-west-1"),
        (AWS.bucket("b", "a b/"), "s3/buckets/b?region=eu-west-1&prefix=a+b%2F"),
        (AWS.object("b", "a/b&c.txt"), "s3/object/b?region=eu-west-1&prefix=a%2Fb%26c.txt"),
        (AWS.function("f"), "lambda/home?region=eu-west-1#/functions/f"),
        (
            AWS.log_group("/aws/lambda/f"),
            "cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Ff",
        ),
        (
            AWS.log_stream("/aws/lambda/f", "2026/11/30/[$LATEST]0a"),
            "cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Ff"
            "/log-events/2026$252F11$252F30$252F$255B$2524LATEST$255D0a",
        ),
        (AWS.rules(), "events/home?region=eu-west-1#/rules"),
        (AWS.rule("r.1"), "events/home?region=eu-west-1#/eventbus/default/rules/r.1"),
        (AWS.role("mlops-monitor"), "iam/home?region=eu-west-1#/roles/details/mlops-monitor"),
        (
            AWS.policy("arn:aws:iam::123456789012:policy/p"),
            "iam/home?region=eu-west-1#/policies/details/arn%3Aaws%3Aiam%3A%3A123456789012%3Apolicy%2Fp",
        ),
        (AWS.alarm("a b"), "cloudwatch/home?region=eu-west-1#alarmsV2:alarm/a%20b"),
        (
            AWS.service_quotas("sagemaker"),
            "servicequotas/home/services/sagemaker/quotas?region=eu-west-1",
        ),
    ],
)
def test_a_link_is_the_address_that_the_console_of_aws_has(link: str, path: str) -> None:
    assert link == f"{AWS.base}/{path}"
