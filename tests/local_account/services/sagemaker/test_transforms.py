"""Batch transform: requests to the model's container, and what is stored of its answers."""

import gzip
import io
import json
import signal
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab
from tests.waiting import eventually

pytestmark = pytest.mark.docker

GROUP = "/aws/sagemaker/TransformJobs"
ROWS = b"1,2,a\n3,4,b\n5,6,c\n"


@pytest.fixture(scope="module")
def batch(image_lab: SageMakerLab) -> SageMakerLab:
    """A lab with rows to transform, and a model whose answers show how they came."""
    lab = image_lab
    for name in ("rows.csv", "more/rows.csv"):
        lab.s3.put_object(Bucket=BUCKET, Key=f"rows/{name}", Body=ROWS)
    lab.model("brackets", BRACKETS="yes")
    lab.model("echo")
    return lab


def test_an_object_becomes_an_object_with_the_answers_in_order(batch: SageMakerLab) -> None:
    batch.transform("multi", "brackets", "rows/", Tags=[{"Key": "team", "Value": "red"}])
    job = batch.transformed("multi")

    assert job["TransformJobStatus"] == "Completed", job
    assert job["TransformEndTime"] >= job["TransformStartTime"] >= job["CreationTime"]
    assert job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    answer = b"[1,2,a|3,4,b|5,6,c]\n"
    assert batch.stored("batch/multi/") == {"rows.csv.out": answer, "more/rows.csv.out": answer}
    lines = batch.lines(GROUP, "multi/i-")
    assert "serving" in lines
    # It prints this just before it answers for the last time: an ended job's log is complete.
    assert sum('"POST /invocations HTTP/1.1" 200' in line for line in lines) == 2
    said = ":[sagemaker logs]: MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    assert any(line.endswith(said) for line in lines)
    tags = batch.sagemaker.list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "red"}]
    listed = batch.sagemaker.list_transform_jobs(NameContains="multi")["TransformJobSummaries"]
    assert [one["TransformJobStatus"] for one in listed] == ["Completed"]
    with pytest.raises(ClientError, match="Job name must be unique") as refused:
        batch.transform("multi", "brackets", "rows/")
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
    eventually(lambda: not batch.containers)


def test_single_records_are_sent_at_the_same_time_and_stored_in_order(batch: SageMakerLab) -> None:
    batch.transform(
        "single", "brackets", "rows/rows.csv", BatchStrategy="SingleRecord", MaxConcurrentTransforms=4
    )
    assert batch.transformed("single")["TransformJobStatus"] == "Completed"
    assert batch.stored("batch/single/") == {"rows.csv.out": b"[1,2,a]\n[3,4,b]\n[5,6,c]\n"}


def test_the_container_may_say_how_it_wants_its_requests(batch: SageMakerLab) -> None:
    wishes = {"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}
    batch.model("wishes", BRACKETS="yes", PARAMETERS=json.dumps(wishes))
    batch.transform("wishes", "wishes", "rows/rows.csv")
    assert batch.transformed("wishes")["TransformJobStatus"] == "Completed"
    assert batch.stored("batch/wishes/")["rows.csv.out"].count(b"[") == 3
    said = "MaxPayloadInMB=1, BatchStrategy=SINGLE_RECORD"
    assert any(said in line for line in batch.lines(GROUP, "wishes/"))


def test_filters_choose_what_the_model_sees_and_what_is_kept(batch: SageMakerLab) -> None:
    processing = {"InputFilter": "$[0,1]", "JoinSource": "Input", "OutputFilter": "$[-1,2]"}
    batch.transform("joined", "echo", "rows/rows.csv", DataProcessing=processing)
    job = batch.transformed("joined")
    assert job["TransformJobStatus"] == "Completed", batch.lines(GROUP, "joined/")
    assert batch.stored("batch/joined/") == {"rows.csv.out": b"2,a\n4,b\n6,c\n"}


def test_the_container_is_told_that_it_serves_a_batch(batch: SageMakerLab) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("model.json")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"{}"))
    batch.s3.put_object(Bucket=BUCKET, Key="models/batch.tar.gz", Body=archive.getvalue())
    batch.model("describing", f"s3://{BUCKET}/models/batch.tar.gz", DESCRIBE="yes", OWN="model")
    batch.transform(
        "described",
        "describing",
        "rows/rows.csv",
        MaxPayloadInMB=2,
        BatchStrategy="MultiRecord",
        Environment={"OWN": "job", "MORE": "yes"},
    )
    assert batch.transformed("described")["TransformJobStatus"] == "Completed"
    seen = json.loads(batch.stored("batch/described/")["rows.csv.out"])
    assert seen["model"] == {"model.json": "{}"}
    assert seen["arguments"] == ["serve"]
    assert seen["headers"]["Accept"] == seen["headers"]["Content-Type"] == "text/csv"
    environment = seen["environment"]
    assert environment["SAGEMAKER_BATCH"] == "true"
    assert environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "2"
    assert environment["SAGEMAKER_BATCH_STRATEGY"] == "MULTI_RECORD"
    assert "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS" not in environment
    assert (environment["OWN"], environment["MORE"]) == ("job", "yes")


