"""Lifecycle rules are carried out when their days have passed."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from local_account.authorization.authorizer import Authorizer
from local_account.foundation.account import Account
from local_account.foundation.config import LOOPBACK, AccountConfig
from local_account.gateway.connections import KeepAliveHandler
from local_account.gateway.gateway import Gateway
from local_account.services.s3 import S3
from local_account.services.s3.storage import Candidates
from tests.local_account.services.served import RecordingBus
from tests.refusing import code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "aging"


class NoBackend:
    """A backend for no service."""

    services: Collection[str] = ()

    def handle(self, *_: Any) -> Any:
        raise AssertionError("nothing is its business")


class Aging:
    """S3 in this process, whose rules can be carried out on a later day."""

    def __init__(self, state: Path) -> None:
        self.account = Account(
            AccountConfig.load(state, {"gateway_port": 0, "git_port": 0, "registry_port": 0})
        )
        self.account.bus = self.bus = RecordingBus()
        self.days = 0
        authorizer = Authorizer(self.account)
        self.service = S3(self.account, authorizer, self.now)
        gateway = Gateway(self.account, {"s3": self.service}, authorizer, NoBackend())
        self.listener = make_server(
            LOOPBACK,
            self.account.config.gateway_port,
            gateway,
            threaded=True,
            request_handler=KeepAliveHandler.until(threading.Event()),  # type: ignore[arg-type]
        )
        threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()
        self.client: S3Client = self.account.client("s3")
        self.client.create_bucket(Bucket=BUCKET)

    def now(self) -> datetime:
        return self.account.now() + timedelta(days=self.days)

    def carry_out_after(self, days: int) -> None:
        """Carry out the rules as if it were so many days later."""
        self.days = days
        try:
            self.service.lifecycle.carry_out()
        finally:
            self.days = 0

    def rule(self, **rule: Any) -> None:
        rules: Any = {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": "old/"}, **rule}]}
        self.client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=rules)

    def keys(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def close(self) -> None:
        self.listener.shutdown()
        self.listener.server_close()
        self.account.tasks.stop()
        self.service.close()
        self.account.store.close()


@pytest.fixture
def aging(tmp_path: Path) -> Iterator[Aging]:
    aging = Aging(tmp_path / "state")
    yield aging
    aging.close()


def test_an_object_expires_at_the_midnight_after_its_days(aging: Aging) -> None:
    for key in ("old/a", "old/b", "new/a"):
        aging.client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    aging.rule(Expiration={"Days": 2})
    aging.carry_out_after(2)
    assert aging.keys() == ["new/a", "old/a", "old/b"], "the midnight after two days has not come"
    aging.carry_out_after(3)
    assert aging.keys() == ["new/a"]


def test_clients_are_told_when_an_object_expires(aging: Aging) -> None:
    aging.rule(ID="soon", Expiration={"Days": 2})
    put = aging.client.put_object(Bucket=BUCKET, Key="old/a", Body=b"x")
    modified = aging.client.head_object(Bucket=BUCKET, Key="old/a")["LastModified"]
    midnight = (modified + timedelta(days=3)).replace(hour=0, minute=0, second=0)
    expected = f'expiry-date="{format_datetime(midnight.astimezone(UTC), usegmt=True)}", rule-id="soon"'
    assert put["Expiration"] == expected
    assert aging.client.get_object(Bucket=BUCKET, Key="old/a")["Expiration"] == expected
    other: Any = aging.client.put_object(Bucket=BUCKET, Key="new/a", Body=b"x")
    assert "Expiration" not in other


def test_a_bucket_is_looked_through_once_a_day(aging: Aging) -> None:
    aging.rule(Expiration={"Days": 1})
    aging.client.put_object(Bucket=BUCKET, Key="old/a", Body=b"x")
    aging.carry_out_after(0)
    asked = []
    aging.service.storage.expired = lambda *_: asked.append(1) or Candidates([], None)  # type: ignore[method-assign, func-returns-value]
    aging.carry_out_after(0)
    assert not asked
    aging.carry_out_after(1)
    assert asked


def test_expiry_is_announced(aging: Aging) -> None:
    on: Any = {"EventBridgeConfiguration": {}}
    aging.client.put_object(Bucket=BUCKET, Key="old/a", Body=b"x")
    aging.client.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=on)
    aging.rule(Expiration={"Days": 1})
    aging.carry_out_after(2)
    (detail,) = aging.bus.details(reason="Lifecycle Expiration")
    assert (detail["object"]["key"], detail["deletion-type"]) == ("old/a", "Permanently Deleted")
    assert (detail["requester"], bool(detail["request-id"])) == ("s3.amazonaws.com", True)


def test_versions_expire_by_a_marker_and_then_for_good(aging: Aging) -> None:
    s3 = aging.client
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="old/a", Body=b"x")
    aging.rule(Expiration={"Days": 1})
    aging.carry_out_after(2)
    found: Any = s3.list_object_versions(Bucket=BUCKET)
    assert (len(found["Versions"]), len(found["DeleteMarkers"])) == (1, 1)
    aging.rule(
        NoncurrentVersionExpiration={"NoncurrentDays": 1}, Expiration={"ExpiredObjectDeleteMarker": True}
    )
    aging.carry_out_after(6)
    found = s3.list_object_versions(Bucket=BUCKET)
    assert "Versions" not in found
    assert "DeleteMarkers" not in found


def test_the_newest_noncurrent_versions_can_be_kept(aging: Aging) -> None:
    s3 = aging.client
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=BUCKET, Key="old/a", Body=b"x")["VersionId"] for _ in range(4)]
    aging.rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 1})
    aging.carry_out_after(3)
    left = [one["VersionId"] for one in s3.list_object_versions(Bucket=BUCKET)["Versions"]]
    assert left == versions[:1:-1]


def test_a_rule_can_be_for_tags_and_sizes(aging: Aging) -> None:
    s3 = aging.client
    s3.put_object(Bucket=BUCKET, Key="old/tagged", Body=b"x" * 20, Tagging="tmp=1")
    s3.put_object(Bucket=BUCKET, Key="old/small", Body=b"x", Tagging="tmp=1")
    s3.put_object(Bucket=BUCKET, Key="old/plain", Body=b"x" * 20)
    both: Any = {"Tags": [{"Key": "tmp", "Value": "1"}], "ObjectSizeGreaterThan": 10}
    aging.rule(Filter={"And": both}, Expiration={"Days": 1})
    aging.carry_out_after(2)
    assert aging.keys() == ["old/plain", "old/small"]


@pytest.mark.parametrize(
    "rule",
    [
        {"Filter": {"Tag": {"Key": "tmp", "Value": "1"}}},
        {"Filter": {"ObjectSizeGreaterThan": 10}},
    ],
)
def test_a_rule_for_tags_or_sizes_leaves_markers(aging: Aging, rule: dict[str, Any]) -> None:
    s3 = aging.client
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=BUCKET, Key="alone")
    s3.delete_object(Bucket=BUCKET, Key="old")
    s3.put_object(Bucket=BUCKET, Key="old", Body=b"x")
    aging.rule(**rule, Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1})
    aging.carry_out_after(4)
    assert [one["Key"] for one in s3.list_object_versions(Bucket=BUCKET)["DeleteMarkers"]] == ["alone", "old"]


def test_unfinished_uploads_end(aging: Aging) -> None:
    s3 = aging.client
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="old/a")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="old/a", UploadId=upload, PartNumber=1, Body=b"x")
    aging.rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1})
    aging.carry_out_after(1)
    assert len(s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]) == 1
    aging.carry_out_after(2)
    assert code(s3.list_parts, Bucket=BUCKET, Key="old/a", UploadId=upload) == "NoSuchUpload"


def test_a_rule_that_is_disabled_does_nothing(aging: Aging) -> None:
    aging.client.put_object(Bucket=BUCKET, Key="old/a", Body=b"x")
    aging.rule(Status="Disabled", Expiration={"Days": 1})
    aging.carry_out_after(5)
    assert aging.keys() == ["old/a"]


def test_more_objects_than_one_step_has(aging: Aging) -> None:
    for number in range(450):
        aging.client.put_object(Bucket=BUCKET, Key=f"old/{number:03}", Body=b"")
    aging.rule(Expiration={"Days": 1})
    aging.carry_out_after(2)
    assert aging.keys() == []
