"""Who may do what: signatures, presigned URLs, policies of buckets, public access."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import botocore.auth
import botocore.crt.auth
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config

from local_account.services.s3 import policies
from tests.local_account.account_process import AccountProcess
from tests.refusing import code, refused
from tests.sessions import make_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def policy_of(**statement: Any) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def of(bucket: str) -> list[str]:
    """The ARNs of a bucket and of what is in it."""
    return [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]


def anonymous(account: AccountProcess) -> Any:
    return make_client(
        "s3",
        endpoint_url=account.endpoint_url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("key", "secret", "expected"),
    [
        ("AKIALOCALACCOUNT0000", "guessed", "SignatureDoesNotMatch"),
        ("AKIAUNKNOWN000000000", "local-account", "InvalidAccessKeyId"),
    ],
)
def test_a_wrong_signature_is_refused(
    local_account: AccountProcess, bucket: str, key: str, secret: str, expected: str
) -> None:
    stranger = make_client(
        "s3",
        endpoint_url=local_account.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
    error = refused(stranger.list_objects_v2, Bucket=bucket)
    assert (error["Code"], error["Status"]) == (expected, 403)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_is_for_one_thing(local_account: AccountProcess, bucket: str, version: str) -> None:
    s3 = local_account.client("s3", signature_version=version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    assert requests.put(put, data=b"content", timeout=5).status_code == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    assert requests.get(url, timeout=5).content == b"content"
    assert requests.get(url.replace("a%20b", "other"), timeout=5).status_code == 403
    assert requests.put(url, data=b"x", timeout=5).status_code == 403


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_what_a_presigned_url_carries_is_said_of_the_object(
    local_account: AccountProcess, bucket: str, version: str
) -> None:
    s3 = local_account.client("s3", signature_version=version)

    def hoist(request: Any, **_: Any) -> None:
        """Move headers to the query, as the AWS SDK for JavaScript does; boto3 does so for Version 2."""
        for name in [name for name in request.headers if name.lower().startswith("x-amz-")]:
            start = "&" if "?" in request.url else "?"
            request.url += f"{start}{name.lower()}={quote(request.headers[name], safe='')}"
            del request.headers[name]

    if version == "s3v4":
        s3.meta.events.register("before-sign.s3.PutObject", hoist)
    said: Any = {"Metadata": {"origin": "a b"}, "Tagging": "class=open", "StorageClass": "STANDARD_IA"}
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", **said})
    assert "x-amz-meta-origin" in url
    assert requests.put(url, data=b"x", timeout=5).status_code == 200
    found = s3.head_object(Bucket=bucket, Key="k")
    assert (found["Metadata"], found["StorageClass"]) == (said["Metadata"], said["StorageClass"])
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "class", "Value": "open"}]
    assert requests.put(url.replace("open", "shut"), data=b"x", timeout=5).status_code == 403


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_ends(
    local_account: AccountProcess, bucket: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = local_account.client("s3", signature_version=version)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    for signer in (botocore.auth, botocore.crt.auth):
        monkeypatch.setattr(signer, "get_current_datetime", lambda *_, **__: an_hour_ago)
    monkeypatch.setattr("time.time", an_hour_ago.timestamp)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=3000)
    monkeypatch.undo()
    expired = requests.get(url, timeout=5)
    assert expired.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in expired.text


def test_a_session_needs_its_token(
    local_account: AccountProcess, client: Callable[[str], Any], bucket: str
) -> None:
    trust = policy_of(Effect="Allow", Principal={"AWS": "*"}, Action="sts:AssumeRole")
    iam = client("iam")
    role = iam.create_role(RoleName="s3-session", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allowed = policy_of(Effect="Allow", Action="s3:*", Resource="*")
    iam.put_role_policy(RoleName="s3-session", PolicyName="all", PolicyDocument=allowed)
    keys = client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    given = {
        "endpoint_url": local_account.endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
    }
    session = make_client("s3", aws_session_token=keys["SessionToken"], **given)
    session.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = session.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(url, timeout=5).content == b"x"
    without = make_client("s3", aws_session_token="wrong", **given)
    assert code(without.get_object, Bucket=bucket, Key="k") == "InvalidToken"
    deny = policy_of(Effect="Deny", Principal={"AWS": role}, Action="s3:GetObject", Resource=of(bucket))
    client("s3").put_bucket_policy(Bucket=bucket, Policy=deny)
    error = refused(session.get_object, Bucket=bucket, Key="k")
    assert error["Code"] == "AccessDenied"
    assert "explicit deny in a resource-based policy" in error["Message"]


def test_nobody_reads_without_a_signature(local_account: AccountProcess, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    nobody = anonymous(local_account)
    assert code(nobody.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert code(nobody.put_object, Bucket=bucket, Key="k", Body=b"y") == "AccessDenied"
    assert code(nobody.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert code(nobody.list_objects_v2, Bucket="no-such-bucket") == "NoSuchBucket"
    assert code(nobody.create_bucket, Bucket="created-by-nobody") == "AccessDenied"


def test_a_public_policy_is_blocked_until_the_block_is_lifted(
    local_account: AccountProcess, s3: S3Client, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    policy = policy_of(Effect="Allow", Principal="*", Action="s3:GetObject", Resource=of(bucket))
    error = refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy)
    assert error["Code"] == "AccessDenied"
    assert "BlockPublicPolicy" in error["Message"]
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    nobody = anonymous(local_account)
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert code(nobody.get_object, Bucket=bucket, Key="none") == "AccessDenied", "strangers learn no keys"
    assert code(nobody.put_object, Bucket=bucket, Key="k", Body=b"y") == "AccessDenied"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert code(nobody.get_object, Bucket=bucket, Key="k") == "AccessDenied"


def test_a_policy_denies_the_owner_too_but_never_its_repair(s3: S3Client, bucket: str) -> None:
    deny = policy_of(Effect="Deny", Principal="*", Action="s3:*", Resource=of(bucket))
    s3.put_bucket_policy(Bucket=bucket, Policy=deny)
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x") == "AccessDenied"
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(deny)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_a_tls_only_policy_does_not_lock_the_bucket(s3: S3Client, bucket: str) -> None:
    tls_only = {"Bool": {"aws:SecureTransport": "false"}}
    policy = policy_of(Effect="Deny", Principal="*", Action="s3:*", Resource="*", Condition=tls_only)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy)
    assert not s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("{", "valid JSON"),
        ("[]", "valid JSON"),
        (policy_of(Effect="Allow", Action="s3:*", Resource="*"), "Principal"),
        (
            policy_of(
                Effect="Allow",
                Principal={"AWS": "arn:aws:iam::123456789012:role/nobody"},
                Action="s3:*",
                Resource="*",
            ),
            "Invalid principal in policy",
        ),
        (
            policy_of(
                Effect="Allow", Principal={"Service": "nothing.amazonaws.com"}, Action="s3:*", Resource="*"
            ),
            "Invalid principal in policy",
        ),
        (policy_of(Effect="Allow", Principal="*", Action="ec2:Run", Resource="*"), "invalid action"),
        (policy_of(Effect="Allow", Principal="*", Action="s3:*", Resource=of("other")), "invalid resource"),
        (
            policy_of(Effect="Allow", Principal="*", Action="s3:*", Resource="arn:aws:s*:::*"),
            "invalid resource",
        ),
        (policy_of(Effect="Maybe", Principal="*", Action="s3:*", Resource="*"), "Effect"),
    ],
)
def test_what_is_no_policy_is_refused(s3: S3Client, bucket: str, policy: str, reason: str) -> None:
    error = refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy)
    assert error["Code"] == "MalformedPolicy"
    assert reason in error["Message"]


def test_a_policy_that_an_older_account_took_does_not_lock_its_bucket() -> None:
    refused_now = policy_of(Effect="Deny", Principal="*", Action="s3:*", Resource="arn:aws:s*:::*")

    assert policies.in_force(refused_now) == ()


def test_a_copy_is_judged_by_the_policy_of_each_bucket(
    local_account: AccountProcess, s3: S3Client, bucket: str
) -> None:
    source = f"{bucket}-source"
    private: Any = {"Bucket": source, "Key": "k"}
    s3.create_bucket(Bucket=source)
    s3.put_object(Bucket=source, Key="k", Body=b"private")
    s3.delete_public_access_block(Bucket=bucket)
    everything = policy_of(Effect="Allow", Principal="*", Action="s3:*", Resource="*")
    s3.put_bucket_policy(Bucket=bucket, Policy=everything)
    nobody = anonymous(local_account)
    nobody.put_object(Bucket=bucket, Key="own", Body=b"x")
    assert code(nobody.copy_object, Bucket=bucket, Key="stolen", CopySource=private) == "AccessDenied"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=private)
    deny = policy_of(Effect="Deny", Principal="*", Action="s3:GetObject", Resource=of(source))
    s3.put_bucket_policy(Bucket=source, Policy=deny)
    assert code(s3.copy_object, Bucket=bucket, Key="copy", CopySource=private) == "AccessDenied"
    missing: Any = {"Bucket": f"{bucket}-none", "Key": "k"}
    assert code(s3.copy_object, Bucket=bucket, Key="copy", CopySource=missing) == "NoSuchBucket"


@pytest.mark.parametrize(
    ("action", "condition", "refuses"),
    [
        ("GetObject", {"StringEquals": {"s3:ExistingObjectTag/Class": "secret"}}, True),
        ("GetObject", {"StringEquals": {"s3:ExistingObjectTag/Class": "open"}}, False),
        ("GetObject", {"StringLike": {"aws:Referer": "https://evil/*"}}, True),
        ("GetObject", {"StringLike": {"aws:UserAgent": "*Boto*"}}, True),
        ("GetObject", {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ("GetObject", {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}, False),
        ("GetObject", {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:root"}}, False),
        ("GetObject", {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}, False),
        ("PutObject", {"StringEquals": {"s3:RequestObjectTag/Class": "secret"}}, True),
        ("PutObject", {"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": ["other"]}}, False),
        ("PutObject", {"Null": {"s3:if-none-match": "true"}}, False),
        ("PutObject", {"Null": {"s3:if-none-match": "false"}}, True),
        ("PutObject", {"Bool": {"s3:ObjectCreationOperation": "true"}}, True),
        ("PutObject", {"Bool": {"s3:ObjectCreationOperation": "false"}}, False),
        ("GetObject", {"NumericGreaterThan": {"s3:signatureAge": "600000"}}, False),
        ("GetObject", {"NumericLessThan": {"s3:signatureAge": "600000"}}, True),
    ],
)
def test_a_policy_can_ask_for_the_circumstances(
    local_account: AccountProcess, bucket: str, action: str, condition: Any, *, refuses: bool
) -> None:
    s3 = local_account.client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="Class=secret")
    deny = policy_of(
        Effect="Deny", Principal="*", Action=f"s3:{action}", Resource=of(bucket), Condition=condition
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=deny)

    def come_from(request: Any, **_: Any) -> None:
        request.headers["Referer"] = "https://evil/page"

    s3.meta.events.register("before-sign.s3.GetObject", come_from)
    calls: dict[str, Callable[[], Any]] = {
        "GetObject": lambda: s3.get_object(Bucket=bucket, Key="k"),
        "PutObject": lambda: s3.put_object(
            Bucket=bucket, Key="new", Body=b"x", Tagging="Class=secret", IfNoneMatch="*"
        ),
    }
    if refuses:
        assert code(calls[action]) == "AccessDenied"
    else:
        calls[action]()


def test_a_policy_can_demand_conditional_writes_also_of_uploads_in_parts(s3: S3Client, bucket: str) -> None:
    creates = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    deny = policy_of(
        Effect="Deny", Principal="*", Action="s3:PutObject", Resource=of(bucket), Condition=creates
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=deny)
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x") == "AccessDenied"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")
    upload: Any = {"Bucket": bucket, "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]}
    upload["MultipartUpload"] = {"Parts": [part]}
    assert code(s3.complete_multipart_upload, **upload) == "AccessDenied"
    s3.complete_multipart_upload(**upload, IfNoneMatch="*")


def test_a_policy_can_demand_conditional_deletions(s3: S3Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    unconditional = {"Null": {"s3:if-match": "true"}}
    deny = policy_of(
        Effect="Deny", Principal="*", Action="s3:DeleteObject", Resource=of(bucket), Condition=unconditional
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=deny)
    assert code(s3.delete_object, Bucket=bucket, Key="k") == "AccessDenied"
    doomed: Any = {"Objects": [{"Key": "k"}]}
    assert s3.delete_objects(Bucket=bucket, Delete=doomed)["Errors"][0]["Code"] == "AccessDenied"
    unread = policy_of(Effect="Deny", Principal="*", Action="s3:GetObject", Resource=of(bucket))
    s3.put_bucket_policy(Bucket=bucket, Policy=unread)
    assert code(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == "AccessDenied", "it would tell"
    s3.put_bucket_policy(Bucket=bucket, Policy=deny)
    doomed = {"Objects": [{"Key": "k", "ETag": etag}]}
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete=doomed)
