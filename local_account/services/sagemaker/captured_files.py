"""What endpoints have captured, on its way to S3.

An invocation leaves its record in a queue, and that is all that capture costs it. One thread writes the
records to files below the account's state directory, another puts the files to S3 every ``capture_seconds``.
What is in a file survives a kill of the account: it is stored after the next start.

Differs from AWS: captured data reaches S3 within `capture_seconds` (in `account.json`; 5 by default), on AWS
within "a couple of minutes". When the account is killed, records of the last moment, which are not in a file
yet, are lost; a regular stop stores them. More than 512 MB that S3 has not taken, or 64 MB that are not in a
file yet, are not captured: on AWS, capture stops "at high levels of disk usage".

Differs from AWS: what cannot be stored is lost, and the endpoint serves on. The reason is in the stream
`VARIANT/data-capture` of the endpoint's log group. AWS does not document where it says so.

Differs from AWS: the hour in a key is that of the requests. AWS does not say whether it is that of the
upload.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import uuid
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from local_account.foundation.errors import log_loss
from local_account.services.sagemaker.data_capture import DataCapture, Invocation
from local_account.services.sagemaker.instances import LOG_GROUP
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.s3_data import split

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

_QUEUE_BYTES = 64 << 20
_FILES_BYTES = 512 << 20
_FILE_BYTES = 32 << 20
"""A file with more than this gets no further records."""
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Destination:
    """Where a variant's captured data goes, and with whose permissions."""

    endpoint: str
    variant: str
    uri: str
    role_arn: str


class _File:
    """A file with lines for one key of S3, and beside it a description of where it goes."""

    def __init__(self, directory: Path, destination: Destination, at: datetime) -> None:
        self.path = directory / f"{at:%Y%m%d%H%M%S%f}-{uuid.uuid4()}.jsonl"
        name = f"{at:%M-%S}-{at.microsecond // 1000:03d}-{self.path.stem.partition('-')[2]}.jsonl"
        bucket, prefix = split(destination.uri)
        folder = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        key = f"{folder}{destination.endpoint}/{destination.variant}/{at:%Y/%m/%d/%H}/{name}"
        self.path.with_suffix(".json").write_text(
            json.dumps({"bucket": bucket, "key": key, "of": asdict(destination)})
        )
        self.size = 0
        self._file = self.path.open("ab", buffering=0)

    def append(self, lines: bytes) -> None:
        """Add whole lines, all of them or none."""
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), self.size)
            raise
        self.size += len(lines)

    def close(self) -> None:
        self._file.close()


