"""Endpoints: what serves, how updates succeed and fail, what survives."""

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lab_helpers import endpoints as workshop_endpoints
from lab_helpers.lab import Lab
from tests.archives import archive_of
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab
from tests.waiting import eventually

pytestmark = pytest.mark.docker

MODEL = f"s3://{BUCKET}/models/model.tar.gz"
DESCRIBE = "describe"


@pytest.fixture(scope="module")
def serving(image_lab: SageMakerLab) -> SageMakerLab:
    """Models that serve well and badly, and a configuration for each."""
    lab = image_lab
    archive = archive_of("model.json", b'{"answer": "42"}')
    lab.s3.put_object(Bucket=BUCKET, Key="models/model.tar.gz", Body=archive)
    lab.s3.put_object(Bucket=BUCKET, Key="models/broken.tar.gz", Body=b"this is no archive")
    lab.model("good", MODEL, GREETING="hello")
    lab.model("better", MODEL, GREETING="good day")
    lab.model("hangs", PING="hang")
    lab.model("crashes", CRASH="1")
    lab.model("broken", f"s3://{BUCKET}/models/broken.tar.gz")
    for name in ("good", "better", "hangs", "crashes", "broken"):
        lab.config(name, {"ModelName": name})
    return lab


@pytest.fixture(scope="module")
def endpoint(serving: SageMakerLab) -> str:
    """An endpoint for tests that leave it as it is."""
    assert serving.endpoint("shared", "good")["EndpointStatus"] == "InService"
    return "shared"


def greeting(lab: SageMakerLab, name: str) -> str:
    answer = lab.invoke(name, CustomAttributes=DESCRIBE)
    return str(json.loads(answer["Body"])["environment"]["GREETING"])


