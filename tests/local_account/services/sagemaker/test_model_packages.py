"""The model registry: groups, versions, their approval, and models made of them."""

import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from local_account.services.sagemaker.model_packages import EVENT, ModelPackages
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab
from tests.local_account.services.sagemaker.test_parts import Account
from tests.local_account.test_persistence import log_in, push_image
from tests.refusing import code_and_message
from tests.sessions import make_client

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import UpdateModelPackageInputTypeDef


DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """A group of its own, and an image and model data to register."""

    def __init__(self, account: AccountProcess) -> None:
        self.account = account
        self.sagemaker: SageMakerClient = account.client("sagemaker")
        self.s3 = account.client("s3")
        self.name = f"Registry-{uuid.uuid4().hex[:8]}"
        self.bucket = self.name.lower()
        self.s3.create_bucket(Bucket=self.bucket)
        self.url = f"s3://{self.bucket}/model.tar.gz"
        self.etag = self.s3.put_object(Bucket=self.bucket, Key="model.tar.gz", Body=b"model")["ETag"].strip(
            '"'
        )
        ecr = account.client("ecr")
        self.repository = f"{self.bucket}-image"
        self.uri = ecr.create_repository(repositoryName=self.repository)["repository"]["repositoryUri"]
        self.image = f"{self.uri}:v1"
        self.digest = self.push("v1", b"one")
        self.group = self.sagemaker.create_model_package_group(
            ModelPackageGroupName=self.name,
            ModelPackageGroupDescription="of a test",
            Tags=[{"Key": "team", "Value": "red"}],
        )["ModelPackageGroupArn"]

    def push(self, tag: str, content: bytes) -> str:
        """Push an image; return its digest."""
        root, session = log_in(self.account.client("ecr"))
        return push_image(root, session, self.repository, tag, content, kind=DOCKER)

    def specification(self, **container: Any) -> dict[str, Any]:
        """Return an InferenceSpecification of one container."""
        return {
            "Containers": [{"Image": self.image, "ModelDataUrl": self.url, **container}],
            "SupportedTransformInstanceTypes": ["ml.m5.large"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.t2.medium"],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        }

    def register(self, client: Any = None, **more: Any) -> str:
        """Register a version; return its ARN."""
        given = {
            "ModelPackageGroupName": self.name,
            "InferenceSpecification": self.specification(Environment={"OWN": "package", "BOTH": "package"}),
            **more,
        }
        created = (client or self.sagemaker).create_model_package(**given)
        return str(created["ModelPackageArn"])

    def versions(self, **wanted: Any) -> list[int]:
        """Return the numbers of the versions that ListModelPackages lists."""
        found = self.sagemaker.list_model_packages(ModelPackageGroupName=self.name, **wanted)
        return [one["ModelPackageVersion"] for one in found["ModelPackageSummaryList"]]


@pytest.fixture
def registry(local_account: AccountProcess) -> Registry:
    return Registry(local_account)


@pytest.fixture
def role(local_account: AccountProcess) -> str:
    return make_role(
        local_account.client("iam"), f"of-models-{uuid.uuid4().hex[:8]}", "sagemaker.amazonaws.com"
    )


def test_a_group_is_described_listed_and_tagged(registry: Registry) -> None:
    sagemaker = registry.sagemaker
    group = sagemaker.describe_model_package_group(ModelPackageGroupName=registry.group)
    assert group["ModelPackageGroupName"] == registry.name
    assert registry.group.endswith(f":model-package-group/{registry.name}")
    assert group["ModelPackageGroupStatus"] == "Completed"
    assert group["CreatedBy"]["IamIdentity"]["Arn"].endswith(":root")
    assert sagemaker.list_tags(ResourceArn=registry.group)["Tags"] == [{"Key": "team", "Value": "red"}]

    for suffix in ("c", "a", "b"):
        sagemaker.create_model_package_group(ModelPackageGroupName=f"{registry.name}-{suffix}")

    def listed(**wanted: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_model_package_groups").paginate(
            NameContains=registry.name, PaginationConfig={"PageSize": 2}, **wanted
        )
        names = [
            one["ModelPackageGroupName"] for page in pages for one in page["ModelPackageGroupSummaryList"]
        ]
        return [name.removeprefix(registry.name) for name in names]

    assert listed() == ["", "-c", "-a", "-b"]
    assert listed(SortBy="Name", SortOrder="Descending") == ["-c", "-b", "-a", ""]
    found = sagemaker.list_model_package_groups(CrossAccountFilterOption="CrossAccount")
    assert found["ModelPackageGroupSummaryList"] == []


def test_the_page_of_a_list_follows_the_last_one_whatever_comes_and_goes(registry: Registry) -> None:
    sagemaker = registry.sagemaker
    for suffix in ("a", "b", "c", "d"):
        sagemaker.create_model_package_group(ModelPackageGroupName=f"{registry.name}-{suffix}")
    wanted: dict[str, Any] = {"NameContains": f"{registry.name}-", "SortBy": "Name", "MaxResults": 2}
    first = sagemaker.list_model_package_groups(**wanted)
    sagemaker.delete_model_package_group(ModelPackageGroupName=f"{registry.name}-a")
    sagemaker.create_model_package_group(ModelPackageGroupName=f"{registry.name}-ab")
    second = sagemaker.list_model_package_groups(**wanted, NextToken=first["NextToken"])

    names = [one["ModelPackageGroupName"] for one in second["ModelPackageGroupSummaryList"]]
    assert names == [f"{registry.name}-c", f"{registry.name}-d"]
    assert "NextToken" not in second
    by_time = {**wanted, "SortBy": "CreationTime", "NextToken": first["NextToken"]}
    code, words = code_and_message(sagemaker.list_model_package_groups, **by_time)
    assert (code, words[:17]) == ("ValidationException", "Invalid NextToken")


def test_a_group_with_versions_cannot_be_deleted(registry: Registry) -> None:
    sagemaker = registry.sagemaker
    code, words = code_and_message(sagemaker.create_model_package_group, ModelPackageGroupName=registry.name)
    assert (code, words) == ("ValidationException", f"Model Package Group already exists: {registry.group}")

    arn = registry.register()
    code, _ = code_and_message(sagemaker.delete_model_package_group, ModelPackageGroupName=registry.name)
    assert code == "ConflictException"
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=registry.name)
    code, words = code_and_message(
        sagemaker.describe_model_package_group, ModelPackageGroupName=registry.name
    )
    assert (code, words) == ("ValidationException", f"ModelPackageGroup {registry.group} does not exist.")
    code, words = code_and_message(registry.register)
    assert (code, words) == ("ValidationException", "Model Package Group does not exist.")


def test_a_group_keeps_a_resource_policy(registry: Registry) -> None:
    sagemaker, group = registry.sagemaker, {"ModelPackageGroupName": registry.name}
    missing = ("ValidationException", f"Cannot find resource policy for: {registry.group}")
    assert code_and_message(sagemaker.get_model_package_group_policy, **group) == missing
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "sagemaker:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    put = sagemaker.put_model_package_group_policy(**group, ResourcePolicy=policy)
    assert put["ModelPackageGroupArn"] == registry.group
    assert sagemaker.get_model_package_group_policy(**group)["ResourcePolicy"] == policy
    code, _ = code_and_message(sagemaker.put_model_package_group_policy, **group, ResourcePolicy="{}")
    assert code == "ValidationException"
    sagemaker.delete_model_package_group_policy(**group)
    assert code_and_message(sagemaker.delete_model_package_group_policy, **group) == missing
    code, words = code_and_message(
        sagemaker.get_model_package_group_policy, ModelPackageGroupName="no-such-group"
    )
    assert (code, words[:31]) == ("ValidationException", "Cannot find Model Package Group")


def test_versions_are_numbered_and_describe_what_was_registered(registry: Registry) -> None:
    sagemaker = registry.sagemaker
    source = {"ContentType": "application/json", "S3Uri": f"s3://{registry.bucket}/evaluation.json"}
    given: dict[str, Any] = {
        "ModelPackageDescription": "The first",
        "ModelMetrics": {"ModelQuality": {"Statistics": source}},
        "DriftCheckBaselines": {"ModelQuality": {"Statistics": source}},
        "MetadataProperties": {"CommitId": "abc", "GeneratedBy": "a pipeline"},
        "CustomerMetadataProperties": {"data version": "v1"},
        "ModelLifeCycle": {"Stage": "Development", "StageStatus": "Candidate"},
        "Task": "CLASSIFICATION",
        "SourceUri": f"s3://{registry.bucket}/source.zip",
    }
    first = registry.register(**given)
    assert first.endswith(f":model-package/{registry.name}/1")
    package = sagemaker.describe_model_package(ModelPackageName=first)
    assert {name: package[name] for name in given} == given  # type: ignore[literal-required]
    assert (package["ModelPackageGroupName"], package["ModelPackageVersion"]) == (registry.name, 1)
    assert "ModelPackageName" not in set(package)
    assert (package["ModelPackageStatus"], package["ModelApprovalStatus"]) == (
        "Completed", "PendingManualApproval",
    )  # fmt: skip
    assert package["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    (container,) = package["InferenceSpecification"]["Containers"]
    assert (container["ImageDigest"], container["ModelDataETag"]) == (registry.digest, registry.etag)
    assert container["Image"] == registry.image

    second = registry.register(ModelPackageGroupName=registry.group)
    assert (
        sagemaker.describe_model_package(ModelPackageName=f"{registry.name}/2")["ModelPackageArn"] == second
    )
    sagemaker.delete_model_package(ModelPackageName=second)
    assert registry.register().endswith("/3")
    code, words = code_and_message(sagemaker.describe_model_package, ModelPackageName=second)
    assert (code, words) == ("ValidationException", f"ModelPackage {second} does not exist.")
    elsewhere = first.replace(":us-east-1:", ":us-west-2:").replace(":eu-west-1:", ":us-west-2:")
    _, words = code_and_message(sagemaker.describe_model_package, ModelPackageName=elsewhere)
    assert words.startswith("ARN should be scoped to correct region")


def test_a_repeated_request_registers_once(registry: Registry) -> None:
    token = str(uuid.uuid4())
    arn = registry.register(ClientToken=token)
    assert registry.register(ClientToken=token) == arn
    assert registry.versions() == [1]
    code, words = code_and_message(registry.register, ClientToken=token, ModelPackageDescription="another")
    assert code == "ConflictException"
    assert arn in words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ModelPackageName": "both"}, "Both ModelPackageName and ModelPackageGroupName are provided"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "Tags cannot be specified for a versioned model package"),
        ({"InferenceSpecification": None}, "Specify InferenceSpecification or SourceUri"),
        ({"ModelCard": {"ModelCardContent": "{}"}}, "ModelCardStatus is required"),
        (
            {"ModelCard": {"ModelCardContent": "no", "ModelCardStatus": "Draft"}},
            "ModelCardContent is not valid JSON",
        ),
        (
            {"ModelCard": {"ModelCardContent": '{"title": "t"}', "ModelCardStatus": "Draft"}},
            "ModelCardContent: Additional properties are not allowed",
        ),
        (
            {
                "ModelCard": {
                    "ModelCardContent": '{"intended_uses": {"risk_rating": "none"}}',
                    "ModelCardStatus": "Draft",
                }
            },
            "ModelCardContent.intended_uses.risk_rating: 'none' is not one of",
        ),
    ],
)
def test_what_aws_does_not_register_is_refused(registry: Registry, given: dict[str, Any], words: str) -> None:
    specification = {"InferenceSpecification": registry.specification()}
    asked = {**specification, "ModelPackageGroupName": registry.name, **given}
    params = {name: value for name, value in asked.items() if value is not None}
    code, said = code_and_message(registry.sagemaker.create_model_package, **params)
    assert (code, said[: len(words)]) == ("ValidationException", words)
    assert registry.versions() == []


