"""Rules, and functions that record what they receive."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_account.iam_roles import make_role

# The recorder stores every event as an object in its bucket, under its time of arrival.
RECORDER = """
import boto3, json, os, time
s3 = boto3.client("s3")
def handler(event, context):
    came = time.time()
    s3.put_object(Bucket=os.environ["BUCKET"], Key=f"{came:.6f}", Body=json.dumps(event))
"""


class Recorder:
    """A function, and what it was invoked with."""

    def __init__(self, client: Callable[[str], Any], name: str, role: str) -> None:
        self.name = name
        self._client = client
        self._s3 = client("s3")
        self._s3.create_bucket(Bucket=name)
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", RECORDER)
        self.arn = client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Timeout=30,
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"BUCKET": name}},
        )["FunctionArn"]

    def permit(self, rule_arn: str) -> None:
        self._client("lambda").add_permission(
            FunctionName=self.name,
            StatementId="events",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        )

    def received(self) -> list[Any]:
        return [event for _, event in self.timed()]

    def timed(self) -> list[tuple[float, Any]]:
        keys = [item["Key"] for item in self._s3.list_objects_v2(Bucket=self.name).get("Contents", [])]
        return [
            (float(key), json.load(self._s3.get_object(Bucket=self.name, Key=key)["Body"])) for key in keys
        ]


@pytest.fixture
def events(client: Callable[[str], Any]) -> Any:
    return client("events")


@pytest.fixture(scope="session")
def recorder_role(client: Callable[[str], Any]) -> str:
    return make_role(client("iam"), "recorder", "lambda.amazonaws.com")


@pytest.fixture(scope="session")
def recorder_class() -> type[Recorder]:
    return Recorder


@pytest.fixture
def recorder(client: Callable[[str], Any], recorder_role: str) -> Callable[[str], Recorder]:
    return lambda name: Recorder(client, name, recorder_role)


@pytest.fixture
def rule(events: Any) -> Iterator[Callable[..., str]]:
    """Create a rule; it is deleted with its targets after the test."""
    names: set[str] = set()

    def make(name: str, pattern: Any = None, **params: Any) -> str:
        names.add(name)
        if pattern is not None:
            params["EventPattern"] = json.dumps(pattern)
        return str(events.put_rule(Name=name, **params)["RuleArn"])

    yield make
    for name in names:
        for target in events.list_targets_by_rule(Rule=name)["Targets"]:
            events.remove_targets(Rule=name, Ids=[target["Id"]])
        events.delete_rule(Name=name)