def test_an_endpoint_serves_the_model_in_the_image(serving: SageMakerLab, endpoint: str) -> None:
    answer = serving.invoke(
        endpoint, b"\x00\xff", CustomAttributes=DESCRIBE, ContentType="text/csv", Accept="application/json"
    )
    seen = json.loads(answer["Body"])
    assert seen["model"] == {"model.json": '{"answer": "42"}'}
    assert not seen["writable"]
    assert seen["arguments"] == ["serve"]
    assert seen["environment"]["GREETING"] == "hello"
    assert "SAGEMAKER_BIND_TO_PORT" not in seen["environment"]
    assert seen["headers"]["Content-Type"] == "text/csv"
    assert answer["ContentType"] == "application/json"
    assert answer["CustomAttributes"] == DESCRIBE
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    description = serving.sagemaker.describe_endpoint(EndpointName=endpoint)
    (variant,) = description["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    assert "@sha256:" in variant["DeployedImages"][0]["ResolvedImage"]
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    serving.when(lambda: serving.lines(group, "AllTraffic/i-"), lambda lines: "serving" in lines)


def test_bodies_go_through_untouched(serving: SageMakerLab, endpoint: str) -> None:
    body = bytes(range(256)) * 4000
    answer = serving.invoke(endpoint, body, Accept="application/x-npy")
    assert answer["Body"] == body
    assert answer["ContentType"] == "application/x-npy"


def test_containers_listen_on_loopback_only(serving: SageMakerLab, endpoint: str) -> None:
    published = [
        binding["HostIp"]
        for container in serving.containers
        for bindings in container.ports.values()
        for binding in bindings or []
    ]
    assert published and set(published) == {"127.0.0.1"}


def test_a_request_that_the_container_rejects_is_a_model_error(serving: SageMakerLab, endpoint: str) -> None:
    with pytest.raises(serving.runtime.exceptions.ModelError) as caught:
        serving.invoke(endpoint, CustomAttributes="status418")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 418
    assert answer["OriginalMessage"] == "no such thing"
    assert f"/aws/sagemaker/Endpoints/{endpoint}:log-stream:AllTraffic/i-" in answer["LogStreamArn"]
    assert "Received client error (418) from primary with message" in answer["Error"]["Message"]


def test_an_answer_that_takes_too_long_is_a_model_error(serving: SageMakerLab, endpoint: str) -> None:
    with pytest.raises(serving.runtime.exceptions.ModelError, match="Your invocation timed out"):
        serving.invoke(endpoint, CustomAttributes="sleep10")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"EndpointName": "nobody"}, "Endpoint nobody of account 123456789012 not found."),
        ({"TargetVariant": "Other"}, "Variant Other of endpoint shared not found"),
        ({"Body": b"x" * 6_291_457}, "length less than or equal to 6291456"),
    ],
)
def test_invocations_that_cannot_be_sent_are_refused(
    serving: SageMakerLab, endpoint: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        serving.runtime.invoke_endpoint(**{"EndpointName": endpoint, "Body": b"x", **options})
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_invocations_are_counted_in_cloudwatch(serving: SageMakerLab) -> None:
    serving.endpoint("counted", "good")
    for _ in range(3):
        serving.invoke("counted")
    with pytest.raises(ClientError):
        serving.invoke("counted", CustomAttributes="status500")

    def sums() -> dict[str, float]:
        return {
            name: sum(serving.statistic("counted", name, "Sum"))
            for name in ("Invocations", "InvocationsPerInstance", "Invocation5XXErrors", "ModelLatency")
        }

    found = serving.when(sums, lambda values: values["Invocations"] >= 4)
    assert found["Invocations"] == found["InvocationsPerInstance"] == 4
    assert found["Invocation5XXErrors"] == 1
    assert found["ModelLatency"] > 0
    serving.delete_endpoint("counted")


def test_a_container_that_never_answers_ping_fails_the_endpoint(serving: SageMakerLab) -> None:
    failed = serving.endpoint("hanging", "hangs")
    assert failed["EndpointStatus"] == "Failed"
    assert failed["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint. (What was seen: GET /ping was not answered with 200 "
        "within 6 s: no answer within 2 s.)"
    )
    with pytest.raises(ClientError, match="Endpoint hanging of account"):
        serving.invoke("hanging")
    serving.delete_endpoint("hanging")


def test_a_container_that_exits_fails_the_endpoint_before_the_time_is_up(serving: SageMakerLab) -> None:
    failed = serving.endpoint("crashing", "crashes")
    assert failed["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in failed["FailureReason"]
    assert failed["FailureReason"].endswith("the container exited 3 times, with exit code 1.)")
    lines = serving.lines("/aws/sagemaker/Endpoints/crashing", "AllTraffic/")
    assert "cannot serve" in lines
    serving.delete_endpoint("crashing")


def test_model_data_that_is_not_an_archive_fails_the_endpoint(serving: SageMakerLab) -> None:
    failed = serving.endpoint("unpacked", "broken")
    assert failed["EndpointStatus"] == "Failed"
    assert "Failed to extract model data archive" in failed["FailureReason"]
    serving.delete_endpoint("unpacked")


def test_an_update_serves_without_interruption_and_ends_the_old_container(serving: SageMakerLab) -> None:
    serving.endpoint("updated", "good")
    errors: list[Exception] = []
    done = threading.Event()

    def invoke() -> None:
        runtime = serving.account.client("sagemaker-runtime")
        while not done.is_set():
            try:
                runtime.invoke_endpoint(EndpointName="updated", Body=b"x")["Body"].read()
            except ClientError as error:
                errors.append(error)

    caller = threading.Thread(target=invoke)
    caller.start()
    serving.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName="better")
    description = serving.settled("updated")
    done.set()
    caller.join()
    assert not errors
    assert description["EndpointConfigName"] == "better"
    assert greeting(serving, "updated") == "good day"
    mine = [c for c in serving.containers if "endpoint-updated" in c.labels.values()]
    assert len(mine) == 1
    serving.delete_endpoint("updated")


@pytest.mark.parametrize("config", ["hangs", "crashes", "broken"])
def test_an_update_that_fails_rolls_back(serving: SageMakerLab, config: str) -> None:
    name = f"rolled-back-{config}"
    serving.endpoint(name, "good")
    serving.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    if config == "hangs":  # in progress until the health check gives up
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            serving.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName="better")
    description = serving.settled(name)
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == "good"
    assert description["FailureReason"]
    assert greeting(serving, name) == "hello"
    release = workshop_endpoints.wait(cast("Lab", serving.account), name)
    assert (release.config, release.failure) == ("good", description["FailureReason"])
    serving.delete_endpoint(name)