def test_a_version_needs_an_image_and_model_data_that_exist(registry: Registry) -> None:
    for container, words in (
        ({"Image": f"{registry.uri}:v2"}, "Requested image"),
        ({"ImageDigest": f"sha256:{'0' * 64}"}, "Requested image"),
        ({"Image": "python:3.12"}, "Using non-ECR image"),
        ({"ModelDataUrl": f"s3://{registry.bucket}/none.tar.gz"}, "Could not find model data at"),
        (
            {"AdditionalS3DataSource": {"S3DataType": "S3Object", "S3Uri": registry.url}},
            "AdditionalS3DataSource is not allowed in InferenceSpecification",
        ),
    ):
        specification = registry.specification(**container)
        code, said = code_and_message(registry.register, InferenceSpecification=specification)
        assert (code, said[: len(words)]) == ("ValidationException", words)


def test_an_unversioned_package_has_a_name_and_tags(registry: Registry) -> None:
    sagemaker, name = registry.sagemaker, f"{registry.name}-single"
    given: dict[str, Any] = {"ModelPackageName": name, "InferenceSpecification": registry.specification()}
    arn = sagemaker.create_model_package(**given, Tags=[{"Key": "a", "Value": "b"}])["ModelPackageArn"]
    package = sagemaker.describe_model_package(ModelPackageName=name)
    assert (package["ModelPackageArn"], package["ModelPackageName"]) == (arn, name)
    assert "ModelApprovalStatus" not in set(package)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert (
        code_and_message(sagemaker.create_model_package, **given, ClientToken="another")[0]
        == "ValidationException"
    )
    environment = registry.specification(Environment={"A": "b"})
    _, words = code_and_message(
        sagemaker.create_model_package, ModelPackageName="other", InferenceSpecification=environment
    )
    assert "Environment variable map cannot be specified when using non-versioned ModelPackages" in words
    _, words = code_and_message(
        sagemaker.update_model_package, ModelPackageArn=arn, ModelApprovalStatus="Approved"
    )
    assert "not a versioned model package" in words

    version = registry.register()
    found = sagemaker.list_model_packages(NameContains=registry.name)["ModelPackageSummaryList"]
    assert [one["ModelPackageArn"] for one in found] == [arn]
    found = sagemaker.list_model_packages(NameContains=registry.name, ModelPackageType="Both")[
        "ModelPackageSummaryList"
    ]
    assert [one["ModelPackageArn"] for one in found] == [arn, version]
    for call, more in (
        (sagemaker.list_tags, {}),
        (sagemaker.add_tags, {"Tags": [{"Key": "a", "Value": "b"}]}),
        (sagemaker.delete_tags, {"TagKeys": ["a"]}),
    ):
        assert "versioned model package" in code_and_message(call, ResourceArn=version, **more)[1]
    sagemaker.delete_model_package(ModelPackageName=name)


