"""One lab in an account: the package to S3, the top stack, the notebook instance ready to open.

The same calls on AWS and against the local account. API names in docstrings are boto3's.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from botocore.exceptions import ClientError

from lab_helpers.names import Names

PACKAGED = ("cfn", "lab_helpers", "lifecycle-config", "notebooks", "requirements.txt", "README.md")
PACKAGE_KEY = "package/workshop.zip"
TEMPLATE_KEY = "package/m.yml"
DIGEST = "sha256"
READY_SECONDS = 1800
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
STARTS_OVER = {
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
}
"""States of a stack that serves nobody: it is deleted and made anew."""
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


class DeployError(RuntimeError):
    """A stack or instance did not get where it should; the message holds the service's own reason."""


class Clients(Protocol):
    """Makes a boto3 client by service name."""

    def __call__(self, service: str, /) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class StackEvent:
    """One line of a stack's history (CloudFormation DescribeStackEvents)."""

    stack: str
    resource: str
    type: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether this event is somebody's failure, not the cancellation that follows from it."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason.lower()


Watcher = Callable[[StackEvent], None]


def package(root: Path) -> bytes:
    """Return `workshop.zip` with what the notebook instance needs; same tree, same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_files(root)):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _files(root: Path) -> Iterator[Path]:
    listed = subprocess.run(
        [
            "git",
            "-C",
            str(root),
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            *PACKAGED,
        ],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = {root / name.decode() for name in listed.stdout.split(b"\0") if name}
    else:  # an unpacked archive of the repository
        found = {path for top in PACKAGED for path in [root / top, *(root / top).rglob("*")]}
        found = {p for p in found if not {"__pycache__", ".ipynb_checkpoints"} & set(p.parts)}
    return (path for path in found if path.is_file())


@dataclass(frozen=True)
class Uploaded:
    """Where the package is, and whether it is another one than before."""

    package_uri: str
    template_url: str
    changed: bool


def upload(
    clients: Clients, names: Names, region: str, account: str, *, content: bytes, template: Path
) -> Uploaded:
    """Put package and template into the lab's assets bucket, a private one that is made when missing."""
    s3 = clients("s3")
    bucket = names.assets_bucket(region, account)
    _ensure_bucket(s3, bucket, region)
    digest = hashlib.sha256(content).hexdigest()
    try:
        before = s3.head_object(Bucket=bucket, Key=PACKAGE_KEY)["Metadata"].get(DIGEST)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
            raise
        before = None
    if before != digest:
        s3.put_object(Bucket=bucket, Key=PACKAGE_KEY, Body=content, Metadata={DIGEST: digest})
    s3.put_object(Bucket=bucket, Key=TEMPLATE_KEY, Body=template.read_bytes())
    template_url = f"https://{bucket}.s3.{region}.amazonaws.com/{TEMPLATE_KEY}"
    return Uploaded(f"s3://{bucket}/{PACKAGE_KEY}", template_url, before not in {None, digest})


def _ensure_bucket(s3: Any, bucket: str, region: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "403":
            raise DeployError(f"the bucket {bucket} exists, but these credentials may not use it") from error
        # us-east-1 is the one region that CreateBucket does not accept as a LocationConstraint.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **where)
    blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))


def launch_link(names: Names, region: str, uploaded: Uploaded) -> str:
    """Return the console's address that opens "Create stack" with everything filled in."""
    fields = {
        "stackName": names.top_stack,
        "templateURL": uploaded.template_url,
        "param_NamePrefix": names.prefix,
        "param_PackageUri": uploaded.package_uri,
    }
    home = f"https://console.aws.amazon.com/cloudformation/home?region={region}"
    return f"{home}#/stacks/new?{urlencode(fields, quote_via=quote)}"


