"""Functions are created, changed, described, published and deleted as documented."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psutil
import pytest
import requests
from botocore.exceptions import ClientError

from local_account.foundation.errors import ServiceError
from local_account.services.lambda_ import code
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.lambda_.settling import settle
from tests.waiting import Eventually

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from local_account.foundation.account import Account

Create = Callable[..., Any]
Call = Callable[..., Any]
ONE = "def handler(event, context):\n    return 1"
TWO = "def handler(event, context):\n    return 2"


def trust_of(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_function_is_active_with_its_defaults(create: Create, awslambda: LambdaClient, role: str) -> None:
    made = create("defaults", ONE, Timeout=3, Tags={"mlops-workshop:lab": "default"})
    assert made["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:defaults"
    assert (made["MemorySize"], made["Timeout"], made["Version"], made["PackageType"]) == (
        128,
        3,
        "$LATEST",
        "Zip",
    )
    assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/defaults"}
    awslambda.get_waiter("function_active_v2").wait(FunctionName="defaults")
    awslambda.get_waiter("function_updated_v2").wait(FunctionName="defaults")
    described = awslambda.get_function(FunctionName=made["FunctionArn"])
    assert described["Tags"] == {"mlops-workshop:lab": "default"}
    configuration = awslambda.get_function_configuration(FunctionName="123456789012:function:defaults")
    assert configuration["Role"] == role
    assert configuration["State"] == "Active"
    assert "defaults" in [item["FunctionName"] for item in awslambda.list_functions()["Functions"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"Runtime": "nodejs22.x"},
            "nodejs22.x is not supported by the local account, which runs python3.11",
        ),
        ({"Runtime": "python3.9"}, "python3.9 is not supported"),
        ({"Role": "arn:aws:iam::123456789012:role/nobody"}, "cannot be assumed by Lambda.*does not exist"),
        ({"Code": {"ZipFile": b"no zip"}}, "Could not unzip uploaded file"),
        ({"Code": {"S3Bucket": "no-such-bucket", "S3Key": "x"}}, "S3 Error Code: NoSuchBucket"),
        ({"Code": {}}, "Please provide a source for function code"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "reserved keys.*AWS_REGION"),
        ({"Environment": {"Variables": {"TEXT": "x" * 5000}}}, "exceeded the 4KB limit"),
        ({"Environment": {"Variables": {"TEXT": "x" * 4086}}}, 'String measured: {"TEXT":"x'),
        ({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:x:1"]}, "Layers is not supported"),
        ({"LoggingConfig": {"LogFormat": "Text", "SystemLogLevel": "WARN"}}, "only supported when LogFormat"),
    ],
)
def test_unsupported_settings_are_refused(
    create: Create, awslambda: LambdaClient, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(awslambda.exceptions.InvalidParameterValueException, match=message):
        create("refused", ONE, **change)
    with pytest.raises(awslambda.exceptions.ResourceNotFoundException):
        awslambda.get_function(FunctionName="refused")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Timeout": 901}, "'901' at 'timeout' .* less than or equal to 900"),
        (
            {"Architectures": ["x86_64", "arm64"]},
            r"'\[x86_64, arm64\]' at 'architectures' .* length less than",
        ),
        (
            {"Environment": {"Variables": {"a-b": "x"}}},
            r"'\{a-b=x\}' at 'environment.variables' .* Map keys must",
        ),
    ],
)
def test_what_breaks_a_constraint_is_a_validation_exception(
    create: Create, change: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{fault}"):
        create("refused", ONE, **change)


def test_a_role_that_lambda_may_not_assume_is_refused(
    create: Create, awslambda: LambdaClient, client: Callable[[str], Any]
) -> None:
    trust = trust_of("ec2.amazonaws.com")
    role = client("iam").create_role(RoleName="not-for-lambda", AssumeRolePolicyDocument=trust)
    with pytest.raises(awslambda.exceptions.InvalidParameterValueException, match="not authorized to assume"):
        create("wrong-role", ONE, Role=role["Role"]["Arn"])


def test_a_name_is_used_once(create: Create, awslambda: LambdaClient) -> None:
    create("once", ONE)
    with pytest.raises(awslambda.exceptions.ResourceConflictException, match="Function already exist: once"):
        create("once", TWO)


def test_code_comes_from_s3_by_version(
    create: Create, call: Call, client: Callable[[str], Any], package: Callable[..., bytes]
) -> None:
    s3, awslambda = client("s3"), client("lambda")
    s3.create_bucket(Bucket="function-code")
    s3.put_bucket_versioning(Bucket="function-code", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="function-code", Key="code.zip", Body=package(ONE))["VersionId"]
    second = package(TWO)  # another zip file would have another time
    s3.put_object(Bucket="function-code", Key="code.zip", Body=second)
    source = {"S3Bucket": "function-code", "S3Key": "code.zip"}
    create("from-s3", "", Code=source)
    assert call("from-s3") == 2
    location = awslambda.get_function(FunctionName="from-s3")["Code"]["Location"]
    s3.delete_object(Bucket="function-code", Key="code.zip")  # Lambda has a copy
    assert requests.get(location, timeout=5).content == second
    awslambda.update_function_code(FunctionName="from-s3", S3ObjectVersion=first, **source)
    settle(awslambda, "from-s3")
    assert call("from-s3") == 1


def test_code_in_a_request_has_an_address_too(
    create: Create, awslambda: LambdaClient, package: Callable[..., bytes]
) -> None:
    content = package(ONE)
    create("inline", "", Code={"ZipFile": content})
    location = awslambda.get_function(FunctionName="inline")["Code"]["Location"]

    assert requests.get(location, timeout=5).content == content
    assert requests.get(location.replace("inline", "../inline"), timeout=5).status_code == 404


def test_new_code_serves_the_next_invocation(
    create: Create, call: Call, awslambda: LambdaClient, package: Callable[..., bytes]
) -> None:
    made = create("updated", ONE)
    assert call("updated") == 1
    tried = awslambda.update_function_code(FunctionName="updated", ZipFile=package(TWO), DryRun=True)
    assert tried["CodeSha256"] != made["CodeSha256"]
    assert call("updated") == 1
    updated = awslambda.update_function_code(FunctionName="updated", ZipFile=package(TWO))
    assert updated["RevisionId"] != made["RevisionId"]
    assert updated["LastUpdateStatus"] == "InProgress"
    assert settle(awslambda, "updated")["RevisionId"] != updated["RevisionId"]
    assert call("updated") == 2
    with pytest.raises(awslambda.exceptions.PreconditionFailedException):
        awslambda.update_function_code(
            FunctionName="updated", ZipFile=package(ONE), RevisionId=made["RevisionId"]
        )


def test_a_bad_update_changes_nothing(create: Create, call: Call, awslambda: LambdaClient) -> None:
    create("keeps", ONE)
    with pytest.raises(ClientError):
        awslambda.update_function_code(FunctionName="keeps", ZipFile=b"broken")
    with pytest.raises(ClientError):
        awslambda.update_function_configuration(FunctionName="keeps", Timeout=9, Runtime="ruby3.4")
    assert awslambda.get_function_configuration(FunctionName="keeps")["Timeout"] == 20
    assert call("keeps") == 1


@pytest.mark.parametrize(
    ("limit", "size", "message"),
    [
        ("_UNZIPPED_LIMIT", 10, "Unzipped size must be smaller than 10 bytes"),
        ("_UNZIPPED_LIMIT", 11, None),
        ("_ZIPPED_LIMIT", 20, "Zipped size must be smaller than 20 bytes"),
    ],
)
def test_code_must_be_smaller_than_its_limits(
    limit: str, size: int, message: str | None, monkeypatch: pytest.MonkeyPatch, package: Callable[..., bytes]
) -> None:
    """Recorded on AWS: LocalStack, TestLambdaSizeLimits."""
    monkeypatch.setattr(code, limit, size)
    with pytest.raises(ServiceError, match=message) if message else nullcontext():
        code.check(code.fetch(cast("Account", None), {"ZipFile": package("x" * 10)}))


def test_a_zip_cannot_write_outside_its_directory(create: Create, package: Callable[..., bytes]) -> None:
    with pytest.raises(ClientError, match="points outside"):
        create("slips", "", Code={"ZipFile": package(ONE, **{"../../evil": "x"})})


def test_the_configuration_is_merged(create: Create, call: Call, awslambda: LambdaClient) -> None:
    source = """
