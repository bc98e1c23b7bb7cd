"""Forms that a browser posts, with the policies that boto3 makes and the one that AWS documents."""

import base64
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.client import Config
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.post_policy import Form, check, headers_of, read_form
from local_account.services.s3.wire.signatures import Credentials, sign, signing_key

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DOCUMENTED = "\r\n".join(
    [
        '{ "expiration": "2015-12-30T12:00:00.000Z",',
        '  "conditions": [',
        '    {"bucket": "sigv4examplebucket"},',
        '    ["starts-with", "$key", "user/user1/"],',
        '    {"acl": "public-read"},',
        '    {"success_action_redirect": '
        '"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
        '    ["starts-with", "$Content-Type", "image/"],',
        '    {"x-amz-meta-uuid": "14365123651274"},',
        '    {"x-amz-server-side-encryption": "AES256"},',
        '    ["starts-with", "$x-amz-meta-tag", ""],',
        "",
        '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
        '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
        '    {"x-amz-date": "20151229T000000Z" }',
        "  ]",
        "}",
    ]
)
FIELDS = {
    "key": "user/user1/${filename}",
    "acl": "public-read",
    "success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
    "Content-Type": "image/jpeg",
    "x-amz-meta-uuid": "14365123651274",
    "x-amz-server-side-encryption": "AES256",
    "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Date": "20151229T000000Z",
    "x-amz-meta-tag": "",
    "Policy": base64.b64encode(DOCUMENTED.encode()).decode(),
    "X-Amz-Signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
}
WHEN = datetime(2015, 12, 29, 12, tzinfo=UTC)


def posted(fields: Mapping[str, Any], content: bytes = b"content", filename: str = "a.jpg") -> Form:
    """A form as a browser sends it, with the file after the fields and a button after it."""
    file = FileStorage(io.BytesIO(content), filename)
    boundary, body = encode_multipart({**fields, "file": file, "submit": "Upload"})
    return read_form(io.BytesIO(body), f"multipart/form-data; boundary={boundary}")


def accepted(form: Form, bucket: str = "sigv4examplebucket", now: datetime = WHEN) -> str:
    keys = {ID: Credentials(SECRET), "ASIASESSION": Credentials(SECRET, "the token")}
    return check(form, bucket, keys.get, now)


def refusal(form: Form, bucket: str = "sigv4examplebucket", now: datetime = WHEN) -> S3Error:
    with pytest.raises(S3Error) as raised:
        accepted(form, bucket, now)
    return raised.value


def with_policy(own: list[Any], fields: Mapping[str, str], **policy: Any) -> Form:
    """A form whose policy has these conditions in addition to those about its signature."""
    credential = f"{ID}/20151229/us-east-1/s3/aws4_request"
    about = {
        "x-amz-credential": credential,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-date": "20151229T000000Z",
    }
    document = {"expiration": "2015-12-30T12:00:00Z", "conditions": [*own, about], **policy}
    encoded = base64.b64encode(json.dumps(document).encode()).decode()
    signature = sign(signing_key(SECRET, "20151229", "us-east-1"), encoded)
    return posted({**fields, **about, "policy": encoded, "x-amz-signature": signature})


def test_the_documented_form_is_accepted() -> None:
    form = posted(FIELDS, filename="C:\\\\photos\\\\cat.jpg")
    assert accepted(form) == ID
    assert (form.fields["key"], form.filename, form.content_type) == (
        "user/user1/cat.jpg",
        "cat.jpg",
        "image/jpeg",
    )
    assert form.file.read(4) == b"cont"
    assert form.file.read() == b"ent"
    assert form.file.read(9) == b""
    assert headers_of(form) == {
        "content-type": "image/jpeg",
        "x-amz-acl": "public-read",
        "x-amz-meta-uuid": "14365123651274",
        "x-amz-meta-tag": "",
        "x-amz-server-side-encryption": "AES256",
    }


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (
            {"key": "user/user2/a"},
            "AccessDenied",
            'Policy Condition failed: ["starts-with", "$key", "user/us',
        ),
        ({"acl": "private"}, "AccessDenied", 'Policy Condition failed: ["eq", "$acl", "public-read"]'),
        ({"Content-Type": "image/png,text/x"}, "AccessDenied", "Policy Condition failed"),
        ({"x-amz-meta-other": "x"}, "AccessDenied", "Extra input fields: x-amz-meta-other"),
        ({"X-Amz-Signature": "0" * 64}, "SignatureDoesNotMatch", ""),
        ({"Policy": base64.b64encode(b"{}").decode()}, "SignatureDoesNotMatch", ""),
        ({"X-Amz-Credential": "AKIANOBODY/20151229/us-east-1/s3/aws4_request"}, "InvalidAccessKeyId", ""),
        ({"X-Amz-Credential": "x"}, "InvalidArgument", "the Credential is mal-formed"),
        ({"X-Amz-Algorithm": "AWS5"}, "InvalidArgument", "X-Amz-Algorithm only supports"),
        ({"X-Amz-Date": None}, "InvalidArgument", "Bucket POST must contain a field named 'X-Amz-Date'."),
        ({"Policy": None}, "InvalidArgument", "Bucket POST must contain a field named 'policy'."),
    ],
)
def test_another_form_is_refused(changes: dict[str, str | None], code: str, message: str) -> None:
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}
    error = refusal(posted(fields))
    assert error.code == code
    assert message in error.message


