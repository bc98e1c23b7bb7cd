"""The account's process makes each shape of a model once."""

import subprocess
import sys

PROGRAM = """
import boto3
from moto.core.utils import get_service_model
from local_account.moto_backend import botocore_shapes, botocore_tables

botocore_tables.share()
botocore_shapes.share()
botocore_shapes.share()
client = boto3.session.Session().client("sagemaker", region_name="us-east-1")
for model, of in ((client.meta.service_model, "botocore"), (get_service_model("sagemaker"), "moto")):
    job = model.operation_model("CreateTrainingJob").input_shape
    other = model.operation_model("CreateProcessingJob").input_shape
    assert job.members["RoleArn"] is other.members["RoleArn"]
    assert job.members["RoleArn"].__class__.__module__.startswith(of)
    assert job.members["StoppingCondition"].members["MaxRuntimeInSeconds"].__class__.__module__.startswith(of)

s3 = boto3.session.Session().client("s3", region_name="us-east-1").meta.service_model
put = s3.operation_model("PutObject").input_shape.members
assert put["Bucket"].serialization["name"] == "Bucket"
assert put["SSEKMSKeyId"].serialization["name"] == "x-amz-server-side-encryption-aws-kms-key-id"
assert put["ACL"].serialization != put["ContentType"].serialization
"""


def test_a_shape_is_one_object_in_all_operations_and_members_keep_their_own_traits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
