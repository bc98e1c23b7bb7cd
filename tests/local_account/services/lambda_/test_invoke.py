"""Handlers run in a separate process and see what the managed runtime gives them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.local_account.iam_roles import make_role
from tests.waiting import Eventually
from tests.waiting import eventually as wait_for

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

Create = Callable[..., Any]
Call = Callable[..., Any]


def test_a_handler_answers_with_json(create: Create, call: Call) -> None:
    create("echo", "def handler(event, context):\n    return {'got': event, 'two': [1, None, 'ü']}")
    assert call("echo", {"a": 1}) == {"got": {"a": 1}, "two": [1, None, "ü"]}


def test_the_context_is_as_documented(create: Create, call: Call) -> None:
    source = """
def handler(event, context):
    return {name: getattr(context, name) for name in (
        "aws_request_id", "function_name", "function_version", "memory_limit_in_mb", "invoked_function_arn",
        "log_group_name", "log_stream_name")} | {"left": context.get_remaining_time_in_millis()}
"""
    create("context", source, MemorySize=256, Timeout=70)
    context = call("context")
    assert context["function_name"] == "context"
    assert context["function_version"] == "$LATEST"
    assert context["memory_limit_in_mb"] == "256"
    assert context["invoked_function_arn"].endswith(":function:context")
    assert context["log_group_name"] == "/aws/lambda/context"
    assert "[$LATEST]" in context["log_stream_name"]
    assert len(context["aws_request_id"]) == 36
    assert 30_000 < context["left"] <= 70_000


def test_the_environment_is_the_functions_own(create: Create, call: Call) -> None:
    source = "import os\ndef handler(event, context):\n    return dict(os.environ)"
    create("environment", source, Environment={"Variables": {"MODEL": "iris"}})
    environment = call("environment")
    assert environment["MODEL"] == "iris"
    assert environment["_HANDLER"] == "app.handler"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "environment"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["AWS_SESSION_TOKEN"]
    assert environment["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    unexpected = {"DOCKER_HOST", "PYTEST_CURRENT_TEST", "USER", "PWD", "GIT_CONFIG_COUNT", "VIRTUAL_ENV"}
    assert not unexpected & set(environment)


def test_boto3_calls_the_account_as_the_functions_role(create: Create, call: Call) -> None:
    source = """
def handler(event, context):
    import boto3
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    create("identity", source)
    assert ":assumed-role/handlers/" in call("identity")


def test_the_code_is_the_working_directory_and_importable(
    create: Create, call: Call, package: Callable[..., bytes]
) -> None:
    source = """
import pathlib, helper
def handler(event, context):
    return [helper.WORD, pathlib.Path("app.py").exists()]
"""
    create("modules", source, Code={"ZipFile": package(source, helper="WORD = 'yes'")})
    assert call("modules") == ["yes", True]


def test_an_exception_becomes_the_documented_payload(create: Create, call: Call) -> None:
    create("raises", "def handler(event, context):\n    raise ValueError('bad iris')")
    kind, error = call("raises")
    assert kind == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "bad iris")
    assert len(error["requestId"]) == 36
    assert len(error["stackTrace"]) == 1
    assert "in handler\n    raise ValueError('bad iris')" in error["stackTrace"][0]
    assert call("raises")[0] == "Unhandled"  # the environment is still good


RETURNS_A_SET = "def handler(e, c):\n    return {1, 2}"
EXITS = "import sys\ndef handler(e, c):\n    sys.exit(0)"
KILLS_ITSELF = "import os\ndef handler(e, c):\n    os.kill(os.getpid(), 9)"
SAYS_TOO_MUCH = "def handler(e, c):\n    return 'x' * 7_000_000"


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (
            "import nothing_like_it",
            "Runtime.ImportModuleError",
            "module 'app': No module named 'nothing_like_it'",
        ),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("import sys\nsys.exit(3)", "Runtime.ExitError", "exit status 3"),
        (RETURNS_A_SET, "Runtime.MarshalError", "response: Object of type set is not JSON serializable"),
        (EXITS, "Runtime.ExitError", "Runtime exited without providing a reason"),
        (KILLS_ITSELF, "Runtime.ExitError", "signal: killed"),
        (SAYS_TOO_MUCH, "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"),
    ],
)
def test_failures_have_their_documented_names(
    create: Create, call: Call, source: str, kind: str, message: str
) -> None:
    create("wrong", source)
    for _ in range(2):
        failed, error = call("wrong", {})
        assert failed == "Unhandled"
        assert error["errorType"] == kind
        assert message in error["errorMessage"]


