"""Roles: one for each service, with no more than it needs. test_role_policies measures their policies, and
tests/local_account/authorization checks what they can do to other labs."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab_helpers import names
from tests.cfn.templates import TEMPLATES, as_list, resources, text

SERVICES = {
    "notebook": "sagemaker",
    "codebuild": "codebuild",
    "pipeline": "codepipeline",
    "deploy": "cloudformation",
    "launcher": "lambda",
    "monitor": "lambda",
    "tester": "lambda",
    "events": "events",
    "sagemaker": "sagemaker",
}
ROLES = dict(resources("AWS::IAM::Role"))
PREFIX = "abcdefghij-"


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in ROLES.items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield f"{name}/{policy['PolicyName']}/{statement.get('Sid')}", statement
    for policy_id, policy in resources("AWS::IAM::ManagedPolicy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield f"m/MLOpsNotebook/{policy_id.partition('/')[2]}/{statement.get('Sid')}", statement


STATEMENTS = dict(statements())
every_statement = pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)


def test_there_is_one_role_for_each_service_that_assumes_it() -> None:
    found = {}
    for role in ROLES.values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        found[text(role["RoleName"])] = trust["Principal"]["Service"]
        assert trust["Action"] == "sts:AssumeRole"
        # Lambda and CloudFormation only take roles of their own account and set no source account.
        if trust["Principal"]["Service"] not in ("lambda.amazonaws.com", "cloudformation.amazonaws.com"):
            # SageMaker's guide names jobs and endpoints, not notebook instances and tuning jobs.
            unsure = trust["Principal"]["Service"] == "sagemaker.amazonaws.com"
            operator = "StringEqualsIfExists" if unsure else "StringEquals"
            assert trust["Condition"] == {operator: {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}

    assert found == {
        f"{PREFIX}mlops-{purpose}": f"{service}.amazonaws.com" for purpose, service in SERVICES.items()
    }
    assert set(SERVICES) == set(names.ROLES)


def test_roles_exist_in_the_top_stack_only() -> None:
    assert all(name.startswith("m/") for name in ROLES)


def test_the_notebook_role_has_every_managed_policy() -> None:
    made = [text(policy["ManagedPolicyName"]) for _, policy in resources("AWS::IAM::ManagedPolicy")]
    notebook = TEMPLATES["m"]["Resources"]["MLOpsNotebook"]

    assert [text(arn).partition(":policy/")[2] for arn in notebook["Properties"]["ManagedPolicyArns"]] == made
    assert notebook["DependsOn"] == "NotebookPolicies"
    assert not [
        name for name, role in ROLES.items() if "ManagedPolicyArns" in role and "Notebook" not in name
    ]


DESCRIPTIONS = {
    "work": "What a learner works with: data, images, source, training jobs, endpoints",
    "operate": "What running the model takes: metrics, logs, scaling and the approval for PRD",
    "stacks": "The nested stacks that the notebook instance deploys, and the roles that it passes to them",
    "deploy": "What the nested stacks consist of: CloudFormation makes it in the name of this role",
    "sdk": "What notebook 03a does without the pipeline: jobs, a model and an endpoint of its own",
    "monitor": "What notebook 07 does: checks of captured data as processing jobs, and a metric for "
    "the alarm",
    "reset": "What going back to the start of a notebook takes beyond the lessons (lab_helpers/way_back)",
    "registry": "The model registry: its group, its versions, and releases of earlier versions "
    "(lab_helpers/releases.py)",
    "releases": "What notebook 06 does: releases on an endpoint of its own, watched by alarms of its own",
}
"""Of the managed policies as labs have them. They cannot change: CloudFormation refuses to replace a policy
that has a name (AWS::IAM::ManagedPolicy, "Update requires: Replacement"), and no lab could be updated."""


def test_a_running_lab_can_be_updated_because_no_policy_has_to_be_replaced() -> None:
    found = {
        text(policy["ManagedPolicyName"]).rpartition("-")[2]: policy["Description"]
        for _, policy in resources("AWS::IAM::ManagedPolicy")
    }

    assert found == DESCRIPTIONS


def test_sids_are_letters_and_digits() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"]) for statement in STATEMENTS.values())


@every_statement
def test_no_action_is_a_wildcard(statement: dict[str, Any]) -> None:
    assert statement["Effect"] == "Allow"
    assert not {"NotAction", "NotResource"} & set(statement)
    assert not [action for action in as_list(statement["Action"]) if "*" in action]


@every_statement
def test_a_role_is_passed_by_name_to_one_service_that_it_is_for(statement: dict[str, Any]) -> None:
    if "iam:PassRole" not in as_list(statement["Action"]):
        return
    assert as_list(statement["Action"]) == ["iam:PassRole"]
    service = statement["Condition"]["StringEquals"]["iam:PassedToService"]
    by_name = {text(role["RoleName"]): role for role in ROLES.values()}
    for resource in as_list(statement["Resource"]):
        named = text(resource)
        role = (
            by_name[named.partition(":role/")[2]]
            if ":role/" in named
            else ROLES["m/" + named.strip("<>").removesuffix(".Arn")]
        )
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] == service


def test_the_service_linked_role_is_that_of_endpoint_scaling() -> None:
    statement = STATEMENTS["m/MLOpsDeploy/endpoints/ScalingServiceRole"]

    assert statement["Condition"] == {
        "StringEquals": {"iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"}
    }


def test_the_bucket_refuses_requests_without_tls() -> None:
    (statement,) = TEMPLATES["m"]["Resources"]["MLOpsBucketPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]

    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [text(r) for r in statement["Resource"]] == ["<MLOpsBucket.Arn>", "<MLOpsBucket.Arn>/*"]


def handler_permissions(kind: str) -> set[str]:
    """Return what CloudFormation's handlers for a resource type call, according to its registry schema."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("handlers") or {}
    return {
        p
        for name in ("create", "update", "delete", "read")
        for p in handlers.get(name, {}).get("permissions", [])
    }


