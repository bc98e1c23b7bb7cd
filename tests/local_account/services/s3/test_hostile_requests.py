"""Whatever a client sends, it gets an error of S3 that it can read."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_account.authorization.policies import Outcome, Request, evaluate
from local_account.services.s3 import documents, lifecycle_rules, policies, tags
from local_account.services.s3.errors import S3Error
from tests.local_account.account_process import AccountProcess


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /bucket/%ff HTTP/1.1", "InvalidURI"),
        ("PATCH /bucket/key HTTP/1.1", "MethodNotAllowed"),
        ("PUT / HTTP/1.1", "MethodNotAllowed"),
        ("GET //// HTTP/1.1", "MethodNotAllowed"),
        ("GET /b?list-type=2&max-keys=%00 HTTP/1.1", "NoSuchBucket"),
        (
            "GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0 HTTP/1.1",
            "AuthorizationQueryParametersError",
        ),
        ("POST /bucket?delete HTTP/1.1", "NoSuchBucket"),
        ("OPTIONS /bucket/key HTTP/1.1", "NoSuchBucket"),
        ("GET /bucket/key?versionId= HTTP/1.1", "NoSuchBucket"),
    ],
)
def test_a_strange_request_is_answered(local_account: AccountProcess, line: str, expected: str) -> None:
    with socket.create_connection(("127.0.0.1", local_account.ports["gateway_port"]), 5) as connection:
        connection.sendall(f"{line}\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    assert f"<Code>{expected}</Code>" in answer, answer


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
ELEMENTS = ["Rule", "ID", "Status", "Filter", "Prefix", "And", "Tag", "Key", "Value", "Expiration", "Days"]
TREE = st.recursive(
    TEXT.map(lambda text: text.replace("&", "").replace("<", "")),
    lambda inner: st.lists(st.tuples(st.sampled_from(ELEMENTS), inner), max_size=4).map(
        lambda pairs: "".join(f"<{name}>{content}</{name}>" for name, content in pairs)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(TREE)
def test_any_document_is_a_configuration_or_refused(content: str) -> None:
    body = f"<LifecycleConfiguration>{content}</LifecycleConfiguration>".encode()
    try:
        kept = lifecycle_rules.check(documents.read("PutBucketLifecycleConfiguration", body))
    except S3Error as error:
        assert error.status == 400
    else:
        assert lifecycle_rules.rules(kept) is not None


MEMBERS = ["Statement", "Effect", "Principal", "Action", "Resource", "Condition", "AWS", "Sid"]
VALUES = ["Allow", "Deny", "*", "s3:GetObject", None, True, 1]
JSON: Any = st.recursive(
    TEXT | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=15,
)


STATEMENT = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"])},
    optional={
        "Principal": st.sampled_from(["*", {"AWS": "*"}, {"AWS": ["a", "b"]}]) | JSON,
        "Action": st.sampled_from(["s3:*", ["s3:GetObject"], "*"]) | JSON,
        "Resource": st.sampled_from(["*", "arn:aws:s3:::bucket", ["arn:aws:s3:::bucket/*"]]) | JSON,
        "Condition": st.sampled_from([{"Bool": {"aws:SecureTransport": "false"}}, {"Null": {"k": True}}])
        | JSON,
        "Sid": JSON,
    },
)


@settings(max_examples=500, deadline=None)
@given(STATEMENT | st.lists(STATEMENT, max_size=3) | JSON)
def test_any_policy_is_refused_or_can_be_evaluated(document: object) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": document})
    try:
        policies.check(text, "bucket")
    except S3Error as error:
        assert error.code == "MalformedPolicy"
        return
    assert policies.is_public(text) in (True, False)
    asked = Request("s3:GetObject", "arn:aws:s3:::bucket/k", {"aws:securetransport": ["true"]}, "")
    assert evaluate(asked, (), (policies.parsed(text),)).outcome in Outcome


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_header_of_tags_is_read_or_refused(header: str) -> None:
    try:
        assert len(tags.from_header(header)) <= tags.OBJECT_LIMIT
    except S3Error as error:
        assert error.code in ("InvalidArgument", "InvalidTag", "BadRequest")
