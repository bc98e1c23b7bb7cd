"""Changes to the objects of a bucket with EventBridge notifications are published."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.local_account.services.events.recorder import Recorder
from tests.waiting import Eventually

KEYS = ["plain.zip", "a b/c+d.txt", "ü/日本語.json", "100%25/?#&=.txt"]


@pytest.fixture(scope="module")
def listener(client: Callable[[str], Any], recorder_role: str, recorder_class: type[Recorder]) -> Any:
    """A function that receives all events of S3."""
    events = client("events")
    function = recorder_class(client, "s3-listener", recorder_role)
    function.permit(events.put_rule(Name="s3-all", EventPattern='{"source": ["aws.s3"]}')["RuleArn"])
    events.put_targets(Rule="s3-all", Targets=[{"Id": "t", "Arn": function.arn}])
    yield function
    events.remove_targets(Rule="s3-all", Ids=["t"])
    events.delete_rule(Name="s3-all")


@pytest.fixture
def bucket(client: Callable[[str], Any], request: pytest.FixtureRequest) -> str:
    name: str = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")[:60]
    s3 = client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    configuration: dict[str, Any] = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)
    return name


@pytest.fixture
def published(listener: Any, bucket: str, eventually: Eventually) -> Callable[[int], list[Any]]:
    """Wait for a number of the bucket's events, sorted by time."""

    def wait(count: int) -> list[Any]:
        def found() -> list[Any]:
            own = [event for event in listener.received() if event["detail"]["bucket"]["name"] == bucket]
            return own if len(own) >= count else []

        return sorted(eventually(found), key=lambda event: event["detail"]["object"]["sequencer"])

    return wait


def test_the_configuration_can_be_read(client: Callable[[str], Any], bucket: str) -> None:
    answer = client("s3").get_bucket_notification_configuration(Bucket=bucket)
    assert answer["EventBridgeConfiguration"] == {}


def test_an_upload_is_published(client: Callable[[str], Any], bucket: str, published: Any) -> None:
    stored = client("s3").put_object(Bucket=bucket, Key="training/source/trainingjob.zip", Body=b"12345")
    [event] = published(1)
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    detail = event["detail"]
    sequencer = detail["object"].pop("sequencer")
    assert int(sequencer, 16) > 0
    assert detail.pop("request-id")
    assert detail == {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {
            "key": "training/source/trainingjob.zip",
            "size": 5,
            "etag": stored["ETag"].strip('"'),
            "version-id": stored["VersionId"],
        },
        "requester": "123456789012",
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }


def test_keys_are_as_they_were_given(client: Callable[[str], Any], bucket: str, published: Any) -> None:
    s3 = client("s3")
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert [event["detail"]["object"]["key"] for event in published(len(KEYS))] == KEYS


def test_every_way_to_create_an_object(client: Callable[[str], Any], bucket: str, published: Any) -> None:
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="put", Body=b"abc", Metadata={"a": "b"}, ChecksumAlgorithm="SHA256")
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "put"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="in parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="in parts", UploadId=upload, PartNumber=1, Body=b"part")
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="in parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    form = s3.generate_presigned_post(bucket, "posted/${filename}")
    files = {"file": ("x y.txt", b"xy")}
    assert requests.post(form["url"], data=form["fields"], files=files, timeout=5).status_code == 204
    link = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by link"})
    assert requests.put(link, data=b"123456", timeout=5).status_code == 200
    s3.get_object(Bucket=bucket, Key="put")  # reading an object is not an event
    s3.put_object(Bucket=bucket, Key="last", Body=b"")
    found = [event["detail"] for event in published(6)]
    assert [(item["reason"], item["object"]["key"], item["object"]["size"]) for item in found] == [
        ("PutObject", "put", 3),
        ("CopyObject", "copied", 3),
        ("CompleteMultipartUpload", "in parts", 4),
        ("POST Object", "posted/x y.txt", 2),
        ("PutObject", "by link", 6),
        ("PutObject", "last", 0),
    ]
    assert found[2]["object"]["etag"] == done["ETag"].strip('"')
    assert all(item["object"]["version-id"] for item in found)


def test_tags_are_published(client: Callable[[str], Any], bucket: str, published: Any) -> None:
    s3 = client("s3")
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    found = published(3)[1:]
    assert [event["detail-type"] for event in found] == ["Object Tags Added", "Object Tags Deleted"]
    assert {event["detail"]["object"]["version-id"] for event in found} == {version}


def test_deletions_say_what_was_deleted(client: Callable[[str], Any], bucket: str, published: Any) -> None:
    s3 = client("s3")
    first = s3.put_object(Bucket=bucket, Key="one", Body=b"")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="one")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="one", VersionId=first)
    doomed = {"Objects": [{"Key": "ü 1"}, {"Key": "ü 2"}]}
    deleted = s3.delete_objects(Bucket=bucket, Delete=doomed)["Deleted"]
    markers = [one["DeleteMarkerVersionId"] for one in deleted]
    found = published(5)[1:]
    assert {event["detail-type"] for event in found} == {"Object Deleted"}
    assert {event["detail"]["reason"] for event in found} == {"DeleteObject"}, "DeleteObjects, too"
    said = [
        (
            event["detail"]["object"]["key"],
            event["detail"]["object"].get("version-id"),
            event["detail"]["deletion-type"],
        )
        for event in found
    ]
    assert said == [
        ("one", marker, "Delete Marker Created"),
        ("one", first, "Permanently Deleted"),
        ("ü 1", markers[0], "Delete Marker Created"),
        ("ü 2", markers[1], "Delete Marker Created"),
    ]


def test_a_bucket_without_the_configuration_is_silent(
    client: Callable[[str], Any], bucket: str, published: Any
) -> None:
    s3 = client("s3")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    s3.put_object(Bucket=bucket, Key="unheard", Body=b"")
    configuration: dict[str, Any] = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    with pytest.raises(s3.exceptions.ClientError):
        s3.copy_object(Bucket=bucket, Key="failed", CopySource={"Bucket": bucket, "Key": "no such key"})
    s3.put_object(Bucket=bucket, Key="heard", Body=b"")
    assert [event["detail"]["object"]["key"] for event in published(1)] == ["heard"]
