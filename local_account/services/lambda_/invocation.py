"""Run a function: its execution environment, its log, its answer, and the retries of events.

The contract is ``Invoke`` of the Lambda API, "Understanding the Lambda execution environment lifecycle" and
"How Lambda handles errors and retries with asynchronous invocation".
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from local_account.foundation.errors import ServiceError
from local_account.services.lambda_.logs import LogWriter, Output
from local_account.services.lambda_.worker import INIT_SECONDS, Worker, WorkerEndedError

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.services.lambda_.configuration import FunctionConfiguration

CONCURRENCY = 10
"""Concurrent executions in the account: the limit of a new AWS account."""
RESPONSE_LIMIT = 6_291_556
PROACTIVE = 2
"""Number of environments up to which a new function gets one at once."""
_IDLE_SECONDS = 120.0


@dataclass(frozen=True)
class Function:
    """What is needed to run one version of a function."""

    config: FunctionConfiguration
    code: Path
    reserved: int | None


@dataclass(frozen=True)
class Request:
    """One invocation: its id, the ARN used to invoke the function, the event as JSON text."""

    id: str
    arn: str
    payload: str
    client_context: str | None = None


class AsynchronousInvocation(TypedDict):
    """One invocation of type Event, from its acceptance until it succeeds or is dropped."""

    name: str
    qualifier: str
    payload: str
    request_id: str
    accepted: float
    """Seconds since 1970."""
    attempts: int
    """Those in which the function failed."""
    throttled: int
    """How often no execution environment was free."""


@dataclass(frozen=True)
class Outcome:
    """The result of an invocation: the answer or the error payload, and the last 4 KB of its log."""

    payload: bytes
    failed: bool
    log: bytes


class Pool:
    """The execution environments of all functions: some busy, some warm."""

    def __init__(self, account: Account, writer: LogWriter, scratch: Path) -> None:
        self._account = account
        self._writer = writer
        self._scratch = scratch
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._running: set[Worker] = set()
        self._idle: list[tuple[str, Worker]] = []

    def acquire(self, function: Function) -> Worker:
        """Return a warm environment or a new one. Raises ServiceError TooManyRequestsException."""
        name = function.config["FunctionName"]
        with self._lock:
            reason = self._throttled(name, function.reserved)
            if reason:
                raise ServiceError(
                    "TooManyRequestsException", "Rate Exceeded.", status=429, Reason=reason, Type="User"
                )
            self._busy[name] += 1
        try:
            worker = self._warm(name, function.config["RevisionId"]) or self._spawn(function)
        except BaseException:
            with self._lock:
                self._busy[name] -= 1
            raise
        with self._lock:
            self._running.add(worker)
        return worker

    def prepare(self, function: Function) -> None:
        """Create an environment before it is needed, while there are few ("proactive initialization")."""
        name = function.config["FunctionName"]
        with self._lock:
            there = self._idle + [(worker.function, worker) for worker in self._running]
            if len(there) >= PROACTIVE or name in dict(there):
                return
        worker = self._spawn(function)
        with self._lock:
            self._idle.append((name, worker))

    def release(self, name: str, worker: Worker, keep: bool) -> None:
        """Take an environment back, to keep it warm for the next invocation or to end it."""
        worker.idle_since = time.monotonic()
        with self._lock:
            self._busy[name] -= 1
            self._running.discard(worker)
            if keep:
                self._idle.append((name, worker))
        if not keep:
            worker.end()

    def retire(self, name: str, revisions: set[str]) -> None:
        """End the warm environments of a function whose revision is not in ``revisions``."""
        self._end_idle(lambda owner, worker: owner == name and worker.revision not in revisions)

    def reap(self) -> None:
        """End the environments that have been idle for long."""
        limit = time.monotonic() - _IDLE_SECONDS
        self._end_idle(lambda _owner, worker: worker.idle_since < limit)

    def stop(self) -> None:
        """End all environments, including busy ones."""
        self._end_idle(lambda _owner, _worker: True)
        with self._lock:
            running = list(self._running)
        for worker in running:
            worker.kill()

    def code_in_use(self) -> set[Path]:
        """Return the code directories in use by an environment."""
        with self._lock:
            return {worker.code for worker in (*self._running, *(worker for _, worker in self._idle))}

    def _throttled(self, name: str, reserved: int | None) -> str:
        if reserved is not None and self._busy[name] >= reserved:
            return "ReservedFunctionConcurrentInvocationLimitExceeded"
        if self._busy.total() >= CONCURRENCY:
            return "ConcurrentInvocationLimitExceeded"
        return ""

    def _warm(self, name: str, revision: str) -> Worker | None:
        """Take the most recently used environment; end those that died while idle."""
        while True:
            with self._lock:
                found = [entry for entry in self._idle if entry[0] == name and entry[1].revision == revision]
                if not found:
                    return None
                self._idle.remove(found[-1])
            worker = found[-1][1]
            if worker.alive:
                return worker
            worker.end()

    def _spawn(self, function: Function) -> Worker:
        config = function.config
        stream = f"{self._account.now():%Y/%m/%d}/[{config['Version']}]{uuid.uuid4().hex}"
        output = Output(self._writer, config["LoggingConfig"]["LogGroup"], stream, config["Role"])
        return Worker(self._account, config, function.code, self._scratch, output)

    def _end_idle(self, condition: Any) -> None:
        with self._lock:
            ended = [entry for entry in self._idle if condition(*entry)]
            self._idle = [entry for entry in self._idle if entry not in ended]
        for _, worker in ended:
            worker.end()


class Invoker:
    """Runs functions and writes the platform's lines to their logs."""

    def __init__(self, account: Account, pool: Pool) -> None:
        self._account = account
        self._pool = pool

    def run(self, function: Function, request: Request) -> Outcome:
        """Run one invocation to its end.

        Raises ServiceError TooManyRequestsException if no environment is free.
        """
        config = function.config
        worker = self._pool.acquire(function)
        keep = False
        try:
            report: dict[str, Any] = {}
            error = self._initialise(worker, config, request.id, report)
            for line in _start_lines(config, request.id):
                worker.output.write(line)
            began = time.monotonic()
            message: dict[str, Any] = {"error": error}
            if error is None:
                message = self._invoke(worker, config, request)
            keep = message.pop("keep", False)
            report |= {"duration": (time.monotonic() - began) * 1000, "memory": message.get("memory", 0)}
            answer, failed = _answer(message)
            for line in _end_lines(config, request.id, report, failed):
                worker.output.write(line)
            return Outcome(answer, failed, worker.output.take())
        finally:
            self._pool.release(config["FunctionName"], worker, keep)

    def _initialise(
        self, worker: Worker, config: FunctionConfiguration, request_id: str, report: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Wait until a new environment has loaded the handler; return the error payload if that failed."""
        if not worker.fresh:
            return None
        began = time.monotonic()
        try:
            message = worker.ready(INIT_SECONDS + config["Timeout"])
        except TimeoutError:
            return _timed_out(config["Timeout"], request_id)
        except WorkerEndedError as ended:
            return _exited(ended.status, request_id)
        report["init"] = (time.monotonic() - began) * 1000
        return {**message["error"], "requestId": request_id} if "error" in message else None

    def _invoke(self, worker: Worker, config: FunctionConfiguration, request: Request) -> dict[str, Any]:
        line = {
            **asdict(request),
            "deadline": time.time() + config["Timeout"],
            "trace": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        try:
            return {**worker.invoke(line, config["Timeout"]), "keep": True}
        except TimeoutError:
            error = _timed_out(config["Timeout"], request.id)
            worker.output.write(
                f"{_moment()}Z {request.id} Task timed out after {config['Timeout']:.2f} seconds\n\n"
            )
        except WorkerEndedError as ended:
            error = _exited(ended.status, request.id)
            worker.output.write(f"{error['errorMessage']}\n{error['errorType']}\n")
        return {"error": error}


def _answer(message: dict[str, Any]) -> tuple[bytes, bool]:
    if message.get("error"):
        return json.dumps(message["error"]).encode(), True
    payload = message["payload"].encode()
    if len(payload) <= RESPONSE_LIMIT:
        return payload, False
    error = {
        "errorMessage": (
            f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
        ),
        "errorType": "Function.ResponseSizeTooLarge",
    }
    return json.dumps(error).encode(), True


def _timed_out(seconds: int, request_id: str) -> dict[str, Any]:
    return {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds",
    }


def _exited(status: int, request_id: str) -> dict[str, Any]:
    if status == 0:
        how = "Runtime exited without providing a reason"
    elif status > 0:
        how = f"Runtime exited with error: exit status {status}"
    else:
        how = f"Runtime exited with error: signal: {(signal.strsignal(-status) or str(-status)).lower()}"
    return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {how}"}


def _start_lines(config: FunctionConfiguration, request_id: str) -> list[str]:
    if config["LoggingConfig"]["LogFormat"] == "JSON":
        return _platform(config, "platform.start", {"requestId": request_id, "version": config["Version"]})
    return [f"START RequestId: {request_id} Version: {config['Version']}\n"]


def _end_lines(
    config: FunctionConfiguration, request_id: str, report: dict[str, Any], failed: bool
) -> list[str]:
    duration, init = report["duration"], report.get("init")
    billed = math.ceil(duration + (init or 0))
    if config["LoggingConfig"]["LogFormat"] == "JSON":
        metrics = {
            "durationMs": round(duration, 3),
            "billedDurationMs": billed,
            "memorySizeMB": config["MemorySize"],
            "maxMemoryUsedMB": report["memory"],
        }
        if init is not None:
            metrics["initDurationMs"] = round(init, 3)
        status = "error" if failed else "success"
        record = {"requestId": request_id, "metrics": metrics, "status": status}
        return _platform(config, "platform.report", record)
    line = (
        f"REPORT RequestId: {request_id}\tDuration: {duration:.2f} ms\tBilled Duration: {billed} ms\t"
        f"Memory Size: {config['MemorySize']} MB\tMax Memory Used: {report['memory']} MB\t"
    )
    if init is not None:
        line += f"Init Duration: {init:.2f} ms\t"
    return [f"END RequestId: {request_id}\n", f"{line}\n"]


def _platform(config: FunctionConfiguration, kind: str, record: dict[str, Any]) -> list[str]:
    """Return a system log record of level INFO, if the function's SystemLogLevel includes it."""
    if config["LoggingConfig"]["SystemLogLevel"] == "WARN":
        return []
    return [json.dumps({"time": f"{_moment()}Z", "type": kind, "record": record})]


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
