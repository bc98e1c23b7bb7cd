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


@pytest.mark.parametrize("service", ["apigateway", "cloudformation", "s3", "sagemaker"])
def test_only_documentation_is_left_out(service: str) -> None:
    loader = Loader()
    version = loader.determine_latest_version(service, "service-2")
    model, path = loader.load_data_with_path(f"{service}/{version}/service-2")

    read = botocore_tables._read(path)

    assert without_documentation(read) == without_documentation(model)
    assert without_documentation(read["shapes"]) == read["shapes"]


def test_clients_and_moto_share_models_and_clients_can_be_made() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
