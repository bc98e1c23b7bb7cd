"""One object of a transform job: mini-batches to the container, its answers to S3."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import urllib3
from botocore.exceptions import ClientError

from local_account.services.sagemaker.data_processing import DataProcessing, ProcessingError
from local_account.services.sagemaker.mini_batches import MEGABYTE, Batching, TooLargeError, assembled
from local_account.services.sagemaker.records import TransformJob
from local_account.services.sagemaker.s3_data import S3Object, split

if TYPE_CHECKING:
    from local_account.foundation.account import Account

_CHUNK = 1 << 20
_TIMEOUT, _RETRIES = 600, 3
"""Defaults of InvocationsTimeoutInSeconds and InvocationsMaxRetries."""
_MESSAGE_LENGTH = 1024


class ObjectError(Exception):
    """An object cannot be transformed: whose error it is, and lines for the job's data log."""

    def __init__(self, fault: str, *lines: str) -> None:
        super().__init__(lines[0])
        self.fault = fault
        self.lines = lines


@dataclass(frozen=True)
class Parameters:
    """How many requests at a time, of how many records and of which size in MB (0: without limit)."""

    concurrent: int
    single: bool
    payload: int

    def __str__(self) -> str:
        strategy = "SINGLE_RECORD" if self.single else "MULTI_RECORD"
        return (
            f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload}, "
            f"BatchStrategy={strategy}"
        )


class ObjectTransform:
    """Transforms the objects of a job; ``senders`` carries the requests of all of them."""

    def __init__(
        self,
        account: Account,
        job: TransformJob,
        processing: DataProcessing,
        parameters: Parameters,
        *,
        pool: urllib3.HTTPConnectionPool,
        senders: ThreadPoolExecutor,
    ) -> None:
        self._directory = account.config.state_dir
        self._s3 = account.client("s3", job["spec"]["role_arn"])
        self._job = job
        self._processing = processing
        self._pool, self._senders, self._window = pool, senders, parameters.concurrent
        self._chunked = parameters.payload == 0
        self._batching = Batching(
            job["TransformInput"].get("SplitType") == "Line",
            parameters.single,
            None if self._chunked else parameters.payload * MEGABYTE,
        )
        self._lines = job["TransformOutput"].get("AssembleWith") == "Line"
        client = job.get("ModelClientConfig", {})
        self._timeout = client.get("InvocationsTimeoutInSeconds", _TIMEOUT)
        self._tries = 1 + client.get("InvocationsMaxRetries", _RETRIES)
        self._headers: dict[str, str] = {}
        if kind := job["TransformInput"].get("ContentType"):
            self._headers["Content-Type"] = kind
        if accept := job["TransformOutput"].get("Accept"):
            self._headers["Accept"] = accept

    def run(self, item: S3Object) -> None:
        """Transform an object and store the result. Raises ObjectError, with nothing stored."""
        bucket, prefix = split(self._job["TransformOutput"]["S3OutputPath"])
        folder = prefix.rstrip("/")
        key = f"{folder}/{item.path}.out" if folder else f"{item.path}.out"
        with self._temporary() as given, self._temporary() as result:
            try:
                self._download(item, given)
                self._transform(given, result)
            except TooLargeError as error:
                raise ObjectError("ClientError", str(error)) from error
            except ProcessingError as error:
                raise ObjectError("ClientError", f"Fail to join data: {error}") from error
            except ClientError as error:
                raise ObjectError("ClientError", f"the download failed: {error}") from error
            result.seek(0)
            try:
                self._s3.put_object(Bucket=bucket, Key=key, Body=result)
            except ClientError as error:
                raise ObjectError(
                    "ClientError", f"the upload to s3://{bucket}/{key} failed: {error}"
                ) from error

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryFile(dir=self._directory) as file:
            yield file

    def _download(self, item: S3Object, given: IO[bytes]) -> None:
        body = self._s3.get_object(Bucket=item.bucket, Key=item.key)["Body"]
        while chunk := body.read(_CHUNK):
            given.write(chunk)
        given.seek(0)

    def _transform(self, given: IO[bytes], result: IO[bytes]) -> None:
        if self._job["TransformInput"].get("CompressionType") == "Gzip":
            given = cast("IO[bytes]", gzip.GzipFile(fileobj=given))
        sent: deque[tuple[Sequence[bytes], Future[bytes]]] = deque()
        try:
            for records in self._batching.divide(given):
                if len(sent) == self._window:
                    self._store(*sent.popleft(), result)
                payload = self._processing.for_model(records)
                sent.append((records, self._senders.submit(self._invoke, payload)))
            while sent:
                self._store(*sent.popleft(), result)
        except (gzip.BadGzipFile, EOFError) as error:
            raise ObjectError("ClientError", f"the object is not valid gzip: {error}") from error
        finally:
            for _, waiting in sent:
                waiting.cancel()

    def _store(self, records: Sequence[bytes], answer: Future[bytes], result: IO[bytes]) -> None:
        content = self._processing.for_output(records, answer.result())
        result.write(assembled(content, lines=self._lines))

    def _invoke(self, payload: bytes) -> bytes:
        """Return the container's answer; what may succeed the next time is tried again."""
        for left in reversed(range(self._tries)):
            try:
                answer = self._pool.request(
                    "POST",
                    "/invocations",
                    body=iter([payload]) if self._chunked else payload,
                    headers=self._headers,
                    timeout=urllib3.Timeout(connect=2.0, read=self._timeout),
                    chunked=self._chunked,
                    redirect=False,
                )
            except urllib3.exceptions.HTTPError as error:
                if left:
                    continue
                raise ObjectError("AlgorithmError", "Unable to get response from algorithm") from error
            if 200 <= answer.status < 300:
                return answer.data
            if answer.status >= 500 and left:
                continue
            client = 400 <= answer.status < 500
            raise ObjectError(
                "ClientError" if client else "AlgorithmError",
                f"ClientError: {answer.status}"
                if client
                else f"Bad HTTP status received from algorithm: {answer.status}",
                "",
                "Message:",
                *answer.data.decode("utf-8", "replace")[:_MESSAGE_LENGTH].splitlines(),
            )
        raise AssertionError("a request is made at least once")
