"""The account's process reads botocore's models once, without documentation and otherwise as they are."""

import subprocess
import sys
from typing import Any

import pytest
from botocore.loaders import Loader

from local_account.moto_backend import botocore_tables

PROGRAM = """
import boto3
from moto.core.utils import get_service_model
from local_account.moto_backend import botocore_tables

botocore_tables.share()
def model(service):
    return boto3.session.Session().client(service, region_name="us-east-1").meta.service_model

one, other = model("sagemaker"), model("sagemaker")
shapes = one._service_description["shapes"]
assert other._service_description["shapes"] is shapes
assert get_service_model("sagemaker")._service_description["shapes"] is shapes
assert one.metadata is not other.metadata
assert model("s3")._service_description["shapes"] is not model("s3")._service_description["shapes"]
for service in ("cloudformation", "codepipeline", "ec2", "events", "iam", "kinesis", "lambda", "logs", "sts"):
    model(service)
"""


def without_documentation(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: without_documentation(one)
            for name, one in value.items()
            if name != "documentation" or isinstance(one, dict)
        }
    return [without_documentation(one) for one in value] if isinstance(value, list) else value


def whole(value: Any) -> Any:
    """Return a JSON value with all that is unread in it."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("service", ["apigateway", "cloudformation", "ec2", "rds", "s3", "sagemaker"])
def test_only_documentation_is_left_out_of_a_model(service: str) -> None:
    loader = Loader()
    version = loader.determine_latest_version(service, "service-2")
    model, path = loader.load_data_with_path(f"{service}/{version}/service-2")

    read = whole(botocore_tables._read(path))

    assert without_documentation(read) == without_documentation(model)
    assert without_documentation(read["shapes"]) == read["shapes"]


@pytest.mark.parametrize("service", ["ecr", "s3"])
def test_rules_for_endpoints_are_as_they_are_in_the_file(service: str) -> None:
    loader = Loader()
    version = loader.determine_latest_version(service, "endpoint-rule-set-1")
    rules, path = loader.load_data_with_path(f"{service}/{version}/endpoint-rule-set-1")

    assert botocore_tables._read(path) == without_documentation(rules)


@pytest.mark.parametrize("table", ["endpoints", "partitions"])
def test_tables_are_as_they_are_in_the_file(table: str) -> None:
    loaded, path = Loader().load_data_with_path(table)

    assert whole(botocore_tables._read(path)) == loaded


def test_what_botocore_merges_into_a_model_stays() -> None:
    done = run(
        """
from botocore.loaders import Loader
from local_account.moto_backend import botocore_tables

botocore_tables.share()
assert Loader().load_service_model("s3", "service-2")["shapes"]["Expires"]["type"] == "timestamp"
shapes = Loader().load_service_model("rds", "service-2")["shapes"]
assert "SourceRegion" in shapes["CopyDBSnapshotMessage"]["members"]
"""
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_clients_and_moto_share_models_and_clients_can_be_made() -> None:
    done = run(PROGRAM)
    assert done.returncode == 0, done.stderr[-2000:]