def test_versions_are_listed_by_status_and_in_order(registry: Registry) -> None:
    sagemaker = registry.sagemaker
    arns = [registry.register() for _ in range(3)]
    sagemaker.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
    assert registry.versions() == [1, 2, 3]
    assert registry.versions(SortOrder="Descending", MaxResults=1) == [3]
    assert registry.versions(ModelApprovalStatus="Approved") == [2]
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=registry.name, SortBy="Name", PaginationConfig={"PageSize": 1}
    )
    assert [one["ModelPackageArn"] for page in pages for one in page["ModelPackageSummaryList"]] == arns
    code, _ = code_and_message(sagemaker.list_model_packages, ModelPackageGroupName="no-such-group")
    assert code == "ValidationException"

    missing = f"{arns[0]}0"
    found = sagemaker.batch_describe_model_package(ModelPackageArnList=[arns[1], missing])
    assert found["ModelPackageSummaries"][arns[1]]["ModelApprovalStatus"] == "Approved"
    assert "does not exist" in found["BatchDescribeModelPackageErrorMap"][missing]["ErrorResponse"]


def test_an_update_changes_what_it_names(registry: Registry) -> None:
    sagemaker = registry.sagemaker
    card = {
        "ModelCardContent": json.dumps(
            {
                "intended_uses": {"risk_rating": "Low", "purpose_of_model": "to learn"},
                "evaluation_details": [
                    {
                        "name": "held out",
                        "metric_groups": [
                            {
                                "name": "quality",
                                "metric_data": [{"name": "accuracy", "type": "number", "value": 0.97}],
                            }
                        ],
                    }
                ],
            }
        ),
        "ModelCardStatus": "Draft",
    }
    properties = {f"key-{number}": "value" for number in range(49)}
    arn = registry.register(ModelCard=card, CustomerMetadataProperties=properties)
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Rejected",
        ApprovalDescription="below the gate",
        CustomerMetadataProperties={"key-0": "other", "approver": "Ana"},
        CustomerMetadataPropertiesToRemove=["key-1", "no-such-key"],
        ModelLifeCycle={"Stage": "Staging", "StageStatus": "Waiting"},
        ModelCard={"ModelCardStatus": "Archived"},
    )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert (package["ModelApprovalStatus"], package["ApprovalDescription"]) == ("Rejected", "below the gate")
    assert package["CustomerMetadataProperties"] == {
        **{key: value for key, value in properties.items() if key != "key-1"},
        "key-0": "other",
        "approver": "Ana",
    }
    assert package["ModelLifeCycle"] == {"Stage": "Staging", "StageStatus": "Waiting"}
    assert package["ModelCard"] == {**card, "ModelCardStatus": "Archived"}
    assert package["LastModifiedTime"] > package["CreationTime"]
    assert package["LastModifiedBy"]["IamIdentity"]["Arn"].endswith(":root")
    metadata = sagemaker.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert json.loads(metadata["ModelCard"]["ModelCardContent"]) == {"intended_uses": {"risk_rating": "Low"}}

    for more, words in (
        ({"CustomerMetadataProperties": {"a": "1", "b": "2"}}, "51 CustomerMetadataProperties"),
        (
            {"CustomerMetadataProperties": {"a": "1"}, "CustomerMetadataPropertiesToRemove": ["a"]},
            "CustomerMetadataProperties cannot be both set and removed",
        ),
        ({"ModelCard": {"ModelCardContent": "{}"}}, "Model Card is in Archived state"),
    ):
        code, said = code_and_message(sagemaker.update_model_package, ModelPackageArn=arn, **more)
        assert (code, said[: len(words)]) == ("ValidationException", words)


