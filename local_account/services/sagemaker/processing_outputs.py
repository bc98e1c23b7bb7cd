"""What a processing job has written, put to S3: at its end, or from time to time while it runs.

Differs from AWS: an output with `EndOfJob` is uploaded only if the job completes; AWS does not say what it
does if the job fails or is stopped. One with `Continuous` is uploaded every ten seconds, what is new or has
changed, and at the end of any job.
"""

from __future__ import annotations

import logging
import tarfile
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.foundation.containers import engine_errors
from local_account.services.sagemaker.archives import container_files
from local_account.services.sagemaker.container_uploads import Uploads
from local_account.services.sagemaker.jobs import JobError
from local_account.services.sagemaker.s3_data import split

if TYPE_CHECKING:
    from docker.models.containers import Container
    from mypy_boto3_s3 import S3Client

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.records import ProcessingJob

log = logging.getLogger(__name__)

_SETTLED_SECONDS = 2.0


class Outputs:
    """The outputs of a job, in its container; continuous ones are uploaded every ``continuous_seconds``."""

    continuous_seconds = 10.0

    def __init__(self, account: Account, s3: S3Client, container: Container, job: ProcessingJob) -> None:
        self._uploads = Uploads(s3, account.config.state_dir)
        self._container = container
        self._job = job
        self._uploaded: dict[str, tuple[float, int]] = {}
        """When files that are uploaded continuously had been written, and their size.

        A file that has just been written may change without a change of these: it is uploaded again.
        """

    def keep_uploading(self, done: threading.Event) -> None:
        """Upload the continuous outputs until ``done`` is set."""
        if not list(self._of("Continuous")):
            return
        while not done.wait(self.continuous_seconds):
            try:
                self._upload_new()
            except Exception as error:  # the last upload decides
                if not isinstance(error, (ClientError, tarfile.TarError, *engine_errors())):
                    raise
                log.debug("a continuous upload of %s", self._job["ProcessingJobName"], exc_info=True)

    def upload(self, *, succeeded: bool) -> None:
        """Upload what is to be uploaded at the end. Raises JobError if S3 refuses."""
        try:
            self._upload_new()
            for output in self._of("EndOfJob") if succeeded else ():
                bucket, prefix = _place(output)
                self._uploads.files(self._container, output["LocalPath"], bucket, prefix)
        except ClientError as error:
            fault = error.response["Error"]
            raise JobError(
                f"ClientError: Failed to upload output data. {fault['Code']}: {fault['Message']}"
            ) from error

    def _of(self, mode: str) -> Iterator[Any]:
        for output in self._job.get("ProcessingOutputConfig", {}).get("Outputs", []):
            if output["S3Output"]["S3UploadMode"] == mode:
                yield output["S3Output"]

    def _upload_new(self) -> None:
        for output in self._of("Continuous"):
            bucket, prefix = _place(output)
            with container_files(self._container, output["LocalPath"]) as files:
                for member, content in files:
                    key, version = f"{bucket}/{prefix}{member.name}", (float(member.mtime), member.size)
                    if content is None or self._uploaded.get(key) == version:
                        continue
                    settled = time.time() - member.mtime > _SETTLED_SECONDS
                    self._uploads.file(content, bucket, prefix + member.name)
                    if settled:
                        self._uploaded[key] = version


def _place(output: Any) -> tuple[str, str]:
    bucket, prefix = split(output["S3Uri"])
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
