"""Processing jobs: what the container finds, what is stored of what it wrote, and how it ends."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab
from tests.local_account.small_disk import fill, small_file_system
from tests.waiting import eventually

pytestmark = pytest.mark.docker

GROUP = "/aws/sagemaker/ProcessingJobs"
CLUSTER = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}


@pytest.fixture(scope="module")
def processing(image_lab: SageMakerLab) -> SageMakerLab:
    """A lab with data to process."""
    for key in ("data/one.csv", "data/more/two.csv", "other/three.csv"):
        image_lab.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return image_lab


def given(folder: str, **changes: Any) -> dict[str, Any]:
    source = {"S3Uri": f"s3://{BUCKET}/data/", "LocalPath": f"/opt/ml/processing/{folder}"}
    return {"InputName": folder, "S3Input": {**source, "S3DataType": "S3Prefix", **changes}}


def written(folder: str, **changes: Any) -> dict[str, Any]:
    place = {"S3Uri": f"s3://{BUCKET}/x/", "LocalPath": f"/opt/ml/processing/{folder}"}
    return {"OutputName": folder, "S3Output": {**place, "S3UploadMode": "EndOfJob", **changes}}


def test_files_are_where_the_developer_guide_says_and_outputs_in_s3(processing: SageMakerLab) -> None:
    manifest = [{"prefix": f"s3://{BUCKET}/other/"}, "three.csv"]
    processing.s3.put_object(Bucket=BUCKET, Key="list.manifest", Body=json.dumps(manifest).encode())
    script = (
        "cd /opt/ml && find processing/in -type f | sort > processing/out/deep/found; "
        "cp config/*.json processing/out; env > processing/out/environment; "
        "echo said $0 $1; printf 'accuracy 0.9' > output/message"
    )
    processing.process(
        "documented",
        ProcessingInputs=[
            given("in"),
            given("in/listed", S3DataType="ManifestFile", S3Uri=f"s3://{BUCKET}/list.manifest"),
        ],
        ProcessingOutputConfig={"Outputs": [written("out", S3Uri=f"s3://{BUCKET}/processed/documented")]},
        AppSpecification={
            "ImageUri": processing.image,
            "ContainerEntrypoint": ["sh", "-c", f"mkdir /opt/ml/processing/out/deep; {script}"],
            "ContainerArguments": ["hello", "world"],
        },
        Environment={"GREETING": "hello"},
        Tags=[{"Key": "team", "Value": "red"}],
    )
    job = processing.processed("documented")

    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"] == "accuracy 0.9"
    assert job["ProcessingEndTime"] >= job["ProcessingStartTime"] >= job["CreationTime"]
    files = processing.stored("processed/documented/")
    assert files["deep/found"].decode().split() == [
        "processing/in/listed/three.csv",
        "processing/in/more/two.csv",
        "processing/in/one.csv",
    ]
    config = json.loads(files["processingjobconfig.json"])
    assert config["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert config["Environment"] == {"GREETING": "hello"}
    assert config["ProcessingInputs"][0]["S3Input"] == {
        "LocalPath": "/opt/ml/processing/in",
        "S3Uri": f"s3://{BUCKET}/data/",
        "S3DataDistributionType": "FullyReplicated",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3CompressionType": "None",
        "S3DownloadMode": "StartOfJob",
    }
    assert config["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] is None
    hosts = json.loads(files["resourceconfig.json"])
    assert (hosts["current_host"], hosts["hosts"]) == ("algo-1", ["algo-1"])
    assert "GREETING=hello" in files["environment"].decode()
    assert processing.lines(GROUP, "documented/algo-1-") == ["said hello world"]
    tags = processing.sagemaker.list_tags(ResourceArn=job["ProcessingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "red"}]
    tagging = processing.account.client("resourcegroupstaggingapi")
    (tagged,) = tagging.get_resources(ResourceTypeFilters=["sagemaker:processing-job"])[
        "ResourceTagMappingList"
    ]
    assert tagged["ResourceARN"] == job["ProcessingJobArn"]
    (listed,) = processing.sagemaker.list_processing_jobs(NameContains="documented")["ProcessingJobSummaries"]
    assert listed["ExitMessage"] == "accuracy 0.9"
    eventually(lambda: not processing.containers and not processing.volumes)
    with pytest.raises(ClientError, match="Job name must be unique") as refused:
        processing.process("documented")
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
    processing.sagemaker.delete_processing_job(ProcessingJobName="documented")
    with pytest.raises(processing.sagemaker.exceptions.ResourceNotFound):
        processing.sagemaker.describe_processing_job(ProcessingJobName="documented")


def test_a_container_that_fails_says_why_and_only_continuous_outputs_are_stored(
    processing: SageMakerLab,
) -> None:
    script = (
        "echo 1 > /opt/ml/processing/late/x; echo 1 > /opt/ml/processing/soon/x; "
        "echo no such column > /opt/ml/output/message; exit 3"
    )
    processing.process("failing", script, outputs={"late": "EndOfJob", "soon": "Continuous"})
    job = processing.processed("failing")
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert job["ExitMessage"] == "no such column\n"
    assert processing.stored("processed/failing/") == {"soon/x": b"1\n"}


def test_a_continuous_output_is_stored_while_the_job_runs(processing: SageMakerLab) -> None:
    script = "echo 1 > /opt/ml/processing/soon/x; while true; do sleep 1; done"
    processing.process("continuous", script, outputs={"soon": "Continuous"})
    processing.when(lambda: processing.stored("processed/continuous/"), bool)
    job = processing.sagemaker.describe_processing_job(ProcessingJobName="continuous")
    assert job["ProcessingJobStatus"] == "InProgress"
    processing.sagemaker.stop_processing_job(ProcessingJobName="continuous")
    assert processing.processed("continuous")["ProcessingJobStatus"] == "Stopped"


def test_an_exit_message_that_is_not_text_fails_the_job_and_a_long_one_is_cut(
    processing: SageMakerLab,
) -> None:
    processing.process("binary", r"printf '\377\376' > /opt/ml/output/message")
    assert processing.processed("binary")["FailureReason"].startswith("ClientError: The exit message")
    umlauts = "python3 -c \"open('/opt/ml/output/message', 'w').write('x' + 600 * 'ä')\""
    processing.process("long", umlauts)
    assert processing.processed("long")["ExitMessage"] == "x" + 511 * "ä"


def test_a_job_that_takes_too_long_is_stopped(processing: SageMakerLab) -> None:
    processing.process("slow", "trap 'exit 0' TERM; while true; do sleep 0.1; done",
                       StoppingCondition={"MaxRuntimeInSeconds": 1})  # fmt: skip
    assert processing.processed("slow")["ProcessingJobStatus"] == "Stopped"


@pytest.mark.parametrize("when", ["at once", "while it runs", "although it does not want to"])
def test_a_job_can_be_stopped_in_each_phase(processing: SageMakerLab, when: str) -> None:
    name = when.replace(" ", "-")
    script = "trap '' TERM; " if when.startswith("although") else ""
    processing.process(
        name, f"{script}echo running; while true; do sleep 0.1; done", outputs={"o": "EndOfJob"}
    )
    if when != "at once":
        processing.when(lambda: processing.lines(GROUP, f"{name}/"), bool)
    processing.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert processing.processed(name)["ProcessingJobStatus"] == "Stopped"
    eventually(lambda: not processing.containers)
    with pytest.raises(ClientError, match="in status Stopped"):
        processing.sagemaker.stop_processing_job(ProcessingJobName=name)


def test_network_isolation_takes_the_network_away(processing: SageMakerLab) -> None:
    script = "ls /sys/class/net > /opt/ml/output/message"
    processing.process("isolated", script, NetworkConfig={"EnableNetworkIsolation": True})
    assert processing.processed("isolated")["ExitMessage"] == "lo\n"


def test_the_entrypoint_of_the_image_is_the_default(processing: SageMakerLab) -> None:
    processing.process("own", AppSpecification={"ImageUri": processing.image, "ContainerArguments": ["x"]},
                       Environment={"CRASH": "1"})  # fmt: skip
    assert processing.processed("own")["FailureReason"] == "AlgorithmError: , exit code: 1"
    assert "cannot serve" in processing.lines(GROUP, "own/")
    processing.process(
        "no-program", AppSpecification={"ImageUri": processing.image, "ContainerEntrypoint": ["/nothing"]}
    )
    assert "CannotStartContainerError" in processing.processed("no-program")["FailureReason"]


def test_missing_data_fails_the_job(processing: SageMakerLab) -> None:
    processing.process("nothing", "exit 0", inputs={"in": "nowhere/"})
    reason = processing.processed("nothing")["FailureReason"]
    assert reason.startswith("ClientError: Failed to download data. No S3 objects found under S3 URL")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"ExperimentConfig": {"RunName": "r"}}, "UnsupportedOperation", "ExperimentConfig"),
        ({"ProcessingResources": {"ClusterConfig": {**CLUSTER, "InstanceCount": 2}}},
         "UnsupportedOperation", "several instances"),
        ({"ProcessingInputs": [given(str(one)) for one in range(11)]},
         "ValidationException", "length less than or equal to 10"),
        ({"ProcessingInputs": [given("a"), {**given("a"), "InputName": "b"}]},
         "ValidationException", "Each LocalPath must be unique"),
        ({"ProcessingInputs": [given("a", LocalPath="/tmp/a")]},
         "ValidationException", "must begin with /opt/ml/processing/"),
        ({"ProcessingInputs": [given("a", S3InputMode="Pipe")]}, "UnsupportedOperation", "Pipe"),
        ({"ProcessingInputs": [given("a", S3CompressionType="Gzip")]}, "ValidationException", "Pipe mode"),
        ({"ProcessingInputs": [{"InputName": "a"}]}, "ValidationException", "needs an S3Input"),
        ({"ProcessingOutputConfig": {"Outputs": [written("a", LocalPath="/opt/ml/model")]}},
         "ValidationException", "must begin with /opt/ml/processing/"),
        ({"ProcessingOutputConfig": {"Outputs": [written("a"), written("a")]}},
         "ValidationException", "Each OutputName must be unique"),
        ({"AppSpecification": {"ImageUri": "python:3.12"}}, "ValidationException", "Invalid image URI"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "ValidationException", "does not exist"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 777_601}},
         "ValidationException", "less than or equal to 777600"),
    ],
    ids=str,
)  # fmt: skip
def test_requests_are_refused_with_the_code_of_aws(
    processing: SageMakerLab, changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        processing.process("refused", **changes)
    assert refused.value.response["Error"]["Code"] == code


def test_it_fails_with_a_reason_if_the_account_is_killed(processing: SageMakerLab) -> None:
    processing.process("killed", "echo running; sleep 60")
    processing.when(lambda: processing.lines(GROUP, "killed/"), bool)
    with pytest.raises(processing.sagemaker.exceptions.ResourceInUse):
        processing.sagemaker.delete_processing_job(ProcessingJobName="killed")
    processing.account.stop(signal.SIGKILL)
    processing.account.start()
    job = processing.processed("killed")
    assert (job["ProcessingJobStatus"], job["FailureReason"][:19]) == ("Failed", "InternalServerError")
    eventually(lambda: not processing.containers)


def test_a_container_that_is_taken_away_fails_the_job(processing: SageMakerLab) -> None:
    processing.process("taken", "echo running; sleep 60")
    processing.when(lambda: processing.lines(GROUP, "taken/"), bool)
    begin = time.monotonic()
    for container in processing.containers:
        container.remove(force=True)
    assert processing.processed("taken")["ProcessingJobStatus"] == "Failed"
    assert time.monotonic() - begin < 30


@pytest.mark.slow
def test_the_end_of_a_job_is_recorded_once_a_full_disk_has_room(
    impatient: Callable[[Path], AccountProcess], tmp_path: Path
) -> None:
    with small_file_system(tmp_path, megabytes=100) as disk:
        lab = SageMakerLab(impatient(disk / "state").start()).prepare().push_image()
        try:
            script = (
                "echo running; until [ -e /opt/ml/go ]; do sleep 0.1; done; "
                "head -c 3000000 /dev/zero > /opt/ml/processing/out/x"
            )
            lab.process("full", script, outputs={"out": "EndOfJob"})
            lab.when(lambda: lab.lines(GROUP, "full/"), bool)
            fill(disk / "filler")
            (container,) = lab.containers
            assert container.exec_run(["touch", "/opt/ml/go"]).exit_code == 0
            container.wait()
            job = lab.sagemaker.describe_processing_job(ProcessingJobName="full")
            assert job["ProcessingJobStatus"] == "InProgress"
            (disk / "filler").unlink()
            job = lab.processed("full")
            stored = lab.stored("processed/full/")
            if job["ProcessingJobStatus"] == "Failed":  # it came to the upload before there was room
                assert "the disk of the local account is full" in job["FailureReason"]
                assert stored == {}
            else:
                assert stored == {"out/x": bytes(3_000_000)}
            lab.process("after", "echo 1 > /opt/ml/processing/out/x", outputs={"out": "EndOfJob"})
            assert lab.processed("after")["ProcessingJobStatus"] == "Completed"
        finally:
            lab.close()