import os
def handler(event, context):
    return [os.environ.get("WORD"), context.memory_limit_in_mb]
"""
    create("merged", source, Environment={"Variables": {"WORD": "1"}}, Description="kept")
    assert call("merged") == ["1", "128"]
    changed = awslambda.update_function_configuration(FunctionName="merged", MemorySize=512)
    assert changed["Description"] == "kept"
    settle(awslambda, "merged")
    assert call("merged") == ["1", "512"]
    bare = awslambda.update_function_configuration(FunctionName="merged", Environment={"Variables": {}})
    assert bare["Environment"] == {"Variables": {}}
    assert call("merged") == [None, "512"]


def test_versions_keep_their_code(
    create: Create, call: Call, awslambda: LambdaClient, package: Callable[..., bytes]
) -> None:
    made = create("versioned", ONE, Publish=True)
    assert made["Version"] == "1"
    assert made["FunctionArn"].endswith(":versioned")
    again = awslambda.publish_version(FunctionName="versioned", Description="another")
    assert (again["Version"], again["Description"]) == ("1", "")  # nothing has changed
    awslambda.update_function_code(FunctionName="versioned", ZipFile=package(TWO))
    settle(awslambda, "versioned")
    before = awslambda.get_function_configuration(FunctionName="versioned")
    second = awslambda.publish_version(FunctionName="versioned", Description="second")
    assert (second["Version"], second["State"]) == ("2", "Active")
    assert call("versioned:2") == 2
    kept = awslambda.get_function_configuration(FunctionName="versioned", Qualifier="2")
    latest = awslambda.get_function_configuration(FunctionName="versioned")
    assert second["RevisionId"] == kept["RevisionId"] != before["RevisionId"] != latest["RevisionId"]
    assert awslambda.publish_version(FunctionName="versioned")["Version"] == "2"
    assert (call("versioned:1"), call("versioned")) == (1, 2)
    versions = awslambda.list_versions_by_function(FunctionName="versioned")["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    everything = awslambda.list_functions(FunctionVersion="ALL")["Functions"]
    assert [
        one["FunctionArn"].split(":", 6)[6] for one in everything if one["FunctionName"] == "versioned"
    ] == [
        "versioned:$LATEST",
        "versioned:1",
        "versioned:2",
    ]
    awslambda.delete_function(FunctionName="versioned", Qualifier="1")
    with pytest.raises(awslambda.exceptions.ResourceNotFoundException) as gone:
        call("versioned:1")
    assert gone.value.response["Type"] == "User"  # type: ignore[typeddict-item]
    assert call("versioned", Qualifier="2") == 2


def test_a_function_is_pending_and_then_active(
    awslambda: LambdaClient, create: Create, role: str, package: Callable[..., bytes]
) -> None:
    create("taken", ONE)  # deletes what is created here as well
    awslambda.delete_function(FunctionName="taken")
    made = awslambda.create_function(
        FunctionName="taken",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": package(ONE)},
    )
    answered: dict[str, Any] = {**made}
    assert (answered["State"], answered["StateReasonCode"]) == ("Pending", "Creating")
    assert "LastUpdateStatus" not in answered
    refused: list[tuple[Any, dict[str, Any]]] = [
        (awslambda.invoke, {}),
        (awslambda.update_function_configuration, {"Timeout": 4}),
        (awslambda.publish_version, {}),
    ]
    for operation, params in refused:
        with pytest.raises(awslambda.exceptions.ResourceConflictException, match="state: Pending"):
            operation(FunctionName="taken", **params)
    awslambda.get_waiter("function_active_v2").wait(FunctionName="taken")
    active = settle(awslambda, "taken")
    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in active
    assert active["RevisionId"] != made["RevisionId"]


def test_a_second_update_conflicts_with_the_first(
    create: Create, awslambda: LambdaClient, package: Callable[..., bytes]
) -> None:
    create("busy", ONE)
    awslambda.update_function_code(FunctionName="busy", ZipFile=package(TWO))
    refused: list[tuple[Any, dict[str, Any]]] = [
        (awslambda.update_function_code, {"ZipFile": package(ONE)}),
        (awslambda.update_function_configuration, {"Timeout": 4}),
        (awslambda.publish_version, {}),
    ]
    for operation, params in refused:
        with pytest.raises(awslambda.exceptions.ResourceConflictException, match="update is in progress"):
            operation(FunctionName="busy", **params)
    awslambda.get_waiter("function_updated_v2").wait(FunctionName="busy")
    assert awslambda.update_function_configuration(FunctionName="busy", Timeout=4)["Timeout"] == 4


def test_tags(create: Create, awslambda: LambdaClient) -> None:
    arn = create("tagged", ONE, Tags={"a": "1"})["FunctionArn"]
    awslambda.tag_resource(Resource=arn, Tags={"b": "2"})
    awslambda.untag_resource(Resource=arn, TagKeys=["a"])
    too_many: list[Callable[[], Any]] = [
        lambda: awslambda.tag_resource(Resource=arn, Tags={f"k{number}": "" for number in range(50)}),
        lambda: create("much-tagged", ONE, Tags={f"k{number}": "" for number in range(51)}),
    ]
    for tag in too_many:
        with pytest.raises(ClientError, match="Number of tags exceeds resource tag limit"):
            tag()
    versioned: list[Callable[[], Any]] = [
        lambda: awslambda.tag_resource(Resource=f"{arn}:1", Tags={"a": "b"}),
        lambda: awslambda.list_tags(Resource=f"{arn}:1"),
    ]
    for on_version in versioned:
        with pytest.raises(ClientError, match="Tags on function aliases and versions are not supported"):
            on_version()
    with pytest.raises(awslambda.exceptions.InvalidParameterValueException, match="cannot be processed"):
        awslambda.tag_resource(Resource=arn, Tags={})  # recorded on AWS: LocalStack, test_tag_exceptions
    assert awslambda.list_tags(Resource=arn)["Tags"] == {"b": "2"}


def test_permissions(create: Create, awslambda: LambdaClient) -> None:
    create("permitted", ONE)
    with pytest.raises(awslambda.exceptions.ResourceNotFoundException):
        awslambda.get_policy(FunctionName="permitted")
    permission: dict[str, Any] = {
        "FunctionName": "permitted",
        "StatementId": "rule",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": "arn:aws:events:us-east-1:123456789012:rule/x",
    }
    statement = json.loads(awslambda.add_permission(**permission)["Statement"])
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": permission["SourceArn"]}}
    assert json.loads(awslambda.get_policy(FunctionName="permitted")["Policy"])["Statement"] == [statement]
    with pytest.raises(
        awslambda.exceptions.ResourceConflictException, match=r"\(rule\) provided already exists"
    ):
        awslambda.add_permission(**permission)
    with pytest.raises(awslambda.exceptions.InvalidParameterValueException, match="principal was invalid"):
        awslambda.add_permission(**{**permission, "StatementId": "x", "Principal": "nobody"})
    awslambda.remove_permission(FunctionName="permitted", StatementId="rule")
    with pytest.raises(awslambda.exceptions.ResourceNotFoundException):
        awslambda.remove_permission(FunctionName="permitted", StatementId="rule")


def test_event_invoke_configs(create: Create, awslambda: LambdaClient) -> None:
    create("configured", ONE)
    with pytest.raises(awslambda.exceptions.ResourceNotFoundException, match="have an EventInvokeConfig"):
        awslambda.get_function_event_invoke_config(FunctionName="configured")
    awslambda.put_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=0)
    awslambda.update_function_event_invoke_config(FunctionName="configured", MaximumEventAgeInSeconds=60)
    found = awslambda.get_function_event_invoke_config(FunctionName="configured")
    assert (found["MaximumRetryAttempts"], found["MaximumEventAgeInSeconds"]) == (0, 60)
    with pytest.raises(awslambda.exceptions.InvalidParameterValueException, match="not supported"):
        awslambda.put_function_event_invoke_config(
            FunctionName="configured",
            DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:q"}},
        )
    awslambda.publish_version(FunctionName="configured")
    awslambda.put_function_event_invoke_config(
        FunctionName="configured", Qualifier="1", MaximumRetryAttempts=1
    )
    first = awslambda.list_function_event_invoke_configs(FunctionName="configured", MaxItems=1)
    rest = awslambda.list_function_event_invoke_configs(
        FunctionName="configured", MaxItems=1, Marker=first["NextMarker"]
    )
    pages = [*first["FunctionEventInvokeConfigs"], *rest["FunctionEventInvokeConfigs"]]
    assert [one["FunctionArn"].rpartition(":")[2] for one in pages] == ["$LATEST", "1"]
    assert rest.get("NextMarker") is None
    awslambda.delete_function_event_invoke_config(FunctionName="configured", Qualifier="1")
    awslambda.delete_function_event_invoke_config(FunctionName="configured")
    assert not awslambda.list_function_event_invoke_configs(FunctionName="configured")[
        "FunctionEventInvokeConfigs"
    ]


def test_missing_settings_are_reported(awslambda: LambdaClient) -> None:
    with pytest.raises(ClientError, match=r"lambda\.CreateAlias is not supported by the local account"):
        awslambda.create_alias(FunctionName="x", Name="y", FunctionVersion="1")


def test_the_aws_cli_invokes(create: Create, local_account: AccountProcess, tmp_path: Path) -> None:
    create("from-cli", "def handler(event, context):\n    return {'hello': event['name']}")
    out = tmp_path / "out.json"
    command = ["aws", "lambda", "invoke", "--function-name", "from-cli", "--payload", '{"name": "iris"}']
    command += ["--query", "StatusCode", str(out)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=local_account.environment)
    assert done.stdout.strip() == "200"
    assert json.loads(out.read_text()) == {"hello": "iris"}


@pytest.mark.parametrize("how", [15, 9])
@pytest.mark.slow
def test_functions_and_waiting_events_survive(
    own_account: AccountProcess, how: int, eventually: Eventually, package: Callable[..., bytes]
) -> None:
    account = own_account.start()
    role = make_role(account.client("iam"), "r", "lambda.amazonaws.com")
    account.client("s3").create_bucket(Bucket="survivors")
    source = """