def test_events_tell_of_registration_and_of_each_change(tmp_path: Path) -> None:
    account: Any = Account(tmp_path)
    account.config = SimpleNamespace(account_id="123456789012", region="us-east-1")
    packages = ModelPackages(account)
    packages.create_model_package_group({"ModelPackageGroupName": "iris"})
    packages.create_model_package(
        {
            "ModelPackageGroupName": "iris",
            "SourceUri": "s3://bucket/source.zip",
            "CustomerMetadataProperties": {"a": "b"},
            "ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Draft"},
        }
    )
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/iris/1"
    approval: UpdateModelPackageInputTypeDef = {
        "ModelPackageArn": arn,
        "ModelApprovalStatus": "Approved",
        "ApprovalDescription": "good",
        "ClientToken": "once",
    }
    packages.update_model_package(approval)
    packages.update_model_package(approval)
    packages.update_model_package({"ModelPackageArn": arn, "CustomerMetadataProperties": {"c": "d"}})

    assert [(kind, about) for kind, _, about in account.events] == [(EVENT, [arn])] * 3
    created, approved, changed = (detail for _, detail, _ in account.events)
    assert created == {
        "ModelPackageGroupName": "iris",
        "ModelPackageVersion": 1,
        "ModelPackageArn": arn,
        "CreationTime": "2026-01-01T00:00:00Z",
        "LastModifiedTime": "2026-01-01T00:00:00Z",
        "SourceUri": "s3://bucket/source.zip",
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": False,
        "ModelApprovalStatus": "PendingManualApproval",
        "CustomerMetadataProperties": {"a": "b"},
    }
    assert (approved["ModelApprovalStatus"], approved["ApprovalDescription"]) == ("Approved", "good")
    assert approved["UpdatedModelPackageFields"] == ["ApprovalDescription", "ModelApprovalStatus"]
    assert changed["UpdatedModelPackageFields"] == ["CustomerMetadataProperties"]
    assert changed["CustomerMetadataProperties"] == {"a": "b", "c": "d"}


