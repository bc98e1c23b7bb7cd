"""The attendant, which stops an idle notebook instance and restores its exercises on request.

A request is an object in the lab's bucket (`lab_helpers.reset_request`). The attendant reads it every
POLL_SECONDS; without a new request that is a response without a body (S3 GetObject, If-None-Match).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers import keys
from lab_helpers.clients import Clients
from lab_helpers.instance import idle
from lab_helpers.instance.exercises import PutBack, WorkingCopyError
from lab_helpers.instance.jupyter import runtime_directory
from lab_helpers.reset_request import TRIAL, Answer, Request, RequestError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

POLL_SECONDS = 2.0
_PROGRAM = b"lab_helpers.instance.provision"
"""The process that provisioned an instance stays as its attendant."""
logger = logging.getLogger(__name__)


class Attendant:
    """Carries out the requests for one instance, each exactly once, even across its own restarts."""

    def __init__(self, home: Path, bucket: str, s3: S3Client) -> None:
        self._home, self._bucket, self._s3 = home, bucket, s3
        self._answered = home / ".workshop" / "reset-answer.json"
        self._etag = ""

    def look(self) -> Answer | None:
        """Carry out a new request, write the answer to the bucket and return it."""
        request = self._request()
        if request is None:
            return None
        before = self._before()
        answer = before if before and before.id == request.id else self._carry_out(request)
        self._answered.write_bytes(answer.to_json())
        self._s3.put_object(
            Bucket=self._bucket, Key=keys.RESET_ANSWER, Body=answer.to_json(), ContentType="application/json"
        )
        return answer

    def _request(self) -> Request | None:
        asked: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": keys.RESET_REQUEST}
        if self._etag:
            asked["IfNoneMatch"] = self._etag
        try:
            found = self._s3.get_object(**asked)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"304", "NoSuchKey", "NoSuchBucket"}:
                return None
            raise
        content = found["Body"].read()
        try:
            request = Request.from_json(content)
        except RequestError:
            logger.exception("%s can't be read", keys.RESET_REQUEST)
            request = None
        self._etag = found["ETag"]
        return request

    def _before(self) -> Answer | None:
        try:
            return Answer.from_json(self._answered.read_bytes())
        except (OSError, RequestError):
            return None

    def _carry_out(self, request: Request) -> Answer:
        if request.to == TRIAL:
            return self._try_out(request)
        work = PutBack(self._home, request.to, request.at)
        try:
            work.run()
        except (WorkingCopyError, OSError, ValueError, LookupError) as error:
            logger.exception("reset to %s", request.to)
            return Answer(request.id, f"{type(error).__name__}: {error}", work.folder, tuple(work.kept))
        logger.info("restored to the start of %s, kept %s", request.to, work.kept or "nothing")
        return Answer(request.id, "", work.folder, tuple(work.kept))

    def _try_out(self, request: Request) -> Answer:
        from lab_helpers.instance import trial  # noqa: PLC0415 (a resident process stays small)

        def tell(report: trial.Report) -> None:
            self._s3.put_object(
                Bucket=self._bucket, Key=keys.TRIAL, Body=report.to_json(), ContentType="application/json"
            )

        try:
            trial.run(self._home, request, dict(os.environ), tell)
        except (OSError, ValueError, LookupError) as error:
            logger.exception("trial")
            return Answer(request.id, f"{type(error).__name__}: {error}", "", ())
        return Answer(request.id, "", "", ())


def attend(attendant: Attendant, sleep: Callable[[float], None] = time.sleep) -> None:
    """Poll for requests forever; a failure is logged once and tried again."""
    said = ""
    while True:
        try:
            attendant.look()
            said = ""
        except (BotoCoreError, ClientError, OSError) as error:
            if str(error) != said:
                logger.warning("polling for requests: %s", error)
            said = str(error)
        sleep(POLL_SECONDS)


def take_over(state: Path) -> None:
    """End the attendant of an earlier provisioning, and note this process in its place."""
    noted = state / "attendant.pid"
    try:
        earlier = int(noted.read_text())
        command = Path(f"/proc/{earlier}/cmdline").read_bytes()
    except (OSError, ValueError):
        command = b""
    # The pid may belong to another process by now.
    if _PROGRAM in command.split(b"\0") and earlier != os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(earlier, signal.SIGTERM)
    noted.write_text(f"{os.getpid()}\n")


def run(home: Path, settings: Mapping[str, str], clients: Clients) -> None:
    """Attend the instance until it stops; `settings` are those of `lab.env`. The log is `attendant.log`."""
    log = (home / ".workshop" / "attendant.log").open("w")
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log.fileno(), stream.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    instance, minutes = settings["NOTEBOOK_INSTANCE"], int(settings["IDLE_MINUTES"])
    if minutes:

        def activity(now: datetime) -> datetime | None:
            return idle.last_activity(idle.servers(runtime_directory(settings)), now)

        def stop() -> None:
            logger.info("idle for %d minutes: stopping %s", minutes, instance)
            clients("sagemaker").stop_notebook_instance(NotebookInstanceName=instance)

        threading.Thread(
            target=idle.watch, args=(timedelta(minutes=minutes), activity, stop), daemon=True
        ).start()
    attend(Attendant(home, settings["BUCKET"], clients("s3")))
