"""Push sources, build images, train and release in a lab, as the notebooks do.

Operation names are boto3's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab_helpers import approvals, executions, failures, images, keys, registry
from lab_helpers.clients import Clients
from lab_helpers.errors import WorkshopError
from lab_helpers.exercises import zipped
from lab_helpers.lab import Lab
from lab_helpers.names import DEPLOY_DEV, HUMAN_APPROVAL
from lab_helpers.patience import Patience
from lab_helpers.way_back.sources import Remote
from lab_helpers.way_back.target import Image, Target

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import SourceRevisionOverrideTypeDef
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
"""The formats of an image that builds push, by AWS's names (ECR BatchGetImage, acceptedMediaTypes)."""
EVENT_SECONDS = 20.0
"""How long to wait for the event of a push or upload before starting the pipeline directly."""


class ResetError(WorkshopError, RuntimeError):
    """A step failed; the message says why and what to do."""


class Releases:
    """The work in the pipelines of one lab."""

    def __init__(
        self,
        clients: Clients,
        lab: Lab,
        remote: Remote,
        report: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        self._clients, self._lab, self._report, self._stopping = clients, lab, report, stopping
        self._remote = remote

    # --- source

    def seed_repository(self, readme: bytes) -> None:
        """Create the first commit on `main`; the branches follow one by one."""
        self._remote.seed(readme)

    def seed_branch(self, branch: str, rule: str) -> None:
        """Move a branch back to the first commit, with its push rule disabled meanwhile."""
        if not self._remote.tip("main"):
            raise ResetError(
                f"{self._remote.name} has no branch `main`: run the same command again to create it"
            )
        if self._remote.begun(branch):
            return
        self._rule("disable_rule", rule)
        self._remote.begin(branch)
        self._rule("enable_rule", rule)

    def _rule(self, operation: str, rule: str) -> None:
        events = self._clients("events")
        try:
            getattr(events, operation)(Name=rule)
        except events.exceptions.ResourceNotFoundException:
            return

    def commit(self, image: Image, rule: str) -> None:
        """Make a branch hold exactly the notebook's files and the README; the rest stays in its history."""
        tip = self._remote.tip(image.branch)
        if not tip:
            self.seed_branch(image.branch, rule)
            tip = self._remote.tip(image.branch)
        self._remote.commit(image, tip)

    # --- images

    def build(self, image: Image) -> None:
        """Wait until the image of the newest commit is in its registry."""
        tip = self._remote.tip(image.branch)
        revision = self._remote.revision(image.branch, tip)
        source: SourceRevisionOverrideTypeDef = {"actionName": "GetSource", **revision}
        execution = self._started(image.pipeline, source)
        self._follow(image.pipeline, execution)
        if images.find(self._lab, image.repository, tip) is None:
            raise ResetError(
                f"execution {execution} of {image.pipeline} succeeded, but there is no image {tip}: "
                f"does buildspec.yml push it to {image.repository}?"
            )

    def tag_latest(self, image: Image) -> None:
        """Move the tag `latest` to the image of the newest commit (ECR PutImage)."""
        ecr = self._clients("ecr")
        found = ecr.batch_get_image(
            repositoryName=image.repository,
            imageIds=[{"imageTag": self._remote.tip(image.branch)}],
            acceptedMediaTypes=_MANIFESTS,  # converted to another, it would be another image
        )["images"][0]
        kind = (
            {"imageManifestMediaType": found["imageManifestMediaType"]}
            if found.get("imageManifestMediaType")
            else {}
        )
        try:
            ecr.put_image(
                repositoryName=image.repository,
                imageManifest=found["imageManifest"],
                imageTag="latest",
                **kind,
            )
        except ecr.exceptions.ImageAlreadyExistsException:
            return

    def empty_registry(self, repository: str) -> None:
        """Delete every image of a repository."""
        ecr = self._clients("ecr")
        pages = ecr.get_paginator("list_images").paginate(repositoryName=repository)
        digests = sorted({one["imageDigest"] for page in pages for one in page["imageIds"]})
        for begin in range(0, len(digests), 100):
            ecr.batch_delete_image(
                repositoryName=repository,
                imageIds=[{"imageDigest": digest} for digest in digests[begin : begin + 100]],
            )

    # --- training and release

    def forget(self, bucket: str, prefix: str) -> None:
        """Delete the objects under a prefix; old versions stay, as after any deletion."""
        s3 = self._clients("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            keys: list[ObjectIdentifierTypeDef] = [{"Key": one["Key"]} for one in page.get("Contents", ())]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    def forget_versions(self, group: str) -> None:
        """Delete every version of a model package group, if there is one."""
        registry.forget(self._clients("sagemaker"), group)

    def train(self, target: Target) -> None:
        """Upload data and training job as notebook 03 does, and follow until DEV is being deployed."""
        s3, bucket = self._clients("s3"), self._lab.bucket
        s3.put_object(Bucket=bucket, Key=keys.DATA, Body=target.data)
        job = zipped(target.training_job(bucket, self._lab.region))
        uploaded = s3.put_object(Bucket=bucket, Key=keys.TRAINING_JOB, Body=job)
        source: SourceRevisionOverrideTypeDef = {
            "actionName": "Source",
            "revisionType": "S3_OBJECT_VERSION_ID",
            "revisionValue": uploaded["VersionId"],
        }
        pipeline = self._lab.names.train_pipeline
        self._follow(pipeline, self._started(pipeline, source), until=DEPLOY_DEV)

    def follow_training(self) -> None:
        """Follow the newest execution until DEV is being deployed."""
        pipeline = self._lab.names.train_pipeline
        self._follow(pipeline, executions.newest(self._lab, pipeline), until=DEPLOY_DEV)

    def release(self) -> None:
        """Approve the newest execution and follow it until PRD serves it."""
        pipeline = self._lab.names.train_pipeline
        newest = executions.newest(self._lab, pipeline)
        waiting = self._follow(pipeline, newest, until=HUMAN_APPROVAL)
        approvals.decide(self._lab, waiting, "approve", "reset to the start of notebook 05")
        self._follow(pipeline, newest)

    # --- executions

    def _started(self, pipeline: str, source: SourceRevisionOverrideTypeDef) -> str:
        """Return the running execution of this revision; start one if no event does."""
        codepipeline = self._clients("codepipeline")
        patience, deadline = Patience(self._stopping), time.monotonic() + EVENT_SECONDS
        while True:
            listed = codepipeline.list_pipeline_executions(pipelineName=pipeline, maxResults=20)
            found = [
                one
                for one in listed["pipelineExecutionSummaries"]
                if any(r.get("revisionId") == source["revisionValue"] for r in one.get("sourceRevisions", []))
            ]
            if found and found[0]["status"] in {"InProgress", "Stopping"}:
                return str(found[0]["pipelineExecutionId"])
            if found or time.monotonic() > deadline:
                started = codepipeline.start_pipeline_execution(name=pipeline, sourceRevisions=[source])
                return str(started["pipelineExecutionId"])
            patience.pause()

    def _follow(self, pipeline: str, execution_id: str, until: str = "") -> executions.Execution:
        """Wait until an execution succeeds or reaches the stage `until`, and return it. Raises ResetError."""
        patience, said = Patience(self._stopping, 3600), ""
        while True:
            now = executions.get(self._lab, pipeline, execution_id)
            doing = next((one.stage for one in reversed(now.actions) if one.status), "Source")
            if doing != said:
                self._report(f"{pipeline}: {doing}")
                said = doing
            if now.status == "Succeeded" or (until and now.began(until)):
                return now
            if now.status in executions.ENDED:
                raise ResetError(failures.explain(self._lab, now))
            patience.pause(lambda: f"execution {execution_id} of {pipeline} is still running")
