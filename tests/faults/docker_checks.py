"""What must be true of a run on an engine once nothing goes wrong any more."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator

from tests.faults.checks import changed, left_after
from tests.faults.docker_lab import BUCKET, ENDPOINT, INSTANCES, PROJECT, REPOSITORY, SEEN, STACK, DockerLab
from tests.faults.docker_work import DockerWork
from tests.faults.engine import Engine

_BUILT = ("SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT")
_TRAINED = ("Completed", "Failed", "Stopped")


class DockerChecks:
    """Compares an account and its engine with what the client was told."""

    def __init__(self, lab: DockerLab, work: DockerWork, engine: Engine) -> None:
        self._lab, self._work, self._engine = lab, work, engine
        self._seen: dict[str, set[str]] = {}
        """The ids of the events about each change."""
        self._last = f"last-{work.number}"
        """The inference id of what the endpoint is asked when nothing goes wrong any more."""

    def problems(self, seconds: float) -> list[str]:
        """Return what is still wrong after so many seconds; nothing as soon as nothing is."""
        return left_after(seconds, self._unsettled)

    def _unsettled(self) -> Iterator[str]:
        pages = self._lab.client("s3").get_paginator("list_objects_v2").paginate(Bucket=SEEN)
        self._seen = collections.defaultdict(set)
        for key in [one["Key"] for page in pages for one in page.get("Contents", [])]:
            change, _, event = key.rpartition("/")
            self._seen[change].add(event)
        for change, events in self._seen.items():
            if len(events) > 1:
                yield f"{len(events)} events of {change}"
        for note in self._work.notes:
            yield from self._told(f"note/{note}")
        yield from changed(self._lab.client("s3"), BUCKET, self._work.objects)
        yield from self._builds()
        yield from self._images()
        yield from self._jobs()
        yield from self._processing_jobs()
        yield from self._endpoint()
        yield from self._captured()
        yield from self._containers()

    def _told(self, change: str) -> Iterator[str]:
        if change not in self._seen:
            yield f"never delivered: {change}"

    def _builds(self) -> Iterator[str]:
        api = self._lab.client("codebuild")
        ids = api.list_builds_for_project(projectName=PROJECT)["ids"][:50]
        builds = api.batch_get_builds(ids=ids)["builds"]
        yield from (f"build {one} is lost" for one in set(self._work.builds) - set(ids))
        tokens = len(set(self._work.builds))
        if tokens != len(self._work.builds):
            yield f"{len(self._work.builds)} StartBuild of different tokens made {tokens} builds"
        for build in builds:
            number = build["id"].rpartition(":")[2]
            if not build["buildComplete"] or build["buildStatus"] not in _BUILT:
                yield f"build {number} is {build['buildStatus']} in phase {build['currentPhase']}"
            else:
                yield from self._told(f"build/{number}/{build['buildStatus']}")

    def _images(self) -> Iterator[str]:
        pages = self._lab.client("ecr").get_paginator("describe_images").paginate(repositoryName=REPOSITORY)
        images = [one for page in pages for one in page["imageDetails"]]
        digests = collections.Counter(one["imageDigest"] for one in images)
        tags = collections.Counter(tag for one in images for tag in one.get("imageTags", []))
        for name, count in (digests + tags).items():
            if count > 1:
                yield f"{count} images are {name}"
        if self._work.tag not in tags:
            yield f"image {self._work.tag} is lost"
        for one in images:
            for tag in one.get("imageTags", []):
                yield from self._told(f"image/PUSH/{tag}/{one['imageDigest']}")

    def _jobs(self) -> Iterator[str]:
        api = self._lab.client("sagemaker")
        for name in self._work.jobs:
            job = api.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] not in _TRAINED:
                yield f"training job {name} is {job['TrainingJobStatus']}"
            if job["TrainingJobStatus"] == "Failed" and not job.get("FailureReason"):
                yield f"training job {name} failed without a reason"
            if job["TrainingJobStatus"] == "Completed":
                key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(f"{BUCKET}/")[2]
                self._lab.client("s3").head_object(Bucket=BUCKET, Key=key)
            for transition in job["SecondaryStatusTransitions"][1:]:  # nothing is published about the first
                yield from self._told(f"training/{name}/{transition['Status']}")

    def _processing_jobs(self) -> Iterator[str]:
        api = self._lab.client("sagemaker")
        for name in self._work.checks:
            job = api.describe_processing_job(ProcessingJobName=name)
            if job["ProcessingJobStatus"] not in _TRAINED:
                yield f"processing job {name} is {job['ProcessingJobStatus']}"
                continue
            if job["ProcessingJobStatus"] == "Failed" and not job.get("FailureReason"):
                yield f"processing job {name} failed without a reason"
            if job["ProcessingJobStatus"] == "Completed":
                self._lab.client("s3").head_object(Bucket=BUCKET, Key=f"{name}/data.csv")
            yield from self._told(f"processing/{name}/{job['ProcessingJobStatus']}")

    def _captured(self) -> Iterator[str]:
        """What a healthy endpoint answers reaches S3, and nothing does twice.

        A kill may lose records of the last moment (`local_account/services/sagemaker/captured_files.py`).
        """
        s3, read = self._lab.client("s3"), self._lab.captured
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"captured/{ENDPOINT}/")
        for key in [one["Key"] for page in pages for one in page.get("Contents", [])]:
            if key not in read:
                lines = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().splitlines()
                read[key] = [json.loads(line)["eventMetadata"] for line in lines]
        events = collections.Counter(one["eventId"] for records in read.values() for one in records)
        if twice := [event for event, count in events.items() if count > 1]:
            yield f"captured more than once: {twice}"
        if self._last not in {one.get("inferenceId") for records in read.values() for one in records}:
            yield f"never captured: {self._last}"

    def _endpoint(self) -> Iterator[str]:
        stacks = self._lab.client("cloudformation").describe_stacks()["Stacks"]
        for stack in stacks:
            outputs = [one["OutputValue"] for one in stack.get("Outputs", [])]
            if not stack["StackStatus"].endswith("COMPLETE") or outputs != [str(self._work.number)]:
                yield f"stack {stack['StackName']} is {stack['StackStatus']} with {outputs}"
        if [stack["StackName"] for stack in stacks] != [STACK]:
            yield f"stacks are {[stack['StackName'] for stack in stacks]}"
        endpoint = self._lab.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)
        (variant,) = endpoint.get("ProductionVariants") or [{}]
        if endpoint["EndpointStatus"] != "InService" or variant.get("CurrentInstanceCount") != INSTANCES:
            yield f"the endpoint is {endpoint['EndpointStatus']}: {json.dumps(endpoint, default=str)}"
            return
        answers = {self._work.answer(self._last) for _ in range(2 * INSTANCES)}
        if answers != {str(self._work.number)}:
            yield f"the endpoint answers {answers}, not {self._work.number}"

    def _containers(self) -> Iterator[str]:
        uid = json.loads((self._lab.account.state / "account.json").read_text())["uid"]
        found = self._engine.containers(uid)
        serving = [one for one in found if one.labels.get("mlops-workshop.group") == f"endpoint-{ENDPOINT}"]
        running = [one for one in serving if one.status == "running"]
        if len(running) != INSTANCES:
            yield f"{len(running)} containers serve {INSTANCES} instances"
        left = [f"{one.name} ({one.status}) of {one.labels}" for one in found if one not in running]
        if left:
            yield f"containers are left: {left}"
        if volumes := self._engine.volumes():
            yield f"volumes are left: {volumes}"
