"""One execution environment of a function: the process that its handler runs in.

Differs from AWS: a handler runs in a process of this machine, with the account's Python and the libraries of
the account's environment, whatever the runtime's version. `MemorySize` and `EphemeralStorage` limit nothing.
The file system can be written; `tempfile` has a directory of its own, but the path `/tmp` is this machine's,
and code is in `LAMBDA_TASK_ROOT`, not in `/var/task`.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from local_account.services.lambda_ import runtime

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.services.lambda_.configuration import FunctionConfiguration
    from local_account.services.lambda_.logs import Output

INIT_SECONDS = 10.0
"""The documented limit of the init phase; any excess counts against the function's timeout."""
_FROM_THE_ACCOUNT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "PATH",
)
_FROM_THE_MACHINE = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "LD_LIBRARY_PATH",
)


class WorkerEndedError(Exception):
    """The process ended; ``status`` is its exit status, negative for a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handler's process exited with status {status}")
        self.status = status


class Worker:
    """A handler's process, warm until ``end``. Not to be shared: one invocation at a time.

    ``config`` is the function's FunctionConfiguration, ``code`` the directory of its code; its home is made
    below ``scratch``; every line that the process prints and every record that it logs goes to ``output``.
    """

    def __init__(
        self, account: Account, config: FunctionConfiguration, code: Path, scratch: Path, output: Output
    ) -> None:
        self._account = account
        self.output = output
        self.function: str = config["FunctionName"]
        self.revision: str = config["RevisionId"]
        self.code = code
        self.idle_since = time.monotonic()
        self.fresh = True
        self._group = f"lambda-{config['FunctionName']}-{uuid.uuid4().hex[:8]}"
        scratch.mkdir(parents=True, exist_ok=True)
        self._home = Path(tempfile.mkdtemp(prefix=f"{config['FunctionName']}-", dir=scratch))
        variables = environment(account, config, code, self._home, output)
        self._token = uuid.uuid4().hex
        self._said_all = threading.Event()
        self._buffer = b""
        request_end, self._requests = os.pipe()
        self._responses, response_end = os.pipe()
        try:
            self._process = account.processes.spawn(
                self._group,
                [
                    *_wrapper(config, code),
                    *(sys.executable, "-P", "-u", "-X", "utf8", runtime.__file__),
                    *(str(request_end), str(response_end), self._token),
                ],
                env=variables,
                cwd=code,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(request_end, response_end),
            )
        except OSError:
            self._close()
            raise
        finally:
            os.close(request_end)
            os.close(response_end)
        if self._process.stdout:
            account.tasks.spawn(f"{self._group}-log", self._read_log, self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether the process is still running."""
        return self._process.poll() is None

    def ready(self, seconds: float) -> dict[str, Any]:
        """Wait until the handler is loaded; return the runtime's message (``ready``, ``error``).

        Raises TimeoutError and WorkerEndedError.
        """
        return self._receive(time.monotonic() + seconds)

    def invoke(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Let the handler serve one request; return ``payload`` or ``error``, and ``memory``.

        When this returns, everything that the handler printed is in ``output``. Raises TimeoutError and
        WorkerEndedError, after which the worker must be ended.
        """
        deadline = time.monotonic() + seconds
        self.fresh = False
        self._said_all.clear()
        try:
            with os.fdopen(os.dup(self._requests), "wb") as pipe:
                pipe.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None
        message = self._receive(deadline)
        self._said_all.wait(5)
        return message

    def kill(self) -> None:
        """Kill the process during an invocation, which then ends with WorkerEndedError."""
        self._process.kill()

    def end(self) -> None:
        """End the process and what it started, and wait until all of its output was passed on."""
        self._process.kill()
        self._process.wait()
        self._account.processes.end(self._group, grace=0.5)
        self._said_all.wait(2)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._requests, self._responses):
            os.close(descriptor)
        shutil.rmtree(self._home, ignore_errors=True)

    def _receive(self, deadline: float) -> dict[str, Any]:
        poll = select.poll()
        poll.register(self._responses, select.POLLIN)
        while b"\n" not in self._buffer:
            if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                raise TimeoutError
            data = os.read(self._responses, 1 << 20)
            if not data:
                raise self._ended()
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _ended(self) -> WorkerEndedError:
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            status = -9  # it closed the pipe but is still running: the account kills it
        self._said_all.wait(2)
        return WorkerEndedError(status)

    def _read_log(self, output: IO[bytes]) -> None:
        token = self._token.encode()
        with output:
            for line in output:
                text, marked, own = line.partition(token)
                if text.strip():
                    self.output.write(text.decode(errors="replace"))
                if marked:
                    message = json.loads(own)
                    if "record" in message:
                        self.output.write(message["record"] + "\n")
                    if message.get("end"):
                        self._said_all.set()
        self._said_all.set()


def _wrapper(config: FunctionConfiguration, code: Path) -> list[str]:
    """Return what starts the runtime through ``AWS_LAMBDA_EXEC_WRAPPER``, if the function has that variable.

    A shell looks for the script, so that one that is missing ends the runtime with status 127, as on AWS.
    """
    script = config.get("Environment", {}).get("Variables", {}).get("AWS_LAMBDA_EXEC_WRAPPER")
    if not script:
        return []
    task = "/var/task/"
    path = str(code / script.removeprefix(task)) if script.startswith(task) else script
    return ["/bin/sh", "-c", 'script="$1"; shift; exec "$script" "$@"', "bootstrap", path]


def environment(
    account: Account, config: FunctionConfiguration, code: Path, home: Path, output: Output
) -> dict[str, str]:
    """Return a handler's environment: what "Defined runtime environment variables" lists, and no more."""
    given = account.environment(config["Role"], session=config["FunctionName"])
    logging_config = config["LoggingConfig"]
    variables = {
        **{name: os.environ[name] for name in _FROM_THE_MACHINE if name in os.environ},
        **{name: given[name] for name in _FROM_THE_ACCOUNT if name in given},
        "_HANDLER": config["Handler"],
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": config["Version"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": output.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": output.stream,
        "AWS_LAMBDA_LOG_FORMAT": logging_config["LogFormat"],
        "LAMBDA_TASK_ROOT": str(code),
        "LAMBDA_RUNTIME_DIR": str(Path(runtime.__file__).parent),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
    }
    if "ApplicationLogLevel" in logging_config:
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging_config["ApplicationLogLevel"]
    return variables | dict(config.get("Environment", {}).get("Variables", {}))