def test_an_approved_version_becomes_a_model_with_the_image_that_was_registered(
    registry: Registry, role: str
) -> None:
    sagemaker, name = registry.sagemaker, registry.name
    arn = registry.register()
    given: dict[str, Any] = {"ModelName": name, "ExecutionRoleArn": role}
    container = {"ModelPackageName": arn, "Environment": {"BOTH": "model"}}
    code, words = code_and_message(sagemaker.create_model, **given, PrimaryContainer=container)
    assert code == "ValidationException"
    assert "must be Approved to deploy the model" in words
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    for more in ({"Image": registry.image}, {"ModelDataUrl": registry.url}):
        code, words = code_and_message(
            sagemaker.create_model, **given, PrimaryContainer={**container, **more}
        )
        assert (code, words) == (
            "ValidationException", f"{next(iter(more))} cannot be specified together with ModelPackageName",
        )  # fmt: skip
    missing = {"ModelPackageName": f"{arn}9"}
    assert "does not exist" in code_and_message(sagemaker.create_model, **given, PrimaryContainer=missing)[1]

    registry.push("v1", b"another image under the tag")
    sagemaker.create_model(**given, Containers=[container])  # type: ignore[list-item]
    described = sagemaker.describe_model(ModelName=name)
    assert described["Containers"] == [container]
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": "v", "ModelName": name, "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1}
        ],
    )