# Permissions for properties that these templates don't use; what reads or only looks is not excused.
UNUSED = re.compile(
    r"kms:|ec2:|s3files:|elasticfilesystem:|codestar-connections:|firehose:|s3:|lambda:(Put|Delete)?(Get)?Provisioned"
    r"|lambda:(PutFunctionConcurrency|DeleteFunctionConcurrency|.*CodeSigningConfig|GetLayerVersion|PutRuntimeManagementConfig)"
    r"|lambda:(PutFunctionRecursionConfig|PutFunctionScalingConfig|PassCapacityProvider|AssociateRuntimeAlias|PublishVersion)"
    r"|codepipeline:(Disable|Enable)StageTransition"
    r"|logs:(AssociateKmsKey|DisassociateKmsKey|CreateLogDelivery|(Put|Delete)ResourcePolicy|Put(BearerToken|DataProtection|IndexPolicy|LogGroupDel).*"
    r"|DeleteIndexPolicy)"
    r"|application-autoscaling:(Put|Delete)ScheduledAction"
)


@pytest.mark.parametrize(
    ("role", "template"),
    [("MLOpsNotebook", "build-image"), ("MLOpsNotebook", "train-model-pipeline"),
     ("MLOpsDeploy", "deploy-model-dev"), ("MLOpsDeploy", "deploy-model-prd")],
)  # fmt: skip
def test_a_role_that_deploys_a_stack_has_the_permissions_its_resource_types_need(
    role: str, template: str
) -> None:
    allowed = {
        action
        for name, s in STATEMENTS.items()
        if name.startswith(f"m/{role}/")
        for action in as_list(s["Action"])
    }
    for kind in {found["Type"] for found in TEMPLATES[template]["Resources"].values()}:
        needed = {permission for permission in handler_permissions(kind) if not UNUSED.match(permission)}
        assert not needed - allowed, (kind, sorted(needed - allowed))