def test_another_bucket_or_time_is_refused() -> None:
    assert 'failed: ["eq", "$bucket", "sigv4examplebucket"]' in refusal(posted(FIELDS), "another").message
    error = refusal(posted(FIELDS), now=WHEN + timedelta(days=1, seconds=1))
    assert (error.code, error.message) == ("AccessDenied", "Invalid according to Policy: Policy expired.")


def test_fields_to_ignore_need_no_condition() -> None:
    assert accepted(posted({**FIELDS, "x-ignore-me": "x"})) == ID


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("token", [None, "the token"])
def test_what_boto3_presigns_is_accepted(version: str, token: str | None) -> None:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="ASIASESSION" if token else ID,
        aws_secret_access_key=SECRET,
        aws_session_token=token,
        config=Config(signature_version=version),
    )
    post = client.generate_presigned_post(
        "bucket",
        "uploads/${filename}",
        Fields={"acl": "private", "Content-Type": "text/plain"},
        Conditions=[
            {"acl": "private"},
            ["starts-with", "$Content-Type", "text/"],
            ["content-length-range", 3, 5],
        ],
    )
    now = datetime.now(UTC)
    form = posted(post["fields"], b"12345")
    assert accepted(form, "bucket", now).startswith("A")
    assert form.file.read() == b"12345"
    assert refusal(posted(post["fields"]), "other", now).code == "AccessDenied"
    assert refusal(posted(post["fields"]), "bucket", now + timedelta(hours=2)).code == "AccessDenied"
    large = posted(post["fields"], b"x" * 300_000)
    accepted(large, "bucket", now)
    with pytest.raises(S3Error) as raised:
        large.file.read(10)
    assert (raised.value.code, raised.value.fields["MaxSizeAllowed"]) == ("EntityTooLarge", "5")
    small = posted(post["fields"], b"12")
    accepted(small, "bucket", now)
    with pytest.raises(S3Error) as raised:
        small.file.read(10)
    assert raised.value.code == "EntityTooSmall"
    assert raised.value.fields == {"ProposedSize": "2", "MinSizeAllowed": "3"}


@pytest.mark.parametrize(
    ("conditions", "policy"),
    [
        (["x"], {}),
        ([["eq", "key", "k"]], {}),
        ([["like", "$key", "k"]], {}),
        ([["content-length-range", "a", "b"]], {}),
        ([], {"expiration": None}),
        ([], {"expiration": "soon"}),
        ([], {"expiration": "2999-12-31 00:00:00+00:00"}),
        ([], {"expiration": "2999-12-31T00:00:00"}),
        ([{}], {}),
        ([{"key": "k", "bucket": "b"}], {}),
        ([], {"conditions": "all"}),
    ],
)
def test_a_policy_that_is_none_is_refused(conditions: list[Any], policy: dict[str, Any]) -> None:
    assert refusal(with_policy([{"key": "k"}, *conditions], {"key": "k"}, **policy), "b").code == (
        "InvalidPolicyDocument"
    )


def test_an_anonymous_form_has_no_policy() -> None:
    assert accepted(posted({"key": "k"})) == ""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"--b\r\n", "MalformedPOSTRequest"),
        (b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk', "MalformedPOSTRequest"),
        (
            b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--b--\r\n',
            "IncorrectNumberOfFilesInPostRequest",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n',
            "InvalidArgument",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"k" * 30_000 + b"\r\n--b--\r\n",
            "MaxPostPreDataLengthExceededError",
        ),
    ],
)
def test_what_is_not_a_form_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(S3Error) as raised:
        read_form(io.BytesIO(body), "multipart/form-data; boundary=b")
    assert raised.value.code == code


def test_other_content_types_are_refused() -> None:
    for content_type in ("text/plain", "multipart/form-data", ""):
        with pytest.raises(S3Error, match="not well-formed"):
            read_form(io.BytesIO(), content_type)


def test_a_file_that_is_cut_off_is_not_a_file() -> None:
    head = (
        b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    )
    form = read_form(io.BytesIO(head + b"some of it"), "multipart/form-data; boundary=b")
    with pytest.raises(S3Error, match="not well-formed"):
        form.file.read()


@given(st.binary(max_size=200_000), st.integers(1, 100_000))
def test_any_content_arrives_in_pieces_of_any_size(content: bytes, size: int) -> None:
    form = posted({"key": "k"}, content)
    pieces = list(iter(lambda: form.file.read(size), b""))
    assert b"".join(pieces) == content
    assert all(len(piece) == size for piece in pieces[:-1])