def find_stack(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """Return DescribeStacks' record of a stack, or None when there is no such stack."""
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return stack


class Events:
    """Hands every event of some stacks to a watcher once, oldest first.

    Without a watcher they are read when an operation has ended, for the reasons of its failure.
    """

    def __init__(self, cloudformation: Any, watch: Watcher | None) -> None:
        self._cloudformation, self._watch = cloudformation, watch
        self._seen: set[str] = set()

    def skip(self, stack: str) -> None:
        """Take what has happened so far as known."""
        self._seen |= {event["EventId"] for event in self._read(stack)}

    def show(self, stack: str, ended: bool = False) -> list[StackEvent]:
        """Hand over what is new, and return it."""
        new: list[StackEvent] = []
        if self._watch is None and not ended:
            return new
        for event in reversed(self._read(stack)):
            self._seen.add(event["EventId"])
            new.append(
                StackEvent(
                    event["StackName"],
                    event.get("LogicalResourceId", ""),
                    event.get("ResourceType", ""),
                    event.get("ResourceStatus", ""),
                    event.get("ResourceStatusReason", ""),
                )
            )
            if self._watch:
                self._watch(new[-1])
        return new

    def _read(self, stack: str) -> list[dict[str, Any]]:
        """Return the unseen events, newest first as DescribeStackEvents has them."""
        new: list[dict[str, Any]] = []
        try:
            for page in self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
                for event in page["StackEvents"]:
                    if event["EventId"] in self._seen:
                        return new
                    new.append(event)
        except ClientError as error:
            if "does not exist" not in error.response["Error"]["Message"]:
                raise
        return new


def deploy_stack(
    cloudformation: Any,
    name: str,
    template: str,
    *,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    watch: Watcher | None = None,
) -> str:
    """Create or update a stack and wait for its end; return ``created``, ``updated`` or ``unchanged``.

    `template` is its address in S3 (https://…) or its text.
    An operation under way (of a run that was interrupted) is waited for first; a stack that was never
    created is deleted and created anew. Parameters and tags that are not given keep their values.

    Raises
    ------
    DeployError : the stack failed; the message holds the first failed resource's reason.
    """
    events = Events(cloudformation, watch)
    stack = find_stack(cloudformation, name)
    if stack is not None:
        events.skip(name)
        stack = _settled(cloudformation, events, stack)
    if stack is not None and stack["StackStatus"] in STARTS_OVER:
        cloudformation.delete_stack(StackName=name)
        stack = _settled(cloudformation, events, find_stack(cloudformation, name))
        if stack is not None:
            raise DeployError(f"stack {name} could not be deleted: {stack['StackStatus']}")
    done = submit_stack(cloudformation, name, template, stack, parameters=parameters, tags=tags)
    if done == "unchanged":
        return done
    failures: list[StackEvent] = []
    stack = _settled(cloudformation, events, find_stack(cloudformation, name), failures)
    if stack is None or stack["StackStatus"] not in _GOOD:
        raise DeployError(_failure(name, stack, failures))
    return done


def submit_stack(
    cloudformation: Any,
    name: str,
    template: str,
    stack: Mapping[str, Any] | None,
    *,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> str:
    """Ask for a stack or its update; return ``created``, ``updated`` or ``unchanged`` without waiting.

    `stack` is DescribeStacks' record of the one that is there. Parameters and tags that are not given keep
    their values.
    """
    request: dict[str, Any] = {
        "StackName": name,
        # botocore repeats a request whose answer got lost; with a token that is no second stack.
        "ClientRequestToken": f"workshop-{uuid.uuid4()}",
        "TemplateURL" if template.startswith("https://") else "TemplateBody": template,
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    }
    kept = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])} if stack else {}
    request["Tags"] = [{"Key": key, "Value": value} for key, value in {**kept, **tags}.items()]
    if stack is None:
        cloudformation.create_stack(**request, OnFailure="ROLLBACK")
    else:
        request["Parameters"] += [
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True}
            for one in stack.get("Parameters", [])
            if one["ParameterKey"] not in parameters
        ]
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"]["Message"]:
                return "unchanged"
            raise
        return "updated"
    return "created"


