"""Signatures as botocore, the AWS CLI and the examples of AWS's documentation make them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import HmacV1Auth, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.crt.auth import CrtS3SigV4Auth
from botocore.utils import percent_encode, percent_encode_sequence
from hypothesis import given
from hypothesis import strategies as st

from local_account.gateway.heads import Head
from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.signatures import (
    UNSIGNED,
    Credentials,
    Signature,
    access_key_of,
    headers_of,
    is_signed,
    verify,
)

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EXAMPLE = "examplebucket.s3.amazonaws.com"
DOCUMENTED = datetime(2013, 5, 24, tzinfo=UTC)
KEYS = {
    ID: Credentials(SECRET),
    "ASIASESSION": Credentials(SECRET, "the token", datetime(2100, 1, 1, tzinfo=UTC)),
    "ASIAENDED": Credentials(SECRET, "the token", datetime(2010, 1, 1, tzinfo=UTC)),
}


def check(head: Head, now: datetime | None = None) -> Signature | None:
    return verify(head, KEYS.get, now or datetime.now(UTC))


def refusal(head: Head, now: datetime | None = None) -> S3Error:
    with pytest.raises(S3Error) as raised:
        check(head, now)
    return raised.value


def sent(method: str, url: str, headers: Any) -> Head:
    """The head of a request as it arrives."""
    parts = urlsplit(url)
    named = {
        name.lower(): (value.decode() if isinstance(value, bytes) else str(value)).strip()
        for name, value in headers.items()
    }
    return Head(method, parts.path or "/", parts.query, {"host": parts.netloc, **named})


def changed(head: Head, **headers: str) -> Head:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(head.method, head.path, head.query, {**head.headers, **named})


class Recorder:
    """A client of boto3 whose requests go nowhere."""

    def __init__(self, access_key: str = ID, token: str | None = None, **config: Any) -> None:
        self.client = boto3.client(
            "s3",
            endpoint_url="http://127.0.0.1:4566",
            region_name="eu-west-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=SECRET,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
        self.client.meta.events.register("before-send.s3", self._take)

    def _take(self, request: Any, **_: Any) -> None:
        self.head = sent(request.method, request.url, request.headers)
        raise InterruptedError

    def call(self, operation: str, **parameters: Any) -> Head:
        with pytest.raises(InterruptedError):
            getattr(self.client, operation)(**parameters)
        return self.head


@pytest.mark.parametrize(
    ("head", "signature"),
    [
        (
            Head(
                "GET",
                "/test.txt",
                "",
                {
                    "host": EXAMPLE,
                    "range": "bytes=0-9",
                    "x-amz-content-sha256": EMPTY,
                },
            ),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            Head(
                "PUT",
                "/test%24file.text",
                "",
                {
                    "date": "Fri, 24 May 2013 00:00:00 GMT",
                    "host": EXAMPLE,
                    "x-amz-storage-class": "REDUCED_REDUNDANCY",
                    "x-amz-content-sha256": sha256(b"Welcome to Amazon S3.").hexdigest(),
                },
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            Head(
                "GET",
                "/",
                "lifecycle",
                {"host": EXAMPLE, "x-amz-content-sha256": EMPTY},
            ),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            Head(
                "GET",
                "/",
                "max-keys=2&prefix=J",
                {"host": EXAMPLE, "x-amz-content-sha256": EMPTY},
            ),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_documented_examples_are_verified(head: Head, signature: str) -> None:
    head = changed(head, x_amz_date="20130524T000000Z")
    signed = ";".join(sorted(head.headers))
    scope = f"{ID}/20130524/us-east-1/s3/aws4_request"
    head = changed(
        head,
        authorization=f"AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={signed},Signature={signature}",
    )
    found = check(head, DOCUMENTED)
    assert found is not None
    assert (found.access_key_id, found.value, found.presigned) == (ID, signature, False)
    assert refusal(changed(head, host="another"), DOCUMENTED).code == "SignatureDoesNotMatch"


def test_the_documented_presigned_url_is_verified_for_a_day() -> None:
    head = Head(
        "GET",
        "/test.txt",
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ID}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&"
        "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
        "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        {"host": EXAMPLE},
    )
    found = check(head, DOCUMENTED + timedelta(days=1))
    assert found is not None
    assert found.presigned
    assert found.content_sha256 == UNSIGNED
    error = refusal(head, DOCUMENTED + timedelta(days=1, seconds=1))
    assert (error.code, error.message, error.status) == ("AccessDenied", "Request has expired", 403)
    assert error.fields == {
        "X-Amz-Expires": "86400",
        "Expires": "2013-05-25T00:00:00Z",
        "ServerTime": "2013-05-25T00:00:01Z",
    }
    assert refusal(head, DOCUMENTED - timedelta(hours=1)).message == "Request is not valid yet"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("key", ["plain.txt", "a b+c/ü~(1)!'*;=&?#%2F", "//x/../y"])
def test_what_boto3_sends_is_verified(version: str, key: str) -> None:
    recorder = Recorder(signature_version=version)
    for operation, parameters in (
        ("put_object", {"Body": b"abc", "Metadata": {"a_b": "  x   y "}, "ContentType": "text/plain"}),
        ("get_object", {"Range": "bytes=0-1", "VersionId": "a+b/c=", "ResponseContentType": "text/x; a=b"}),
        ("upload_part", {"PartNumber": 1, "UploadId": "u+/=", "Body": b"x"}),
        ("get_object_tagging", {}),
    ):
        found = check(recorder.call(operation, Bucket="bucket", Key=key, **parameters))
        assert found is not None
        assert found.access_key_id == ID
    listed = recorder.call("list_objects_v2", Bucket="bucket", Prefix=key, Delimiter="/", StartAfter="ä b")
    assert check(listed) is not None


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_what_boto3_presigns_is_verified_until_it_expires(version: str) -> None:
    client = Recorder(signature_version=version).client
    for method, verb in (("get_object", "GET"), ("put_object", "PUT"), ("head_object", "HEAD")):
        url = client.generate_presigned_url(method, {"Bucket": "b", "Key": "ü a+b"}, ExpiresIn=60)
        head = sent(verb, url, {})
        found = check(head)
        assert found is not None
        assert found.presigned
        assert refusal(head, datetime.now(UTC) + timedelta(seconds=62)).message == "Request has expired"
        other = Head(head.method, head.path + "x", head.query, head.headers)
        assert refusal(other).code == "SignatureDoesNotMatch"
        assert refusal(Head("DELETE", head.path, head.query, head.headers)).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_headers_and_overrides_are_part_of_the_signature(version: str) -> None:
    client = Recorder(signature_version=version).client
    parameters = {"Bucket": "b", "Key": "k", "ContentType": "text/csv", "Metadata": {"a": "b"}}
    url = client.generate_presigned_url("put_object", parameters)
    given = {"Content-Type": "text/csv", "x-amz-meta-a": "b"}
    assert check(sent("PUT", url, given)) is not None
    assert refusal(sent("PUT", url, {**given, "Content-Type": "text/html"})).code == "SignatureDoesNotMatch"
    url = client.generate_presigned_url(
        "get_object", {"Bucket": "b", "Key": "k", "ResponseContentDisposition": 'attachment; filename="a b"'}
    )
    assert check(sent("GET", url, {})) is not None


def test_headers_that_a_presigned_url_carries_are_headers() -> None:
    client = Recorder(signature_version="s3").client
    parameters = {"Bucket": "b", "Key": "k", "ContentType": "text/csv", "Metadata": {"a": "b c"}}
    head = sent("PUT", client.generate_presigned_url("put_object", parameters), {"Content-Type": "text/csv"})
    assert check(head) is not None
    assert headers_of(head)["x-amz-meta-a"] == "b c"
    version_4 = sent(
        "PUT",
        "http://a/b/k?X-Amz-Signature=x&X-Amz-Date=x&x-amz-acl=private&X-Amz-Meta-A=q",
        {"x-amz-meta-a": "h"},
    )
    assert headers_of(version_4) == {"host": "a", "x-amz-acl": "private", "x-amz-meta-a": "h"}
    plain = sent("PUT", "http://a/b/k?x-amz-acl=private", {})
    assert headers_of(plain) == {"host": "a"}


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_sessions_key_needs_its_token(version: str) -> None:
    for access_key, token, code in (
        ("ASIASESSION", "the token", ""),
        ("ASIASESSION", None, "InvalidAccessKeyId"),
        ("ASIASESSION", "another", "InvalidToken"),
        ("ASIAENDED", "the token", "ExpiredToken"),
        (ID, "a token", "InvalidToken"),
        ("AKIANOBODY", None, "InvalidAccessKeyId"),
    ):
        recorder = Recorder(access_key, token, signature_version=version)
        url = recorder.client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})
        for head in (recorder.call("list_buckets"), sent("GET", url, {})):
            assert access_key_of(head) == access_key
            if code:
                assert refusal(head).code == code
            else:
                assert check(head) is not None


def test_the_aws_cli_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    from awscli.botocore.session import Session

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    client = Session().create_client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:4566")
    heads: list[Head] = []

    def take(request: Any, **_: Any) -> None:
        heads.append(sent(request.method, request.url, request.headers))
        raise InterruptedError

    client.meta.events.register("before-send.s3", take)
    with pytest.raises(InterruptedError):
        client.put_object(Bucket="b", Key="a b/c+d", Body=b"x", Metadata={"k": "v"})
    assert check(heads[0]) is not None


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30),
    st.dictionaries(st.text("abc-", min_size=1), st.text(max_size=8), max_size=4),
)
def test_any_key_and_query_that_botocore_can_sign_is_verified(key: str, query: dict[str, str]) -> None:
    credentials = BotocoreCredentials(ID, SECRET)
    for signer in (S3SigV4Auth, CrtS3SigV4Auth):
        request = AWSRequest("GET", f"http://localhost:4566/b/{quoted(key)}?{percent_encode_sequence(query)}")
        signer(credentials, "s3", "us-east-1").add_auth(request)
        prepared = request.prepare()
        assert check(sent("GET", prepared.url, prepared.headers)) is not None


def quoted(key: str) -> str:
    return str(percent_encode(key, safe="/~"))


def as_sent(path: str, query: str, signed_path: str, signed_query: str) -> Head:
    """A request whose client signs path and query as given, and sends others."""

    class Signer(S3SigV4Auth):
        def _normalize_url_path(self, path: str) -> str:
            return signed_path

        def canonical_query_string(self, request: Any) -> str:
            return signed_query

    request = AWSRequest("GET", f"http://localhost{path}?{query}")
    Signer(BotocoreCredentials(ID, SECRET), "s3", "us-east-1").add_auth(request)
    return sent("GET", f"http://localhost{path}?{query}", request.headers)


def test_path_and_query_may_be_signed_as_they_are_sent_or_encoded_and_sorted() -> None:
    path, query = "/b/a(1)", "prefix=a/b&list-type=2&uploads"
    assert check(as_sent(path, query, path, query)) is not None
    assert check(as_sent(path, query, "/b/a%281%29", "list-type=2&prefix=a%2Fb&uploads=")) is not None
    assert refusal(as_sent(path, query, path, "list-type=2&prefix=a%2Fb")).code == "SignatureDoesNotMatch"
    assert refusal(as_sent(path, query, "/b/a(2)", query)).code == "SignatureDoesNotMatch"


@pytest.fixture
def signed() -> Iterator[Head]:
    yield Recorder().call("list_objects_v2", Bucket="bucket")


def test_a_mismatch_tells_what_was_signed(signed: Head) -> None:
    error = refusal(Head(signed.method, "/other", signed.query, signed.headers))
    assert error.status == 403
    assert error.fields["CanonicalRequest"].startswith("GET\n/other\n")
    assert error.fields["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert error.fields["AWSAccessKeyId"] == ID


def test_headers_of_amazon_must_be_signed(signed: Head) -> None:
    error = refusal(changed(signed, x_amz_acl="public-read"))
    assert (error.code, error.fields["HeadersNotSigned"]) == ("AccessDenied", "x-amz-acl")


def test_a_clock_may_be_15_minutes_off(signed: Head) -> None:
    now = datetime.now(UTC)
    for minutes in (-14, 14):
        assert check(signed, now + timedelta(minutes=minutes)) is not None
    for minutes in (-16, 16):
        error = refusal(signed, now + timedelta(minutes=minutes))
        assert (error.code, error.status) == ("RequestTimeTooSkewed", 403)
        assert error.fields["MaxAllowedSkewMilliseconds"] == "900000"


@pytest.mark.parametrize(
    ("pattern", "replacement", "code"),
    [
        (r", Signature=\w+", "", "AuthorizationHeaderMalformed"),
        (r"Credential=[^,]+", "Credential=x", "AuthorizationHeaderMalformed"),
        (r"/s3/", "/ec2/", "AuthorizationHeaderMalformed"),
        (r"/aws4_request", "/aws5_request", "AuthorizationHeaderMalformed"),
        (r"/\d{8}/", "/20200101/", "AuthorizationHeaderMalformed"),
        (r"^AWS4-HMAC-SHA256", "Basic", "InvalidArgument"),
        (r"Signature=\w", "Signature=-", "SignatureDoesNotMatch"),
    ],
)
def test_a_header_that_is_no_signature_is_refused(
    signed: Head, pattern: str, replacement: str, code: str
) -> None:
    authorization = re.sub(pattern, replacement, signed.headers["authorization"])
    assert refusal(changed(signed, authorization=authorization)).code == code


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"&X-Amz-Expires=\d+", "", "Query-string authentication version 4 requires"),
        (r"X-Amz-Expires=\d+", "X-Amz-Expires=x", "X-Amz-Expires should be a number"),
        (r"X-Amz-Expires=\d+", "X-Amz-Expires=-1", "X-Amz-Expires must be non-negative"),
        (r"X-Amz-Expires=\d+", "X-Amz-Expires=604801", "X-Amz-Expires must be less than a week"),
        (r"X-Amz-Date=\w+", "X-Amz-Date=today", "X-Amz-Date must be in the ISO8601 Long Format"),
        (r"X-Amz-Algorithm=[\w-]+", "X-Amz-Algorithm=AWS5", "X-Amz-Algorithm only supports"),
        (r"%2Fs3%2F", "%2Fec2%2F", "Error parsing the X-Amz-Credential parameter; incorrect service"),
        (r"%2Faws4_request", "", "Error parsing the X-Amz-Credential parameter"),
        (r"%2F\d{8}%2F", "%2F20200101%2F", "Invalid credential date"),
    ],
)
def test_a_query_that_is_no_signature_is_refused(pattern: str, replacement: str, message: str) -> None:
    client = Recorder(signature_version="s3v4").client
    url = client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})
    error = refusal(sent("GET", re.sub(pattern, replacement, url), {}))
    assert error.code == "AuthorizationQueryParametersError"
    assert error.message.startswith(message)
    assert error.status == 400


def test_a_payload_hash_is_required_and_one_scheme_only(signed: Head) -> None:
    headers = {name: value for name, value in signed.headers.items() if name != "x-amz-content-sha256"}
    assert refusal(Head(signed.method, signed.path, signed.query, headers)).code == "InvalidRequest"
    both = Head(signed.method, signed.path, "X-Amz-Signature=a", signed.headers)
    assert refusal(both).code == "InvalidArgument"


def test_an_anonymous_request_has_no_signature() -> None:
    head = Head("GET", "/b/k", "versionId=1", {"host": "a"})
    assert check(head) is None
    assert not is_signed(head)
    assert access_key_of(head) == ""


def test_version_2_needs_a_date_close_to_now() -> None:
    request = AWSRequest("GET", "http://localhost/b/k?acl")
    request.auth_path = None
    HmacV1Auth(BotocoreCredentials(ID, SECRET)).add_auth(request)
    head = sent("GET", "http://localhost/b/k?acl", request.headers)
    assert check(head) is not None
    assert refusal(head, datetime.now(UTC) + timedelta(hours=1)).code == "RequestTimeTooSkewed"
    assert refusal(changed(head, date="")).code == "AccessDenied"
    assert refusal(changed(head, content_type="a/b")).code == "SignatureDoesNotMatch"
