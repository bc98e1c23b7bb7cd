"""Uploads from browsers: a form whose policy was signed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.local_account.account_process import AccountProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(params=["s3v4", "s3"])
def signing(local_account: AccountProcess, request: pytest.FixtureRequest) -> S3Client:
    """A client that signs with one version or the other."""
    found: S3Client = local_account.client("s3", signature_version=request.param)
    return found


def post(form: Any, content: bytes = b"content", **more: str) -> requests.Response:
    return requests.post(
        form["url"],
        data={**form["fields"], **more},
        files={"file": ("a b.txt", content)},
        allow_redirects=False,
        timeout=5,
    )


def test_a_form_uploads(signing: S3Client, s3: S3Client, bucket: str) -> None:
    fields = {"x-amz-meta-a": "b", "Content-Type": "text/plain"}
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    form = signing.generate_presigned_post(bucket, "up/${filename}", Fields=fields, Conditions=conditions)
    answer = post(form)
    assert answer.status_code == 204
    got = s3.get_object(Bucket=bucket, Key="up/a b.txt")
    assert got["Body"].read() == b"content"
    assert (got["Metadata"], got["ContentType"]) == ({"a": "b"}, "text/plain")
    assert answer.headers["ETag"] == got["ETag"]


def test_fields_can_have_file_names(signing: S3Client, s3: S3Client, bucket: str) -> None:
    form = signing.generate_presigned_post(bucket, "k")
    parts = {name: (name, value) for name, value in form["fields"].items()}
    answer = requests.post(form["url"], files={**parts, "file": ("f", b"content")}, timeout=5)
    assert answer.status_code == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"
    nameless = requests.post(form["url"], files=parts, timeout=5)
    assert "<Code>IncorrectNumberOfFilesInPostRequest</Code>" in nameless.text


def test_a_form_can_give_tags(s3: S3Client, bucket: str) -> None:
    tagging = "<Tagging><TagSet><Tag><Key>a&amp;b</Key><Value>1 +</Value></Tag></TagSet></Tagging>"
    conditions: list[Any] = [["starts-with", "$tagging", ""]]
    form = s3.generate_presigned_post(bucket, "k", Fields={"tagging": tagging}, Conditions=conditions)
    assert "<Code>InvalidTag</Code>" in post(form).text
    form["fields"]["tagging"] = tagging.replace("&amp;", "/")
    assert post(form).status_code == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a/b", "Value": "1 +"}]
    form["fields"]["tagging"] = "a=1"
    assert "<Code>MalformedXML</Code>" in post(form).text


def test_a_form_can_hold_what_no_header_can(s3: S3Client, bucket: str) -> None:
    fields = {"x-amz-meta-a": "日本", "x-amz-meta-b": "1\r\nX-Evil: 2", "Content-Disposition": "日"}
    conditions: list[Any] = [["starts-with", f"${name}", ""] for name in fields]
    form = s3.generate_presigned_post(bucket, "k", Fields=fields, Conditions=conditions)
    assert post(form).status_code == 204
    headers = s3.get_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-meta-a"] == "=?UTF-8?B?5pel5pys?="
    assert (headers["x-amz-missing-meta"], "x-amz-meta-b" in headers) == ("1", False)
    assert headers["content-disposition"].encode("latin-1").decode() == "日"
    assert "x-evil" not in headers
    form["fields"]["Content-Disposition"] = "1\r\nX-Evil: 2"
    broken = post(form)
    assert (broken.status_code, "<Code>InvalidArgument</Code>" in broken.text) == (400, True)


def test_a_form_says_how_it_wants_to_be_answered(s3: S3Client, bucket: str) -> None:
    conditions: list[Any] = [["starts-with", "$success_action_status", ""]]
    form = s3.generate_presigned_post(bucket, "k", Conditions=conditions)
    created = post(form, success_action_status="201")
    assert created.status_code == 201
    document = ET.fromstring(created.text)
    assert (document.findtext("Bucket"), document.findtext("Key")) == (bucket, "k")
    conditions = [["starts-with", "$success_action_redirect", "http://"]]
    form = s3.generate_presigned_post(bucket, "k", Conditions=conditions)
    sent = post(form, success_action_redirect="http://example.org/done?a=1")
    assert sent.status_code == 303
    query = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert (query["a"], query["bucket"], query["key"]) == (["1"], [bucket], ["k"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"key": "other"}, "AccessDenied"),
        ({"x-amz-signature": "0" * 64, "signature": "0" * 27 + "="}, "SignatureDoesNotMatch"),
        ({"acl": "public-read"}, "AccessDenied"),
    ],
)
def test_a_form_that_was_changed_is_refused(
    signing: S3Client, s3: S3Client, bucket: str, change: dict[str, str], expected: str
) -> None:
    form = signing.generate_presigned_post(bucket, "k")
    known = {
        name: value for name, value in change.items() if "signature" not in name or name in form["fields"]
    }
    answer = post(form, b"content", **known)
    assert answer.status_code == 403
    assert f"<Code>{expected}</Code>" in answer.text
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(
    ("content", "expected"), [(b"x", "EntityTooSmall"), (b"x" * 11, "EntityTooLarge"), (b"x" * 10, "")]
)
def test_a_form_can_limit_the_size(s3: S3Client, bucket: str, content: bytes, expected: str) -> None:
    conditions: list[Any] = [["content-length-range", 2, 10]]
    answer = post(s3.generate_presigned_post(bucket, "k", Conditions=conditions), content)
    assert expected in answer.text
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == (0 if expected else 1)


def test_a_form_ends(s3: S3Client, bucket: str) -> None:
    answer = post(s3.generate_presigned_post(bucket, "k", ExpiresIn=-1))
    assert answer.status_code == 403
    assert "Policy expired" in answer.text
