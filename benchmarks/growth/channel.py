"""A training job with a channel of 1 GB in File mode: from the upload to `Training`, and by hand.

By hand is what somebody without the account does: copy the file to where the data is kept, create a container
of the same image, `docker cp`, `docker start`.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from benchmarks.growth.large import write_random
from benchmarks.growth.plan import Notes, Plan
from benchmarks.lab import BenchLab, rest
from lab_helpers.instructor import defaults
from local_account.engine import host
from local_account.engine.base_image import BASE_IMAGE

BUCKET, FILE, ROLE = "growth-channel", "data.bin", "growth-training"
INPUT = "/opt/ml/input/data/training"
DOCKERFILE = f"""FROM {BASE_IMAGE}
WORKDIR {INPUT}
ENTRYPOINT ["/bin/sh", "-c", "test $(stat -c %s {INPUT}/{FILE}) = $SIZE"]
"""
ENGINE_SECONDS = 600
JOB_SECONDS = 600
ENDED = ("Completed", "Failed", "Stopped")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:*", "ecr:*", "logs:*", "cloudwatch:*"], "Resource": "*"}
    ],
}


@dataclass(frozen=True)
class Placed:
    """Seconds of one round: upload and placement by a job, copy and placement by hand."""

    upload: float
    to_training: float
    copy: float
    docker: float

    @property
    def ratio(self) -> float:
        """The job's time as a multiple of that by hand."""
        return (self.upload + self.to_training) / (self.copy + self.docker)


def channel(lab: BenchLab, plan: Plan, room: Path, notes: Notes) -> list[Placed]:
    """Place the same file in turn, by a job and by hand; return the rounds."""
    source = write_random(room / FILE, plan.transfer)
    engine = docker.DockerClient(base_url=lab.docker_host, timeout=ENGINE_SECONDS)
    rounds: list[Placed] = []
    with _prepared(lab, engine) as (image, role):
        for number in range(plan.channel_rounds):
            steps: list[Callable[[], tuple[float, float]]] = [
                functools.partial(_job, lab, source, image, role, number),
                functools.partial(_by_hand, lab, engine, source, image),
            ]
            first = number % 2
            took = {}
            for step in (first, 1 - first):
                rest(plan.rest_seconds)
                took[step] = steps[step]()
            job, hand = took[0], took[1]
            rounds.append(one := Placed(*job, *hand))
            ours = f"upload {one.upload:.1f} s, then to Training {one.to_training:.1f} s"
            theirs = f"cp {one.copy:.1f} s, docker cp {one.docker:.1f} s"
            notes.say(f"channel: {ours}; by hand {theirs}; ratio {one.ratio:.2f}")
    source.unlink()
    return rounds


@contextlib.contextmanager
def _prepared(lab: BenchLab, engine: docker.DockerClient) -> Iterator[tuple[str, str]]:
    """Yield an image in the account's registry and a role; the registry's images go when the lab is reset."""
    ecr, iam = lab.client("ecr"), lab.client("iam")
    lab.client("s3").create_bucket(Bucket=BUCKET)
    uri = ecr.create_repository(repositoryName="growth")["repository"]["repositoryUri"]
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    image = f"{uri}:latest"
    engine.images.build(fileobj=io.BytesIO(DOCKERFILE.encode()), tag=image, rm=True, forcerm=True)
    login = {"username": user, "password": password}
    for line in engine.images.push(uri, "latest", auth_config=login, stream=True, decode=True):
        if "error" in line:
            raise RuntimeError(f"{image} cannot be pushed: {line['error']}")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="data", PolicyDocument=json.dumps(POLICY))
    yield image, role


def _job(lab: BenchLab, source: Path, image: str, role: str, number: int) -> tuple[float, float]:
    """Upload and train; return the seconds of the upload, and from then to `Training`."""
    s3, sagemaker, name = lab.client("s3"), lab.client("sagemaker"), f"growth-{number}"
    begin = time.time()
    s3.upload_file(str(source), BUCKET, f"{name}/{FILE}")
    uploaded = time.time()
    data = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=role,
        Environment={"SIZE": str(source.stat().st_size)},
        InputDataConfig=[{"ChannelName": "training", "DataSource": {"S3DataSource": data}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output/"},
        ResourceConfig={"InstanceType": defaults.TRAINING_TYPE, "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": JOB_SECONDS},
    )
    job = _ended(sagemaker, name)
    s3.delete_object(Bucket=BUCKET, Key=f"{name}/{FILE}")
    (started,) = (
        one["StartTime"] for one in job["SecondaryStatusTransitions"] if one["Status"] == "Training"
    )
    return uploaded - begin, started.timestamp() - uploaded


def _ended(sagemaker: Any, name: str) -> Any:
    deadline = time.monotonic() + JOB_SECONDS
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] not in ENDED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the training job {name} has not ended after {JOB_SECONDS} s")
        time.sleep(0.25)
    if job["TrainingJobStatus"] != "Completed":
        raise RuntimeError(f"the training job {name} did not complete: {job.get('FailureReason')}")
    return job


def _by_hand(lab: BenchLab, engine: docker.DockerClient, source: Path, image: str) -> tuple[float, float]:
    """Copy, create, `docker cp`, start; return the seconds of the copy and of the rest."""
    kept = source.with_name("by-hand.bin")
    begin = time.monotonic()
    shutil.copyfile(source, kept)
    copied = time.monotonic()
    program = host.program("docker") or "docker"
    container = engine.containers.create(image, environment={"SIZE": str(source.stat().st_size)})
    try:
        target = f"{container.id}:{INPUT}/{FILE}"
        subprocess.run([program, "-H", lab.docker_host, "cp", "--quiet", str(kept), target], check=True)
        container.start()
        started = time.monotonic()
        if (status := container.wait()["StatusCode"]) != 0:
            raise RuntimeError(f"the container by hand exited with status {status}")
    finally:
        container.remove(force=True, v=True)
        kept.unlink()
    return copied - begin, started - copied