def test_a_manifest_names_objects_and_gzip_is_unpacked(batch: SageMakerLab) -> None:
    batch.s3.put_object(Bucket=BUCKET, Key="zipped/one.gz", Body=gzip.compress(b"1\n2\n"))
    manifest = [{"prefix": f"s3://{BUCKET}/zipped/"}, "one.gz"]
    batch.s3.put_object(Bucket=BUCKET, Key="batch.manifest", Body=json.dumps(manifest).encode())
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": f"s3://{BUCKET}/batch.manifest"}}
    batch.transform(
        "manifest",
        "brackets",
        "",
        TransformInput={"DataSource": source, "CompressionType": "Gzip", "SplitType": "None"},
        MaxPayloadInMB=0,
    )
    assert batch.transformed("manifest")["TransformJobStatus"] == "Completed"
    assert batch.stored("batch/manifest/") == {"one.gz.out": b"[1|2]\n"}


@pytest.mark.parametrize(
    ("status", "fault", "said"),
    [
        ("400", "ClientError", "ClientError: 400"),
        ("503", "AlgorithmError", "Bad HTTP status received from algorithm: 503"),
    ],
)
def test_an_object_that_the_model_refuses_fails_the_job_and_others_are_stored(
    batch: SageMakerLab, status: str, fault: str, said: str
) -> None:
    batch.s3.put_object(Bucket=BUCKET, Key="mixed/bad.csv", Body=b"1\nbroken\n")
    batch.s3.put_object(Bucket=BUCKET, Key="mixed/good.csv", Body=b"1\n2\n")
    name = f"refusing-{status}"
    batch.model(name, REFUSE="broken", STATUS=status)
    batch.transform(name, name, "mixed/")
    job = batch.transformed(name)

    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == f"{fault}: See job logs for more information"
    assert batch.stored(f"batch/{name}/") == {"good.csv.out": b"1\n2\n"}
    lines = [line.partition("[sagemaker logs]: ")[2] for line in batch.lines(GROUP, f"{name}/")]
    assert f"{BUCKET}/mixed/bad.csv: {said}" in lines
    assert f"{BUCKET}/mixed/bad.csv: cannot read it" in lines


def test_a_container_that_exits_fails_the_job(batch: SageMakerLab) -> None:
    batch.model("crashing", CRASH="yes")
    batch.transform("crashing", "crashing", "rows/rows.csv")
    job = batch.transformed("crashing")
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert any("did not respond to /ping" in line for line in batch.lines(GROUP, "crashing/"))


def test_a_stopped_job_stores_nothing(batch: SageMakerLab) -> None:
    batch.model("sick", PING="500")
    batch.transform("stopped", "sick", "rows/rows.csv")
    batch.sagemaker.stop_transform_job(TransformJobName="stopped")
    assert batch.transformed("stopped")["TransformJobStatus"] == "Stopped"
    assert batch.stored("batch/stopped/") == {}
    with pytest.raises(ClientError, match="in status Stopped"):
        batch.sagemaker.stop_transform_job(TransformJobName="stopped")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"ModelName": "nowhere"}, "ValidationException", "Could not find model"),
        ({"MaxPayloadInMB": 101}, "ValidationException", "cannot be greater than 100"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "ValidationException", "cannot exceed 100"),
        ({"DataProcessing": {"InputFilter": "$[0:2]"}}, "UnsupportedOperation", "a slice with an end"),
        ({"DataProcessing": {"InputFilter": "[0]"}}, "ValidationException", "does not begin with"),
        ({"TransformResources": {"InstanceCount": 2}}, "UnsupportedOperation", "several instances"),
        ({"TransformInput": {"SplitType": "RecordIO"}}, "UnsupportedOperation", "RecordIO"),
    ],
    ids=lambda one: one if isinstance(one, str) else "-".join(one),
)
def test_requests_are_refused_with_the_code_of_aws(
    batch: SageMakerLab, changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        batch.transform("refused", "echo", "rows/", **changes)
    assert refused.value.response["Error"]["Code"] == code


def test_no_data_is_refused_and_so_is_an_unknown_job(batch: SageMakerLab) -> None:
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        batch.transform("nothing", "echo", "nowhere/")
    with pytest.raises(ClientError, match="Could not find requested job with name: unknown"):
        batch.sagemaker.describe_transform_job(TransformJobName="unknown")


def test_it_fails_with_a_reason_if_the_account_is_killed(batch: SageMakerLab) -> None:
    batch.transform("killed", "sick", "rows/rows.csv")
    batch.when(lambda: batch.containers, bool)
    batch.account.stop(signal.SIGKILL)
    batch.account.start()
    job = batch.transformed("killed")
    assert (job["TransformJobStatus"], job["FailureReason"][:19]) == ("Failed", "InternalServerError")
    eventually(lambda: not batch.containers)
