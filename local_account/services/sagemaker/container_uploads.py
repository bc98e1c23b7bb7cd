"""Files of containers, put to S3."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING

from local_account.services.sagemaker.archives import container_files, pack

if TYPE_CHECKING:
    from pathlib import Path

    from docker.models.containers import Container
    from mypy_boto3_s3 import S3Client


class Uploads:
    """Uploads with the permissions of an S3 client; ``directory`` is for temporary files."""

    def __init__(self, s3: S3Client, directory: Path) -> None:
        self._s3 = s3
        self._directory = directory

    def archive(self, container: Container, path: str, bucket: str, key: str) -> None:
        """Put the files below a path to S3 as a tar.gz, if there are any."""
        with tempfile.TemporaryFile(dir=self._directory) as archive:
            if pack(container, path, archive):
                archive.seek(0)
                self._s3.put_object(Bucket=bucket, Key=key, Body=archive)

    def files(self, container: Container, path: str, bucket: str, prefix: str) -> None:
        """Put each file below a path to S3."""
        with container_files(container, path) as files:
            for member, content in files:
                if content is not None:
                    self.file(content, bucket, prefix + member.name)

    def file(self, content: IO[bytes], bucket: str, key: str) -> None:
        """Put a file to S3."""
        with tempfile.TemporaryFile(dir=self._directory) as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
            file.seek(0)
            self._s3.put_object(Bucket=bucket, Key=key, Body=file)
