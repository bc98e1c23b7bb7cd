"""Data capture: what of an endpoint's invocations is in S3, and when nothing is."""

import base64
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.services.sagemaker.captured_files import CapturedFiles, Destination
from local_account.services.sagemaker.data_capture import DataCapture, Invocation, Payload
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab
from tests.local_account.small_disk import fill, small_file_system
from tests.waiting import eventually

URI = f"s3://{BUCKET}/capture/"
TYPES = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}


def capturing(**changes: Any) -> Any:
    """Return a DataCaptureConfig that captures everything."""
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": URI,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": TYPES,
        **changes,
    }


def captured(lab: SageMakerLab, endpoint: str) -> list[dict[str, Any]]:
    """Return what is in the capture files of an endpoint."""
    files = lab.stored(f"capture/{endpoint}/AllTraffic/").values()
    return [json.loads(line) for content in files for line in content.splitlines()]


def update(lab: SageMakerLab, endpoint: str, config: str, **options: Any) -> dict[str, Any]:
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, **options)
    return lab.settled(endpoint)


@pytest.fixture(scope="module")
def serving(image_lab: SageMakerLab) -> SageMakerLab:
    """A model that answers what it was asked, and endpoint configurations with capture and without."""
    image_lab.model("echo")
    image_lab.config("captures", {"ModelName": "echo"}, DataCaptureConfig=capturing())
    image_lab.config("pauses", {"ModelName": "echo"}, DataCaptureConfig=capturing(EnableCapture=False))
    image_lab.config("ignores", {"ModelName": "echo"})
    return image_lab


@pytest.mark.docker
def test_invocations_are_in_s3_as_the_developer_guide_says(serving: SageMakerLab) -> None:
    described = serving.endpoint("documented", "captures")
    assert described["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": URI,
    }
    serving.invoke(
        "documented",
        b"5.1,3.5\n",
        ContentType="text/csv",
        Accept="text/csv; charset=utf-8",
        InferenceId="flower-7",
        CustomAttributes="ward-3",
    )
    serving.invoke("documented", b'{"a": 1}', ContentType="application/json", Accept="application/json")
    serving.invoke("documented", b"\x00\xff", ContentType="image/png", Accept="image/png")
    with pytest.raises(ClientError):
        serving.invoke("documented", CustomAttributes="status500")

    csv, document, image = serving.when(
        lambda: captured(serving, "documented"), lambda found: len(found) >= 3
    )

    assert csv["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv",
            "mode": "INPUT",
            "data": "5.1,3.5\n",
            "encoding": "CSV",
        },
        "endpointOutput": {
            "observedContentType": "text/csv; charset=utf-8",
            "mode": "OUTPUT",
            "data": "5.1,3.5\n",
            "encoding": "CSV",
        },
    }
    assert csv["eventVersion"] == "0"
    metadata = csv["eventMetadata"]
    assert metadata["inferenceId"] == "flower-7"
    assert metadata["customAttributes"] == ["ward-3"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["inferenceTime"])
    assert document["captureData"]["endpointInput"]["encoding"] == "JSON"
    assert "inferenceId" not in document["eventMetadata"]
    assert image["captureData"]["endpointOutput"]["encoding"] == "BASE64"
    assert base64.b64decode(image["captureData"]["endpointOutput"]["data"]) == b"\x00\xff"
    assert len({one["eventMetadata"]["eventId"] for one in (csv, document, image)}) == 3
    hour = re.sub(r"-|T", "/", metadata["inferenceTime"])[:13]
    for key in serving.stored("capture/documented/AllTraffic/"):
        assert re.fullmatch(hour[:10] + r"/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", key)
    serving.delete_endpoint("documented")


@pytest.mark.docker
def test_an_update_starts_and_stops_capture(serving: SageMakerLab) -> None:
    assert "DataCaptureConfig" not in serving.endpoint("switched", "ignores")
    serving.invoke("switched", b"before")
    assert update(serving, "switched", "captures")["DataCaptureConfig"]["CaptureStatus"] == "Started"
    serving.invoke("switched", b"during", ContentType="text/csv")
    # Capture is never retained: "Not currently supported", says VariantProperty.
    retained = update(serving, "switched", "pauses", RetainAllVariantProperties=True)
    stopped = retained["DataCaptureConfig"]
    assert (stopped["EnableCapture"], stopped["CaptureStatus"]) == (False, "Stopped")
    serving.invoke("switched", b"after", ContentType="text/csv")
    found = serving.when(lambda: captured(serving, "switched"), bool)
    assert [one["captureData"]["endpointInput"]["data"] for one in found] == ["during"]
    serving.delete_endpoint("switched")


@pytest.mark.docker
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_captured_data_survives_the_end_of_the_account(
    impatient: Callable[[Path], AccountProcess], tmp_path: Path, how: int
) -> None:
    account = impatient(tmp_path / "state").start()
    lab = SageMakerLab(account).prepare().push_image()
    try:
        lab.model("echo")
        lab.config("captures", {"ModelName": "echo"}, DataCaptureConfig=capturing())
        lab.endpoint("lasting", "captures")
        for number in range(20):
            lab.invoke("lasting", f"{number}".encode(), ContentType="text/csv")
        if how == signal.SIGKILL:
            files = account.state / "captured"
            eventually(lambda: sum(one.read_bytes().count(b"\n") for one in files.glob("*.jsonl")) == 20)
        account.stop(how)
        account.start()
        if how == signal.SIGTERM:
            assert len(captured(lab, "lasting")) == 20
        lab.when(lambda: len(captured(lab, "lasting")), lambda count: count == 20)
        assert not list((account.state / "captured").iterdir())
    finally:
        lab.close()