def test_who_registers_reads_the_image_and_the_model_data(registry: Registry) -> None:
    iam, sts = registry.account.client("iam"), registry.account.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    name = f"registers-{uuid.uuid4().hex[:8]}"
    arn = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="Ana")["Credentials"]
    client = make_client(
        "sagemaker",
        endpoint_url=registry.account.endpoint_url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    versions = registry.group.replace("model-package-group/", "model-package/") + "/*"
    needed = {
        "sagemaker:CreateModelPackage": versions,
        "ecr:BatchGetImage": "*",
        "s3:GetObject": "*",
    }

    def allow(*actions: str, condition: Any = None) -> None:
        statements = [
            {
                "Effect": "Allow", "Action": one, "Resource": needed[one],
                **({"Condition": condition} if condition and one.startswith("sagemaker") else {}),
            }
            for one in actions
        ]  # fmt: skip
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)

    for lacking, code, words in (
        ("sagemaker:CreateModelPackage", "AccessDeniedException", f"on resource: {versions}"),
        ("ecr:BatchGetImage", "AccessDeniedException", "not authorized to perform: ecr:BatchGetImage"),
        ("s3:GetObject", "ValidationException", "Could not access model data at"),
    ):
        allow(*(one for one in needed if one != lacking))
        found = code_and_message(registry.register, client=client)
        assert found[0] == code
        assert words in found[1]
    pending = {"StringEquals": {"sagemaker:ModelApprovalStatus": "PendingManualApproval"}}
    allow(*needed, condition=pending)
    assert code_and_message(registry.register, client=client, ModelApprovalStatus="Approved")[0] == (
        "AccessDeniedException"
    )
    version = registry.register(client, ModelApprovalStatus="PendingManualApproval")
    by = registry.sagemaker.describe_model_package(ModelPackageName=version)["CreatedBy"]["IamIdentity"]
    assert by["Arn"].endswith(f":assumed-role/{name}/Ana")
    assert by["PrincipalId"].endswith(":Ana")


@pytest.mark.docker
def test_a_version_serves_and_transforms(image_lab: SageMakerLab) -> None:
    lab = image_lab
    lab.s3.put_object(Bucket="sagemaker-tests", Key="registered/rows.csv", Body=b"1,2\n")
    lab.sagemaker.create_model_package_group(ModelPackageGroupName="served")
    container = {"Image": lab.image, "Environment": {"ANSWER": "registered"}}
    arn = lab.sagemaker.create_model_package(
        ModelPackageGroupName="served",
        ModelApprovalStatus="Approved",
        InferenceSpecification={"Containers": [container]},
    )["ModelPackageArn"]
    lab.sagemaker.create_model(
        ModelName="served", ExecutionRoleArn=lab.role, PrimaryContainer={"ModelPackageName": arn}
    )
    lab.transform("served", "served", "registered/")
    assert lab.transformed("served")["TransformJobStatus"] == "Completed"
