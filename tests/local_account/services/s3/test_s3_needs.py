"""The permissions that S3 requires, checked against the service authorization reference."""

from __future__ import annotations

import io

import pytest

from local_account.services.s3 import routes
from local_account.services.s3.call import Call
from local_account.services.s3.needs import needs
from tests.local_account.authorization.labs import check_needs

_OPEN = {"DeleteObjects", "PreflightRequest"}


def call(operation: str, copy_source: str = "other/key", **more: str) -> Call:
    on_object = any(operation in methods.values() for methods in routes._OBJECT.values()) or (
        operation
        in {*routes._ONE_OBJECT.values(), *routes._COPIES.values(), "PostObject", "ListObjectAnnotations"}
    )
    return Call(
        operation=operation,
        bucket="" if operation == "ListBuckets" else "bucket",
        key="key" if on_object else "",
        query={name: value for name, value in more.items() if name == "versionId"},
        headers={"x-amz-copy-source": copy_source} if "Copy" in operation else {},
        stream=io.BytesIO(),
        signature=None,
        caller=None,
        request_id="",
        source_ip="127.0.0.1",
    )


def imitated() -> list[str]:
    from unittest.mock import MagicMock

    from local_account.services.s3.service import _operations

    return sorted(set(_operations(MagicMock())) - _OPEN)


@pytest.mark.parametrize("operation", imitated())
@pytest.mark.parametrize("version", ["", "v"])
def test_each_need_is_an_action_of_the_reference_on_a_resource_it_applies_to(
    operation: str, version: str
) -> None:
    check_needs(needs(call(operation, **({"versionId": version} if version else {}))))


def test_a_copy_needs_to_read_its_source() -> None:
    assert [(need.action, need.resource) for need in needs(call("CopyObject"))] == [
        ("s3:PutObject", "arn:aws:s3:::bucket/key"),
        ("s3:GetObject", "arn:aws:s3:::other/key"),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/other/a%20b?versionId=v", ("s3:GetObjectVersion", "arn:aws:s3:::other/a b")),
        ("other/a%3FversionId=b", ("s3:GetObject", "arn:aws:s3:::other/a?versionId=b")),
        ("other%2Fa%253FversionId=b", ("s3:GetObject", "arn:aws:s3:::other/a%3FversionId=b")),
    ],
)
def test_a_copy_needs_to_read_the_very_key_that_is_copied(source: str, expected: tuple[str, str]) -> None:
    read = needs(call("CopyObject", copy_source=source))[1]
    assert (read.action, read.resource) == expected