@pytest.mark.docker
def test_a_template_says_what_is_captured_and_who_is_shadowed(serving: SageMakerLab) -> None:
    variant = {"ModelName": "echo", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    properties = {
        "EndpointConfigName": "of-a-template",
        "ProductionVariants": [{"VariantName": "AllTraffic", "InitialVariantWeight": 2, **variant}],
        "ShadowProductionVariants": [{"VariantName": "Candidate", "InitialVariantWeight": 1, **variant}],
        "DataCaptureConfig": {**capturing(), "EnableCapture": "true"},
    }
    template = {"Resources": {"Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": properties}}}
    cloudformation = serving.account.client("cloudformation")
    cloudformation.create_stack(StackName="captures", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="captures", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    config = serving.sagemaker.describe_endpoint_config(EndpointConfigName="of-a-template")
    assert config["DataCaptureConfig"] == capturing()
    assert [one["VariantName"] for one in config["ShadowProductionVariants"]] == ["Candidate"]
    cloudformation.delete_stack(StackName="captures")


# --- without containers


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    account = Account(AccountConfig(tmp_path))
    yield account
    account.store.close()


def invocation(body: bytes = b"1", kind: str | None = "text/csv") -> Invocation:
    return Invocation(time.time(), Payload(kind, body), Payload("text/csv", b"2"), None, None)


WHERE = Destination("iris", "AllTraffic", URI, "arn:aws:iam::123456789012:role/none")


def sure(config: Any) -> DataCapture:
    capture = DataCapture.of(config)
    assert capture
    return capture


def test_a_sample_of_the_invocations_is_captured() -> None:
    for percentage in (0, 20, 100):
        capture = sure(capturing(InitialSamplingPercentage=percentage))
        assert sum(capture.samples() for _ in range(10_000)) == pytest.approx(100 * percentage, abs=300)


@pytest.mark.parametrize(
    ("modes", "members"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_the_options_say_which_side_is_captured(modes: list[str], members: set[str]) -> None:
    capture = sure(capturing(CaptureOptions=[{"CaptureMode": one} for one in modes]))
    assert set(json.loads(capture.line(invocation()))["captureData"]) == members


def test_a_line_stays_one_whatever_is_in_the_data() -> None:
    text = "a\nb\r\u2028\x85\x0cé"
    line = sure(capturing()).line(invocation(text.encode())).decode()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["captureData"]["endpointInput"]["data"] == text


def test_many_large_invocations_take_bounded_memory_and_none_waits(account: Account) -> None:
    files = CapturedFiles(account)
    (account.config.state_dir / "captured").mkdir()
    for _ in range(40):  # nothing writes them meanwhile
        files.take(sure(capturing()), WHERE, invocation(bytes(6_291_456)))
    files.write()
    assert lines(account) == 10
    files.take(sure(capturing()), WHERE, invocation())
    files.write()
    assert lines(account) == 11


def test_a_full_disk_loses_captured_data_and_harms_nothing_else(tmp_path: Path) -> None:
    with small_file_system(tmp_path, megabytes=2) as disk:
        account = Account(AccountConfig(disk))
        (disk / "captured").mkdir()
        files, capture = CapturedFiles(account), sure(capturing())
        files.take(capture, WHERE, invocation())
        files.write()
        fill(disk / "filler")
        for _ in range(3):
            files.take(capture, WHERE, invocation(bytes(100_000)))
        files.write()
        (disk / "filler").unlink()
        files.take(capture, WHERE, invocation())
        files.write()
        found = [json.loads(line) for one in (disk / "captured").glob("*.jsonl") for line in one.open()]
        assert [one["captureData"]["endpointInput"]["data"] for one in found] == ["1", "1"]
        account.store.close()


def test_what_a_killed_account_has_left_is_stored_at_the_next_start(
    impatient: Callable[[Path], AccountProcess], tmp_path: Path
) -> None:
    process = impatient(tmp_path / "state").start()
    lab = SageMakerLab(process).prepare()
    process.stop()
    account = Account(AccountConfig.load(process.state))
    files = CapturedFiles(account)
    for _ in range(3):
        files.take(sure(capturing()), replace(WHERE, role_arn=lab.role), invocation())
    files.write()
    account.store.close()
    (left,) = (process.state / "captured").glob("*.jsonl")
    with left.open("a") as file:
        file.write('{"captureData": {"endpointIn')
    (process.state / "captured" / "damaged.json").write_text("{")
    process.start()
    try:
        lab.when(lambda: captured(lab, "iris"), lambda found: len(found) == 3)
        eventually(lambda: not list((process.state / "captured").iterdir()))
    finally:
        process.stop()


def lines(account: Account) -> int:
    files = (account.config.state_dir / "captured").glob("*.jsonl")
    return sum(one.read_bytes().count(b"\n") for one in files)