import boto3, time
def handler(event, context):
    s3 = boto3.client("s3")
    s3.put_object(Bucket="survivors", Key=f"began-{time.time_ns()}", Body=b"")
    for _ in range(6000):
        if s3.list_objects_v2(Bucket="survivors", Prefix="go")["KeyCount"]:
            s3.put_object(Bucket="survivors", Key="ended", Body=b"")
            return
        time.sleep(0.1)
"""
    code = {"ZipFile": package(source)}
    account.client("lambda").create_function(
        FunctionName="f",
        Runtime="python3.12",
        Handler="app.handler",
        Role=role,
        Timeout=600,  # if it passed on a busy machine, the event would be tried again after a minute
        Code=code,
    )
    settle(account.client("lambda"), "f")
    account.client("lambda").invoke(FunctionName="f", InvocationType="Event")

    def keys() -> list[str]:
        found = account.client("s3").list_objects_v2(Bucket="survivors").get("Contents", [])
        return [item["Key"] for item in found]

    def begun() -> int:
        return sum(key.startswith("began") for key in keys())

    eventually(keys, 180)
    account.stop(how)
    if how == 15:
        assert not _handlers(account.state), "a handler outlives the account"
    account.start()
    eventually(lambda: begun() == 2, 180)  # it was begun again
    account.client("s3").put_object(Bucket="survivors", Key="go", Body=b"")
    eventually(lambda: "ended" in keys(), 180)
    assert begun() == 2
    assert account.client("lambda").get_function(FunctionName="f")["Configuration"]["State"] == "Active"
    account.stop()
    assert not _handlers(account.state)


def _handlers(state: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        command = " ".join(process.info["cmdline"] or ())
        if "runtime.py" in command and str(state) in f"{command} {process.info['environ']}":
            found.append(command)
    return found
