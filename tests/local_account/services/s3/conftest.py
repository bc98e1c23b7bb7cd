"""Buckets of the session's account."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def s3(client: Callable[[str], Any]) -> S3Client:
    """A client of the session's account."""
    found: S3Client = client("s3")
    return found


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """A new bucket."""
    name = f"s3-test-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3: S3Client, bucket: str) -> str:
    """A new bucket with versions."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket
