"""The IAM permissions that a request needs: the actions, each with its resource and condition keys.

Contract: Service Authorization Reference, "Actions, resources, and condition keys" of each service; where a
request needs more than its own action (passing a role, tags at creation), the API reference of the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_account.foundation import linked_roles
from local_account.foundation.errors import Params

Arn = Callable[[str, str], str]
"""Makes the ARN of a resource of the account: service and resource."""


@dataclass(frozen=True)
class Need:
    """One permission that a request needs."""

    action: str
    resource: str = "*"
    context: Mapping[str, list[str]] = field(default_factory=dict)


_PREFIXES = {
    "sagemaker-runtime": "sagemaker",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}
"""IAM's service prefix, where it is not botocore's name."""
_ACTIONS = {("lambda", "Invoke"): "InvokeFunction"}
"""Actions that are not named after the operation."""
_FREE = {("sts", "GetCallerIdentity")}
"""Operations that need no permission."""

# Parameters that name what an operation works on, and what precedes the name in the ARN.
_NAMES: dict[str, dict[str, str]] = {
    "codebuild": {"projectName": "project/", "name": "project/", "names": "project/"},
    "codecommit": {"repositoryName": ""},
    "codeconnections": {"ConnectionArn": ""},
    "codestar-connections": {"ConnectionArn": ""},
    "ecr": {"repositoryName": "repository/", "repositoryNames": "repository/"},
    "events": {"Name": "rule/", "Rule": "rule/"},
    "lambda": {"FunctionName": "function:"},
    "sagemaker": {
        "EndpointName": "endpoint/",
        "EndpointConfigName": "endpoint-config/",
        "ModelName": "model/",
        "ModelPackageArn": "",
        "ModelPackageArnList": "",
        "ModelPackageGroupName": "model-package-group/",
        "ModelPackageName": "model-package/",
        "TrainingJobName": "training-job/",
        "HyperParameterTuningJobName": "hyper-parameter-tuning-job/",
        "TransformJobName": "transform-job/",
        "ProcessingJobName": "processing-job/",
        "NotebookInstanceName": "notebook-instance/",
        "CodeRepositoryName": "code-repository/",
        "NotebookInstanceLifecycleConfigName": "notebook-instance-lifecycle-config/",
    },
    "cloudwatch": {"AlarmName": "alarm:", "AlarmNames": "alarm:"},
    "iam": {"RoleName": "role/"},
    "sns": {"TopicArn": "", "TargetArn": ""},
    "sts": {"RoleArn": ""},
}  # fmt: skip
_ARNS = ("resourceArn", "ResourceArn", "ResourceARN", "Resource", "resource")
"""Parameters that hold an ARN: those of the tagging operations."""
# Operations whose resource isn't found by the parameters above: the parameter, and what stands before its
# value in the ARN. {}: the operation needs permission on all resources, even if parameters narrow the result.
_OPERATIONS: dict[tuple[str, str], dict[str, str]] = {
    ("cloudwatch", "DescribeAlarms"): {},
    ("logs", "DeleteResourcePolicy"): {},
    ("logs", "DescribeResourcePolicies"): {},
    ("logs", "PutResourcePolicy"): {},
    ("sagemaker", "CreateTransformJob"): {"TransformJobName": "transform-job/"},
    ("sagemaker", "ListEndpoints"): {},
    ("sagemaker", "ListHyperParameterTuningJobs"): {},
    ("sagemaker", "ListModelPackageGroups"): {},
    ("sagemaker", "ListModels"): {},
    ("sagemaker", "ListProcessingJobs"): {},
    ("sagemaker", "ListTrainingJobs"): {},
    ("sagemaker", "ListTransformJobs"): {},
    ("secretsmanager", "GetRandomPassword"): {},
    ("secretsmanager", "ListSecrets"): {},
    ("sns", "CreateTopic"): {"Name": ""},
    ("ssm", "DescribeParameters"): {},
    ("logs", "DescribeSubscriptionFilters"): {"logGroupName": "log-group:"},
}
# Operations on versions of model packages that name the group: IAM has no resource for the group there
# (SageMaker AI Developer Guide, the policy of "Register a Model Version from a Different Account").
_OF_VERSIONS = {("sagemaker", "CreateModelPackage"), ("sagemaker", "ListModelPackages")}

# The roles that a request passes to a service: the parameter, and the service that will assume the role.
_PASSED: dict[tuple[str, str], tuple[str, str]] = {
    ("cloudformation", "CreateStack"): ("RoleARN", "cloudformation"),
    ("cloudformation", "UpdateStack"): ("RoleARN", "cloudformation"),
    ("cloudformation", "DeleteStack"): ("RoleARN", "cloudformation"),
    ("cloudformation", "CreateChangeSet"): ("RoleARN", "cloudformation"),
    ("codebuild", "CreateProject"): ("serviceRole", "codebuild"),
    ("codebuild", "UpdateProject"): ("serviceRole", "codebuild"),
    ("codepipeline", "CreatePipeline"): ("pipeline.roleArn", "codepipeline"),
    ("codepipeline", "UpdatePipeline"): ("pipeline.roleArn", "codepipeline"),
    ("events", "PutRule"): ("RoleArn", "events"),
    ("events", "PutTargets"): ("Targets.RoleArn", "events"),
    ("lambda", "CreateFunction"): ("Role", "lambda"),
    ("lambda", "UpdateFunctionConfiguration"): ("Role", "lambda"),
    ("sagemaker", "CreateModel"): ("ExecutionRoleArn", "sagemaker"),
    ("sagemaker", "CreateNotebookInstance"): ("RoleArn", "sagemaker"),
    ("sagemaker", "CreateHyperParameterTuningJob"): ("TrainingJobDefinition.RoleArn", "sagemaker"),
    ("sagemaker", "CreateProcessingJob"): ("RoleArn", "sagemaker"),
    ("sagemaker", "CreateTrainingJob"): ("RoleArn", "sagemaker"),
}
# The additional action that tagging at creation needs, and the parameter with the tags.
_TAGGED = {
    "application-autoscaling": ("TagResource", "Tags"),
    "cloudwatch": ("TagResource", "Tags"),
    "codeconnections": ("TagResource", "Tags"),
    "codepipeline": ("TagResource", "tags"),
    "codestar-connections": ("TagResource", "Tags"),
    "ecr": ("TagResource", "tags"),
    "events": ("TagResource", "Tags"),
    "lambda": ("TagResource", "Tags"),
    "logs": ("TagResource", "tags"),
    "sagemaker": ("AddTags", "Tags"),
    "secretsmanager": ("TagResource", "Tags"),
    "sns": ("TagResource", "Tags"),
    "ssm": ("AddTagsToResource", "Tags"),
}
_CREATES = ("Create", "Put", "Register")


def needs(service: str, operation: str, params: Params, arn: Arn) -> list[Need]:
    """Return every permission that a request needs."""
    if (service, operation) in _FREE:
        return []
    prefix = _PREFIXES.get(service, service)
    action = f"{prefix}:{_ACTIONS.get((service, operation), operation)}"
    resources = list(_resources(prefix, operation, params, arn)) or ["*"]
    context = _context(service, params)
    required = [Need(action, one, context) for one in resources]
    tag, member = _TAGGED.get(service, ("", ""))
    if params.get(member) and operation.startswith(_CREATES):
        required += [Need(f"{prefix}:{tag}", one) for one in resources[:1]]
    if (service, operation) in _PASSED:
        path, principal = _PASSED[service, operation]
        passed = {"iam:passedtoservice": [f"{principal}.amazonaws.com"]}
        required += [Need("iam:PassRole", role, passed) for role in _at(params, path.split("."))]
    if operation == "BatchGetSecretValue":
        required[:] = [Need(action), *(Need("secretsmanager:GetSecretValue", one) for one in resources)]
    return [*required, *_of_scaling(service, operation, params, arn)]


def _at(value: Any, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _at(one, path)
    elif not path:
        if value:
            yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _resources(prefix: str, operation: str, params: Params, arn: Arn) -> Iterable[str]:
    if (prefix, operation) in _OF_VERSIONS and params.get("ModelPackageGroupName"):
        return [arn(prefix, f"model-package/{params['ModelPackageGroupName'].rpartition('/')[2]}/*")]
    if (prefix, operation) in _OPERATIONS:
        return _named(prefix, _OPERATIONS[prefix, operation], params, arn)
    if given := [params[name] for name in _ARNS if isinstance(params.get(name), str)]:
        return given
    special = {
        "cloudformation": _stack,
        "codepipeline": _pipeline,
        "iam": _role,
        "logs": _log,
        "application-autoscaling": _target,
        "secretsmanager": _secret,
        "ssm": _parameter,
    }
    if prefix in special:
        return special[prefix](params, arn)
    if prefix == "codebuild" and (builds := params.get("ids") or params.get("id")):
        return [arn(prefix, f"project/{one.partition(':')[0]}") for one in _listed(builds)]
    return _named(prefix, _NAMES.get(prefix, {}), params, arn)


def _named(prefix: str, names: Mapping[str, str], params: Params, arn: Arn) -> list[str]:
    return [
        one if one.startswith("arn:") else arn(prefix, before + one)
        for name, before in names.items()
        for one in _listed(params.get(name))
    ]


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _stack(params: Params, arn: Arn) -> list[str]:
    name = params.get("StackName")
    if not name:
        return []
    return [name if name.startswith("arn:") else arn("cloudformation", f"stack/{name}/*")]


def _pipeline(params: Params, arn: Arn) -> list[str]:
    name = params.get("pipelineName") or params.get("name") or params.get("pipeline", {}).get("name")
    if not name:
        return []
    parts = [params[part] for part in ("stageName", "actionName") if part in params]
    return [arn("codepipeline", "/".join([name, *parts]))]


def _log(params: Params, arn: Arn) -> list[str]:
    identifier = params.get("logGroupIdentifier", "")
    name = params.get("logGroupName") or identifier.rpartition(":log-group:")[2].removesuffix(":*")
    return [arn("logs", f"log-group:{name}:log-stream:{params.get('logStreamName', '')}")] if name else []


def _secret(params: Params, arn: Arn) -> list[str]:
    given = params.get("SecretId") or params.get("Name")
    named = [given] if given else params.get("SecretIdList", [])
    return [arn("secretsmanager", f"secret:{one.split(':', 6)[-1]}") for one in named]


def _parameter(params: Params, arn: Arn) -> list[str]:
    given = params.get("Name") or params.get("Path") or params.get("ResourceId")
    names = [given] if given else params.get("Names", [])
    bare = [one.partition(":parameter/")[2] if one.startswith("arn:") else one for one in names]
    return [arn("ssm", f"parameter/{one.partition(':')[0].strip('/')}") for one in bare]


def _role(params: Params, arn: Arn) -> list[str]:
    if service := params.get("AWSServiceName"):
        return [arn("iam", linked_roles.resource(service))]
    return _named("iam", _NAMES["iam"], params, arn)


def _target(params: Params, arn: Arn) -> list[str]:
    # The real id is generated; policies can't name it either.
    return [arn("application-autoscaling", "scalable-target/generated")] if "ResourceId" in params else []


def _context(service: str, params: Params) -> dict[str, list[str]]:
    if service == "application-autoscaling" and "ServiceNamespace" in params:
        return {"application-autoscaling:service-namespace": [params["ServiceNamespace"]]}
    if service == "cloudwatch" and "Namespace" in params:
        return {"cloudwatch:namespace": [params["Namespace"]]}
    if service == "sagemaker":
        return _of_model_package(params)
    if service == "sts":
        given = {name: params.get(name) for name in ("ExternalId", "RoleSessionName", "SourceIdentity")}
        return {f"sts:{name.lower()}": [value] for name, value in given.items() if value}
    if service == "iam" and "AWSServiceName" in params:
        return {"iam:awsservicename": [params["AWSServiceName"]]}
    return {}


def _of_model_package(params: Params) -> dict[str, list[str]]:
    cycle = params.get("ModelLifeCycle", {})
    given = {
        "sagemaker:modelapprovalstatus": params.get("ModelApprovalStatus"),
        "sagemaker:modellifecycle:stage": cycle.get("Stage"),
        "sagemaker:modellifecycle:stagestatus": cycle.get("StageStatus"),
        "sagemaker:customermetadatapropertiestoremove": params.get("CustomerMetadataPropertiesToRemove"),
        **{
            f"sagemaker:customermetadataproperties/{key.lower()}": value
            for key, value in params.get("CustomerMetadataProperties", {}).items()
        },
    }
    return {key: _listed(value) for key, value in given.items() if value}


def _of_scaling(service: str, operation: str, params: Params, arn: Arn) -> list[Need]:
    """Return what else Application Auto Scaling requires its caller to be allowed.

    Contract: Application Auto Scaling User Guide, "Identity-based policy examples", permissions for the
    target service and for CloudWatch.
    """
    resource = params.get("ResourceId", "")
    if service != "application-autoscaling" or not resource.startswith("endpoint/"):
        return []
    endpoint = arn("sagemaker", "/".join(resource.split("/")[:2]))
    if operation == "RegisterScalableTarget":
        actions = ("DescribeEndpoint", "UpdateEndpointWeightsAndCapacities")
        return [Need(f"sagemaker:{action}", endpoint) for action in actions]
    if operation == "PutScalingPolicy":
        return [Need("cloudwatch:PutMetricAlarm", arn("cloudwatch", f"alarm:TargetTracking-{resource}-"))]
    return []
