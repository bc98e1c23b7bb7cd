"""Functions that record the events they receive."""

import json
from collections.abc import Callable
from typing import Any

from tests.local_account.services.lambda_.settling import settle
from tests.zips import zipped

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
        awslambda = client("lambda")
        self.arn = awslambda.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Timeout=30,
            Code={"ZipFile": zipped({"app.py": RECORDER})},
            Environment={"Variables": {"BUCKET": name}},
        )["FunctionArn"]
        settle(awslambda, name)

    def permit(self, rule_arn: str) -> None:
        self._client("lambda").add_permission(
            FunctionName=self.name,
            StatementId="events",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        )

    def received(self) -> list[Any]:
        """Return the events, in the order of arrival."""
        keys = [item["Key"] for item in self._s3.list_objects_v2(Bucket=self.name).get("Contents", [])]
        return [json.load(self._s3.get_object(Bucket=self.name, Key=key)["Body"]) for key in keys]
