"""A storage in a directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_account.services.s3.storage import Storage
from tests.local_account.services.s3.storage.objects import NOW


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "s3"


@pytest.fixture
def storage(directory: Path) -> Iterator[Storage]:
    """A storage with the bucket "b"."""
    opened = Storage(directory)
    opened.create_bucket("b", "us-east-1", NOW)
    yield opened
    opened.close()
