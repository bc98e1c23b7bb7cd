"""Labs of a few resources, created by direct calls, and what an instructor asks about them."""

import json
from typing import Any

from lab_helpers.instructor.clean import Cleaned, clean
from lab_helpers.instructor.inventory import list_resources
from lab_helpers.names import Names
from lab_helpers.resources import Resource
from tests.waiting import eventually

EXECUTION = "0a1b2c3d-0000-4000-8000-000000000001"
SERVICES = ("sagemaker", "cloudformation", "events")
PAST, FUTURE = "2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"
THRESHOLD = {
    "MetricName": "m",
    "Namespace": "n",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}


def policy(action: str, resource: str = "*") -> str:
    """Return a policy document that allows an action."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust() -> str:
    """Return the trust policy of every role here."""
    principals = {"Service": [f"{name}.amazonaws.com" for name in SERVICES]}
    statement = {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Room:
    """One account and its labs."""

    def __init__(self, clients: Any, region: str) -> None:
        self.clients, self.region = clients, region
        self.account = str(clients("sts").get_caller_identity()["Account"])

    def owned(self, *lab_ids: str) -> list[Resource]:
        """Return what these labs own; without ids, what all labs own."""
        return list_resources(self.clients, self.region, self.account, lab_ids or None)

    def kinds(self, lab_id: str) -> set[tuple[str, str]]:
        return {(one.kind, one.id) for one in self.owned(lab_id)}

    def clean(self, *lab_ids: str, clients: Any = None) -> Cleaned:
        return clean(clients or self.clients, self.region, self.account, lab_ids or None)

    def bucket(self, lab_id: str) -> str:
        return Names(lab_id).bucket(self.region, self.account)

    def role(self, name: str, tags: dict[str, str] | None = None, region: str = "") -> str:
        """Create a role with an inline policy for a region; return its ARN."""
        iam = self.clients("iam")
        listed = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(), Tags=listed)
        document = policy("sqs:*", f"arn:aws:sqs:{region or self.region}:{self.account}:*")
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
        return str(made["Role"]["Arn"])

    def make(self, lab_id: str, expires: str = FUTURE) -> Names:
        """Create one resource of nearly every kind, some of them tagged, without the workshop's stacks."""
        names = Names(lab_id)
        tags = {"mlops-workshop:lab": names.tag, "mlops-workshop:expires": expires}
        upper = [{"Key": key, "Value": value} for key, value in tags.items()]
        s3, events, logs = self.clients("s3"), self.clients("events"), self.clients("logs")
        bucket = self.bucket(lab_id)
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": upper})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            s3.put_object(Bucket=bucket, Key="training/input/iris.csv", Body=body)
        s3.delete_object(Bucket=bucket, Key="training/input/iris.csv")
        self.clients("ecr").create_repository(repositoryName=names.base_image, tags=upper)
        self.clients("codecommit").create_repository(repositoryName=names.repository, tags=tags)
        events.put_rule(Name=names.base_push_rule, ScheduleExpression="rate(1 day)", Tags=upper)
        role = self.role(names.role("sagemaker"), tags)
        pipeline = f"arn:aws:codepipeline:{self.region}:{self.account}:{names.base_pipeline}"
        target = {"Id": "pipeline", "Arn": pipeline, "RoleArn": role}
        events.put_targets(Rule=names.base_push_rule, Targets=[target])
        logs.create_log_group(logGroupName=f"/aws/codebuild/{names.base_project}", tags=tags)
        logs.create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{names.dev_endpoint}")
        self.clients("sagemaker").create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=names.lifecycle_config
        )
        group = f"{names.prefix}iris-model"
        self.clients("sagemaker").create_model_package_group(ModelPackageGroupName=group, Tags=upper)
        for _ in range(2):
            self.clients("sagemaker").create_model_package(
                ModelPackageGroupName=group, SourceUri=f"s3://{bucket}/training/source/trainingjob.zip"
            )
        self.clients("cloudwatch").put_metric_alarm(
            AlarmName=f"{names.prd_endpoint}-server-errors", **THRESHOLD
        )
        return names

    def stack(self, name: str, resources: dict[str, Any], **more: Any) -> str:
        """Create a stack and return its final status."""
        body = json.dumps({"Resources": resources})
        self.clients("cloudformation").create_stack(StackName=name, TemplateBody=body, **more)
        return self.at_rest(name)

    def at_rest(self, name: str) -> str:
        """Wait for the end of an operation; return the status, `DELETE_COMPLETE` if there is no stack."""

        def status() -> str | None:
            stacks = self.clients("cloudformation").get_paginator("describe_stacks").paginate()
            found = {one["StackName"]: one["StackStatus"] for page in stacks for one in page["Stacks"]}
            now = found.get(name, "DELETE_COMPLETE")
            return None if now.endswith("_IN_PROGRESS") else str(now)

        return eventually(status, 30)


def log_group(name: str, days: int = 14) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, "RetentionInDays": days}}
