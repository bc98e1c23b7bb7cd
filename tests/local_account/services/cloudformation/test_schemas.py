"""Properties are validated with the real registry schemas."""

import re
import subprocess
import sys

import pytest

from local_account.services.cloudformation.providers import Providers
from local_account.services.cloudformation.schemas import Schemas, python_pattern
from tests.checkout import ROOT


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas("us-east-1")


@pytest.mark.parametrize("type_name", sorted(Providers()))
def test_every_provider_uses_properties_of_its_schema(schemas: Schemas, type_name: str) -> None:
    provider = Providers()[type_name]
    schema = schemas.get(type_name)
    assert provider.name_property in ("", *schema.properties)
    schema.faults({})  # Python can check its keywords and patterns


def test_text_numbers_and_booleans_become_what_the_schema_asks_for(schemas: Schemas) -> None:
    coerced = schemas.get("AWS::Logs::LogGroup").coerce({"RetentionInDays": "7", "LogGroupName": 12})
    assert coerced == {"RetentionInDays": 7, "LogGroupName": "12"}
    project = schemas.get("AWS::CodeBuild::Project").coerce({"Environment": {"PrivilegedMode": "true"}})
    assert project == {"Environment": {"PrivilegedMode": True}}


def test_faults_name_the_property_and_why(schemas: Schemas) -> None:
    bucket = schemas.get("AWS::S3::Bucket")
    assert bucket.faults({"BucketName": "fine-name"}) == []
    assert bucket.faults({"Bucketname": "x"}) == ["#: extraneous key [Bucketname] is not permitted"]
    (fault,) = bucket.faults({"VersioningConfiguration": {"Status": "On"}})
    assert fault == "#/VersioningConfiguration/Status: On is not a valid enum value"
    (fault,) = schemas.get("AWS::SageMaker::Endpoint").faults({})
    assert fault == "#: required key [EndpointConfigName] not found"
    assert bucket.faults({"Arn": "arn:x"})[0] == "#: extraneous key [Arn] is not permitted"


def test_alternatives_that_json_schema_lacks(schemas: Schemas) -> None:
    policy = schemas.get("AWS::ApplicationAutoScaling::ScalingPolicy")
    faults = policy.faults({"PolicyName": "p", "PolicyType": "TargetTrackingScaling"})
    assert any("exactly one of [ScalingTargetId, ResourceId]" in fault for fault in faults)
    rule = schemas.get("AWS::Events::Rule").faults({"Name": "r"})
    assert any("one of [EventPattern, ScheduleExpression]" in fault for fault in rule)


def test_create_only_properties_require_replacement(schemas: Schemas) -> None:
    bucket = schemas.get("AWS::S3::Bucket")
    assert bucket.replacing({"BucketName": "a"}, {"BucketName": "b"}) == {"BucketName"}
    assert bucket.replacing({"Tags": []}, {"Tags": [{"Key": "a", "Value": "b"}]}) == set()
    nested = schemas.get("AWS::ECR::Repository")
    kms = {"EncryptionConfiguration": {"EncryptionType": "KMS"}}
    assert nested.replacing({}, kms) == {"EncryptionConfiguration"}


def test_cfn_lint_is_not_imported() -> None:
    program = (
        "import sys; from local_account.services.cloudformation.schemas import Schemas; "
        "Schemas('us-east-1').get('AWS::S3::Bucket'); sys.exit('cfnlint' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"^\p{Print}+$", "iris-model-prd-invocations", "tab\there"),
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "Größe 1/2", "a;b"),
        (r"[a\]\p{N}]\p{L}$", "]é", "]-"),
        (r"^[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]*$", "Größe: 1 € (a\u0301)!", "a\u0007b"),
    ],
)
def test_character_classes_of_the_schemas_work_inside_and_outside_brackets(
    pattern: str, matching: str, other: str
) -> None:
    assert re.search(python_pattern(pattern), matching)
    assert not re.search(python_pattern(pattern), other)


def test_two_threads_may_load_the_library_at_once() -> None:
    """The first stack of an account may come while the account still warms up."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        "from local_account.foundation.json_schemas import jsonschema\n"
        "at_once = Barrier(2)\n"
        "def load(_): at_once.wait(); return jsonschema()\n"
        "with ThreadPoolExecutor(2) as pool: first, second = pool.map(load, range(2))\n"
        "assert first is second\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
