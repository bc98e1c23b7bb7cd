"""The runtime of a Lambda function: runs as a script in a separate process and serves one handler.

``python -P -u runtime.py REQUESTS RESPONSES TOKEN``: two inherited file descriptors with one JSON document
per line, and a token that distinguishes this program's own lines from what the handler prints. It imports
nothing from the account and follows the documented programming model of the managed Python runtime
("Building Lambda functions with Python"): the handler's name, the context object, errors and logging.
"""

from __future__ import annotations

import base64
import functools
import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Handler = Callable[[Any, "LambdaContext"], Any]
_NO_BREAK_SPACE = "\u00a0"
_LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"aws_request_id", "message", "asctime"}


class RuntimeFaultError(Exception):
    """A handler that cannot be loaded, or an answer that cannot be sent."""

    def __init__(self, kind: str, message: str, stack: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.stack = stack or []


class Fields:
    """Attributes given by keyword, as on the context's ``client_context`` and ``identity``."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class LambdaContext:
    """The documented context object of the Python runtime."""

    def __init__(self, request: dict[str, Any]) -> None:
        environ = os.environ
        self.aws_request_id: str = request["id"]
        self.invoked_function_arn: str = request["arn"]
        self.function_name = environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Fields(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = _client_context(request.get("client_context"))
        self._deadline: float = request["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before the invocation times out."""
        return max(int((self._deadline - time.time()) * 1000), 0)

    def log(self, message: object) -> None:
        """Write to the function's log."""
        sys.stdout.write(str(message))


def _client_context(encoded: str | None) -> Fields | None:
    if not encoded:
        return None
    document = json.loads(base64.b64decode(encoded))
    client = document.get("client")
    return Fields(client=Fields(**client) if client else None, custom=document.get("custom"),
                  env=document.get("env"))  # fmt: skip


class Log:
    """The function's log: the handler's lines as they come, ``logging`` records in one piece."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._descriptor = os.dup(1)
        self.request_id = ""

    def mark(self, **fields: Any) -> None:
        """Write one of the runtime's own lines."""
        data = self._token + json.dumps(fields).encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]

    def end(self) -> None:
        """Signal that everything the invocation printed has been written."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (ValueError, OSError, AttributeError):
                continue
        self.mark(end=True)


class LogHandler(logging.Handler):
    """The managed runtime's handler on the root logger: text, or JSON with the configured level."""

    def __init__(self, log: Log, as_json: bool) -> None:
        super().__init__()
        self._log = log
        self._as_json = as_json
        self.setFormatter(logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
                                            "%Y-%m-%dT%H:%M:%S"))  # fmt: skip
        if self.formatter:
            self.formatter.converter = time.gmtime

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            record.aws_request_id = self._log.request_id
            self._log.mark(record=self._json(record) if self._as_json else self.format(record))
        except Exception:
            self.handleError(record)

    def _json(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            fields |= {
                "errorType": kind.__name__,
                "errorMessage": str(error),
                "stackTrace": traceback.format_tb(trace),
            }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS}
        if self._log.request_id:
            fields["requestId"] = self._log.request_id
        return json.dumps(fields, default=str, ensure_ascii=False)


def load_handler(name: str) -> Handler:
    """Import the module of a handler such as ``app.handler``; raise RuntimeFaultError."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise RuntimeFaultError(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise RuntimeFaultError(
            "Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module"
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise RuntimeFaultError(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text or ""}'
        raise RuntimeFaultError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [where]
        ) from error
    try:
        return getattr(module, function)  # type: ignore[no-any-return]
    except AttributeError as error:
        raise RuntimeFaultError(
            "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'"
        ) from error


def marshal(result: object) -> str:
    """Return the handler's answer as JSON, or its bytes as they are. Raises RuntimeFaultError."""
    try:
        if isinstance(result, bytes):
            return result.decode()
        text = _json(result, frozenset())
        text.encode()
    except Exception as error:
        raise RuntimeFaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
    return text


