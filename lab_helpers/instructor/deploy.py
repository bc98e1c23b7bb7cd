"""Deploy one lab: upload the package, deploy the top stack, wait for the notebook instance.

The calls are the same on AWS and in the local account. API names in docstrings are boto3's.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from lab_helpers import keys
from lab_helpers.clients import Clients
from lab_helpers.console import Console
from lab_helpers.instructor.fleet.progress import Provision, ProvisionReports
from lab_helpers.names import Names
from lab_helpers.stacks import (
    READY_SECONDS,
    STARTS_OVER,
    DeployError,
    Events,
    Pause,
    StackEvent,
    Watcher,
    failure,
    find_stack,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_sagemaker import SageMakerClient

_NESTED = re.compile(r"^(?P<key> +TemplateURL: )(?P<name>[A-Za-z0-9-]+)\.yml\b", re.MULTILINE)
"""A reference to a nested template in the same folder."""
DIGEST = "sha256"


@dataclass(frozen=True)
class Uploaded:
    """Where the package is, and whether it differs from the previous one."""

    package_uri: str
    template_url: str
    changed: bool


def upload(
    clients: Clients, names: Names, region: str, account: str, *, content: bytes, template: Path
) -> Uploaded:
    """Upload package and template to the lab's private assets bucket, which is created if missing.

    Templates that `template` nests, files in the same folder, are uploaded, too.
    """
    s3 = clients("s3")
    bucket = names.assets_bucket(region, account)
    _ensure_bucket(s3, bucket, region)
    digest = hashlib.sha256(content).hexdigest()
    try:
        before = s3.head_object(Bucket=bucket, Key=keys.PACKAGE)["Metadata"].get(DIGEST)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
            raise
        before = None
    if before != digest:
        s3.put_object(Bucket=bucket, Key=keys.PACKAGE, Body=content, Metadata={DIGEST: digest})
    address = f"https://{bucket}.s3.{region}.amazonaws.com"

    def nested(match: re.Match[str]) -> str:
        """Upload a nested template under its digest: CloudFormation notices a change by the new URL."""
        body = template.with_name(f"{match['name']}.yml").read_bytes()
        key = f"package/{match['name']}-{hashlib.sha256(body).hexdigest()[:16]}.yml"
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"{match['key']}{address}/{key}"

    body = _NESTED.sub(nested, template.read_text(encoding="utf-8"))
    s3.put_object(Bucket=bucket, Key=keys.TEMPLATE, Body=body.encode())
    package_uri = f"s3://{bucket}/{keys.PACKAGE}"
    return Uploaded(package_uri, f"{address}/{keys.TEMPLATE}", before not in {None, digest})


def _ensure_bucket(s3: S3Client, bucket: str, region: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "403":
            raise DeployError(
                f"the bucket {bucket} exists, but these credentials are not allowed to use it: allow "
                "s3:ListBucket on it, or choose another lab id if it belongs to another account"
            ) from error
        # us-east-1 is the one region that CreateBucket does not accept as a LocationConstraint.
        if region == "us-east-1":
            s3.create_bucket(Bucket=bucket)
        else:
            where = cast("BucketLocationConstraintType", region)
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": where})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def launch_link(console: Console, names: Names, uploaded: Uploaded) -> str:
    """Return the console URL that opens "Create stack" with everything filled in."""
    parameters = {"NamePrefix": names.prefix, "PackageUri": uploaded.package_uri}
    return console.new_stack(names.top_stack, uploaded.template_url, parameters)


def start_instance(
    sagemaker: SageMakerClient,
    name: str,
    restart: bool,
    report: Callable[[str], None],
    starting: Callable[[], None] = lambda: None,
) -> None:
    """Bring the notebook instance to InService; `restart` stops it first, so that it is provisioned again.

    An instance that has failed earlier is started once more. `starting` is called before each start.
    Raises DeployError with the FailureReason if the instance fails (SageMaker DescribeNotebookInstance).
    """
    pause, deadline, last, started = Pause(), time.monotonic() + READY_SECONDS, "", False
    while time.monotonic() < deadline:
        instance = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
        status = instance["NotebookInstanceStatus"]
        if status != last:
            report(f"notebook instance {name}: {status}")
        if status == "InService" and restart:
            sagemaker.stop_notebook_instance(NotebookInstanceName=name)
            restart = False
        elif status == "InService":
            return
        elif status == "Stopped" or (status == "Failed" and not started):
            starting()
            sagemaker.start_notebook_instance(NotebookInstanceName=name)
            restart, started = False, True
        elif status == "Failed":
            raise DeployError(
                f"notebook instance {name} failed: {instance.get('FailureReason', 'no reason given')}"
            )
        pause(status != last)
        last = status
    raise DeployError(
        f"notebook instance {name} is still {last} after {READY_SECONDS} s: run the same command again"
    )


def why_again(clients: Clients, names: Names, told: Provision | None) -> str:
    """Return why an instance with this report has to be provisioned again; empty if it need not be."""
    if told is None:
        return ""
    if told.failure:
        return f"provisioning failed earlier ({told.failure})"
    if told.status != "ready":
        return ""
    found = {name: find_stack(clients("cloudformation"), name) for name in _nested(names)}
    missing = [name for name, stack in found.items() if stack is None or stack["StackStatus"] in STARTS_OVER]
    return f"{', '.join(missing)} is missing or failed" if missing else ""


def _nested(names: Names) -> tuple[str, ...]:
    return (names.base_stack, names.model_stack, names.train_stack)


def wait_until_provisioned(
    cloudformation: CloudFormationClient, names: Names, reports: ProvisionReports, watch: Watcher
) -> None:
    """Wait until the instance reports that it is provisioned, and show the events of the nested stacks.

    Raises DeployError if provisioning or a nested stack fails, or after READY_SECONDS.
    """
    nested = _nested(names)
    events, pause, deadline = Events(cloudformation, watch), Pause(), time.monotonic() + READY_SECONDS
    failures: dict[str, list[StackEvent]] = {name: [] for name in nested}
    for name in nested:
        stack = find_stack(cloudformation, name)
        if stack and not stack["StackStatus"].endswith("_IN_PROGRESS"):
            events.skip(name)  # what happened earlier is not the outcome
    while time.monotonic() < deadline:
        news = False
        for name in nested:
            new = events.show(name)
            news = news or bool(new)
            failures[name] += [event for event in new if event.failed]
            stack = find_stack(cloudformation, name) if failures[name] else None
            # The instance reports when its other parts have ended, too, which takes minutes.
            if stack and stack["StackStatus"].endswith(("FAILED", "ROLLBACK_COMPLETE")):
                raise DeployError(f"{failure(name, stack, failures[name])}\n{_NEXT}")
        told = reports.newest()
        if told and told.status == "ready":
            return
        if told and told.failure:
            raise DeployError(f"provisioning failed: {told.failure}\n{_NEXT}")
        pause(news)
    raise DeployError(
        f"the notebook instance {names.notebook_instance} is not provisioned after {READY_SECONDS} s. {_NEXT}"
    )


_NEXT = (
    "The same command provisions it again. What happened is in the log on the notebook instance, "
    "~/SageMaker/.workshop/provision.log"
)