class CapturedFiles:
    """The captured data of an account's endpoints, until S3 has it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._directory = account.config.state_dir / "captured"
        self._logs = Logs(account)
        self._queue: deque[tuple[DataCapture, Destination, Invocation]] = deque()
        self._queued = self._filed = 0
        """Bytes in the queue, and in files."""
        self._lost: dict[Destination, int] = {}
        """Records that there was no room for, since the last report."""
        self._refused: set[Destination] = set()
        """Whose last file was refused: that is said once."""
        self._arrived = threading.Event()
        self._lock = threading.Lock()
        self._writing, self._storing = threading.Lock(), threading.Lock()
        self._open: dict[tuple[Destination, str], _File] = {}

    def start(self) -> None:
        """Begin to write and to store, also what an earlier process has left."""
        self._directory.mkdir(exist_ok=True)
        self._filed = sum(path.stat().st_size for path in self._directory.glob("*.jsonl"))
        self._account.tasks.spawn("captured-data", self._keep_writing)
        self._account.tasks.every(self._account.config.capture_seconds, "captured-files", self.store)

    def take(self, capture: DataCapture, destination: Destination, one: Invocation) -> None:
        """Accept an invocation, or count it as lost if there is no room."""
        with self._lock:
            if self._queued + one.size > _QUEUE_BYTES or self._filed > _FILES_BYTES:
                self._lost[destination] = self._lost.get(destination, 0) + 1
                return
            self._queued += one.size
            self._queue.append((capture, destination, one))
        if not self._arrived.is_set():
            self._arrived.set()

    def write(self) -> None:
        """Write what is in the queue now to files."""
        with self._writing:
            for _ in range(len(self._queue)):
                with self._lock:
                    capture, destination, one = self._queue.popleft()
                    self._queued -= one.size
                self._write(destination, one.time, capture.line(one))

    def store(self) -> None:
        """Put all files to S3. What S3 does not answer stays for the next time."""
        with self._storing:
            with self._writing:
                for file in self._open.values():
                    file.close()
                self._open.clear()
                paths = sorted(self._directory.glob("*.json"))
            self._report_lost()
            for path in paths:
                if not self._store(path):
                    return

    def stop(self) -> None:
        """Store what has been captured."""
        self.write()
        self.store()

    def _keep_writing(self) -> None:
        stopping = self._account.tasks.stopping
        while not stopping.is_set():
            if self._arrived.wait(1.0):
                self._arrived.clear()
                self.write()
                stopping.wait(_PAUSE_SECONDS)  # several at a time

    def _write(self, destination: Destination, time: float, line: bytes) -> None:
        at = datetime.fromtimestamp(time, UTC)
        key = destination, f"{at:%Y%m%d%H}"
        try:
            file = self._open.get(key)
            if file is None or file.size > _FILE_BYTES:
                if file:
                    file.close()
                file = self._open[key] = _File(self._directory, destination, at)
            file.append(line)
        except OSError as error:
            with self._lock:
                self._lost[destination] = self._lost.get(destination, 0) + 1
            log.warning("captured data of endpoint %s is lost: %s", destination.endpoint, error)
            return
        with self._lock:
            self._filed += len(line)

    def _store(self, path: Path) -> bool:
        """Put a file to S3 and delete it; return False if S3 does not answer."""
        try:
            described = json.loads(path.read_text())
            destination = Destination(**described["of"])
        except (ValueError, KeyError, TypeError):  # the account was killed while it wrote this
            log.warning("a description of captured data is damaged: %s", path.name)
            self._delete(path)
            return True
        try:
            with path.with_suffix(".jsonl").open("r+b") as file:
                if _whole(file):
                    s3 = self._account.client("s3", destination.role_arn)
                    s3.put_object(
                        Bucket=described["bucket"],
                        Key=described["key"],
                        Body=file,
                        ContentType="application/jsonlines",
                    )
        except FileNotFoundError:  # the account was killed between the two files
            pass
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                log.warning("captured data of endpoint %s waits: %s", destination.endpoint, error)
                return False
            self._say_refused(destination, error, described)
        except BotoCoreError as error:
            log.warning("captured data of endpoint %s waits: %s", destination.endpoint, error)
            return False
        else:
            self._refused.discard(destination)
        self._delete(path)
        return True

    def _delete(self, path: Path) -> None:
        data = path.with_suffix(".jsonl")
        with contextlib.suppress(FileNotFoundError):
            size = data.stat().st_size
            data.unlink()
            with self._lock:
                self._filed -= size
        path.unlink(missing_ok=True)

    def _say_refused(self, destination: Destination, error: ClientError, described: dict[str, str]) -> None:
        if destination in self._refused:
            return
        self._refused.add(destination)
        where = f"s3://{described['bucket']}/{described['key']}"
        log_loss(log, error, "captured data of endpoint %s is lost", destination.endpoint)
        fault = error.response["Error"]
        self._say(destination, f"Captured data is lost: {fault['Code']} for {where}: {fault['Message']}")

    def _report_lost(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, {}
        for destination, count in lost.items():
            self._say(destination, f"{count} invocations were not captured: there was no room for them")

    def _say(self, destination: Destination, line: str) -> None:
        stream = self._logs.stream(
            f"{LOG_GROUP}/{destination.endpoint}", f"{destination.variant}/data-capture", destination.role_arn
        )
        stream.write(f"{line}\n".encode())
        stream.close()


def _whole(file: IO[bytes]) -> bool:
    """Cut off an unfinished last line, which a killed account leaves; return whether any line is left."""
    content = size = file.seek(0, os.SEEK_END)
    while content:
        begin = max(0, content - 65_536)
        file.seek(begin)
        at = file.read(content - begin).rfind(b"\n")
        if at >= 0:
            content = begin + at + 1
            break
        content = begin
    if content < size:
        file.truncate(content)
    file.seek(0)
    return content > 0
