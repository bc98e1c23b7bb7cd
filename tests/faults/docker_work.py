"""The client of one run on an engine: it builds, trains, releases and asks the endpoint, as learners do."""

from __future__ import annotations

import json
import random
import threading
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.docker_lab import BUCKET, ENDPOINT, PROJECT, STACK, TEMPLATE, DockerLab, source
from tests.faults.work import Requests, call

_REACH_SECONDS = 120
_UNEXPECTED = ("internal error", "Traceback", "raise ", "Error(")
"""Words of a reason that say nothing to a participant."""
_COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_HOPELESS = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")


class DockerWork(Requests):
    """One run: an image, a training job, a check of its data, a release; objects and events beside them."""

    def __init__(self, lab: DockerLab, number: int, chance: random.Random) -> None:
        super().__init__(lab.client, number, chance)
        self.lab = lab
        self.builds: list[str] = []
        """Acknowledged: ids of builds, names of training jobs, tags of images."""
        self.jobs: list[str] = []
        self.checks: list[str] = []
        """Names of processing jobs."""
        self.tag = f"run-{number}"
        self.released = threading.Event()
        self._reached = {
            part: threading.Event() for part in ("build", "training", "processing", "deployment")
        }
        self._awaited = chance.choice(list(self._reached))
        """What a run suffers from: faults that all hit the first part would never see the others."""
        self._threads = [self._thread(part) for part in (self._release, self._write, self._ask)]

    def start(self) -> None:
        """Begin; return when the part is under way that is to suffer."""
        for thread in self._threads:
            thread.start()
        self._reached[self._awaited].wait(_REACH_SECONDS)

    def requested(self, seconds: float) -> bool:
        """Wait until the release is there and every write was acknowledged; return whether that is so."""
        self.released.wait(seconds)
        self._threads[1].join(5)
        return self.released.is_set() and not self._threads[1].is_alive()

    def end(self) -> None:
        """Ask no more."""
        self.done.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self) -> None:
        for number in range(6):
            self._note_and_put(f"{self.number}-{number}", BUCKET)
            self.done.wait(0.5)

    def _ask(self) -> None:
        """Ask the endpoint all the time: what it answers is a model that was released."""
        allowed = {str(number) for number in range(self.number + 1)}
        while not self.done.wait(0.1):
            try:
                answer = self.answer()
            except (BotoCoreError, ClientError):
                continue  # whether it answers again is looked at in the end
            if answer not in allowed:
                self.problems.append(f"the endpoint answers {answer!r}")

    def answer(self, inference_id: str = "asked") -> str:
        """Return what the model that the endpoint serves answers."""
        runtime = self.lab.account.client("sagemaker-runtime", read_timeout=10, connect_timeout=5)
        described = runtime.invoke_endpoint(
            EndpointName=ENDPOINT, Body=b"x", CustomAttributes="describe", InferenceId=inference_id
        )
        model = json.loads(described["Body"].read())["model"]
        return str(json.loads(model["model.json"])["answer"])

    def _release(self) -> None:
        image = self._built()
        data = self._trained(image)
        self._checked(image)
        self._deploy(image, data)
        self.released.set()

    # --- the image

    def _built(self) -> str:
        body = source(self.number)
        put = partial(call, "put_object", Bucket=BUCKET, Key="source.zip", Body=body)
        version = self._insist("s3", put)["VersionId"]
        for attempt in range(100):
            build = self._build(version, attempt)
            if build["buildStatus"] == "SUCCEEDED":
                break
            said = [context["message"] for phase in build["phases"] for context in phase.get("contexts", [])]
            self._keep_reason(f"build {build['id']} is {build['buildStatus']}", "; ".join(filter(None, said)))
        return f"{self.lab.registry}:{self.tag}"

    def _build(self, version: str, attempt: int) -> dict[str, Any]:
        image = {"name": "IMAGE", "value": f"{self.lab.registry}:{self.tag}"}
        token = f"{self.number}-{attempt}"
        request = {"sourceVersion": version, "environmentVariablesOverride": [image]}
        start = partial(call, "start_build", projectName=PROJECT, idempotencyToken=token, **request)
        build = self._insist("codebuild", start)["build"]
        self._reached["build"].set()
        self.builds.append(build["id"])
        look = partial(call, "batch_get_builds", ids=[build["id"]])
        while not build["buildComplete"] and not self.done.wait(0.2):
            (build,) = self._insist("codebuild", look)["builds"]
        return dict(build)

    # --- the model

    def _trained(self, image: str) -> str:
        for attempt in range(100):
            job = self._train(image, f"run-{self.number}-{attempt}")
            if job["TrainingJobStatus"] == "Completed":
                break
            about = f"training job {job['TrainingJobName']} is {job['TrainingJobStatus']}"
            self._keep_reason(about, job.get("FailureReason", ""))
        return str(job["ModelArtifacts"]["S3ModelArtifacts"])

    def _train(self, image: str, name: str) -> dict[str, Any]:
        data = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/input/"}
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "RoleArn": self.lab.role,
            "HyperParameters": {"answer": str(self.number), "sleep": "1"},
            "InputDataConfig": [{"ChannelName": "training", "DataSource": {"S3DataSource": data}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        try:
            self._insist("sagemaker", partial(call, "create_training_job", **request))
        except ClientError as error:  # the answer was lost
            if "ResourceInUse" not in str(error):
                raise
        self.jobs.append(name)
        self._reached["training"].set()
        look = partial(call, "describe_training_job", TrainingJobName=name)
        job = self._insist("sagemaker", look)
        while job["TrainingJobStatus"] in ("InProgress", "Stopping") and not self.done.wait(0.2):
            job = self._insist("sagemaker", look)
        return dict(job)

    # --- the check

    def _checked(self, image: str) -> None:
        for attempt in range(100):
            job = self._check(image, f"check-{self.number}-{attempt}")
            if job["ProcessingJobStatus"] == "Completed":
                break
            about = f"processing job {job['ProcessingJobName']} is {job['ProcessingJobStatus']}"
            self._keep_reason(about, job.get("FailureReason", ""))

    def _check(self, image: str, name: str) -> dict[str, Any]:
        data = {"S3Uri": f"s3://{BUCKET}/input/", "LocalPath": "/opt/ml/processing/input"}
        report = {"S3Uri": f"s3://{BUCKET}/{name}/", "LocalPath": "/opt/ml/processing/output"}
        program = "cp /opt/ml/processing/input/data.csv /opt/ml/processing/output/; sleep 1"
        request = {
            "ProcessingJobName": name,
            "RoleArn": self.lab.role,
            "AppSpecification": {"ImageUri": image, "ContainerEntrypoint": ["sh", "-c", program]},
            "ProcessingInputs": [
                {"InputName": "data", "S3Input": {**data, "S3DataType": "S3Prefix", "S3InputMode": "File"}}
            ],
            "ProcessingOutputConfig": {
                "Outputs": [{"OutputName": "report", "S3Output": {**report, "S3UploadMode": "EndOfJob"}}]
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.t3.medium", "VolumeSizeInGB": 5}
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        try:
            self._insist("sagemaker", partial(call, "create_processing_job", **request))
        except ClientError as error:  # the answer was lost
            if "ResourceInUse" not in str(error):
                raise
        self.checks.append(name)
        self._reached["processing"].set()
        look = partial(call, "describe_processing_job", ProcessingJobName=name)
        job = self._insist("sagemaker", look)
        while job["ProcessingJobStatus"] in ("InProgress", "Stopping") and not self.done.wait(0.2):
            job = self._insist("sagemaker", look)
        return dict(job)

    # --- the release

    def _deploy(self, image: str, data: str) -> None:
        values = {"Image": image, "Data": data, "Role": self.lab.role, "Number": str(self.number)}
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
        change = {"StackName": STACK, "TemplateBody": TEMPLATE, "Parameters": parameters}
        begun = False
        while not self.done.wait(0.2):
            try:
                status, number = self._stack()
                if status in _COMPLETE and number == str(self.number):
                    return
                if begun and status in (*_HOPELESS, "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"):
                    begun = False
                    self._keep_stack_reason()
                if status == "":
                    self._insist("cloudformation", partial(call, "create_stack", **change))
                    begun = True
                    self._reached["deployment"].set()
                elif status in _HOPELESS:
                    self._insist("cloudformation", partial(call, "delete_stack", StackName=STACK))
                elif status == "UPDATE_ROLLBACK_FAILED":
                    back = partial(call, "continue_update_rollback", StackName=STACK)
                    self._insist("cloudformation", back)
                elif status in _COMPLETE:
                    self._insist("cloudformation", partial(call, "update_stack", **change))
                    begun = True
                    self._reached["deployment"].set()
            except ClientError as error:
                # The answer to the change was lost: it is under way. Or the change was made.
                known = ("AlreadyExists", "IN_PROGRESS", "No updates", "can not be updated")
                if not any(text in str(error) for text in known):
                    raise
                begun = True

    def _stack(self) -> tuple[str, str]:
        """Return the stack's status, "" if there is none, and the number of the run that has released it."""
        stacks = self._insist("cloudformation", partial(call, "describe_stacks"))["Stacks"]
        for stack in stacks:
            if stack["StackName"] == STACK:
                return stack["StackStatus"], "".join(one["OutputValue"] for one in stack.get("Outputs", []))
        return "", ""

    def _keep_stack_reason(self) -> None:
        look = partial(call, "describe_stack_events", StackName=STACK)
        events = self._insist("cloudformation", look)["StackEvents"]
        for event in events:
            if event["ResourceStatus"] in _FAILED:
                about = f"{event['LogicalResourceId']} is {event['ResourceStatus']}"
                self._keep_reason(about, event.get("ResourceStatusReason", ""))
            if event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS") and (
                event["LogicalResourceId"] == STACK
            ):
                return

    def _keep_reason(self, about: str, reason: str) -> None:
        self.reasons.append(f"{about}: {reason}")
        if not reason or any(text in reason for text in _UNEXPECTED):
            self.problems.append(f"{about}, and the reason says nothing: {reason!r}")