def _json(value: object, within: frozenset[int]) -> str:
    """Return a value as JSON, as the encoder of AWS's runtime client does (awslambdaric, by simplejson).

    Other than ``json``: a named tuple is an object, a decimal keeps its digits, bytes are text, and from
    Python 3.12 on characters are written as they are. `within` has the ids of the containers around it.
    """
    if value is None or isinstance(value, bool | str | bytes | int | float | Decimal):
        return _scalar(value)
    if id(value) in within:
        raise ValueError("Circular reference detected")
    within |= {id(value)}
    as_dict = getattr(value, "_asdict", None)
    if isinstance(value, list):
        return f"[{', '.join([_json(item, within) for item in value])}]"
    if callable(as_dict):
        value = as_dict()
    if isinstance(value, dict):
        members = [f"{_key(key)}: {_json(item, within)}" for key, item in value.items()]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, tuple):
        return f"[{', '.join([_json(item, within) for item in value])}]"
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _scalar(value: object) -> str:
    if isinstance(value, str | bytes):
        text = value.decode() if isinstance(value, bytes) else value
        return json.dumps(str.__str__(text), ensure_ascii=_escapes())
    if isinstance(value, Decimal):
        return "NaN" if value.is_nan() else str(value)
    if isinstance(value, float):
        return json.dumps(float(value))
    return json.dumps(value if value is None or isinstance(value, bool) else int(value))  # type: ignore[call-overload]


@functools.cache
def _escapes() -> bool:
    return os.environ.get("AWS_EXECUTION_ENV") == "AWS_Lambda_python3.11"


def _key(key: object) -> str:
    if isinstance(key, str | bytes):
        return _scalar(key)
    if key is None or isinstance(key, bool | int | float):
        return f'"{_scalar(key)}"'
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def describe(error: BaseException, request_id: str) -> dict[str, Any]:
    """Return the documented error payload."""
    if isinstance(error, RuntimeFaultError):
        kind, stack = error.kind, error.stack
    else:
        own = (__file__, importlib.__file__)
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename not in own and not frame.filename.startswith("<frozen importlib")
        ]
        kind, stack = type(error).__name__, traceback.format_list(frames)
    described: dict[str, Any] = {"errorMessage": str(error), "errorType": kind}
    if request_id:
        described["requestId"] = request_id
    return {**described, "stackTrace": stack}


def _report(log: Log, error: dict[str, Any], as_json: bool) -> None:
    if as_json:
        time_of = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        log.mark(record=json.dumps({"timestamp": time_of, "level": "ERROR", **error}))
        return
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error["stackTrace"]:
        lines += ["Traceback (most recent call last):", *_indented(error["stackTrace"])]
    log.mark(record="\n".join(lines))


def _indented(stack: list[str]) -> list[str]:
    """Return the lines of a stack; they are indented by no-break spaces, as in logs of AWS."""
    lines = [line for entry in stack for line in entry.splitlines()]
    return [_NO_BREAK_SPACE * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ") for line in lines]


def _peak_memory() -> int:
    """Return the largest resident size so far, in MB."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib is not loaded yet at a cold start
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        import resource  # for systems without /proc

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 // 1024
    return 0


def main() -> None:
    """Serve invocations until the account closes the pipe."""
    requests, responses = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (requests, responses):
        os.set_inheritable(descriptor, False)
    log = Log(sys.argv[3])
    del sys.argv[1:]
    answers = os.fdopen(responses, "wb")

    def answer(**message: Any) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    as_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
    root = logging.getLogger()
    root.addHandler(LogHandler(log, as_json))
    if as_json:
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        root.setLevel(_LEVELS.get(level, level))
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        described = describe(error, "")
        _report(log, described, as_json)
        log.end()
        answer(ready=False, error=described)
        sys.exit(1)
    answer(ready=True)
    with os.fdopen(requests, "rb") as lines:
        for line in lines:
            request = json.loads(line)
            log.request_id = request["id"]
            os.environ["_X_AMZN_TRACE_ID"] = request["trace"]
            try:
                message: dict[str, Any] = {
                    "payload": marshal(handler(json.loads(request["payload"]), LambdaContext(request)))
                }
            except Exception as error:
                described = describe(error, request["id"])
                _report(log, described, as_json)
                message = {"error": described}
            log.end()
            answer(**message, memory=_peak_memory())


if __name__ == "__main__":
    main()