def _settled(
    cloudformation: Any,
    events: Events,
    stack: dict[str, Any] | None,
    failures: list[StackEvent] | None = None,
) -> dict[str, Any] | None:
    """Wait until no operation is under way; return the stack, or None when it is gone."""
    pause = _Pause()
    # By id: a deleted stack can be described by its id only.
    while stack is not None:
        status = stack["StackStatus"]
        ended = not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS"
        new = events.show(stack["StackId"], ended)
        if failures is not None:
            failures += [event for event in new if event.failed]
        if status == "DELETE_COMPLETE":
            return None
        if ended:
            return stack
        pause(bool(new))
        stack = find_stack(cloudformation, stack["StackId"])
    return None


def _failure(name: str, stack: Mapping[str, Any] | None, failures: list[StackEvent]) -> str:
    status = stack["StackStatus"] if stack else "gone"
    reasons = [f"{event.resource} ({event.type}): {event.reason}" for event in failures]
    if not reasons and stack and stack.get("StackStatusReason"):
        reasons = [stack["StackStatusReason"]]
    return f"stack {name} is {status}. " + ("\n  ".join(["What failed:", *reasons[:5]]) if reasons else "")


class _Pause:
    """Waits a little longer each time while nothing happens: quick where it can be, gentle on quotas."""

    def __init__(self, shortest: float = 0.2, longest: float = 3.0) -> None:
        self._shortest, self._longest, self._next = shortest, longest, shortest

    def __call__(self, news: bool = False) -> None:
        self._next = self._shortest if news else min(self._next * 1.3, self._longest)
        time.sleep(self._next)


def start_instance(sagemaker: Any, name: str, restart: bool, report: Callable[[str], None]) -> None:
    """Bring the notebook instance to InService; with `restart` through a stop, which takes a new package.

    Raises DeployError when the instance fails, with its FailureReason (SageMaker DescribeNotebookInstance).
    """
    pause, deadline, last = _Pause(), time.monotonic() + READY_SECONDS, ""
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
        elif status == "Stopped":
            sagemaker.start_notebook_instance(NotebookInstanceName=name)
            restart = False
        elif status == "Failed":
            raise DeployError(
                f"notebook instance {name} failed: {instance.get('FailureReason', 'no reason given')}"
            )
        pause(status != last)
        last = status
    raise DeployError(f"notebook instance {name} is still {last} after {READY_SECONDS} s")


def wait_for_nested(cloudformation: Any, names: Names, watch: Watcher) -> None:
    """Wait until the stacks that the lifecycle script deploys are complete.

    Raises DeployError when one fails or READY_SECONDS have passed.
    """
    nested = (names.base_stack, names.model_stack, names.train_stack)
    events, pause, deadline = Events(cloudformation, watch), _Pause(), time.monotonic() + READY_SECONDS
    failures: dict[str, list[StackEvent]] = {name: [] for name in nested}
    for name in nested:
        stack = find_stack(cloudformation, name)
        if stack and stack["StackStatus"] in _GOOD:
            events.skip(name)
    while time.monotonic() < deadline:
        news, missing = False, False
        for name in nested:
            new = events.show(name)
            news = news or bool(new)
            failures[name] += [event for event in new if event.failed]
            stack = find_stack(cloudformation, name)
            status = stack["StackStatus"] if stack else ""
            if status.endswith(("FAILED", "ROLLBACK_COMPLETE")):
                raise DeployError(
                    _failure(name, stack, failures[name])
                    + "\nThe log on the notebook instance has more: ~/SageMaker/.workshop/provision.log"
                )
            missing = missing or status not in _GOOD
        if not missing:
            return
        pause(news)
    raise DeployError(
        f"the nested stacks are not complete after {READY_SECONDS} s: see the log on the notebook instance "
        f"{names.notebook_instance}, ~/SageMaker/.workshop/provision.log"
    )