def test_variants_share_the_traffic_by_weight_and_can_be_chosen(serving: SageMakerLab) -> None:
    serving.config(
        "two",
        {"VariantName": "A", "ModelName": "good", "InitialVariantWeight": 1},
        {"VariantName": "B", "ModelName": "better", "InitialVariantWeight": 0},
    )
    serving.endpoint("weighted", "two")
    assert {serving.invoke("weighted")["InvokedProductionVariant"] for _ in range(10)} == {"A"}
    assert serving.invoke("weighted", TargetVariant="B")["InvokedProductionVariant"] == "B"
    serving.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="weighted",
        DesiredWeightsAndCapacities=[
            {"VariantName": "A", "DesiredWeight": 0},
            {"VariantName": "B", "DesiredWeight": 3, "DesiredInstanceCount": 2},
        ],
    )
    description = serving.settled("weighted")
    variants = {variant["VariantName"]: variant for variant in description["ProductionVariants"]}
    assert variants["B"]["CurrentInstanceCount"] == variants["B"]["DesiredInstanceCount"] == 2
    assert (variants["A"]["CurrentWeight"], variants["B"]["CurrentWeight"]) == (0, 3)
    assert {serving.invoke("weighted")["InvokedProductionVariant"] for _ in range(10)} == {"B"}
    mine = [c for c in serving.containers if "endpoint-weighted" in c.labels.values()]
    assert len(mine) == 3
    serving.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="weighted",
        DesiredWeightsAndCapacities=[{"VariantName": "B", "DesiredInstanceCount": 1}],
    )
    serving.settled("weighted")
    mine = [c for c in serving.containers if "endpoint-weighted" in c.labels.values()]
    assert len(mine) == 2
    serving.delete_endpoint("weighted")
    assert not [c for c in serving.containers if "endpoint-weighted" in c.labels.values()]


def test_a_container_that_dies_comes_back(serving: SageMakerLab) -> None:
    serving.endpoint("dying", "good")
    with pytest.raises(ClientError) as caught:
        serving.invoke("dying", CustomAttributes="die")
    assert caught.value.response["Error"]["Code"] == "ModelError"

    def served() -> bool:
        try:
            return bool(serving.invoke("dying"))
        except serving.runtime.exceptions.ClientError:
            return False

    serving.when(served, bool)
    assert serving.settled("dying")["EndpointStatus"] == "InService"
    serving.delete_endpoint("dying")


@pytest.mark.parametrize("how", ["503", "hang"])
def test_a_container_that_gets_sick_is_replaced_without_a_failed_request(
    serving: SageMakerLab, how: str
) -> None:
    name = f"sick-{how}"
    serving.endpoint(name, "good")

    def host() -> str:
        return str(json.loads(serving.invoke(name, CustomAttributes=DESCRIBE)["Body"])["host"])

    before = host()
    serving.invoke(name, CustomAttributes=f"sick={how}")
    serving.when(host, lambda now: now != before)  # each request is answered, or this raises
    assert serving.settled(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 1

    def mine() -> list[Any]:
        return [c for c in serving.containers if f"endpoint-{name}" in c.labels.values()]

    serving.when(mine, lambda found: [c.short_id[:12] for c in found] != [before] and len(found) == 1)
    lines = serving.lines(f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")
    assert any("GET /ping failed 3 times in a row" in line for line in lines)
    serving.delete_endpoint(name)


def test_names_in_use_and_unknown_names_are_refused_in_sagemakers_words(
    serving: SageMakerLab, endpoint: str
) -> None:
    sagemaker = serving.sagemaker
    with pytest.raises(ClientError, match="Could not find model data at s3://sagemaker-tests/none"):
        serving.model("nothing", f"s3://{BUCKET}/none")
    with pytest.raises(ClientError, match='Cannot create already existing model "arn:aws:sagemaker'):
        serving.model("good")
    with pytest.raises(ClientError, match=r'Could not find model "arn:aws:sagemaker:.*:model/nobody"'):
        serving.config("orphan", {"ModelName": "nobody"})
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName="x", EndpointConfigName="nobody")
    with pytest.raises(ClientError, match="Cannot create already existing endpoint "):
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName="good")
    with pytest.raises(ClientError, match="Could not find endpoint "):
        sagemaker.describe_endpoint(EndpointName="nobody")
    with pytest.raises(ClientError, match="ServerlessConfig is not supported"):
        sagemaker.create_endpoint_config(
            EndpointConfigName="serverless",
            ProductionVariants=[
                {
                    "VariantName": "V",
                    "ModelName": "good",
                    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1},
                }
            ],
        )


@pytest.mark.docker
def test_the_environment_of_a_model_has_32_kilobytes_at_most(serving: SageMakerLab) -> None:
    """ "The maximum length of all keys and values in the map, combined, is 32 KB" (ContainerDefinition)."""
    most = {f"K{number:02}": "v" * 1021 for number in range(32)}
    with pytest.raises(ClientError, match="more than 32 KB"):
        serving.model("large", **most, X="")
    serving.model("large", **most)
    serving.sagemaker.delete_model(ModelName="large")