def test_a_malformed_handler_name_is_named(create: Create, call: Call) -> None:
    create("malformed", "x = 1", Handler="app")
    assert call("malformed")[1]["errorType"] == "Runtime.MalformedHandlerName"


def test_a_handler_that_takes_too_long_is_killed(create: Create, call: Call) -> None:
    source = """
import subprocess, time
def handler(event, context):
    subprocess.Popen(["sleep", "77.7"], start_new_session=True)
    time.sleep(3600)
"""
    create("slow", source, Timeout=1)
    _, error = call("slow")
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if "77.7" in (process.info["cmdline"] or [])
    ]


def test_the_environment_stays_warm(create: Create, call: Call) -> None:
    source = """
import os
count = 0
def handler(event, context):
    global count
    count += 1
    return [os.getpid(), count]
"""
    create("warm", source)
    first, second = call("warm"), call("warm")
    assert first[0] == second[0]
    assert (first[1], second[1]) == (1, 2)


def test_an_environment_that_died_is_replaced(create: Create, call: Call, eventually: Eventually) -> None:
    source = """
import os, threading
def handler(event, context):
    if event:
        threading.Timer(0.2, os._exit, [1]).start()
    return os.getpid()
"""
    create("dies", source)
    first = call("dies", True)
    eventually(lambda: not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    assert call("dies", False) != first


def test_invocations_run_in_parallel(create: Create, call: Call, tmp_path: Path) -> None:
    # Each returns only when all three are there: one after the other, they would wait until their time-out.
    source = """
import os, pathlib, time
def handler(directory, context):
    pathlib.Path(directory, str(os.getpid())).touch()
    while len(os.listdir(directory)) < 3:
        time.sleep(0.02)
    return os.getpid()
"""
    create("parallel", source, Timeout=60)
    with ThreadPoolExecutor(3) as pool:
        processes = set(pool.map(lambda _: call("parallel", str(tmp_path)), range(3)))
    assert len(processes) == 3


def test_reserved_concurrency_throttles(create: Create, call: Call, awslambda: LambdaClient) -> None:
    create("throttled", "def handler(e, c):\n    return 1")
    awslambda.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    with pytest.raises(awslambda.exceptions.TooManyRequestsException) as refused:
        call("throttled")
    response: dict[str, Any] = {**refused.value.response}
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    awslambda.delete_function_concurrency(FunctionName="throttled")
    assert call("throttled") == 1


def test_the_log_has_everything_in_order(
    create: Create, awslambda: LambdaClient, client: Callable[[str], Any], eventually: Eventually
) -> None:
    source = """
import logging, subprocess, sys
logging.getLogger().setLevel("INFO")
def handler(event, context):
    print("printed ü")
    logging.info("logged\\nin two lines")
    sys.stderr.write("to stderr")
    sys.stdout.buffer.write(b"\\nbinary \\xff\\n")
    subprocess.run(["echo", "from a child"])
    raise RuntimeError("last")
"""
    create("talks", source)
    answer = awslambda.invoke(FunctionName="talks", LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    logs = client("logs")

    def messages() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName="/aws/lambda/talks")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        found = [event["message"] for event in events]
        return found if any(message.startswith("REPORT") for message in found) else []

    found = eventually(messages)
    wanted = [
        "START RequestId: ",
        "printed ü",
        "logged\nin two lines",
        "to stderr",
        "binary \ufffd",
        "from a child",
        "[ERROR] RuntimeError: last\nTraceback (most recent call last):\n",
        "END RequestId: ",
        "REPORT RequestId: ",
    ]
    for text in wanted:
        assert any(text in message for message in found), (text, found)
        assert text in tail
    positions = [next(i for i, message in enumerate(found) if text in message) for text in wanted]
    assert positions == sorted(positions)
    report = found[-1]
    for figure in ("Duration: ", "Billed Duration: ", "Memory Size: 128 MB", "Max Memory Used: ", "Init Dur"):
        assert figure in report


def test_json_logs_have_a_level(
    create: Create, call: Call, client: Callable[[str], Any], eventually: Eventually
) -> None:
    source = (
        "import logging\ndef handler(e, c):\n    logging.info('seen'); logging.debug('hidden')\n    return 1"
    )
    create("json-log", source, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/shared/group"})
    assert call("json-log") == 1
    logs = client("logs")

    def records() -> list[dict[str, Any]]:
        try:
            events = logs.filter_log_events(logGroupName="/shared/group")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        found = [json.loads(event["message"]) for event in events]
        return found if found and found[-1].get("type") == "platform.report" else []

    found = eventually(records)
    assert [record.get("type") or record["message"] for record in found] == [
        "platform.start",
        "seen",
        "platform.report",
    ]
    assert found[1]["level"] == "INFO"


def test_an_event_is_accepted_and_served_later(
    create: Create, awslambda: LambdaClient, client: Callable[[str], Any], eventually: Eventually
) -> None:
    bucket = "lambda-events"
    client("s3").create_bucket(Bucket=bucket)
    source = f"""
def handler(event, context):
    import boto3
    boto3.client("s3").put_object(Bucket="{bucket}", Key=event["key"], Body=b"")
"""
    create("later", source)
    answer = awslambda.invoke(FunctionName="later", InvocationType="Event", Payload=b'{"key": "x y"}')
    assert answer["StatusCode"] == 202
    listed = eventually(lambda: client("s3").list_objects_v2(Bucket=bucket).get("Contents"))
    assert [item["Key"] for item in listed] == ["x y"]


def test_a_dry_run_runs_nothing(create: Create, awslambda: LambdaClient) -> None:
    create("dry", "raise SystemExit(1)")
    assert awslambda.invoke(FunctionName="dry", InvocationType="DryRun")["StatusCode"] == 204


def test_bad_requests_are_refused(create: Create, awslambda: LambdaClient) -> None:
    create("refuses", "def handler(e, c):\n    return e")
    with pytest.raises(
        awslambda.exceptions.InvalidRequestContentException, match="Could not parse request body"
    ):
        awslambda.invoke(FunctionName="refuses", Payload=b"{no json")
    with pytest.raises(
        awslambda.exceptions.ResourceNotFoundException, match="Function not found: arn:aws:lambda"
    ):
        awslambda.invoke(FunctionName="no-such-function")
    with pytest.raises(ClientError, match=r"413|RequestTooLarge"):
        awslambda.invoke(FunctionName="refuses", InvocationType="Event", Payload=json.dumps("x" * 2_000_000))
    assert json.loads(awslambda.invoke(FunctionName="refuses")["Payload"].read()) == {}


def test_the_client_context_arrives(create: Create, call: Call) -> None:
    create(
        "client-context",
        "def handler(e, c):\n    return [c.client_context.custom, c.client_context.client.app_title]",
    )
    context = base64.b64encode(
        json.dumps({"custom": {"a": "b"}, "client": {"app_title": "lab"}}).encode()
    ).decode()
    assert call("client-context", ClientContext=context) == [{"a": "b"}, "lab"]


def test_a_handler_is_called_by_its_function_s_name(create: Create, call: Call) -> None:
    source = """
import boto3
def handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    create("who-am-i", source)
    assert call("who-am-i").endswith(":assumed-role/handlers/who-am-i")


def test_a_function_logs_with_the_rights_of_its_role(
    create: Create, call: Call, client: Callable[[str], Any]
) -> None:
    iam, logs = client("iam"), client("logs")
    may_not = make_role(iam, "logs-nothing", "lambda.amazonaws.com", actions=["sqs:*"])
    may_not_create = make_role(
        iam, "logs-existing", "lambda.amazonaws.com", actions=["logs:CreateLogStream", "logs:PutLogEvents"]
    )
    source = "def handler(event, context): print('hello')"
    logs.create_log_group(logGroupName="/aws/lambda/logs-existing")
    for name, role in (("logs-nothing", may_not), ("logs-existing", may_not_create)):
        create(name, source, Role=role)
        call(name)

    def lines() -> list[Any]:
        found: list[Any] = logs.filter_log_events(logGroupName="/aws/lambda/logs-existing")["events"]
        return found

    wait_for(lines)
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/logs-nothing")["logGroups"]
    assert not groups


def test_a_wrapper_starts_the_runtime(
    create: Create, call: Call, awslambda: LambdaClient, tmp_path: Path
) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n')
    wrapper.chmod(0o755)
    source = "import os\ndef handler(event, context): return os.environ['WRAPPED']"
    create("wrapped", source, Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)}})
    assert call("wrapped") == "yes"

    missing = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/missing"}}
    create("unwrapped", source, Environment=missing)
    kind, error = call("unwrapped")
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert error["errorMessage"].endswith("exit status 127")
