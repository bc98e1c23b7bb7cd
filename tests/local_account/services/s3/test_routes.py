"""Every operation of the model has a route, and every route an operation."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local_account.services.s3 import routes

# Old names of operations, operations of other hosts, and what is not an operation for botocore.
_NOT_ROUTED = {
    "GetBucketLifecycle",
    "GetBucketNotification",
    "PutBucketLifecycle",
    "PutBucketNotification",
    "ListDirectoryBuckets",
    "WriteGetObjectResponse",
}
MODEL: Any = ServiceModel(Loader().load_service_model("s3", "service-2"), "s3")  # clients change a shared one
_NOT_MODELED = {"PostObject"}


def test_the_table_has_the_operations_of_the_model() -> None:
    assert set(MODEL.operation_names) - _NOT_ROUTED == routes.OPERATIONS - _NOT_MODELED


@pytest.mark.parametrize("name", sorted(set(MODEL.operation_names) - _NOT_ROUTED))
def test_a_request_as_botocore_makes_it_is_for_its_operation(name: str) -> None:
    operation = MODEL.operation_model(name)
    path, _, given = operation.http["requestUri"].partition("?")
    query = dict(one.partition("=")[::2] for one in given.split("&") if one)
    members = operation.input_shape.members if operation.input_shape else {}
    required = {members[one].serialization.get("name") for one in operation.input_shape.required_members
                if members[one].serialization.get("location") == "querystring"}  # fmt: skip
    query |= dict.fromkeys(required, "1")
    copies = "CopySource" in members
    bucket, key = ("bucket" if "{Bucket}" in path else ""), ("key" if "{Key+}" in path else "")
    assert routes.find(operation.http["method"], bucket, key, query, copies=copies) == name


@pytest.mark.parametrize(
    ("method", "bucket", "key"), [("POST", "bucket", "key"), ("PUT", "", ""), ("PATCH", "bucket", "")]
)
def test_other_methods_are_for_nothing(method: str, bucket: str, key: str) -> None:
    assert not routes.find(method, bucket, key, {}, copies=False)