def test_an_image_in_the_format_of_the_oci_trains_but_does_not_become_a_model(serving: SageMakerLab) -> None:
    oci = "application/vnd.oci.image"
    ecr, repository = serving.account.client("ecr"), {"repositoryName": "tiny"}
    (found,) = ecr.batch_get_image(**repository, imageIds=[{"imageTag": "latest"}])["images"]
    own = {**json.loads(found["imageManifest"]), "mediaType": f"{oci}.manifest.v1+json"}
    own["config"]["mediaType"] = f"{oci}.config.v1+json"
    own["layers"] = [{**layer, "mediaType": f"{oci}.layer.v1.tar+gzip"} for layer in own["layers"]]
    manifest = json.dumps(own)
    digest = ecr.put_image(**repository, imageManifest=manifest, imageTag="oci")["image"]["imageId"][
        "imageDigest"
    ]
    member = {
        "mediaType": own["mediaType"], "digest": digest, "size": len(manifest),
        "platform": {"architecture": "amd64", "os": "linux"},
    }  # fmt: skip
    index = {"schemaVersion": 2, "mediaType": f"{oci}.index.v1+json", "manifests": [member]}
    ecr.put_image(**repository, imageManifest=json.dumps(index), imageTag="index")
    usual = serving.image
    for tag, media_type in ("oci", own["mediaType"]), ("index", index["mediaType"]):
        serving.image = usual.replace(":latest", f":{tag}")
        with pytest.raises(ClientError) as refused:
            serving.model(f"model-{tag}")
        serving.train(f"train-{tag}")
        serving.image = usual
        assert refused.value.response["Error"] == {
            "Code": "ValidationException",
            "Message": f"Unsupported manifest media type {media_type} for image "
            f"{usual.replace(':latest', f':{tag}')}. "
            "Ensure that valid manifest media type is used for specified image.",
        }


def test_a_canary_gets_its_share_and_an_alarm_takes_it_back(serving: SageMakerLab) -> None:
    serving.endpoint("canary", "good")
    serving.alarm("canary-alarm")
    policy = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                "WaitIntervalInSeconds": 4,
            }
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "canary-alarm"}]},
    }
    serving.sagemaker.update_endpoint(
        EndpointName="canary", EndpointConfigName="better", DeploymentConfig=policy
    )
    serving.when(lambda: greeting(serving, "canary"), lambda text: text == "good day")
    seen = {greeting(serving, "canary") for _ in range(30)}
    assert seen == {"hello", "good day"}
    serving.cloudwatch.set_alarm_state(AlarmName="canary-alarm", StateValue="ALARM", StateReason="test")
    description = serving.settled("canary")
    assert "canary-alarm" in description["FailureReason"]
    assert description["EndpointConfigName"] == "good"
    assert {greeting(serving, "canary") for _ in range(10)} == {"hello"}
    serving.delete_endpoint("canary")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_endpoints_come_back_and_interrupted_jobs_fail_when_the_account_does(
    impatient: Callable[[Path], AccountProcess], tmp_path: Any, how: int
) -> None:
    account = impatient(tmp_path / "state").start()
    lab = SageMakerLab(account).prepare().push_image()
    try:
        lab.model("good", GREETING="hello")
        lab.config("good", {"ModelName": "good"})
        lab.endpoint("lasting", "good")
        lab.train("interrupted", HyperParameters={"sleep": "60"})
        lab.when(
            lambda: lab.sagemaker.describe_training_job(TrainingJobName="interrupted"),
            lambda job: job["SecondaryStatus"] == "Training",
        )
        account.stop(how)
        if how == signal.SIGTERM:
            assert lab.containers == []
        else:
            for container in lab.containers:  # by someone who thinks they are nobody's
                if container.labels["mlops-workshop.group"] == "training-job-interrupted":
                    container.remove(force=True)
        account.start()
        job = lab.trained("interrupted")
        assert job["FailureReason"].startswith(
            "InternalServerError: the local account was stopped while the job was running"
        )
        assert lab.settled("lasting")["EndpointStatus"] == "InService"
        assert greeting(lab, "lasting") == "hello"
        assert len(lab.containers) == 1
        eventually(lambda: not lab.volumes)
    finally:
        lab.close()
    assert lab.containers == []


def test_an_invocation_costs_little_more_than_the_container(serving: SageMakerLab, endpoint: str) -> None:
    for _ in range(20):
        serving.invoke(endpoint)
    begin = time.perf_counter()
    for _ in range(100):
        serving.invoke(endpoint)
    assert (time.perf_counter() - begin) / 100 < 0.1  # boto3, the gateway and the container together
