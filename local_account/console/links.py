"""The addresses of the console's pages, below `/_console`, where no bucket can be.

Pages that AWS's console has without a fragment have its path; those behind a `#` have a path of their own,
which `fragments` finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, urlencode, urlsplit

ROOT = "/_console"
FIRST_PARTS = frozenset(
    (
        "cloudformation",
        "cloudwatch",
        "codebuild",
        "codecommit",
        "codepipeline",
        "codesuite",
        "ecr",
        "events",
        "iam",
        "lambda",
        "s3",
        "sagemaker",
        "servicequotas",
    )
)
"""How the paths of the pages begin in AWS's console."""
_AWS = re.compile(
    r"(?:[a-z0-9-]+\.)?(?:console\.aws\.amazon\.com|console\.amazonaws\.cn|console\.amazonaws-us-gov\.com)"
)


def overview() -> str:
    """The overview."""
    return f"{ROOT}/"


def pipelines() -> str:
    """All pipelines."""
    return f"{ROOT}/codesuite/codepipeline/pipelines"


def pipeline(name: str) -> str:
    """A pipeline."""
    return f"{pipelines()}/{_one(name)}/view"


def executions(name: str) -> str:
    """The executions of a pipeline."""
    return f"{pipelines()}/{_one(name)}/executions"


def execution(name: str, execution_id: str) -> str:
    """An execution of a pipeline."""
    return f"{executions(name)}/{_one(execution_id)}/visualization"


def projects() -> str:
    """All build projects."""
    return f"{ROOT}/codesuite/codebuild/projects"


def project(name: str) -> str:
    """A build project."""
    return f"{projects()}/{_one(name)}/history"


def build(build_id: str) -> str:
    """A build, by its id `project:uuid`."""
    return f"{projects()}/{_one(build_id.partition(':')[0])}/build/{_one(build_id)}/phase"


def repositories() -> str:
    """All repositories of CodeCommit."""
    return f"{ROOT}/codesuite/codecommit/repositories"


def browse(repository: str, branch: str = "", path: str = "") -> str:
    """A folder or file of a branch."""
    at = f"/refs/heads/{_many(branch)}" if branch else ""
    file = f"/--/{_many(path)}" if path else ""
    return f"{repositories()}/{_one(repository)}/browse{at}{file}"


def commits(repository: str, branch: str) -> str:
    """The commits of a branch."""
    return f"{repositories()}/{_one(repository)}/commits/refs/heads/{_many(branch)}"


def commit(repository: str, commit_id: str) -> str:
    """A commit."""
    return f"{repositories()}/{_one(repository)}/commit/{_one(commit_id)}"


def image_repositories() -> str:
    """All repositories of ECR."""
    return f"{ROOT}/ecr/repositories"


def image_repository(account: str, name: str) -> str:
    """A repository of ECR."""
    return f"{image_repositories()}/private/{account}/{_many(name)}"


def training_jobs() -> str:
    """All training jobs."""
    return f"{ROOT}/sagemaker/jobs"


def training_job(name: str) -> str:
    """A training job."""
    return f"{training_jobs()}/{_one(name)}"


def tuning_jobs() -> str:
    """All hyperparameter tuning jobs."""
    return f"{ROOT}/sagemaker/hyper-tuning-jobs"


def tuning_job(name: str) -> str:
    """A hyperparameter tuning job."""
    return f"{tuning_jobs()}/{_one(name)}"


def transform_jobs() -> str:
    """All batch transform jobs."""
    return f"{ROOT}/sagemaker/transform-jobs"


def transform_job(name: str) -> str:
    """A batch transform job."""
    return f"{transform_jobs()}/{_one(name)}"


def model_package_groups() -> str:
    """All model package groups."""
    return f"{ROOT}/sagemaker/model-package-groups"


def model_package_group(name: str) -> str:
    """A model package group."""
    return f"{model_package_groups()}/{_one(name)}"


def model_package(group: str, version: int) -> str:
    """A version of a model package group."""
    return f"{model_package_group(group)}/{version}"


def processing_jobs() -> str:
    """All processing jobs."""
    return f"{ROOT}/sagemaker/processing-jobs"


def processing_job(name: str) -> str:
    """A processing job."""
    return f"{processing_jobs()}/{_one(name)}"


def endpoints() -> str:
    """All endpoints."""
    return f"{ROOT}/sagemaker/endpoints"


def endpoint(name: str) -> str:
    """An endpoint."""
    return f"{endpoints()}/{_one(name)}"


def notebook_instances() -> str:
    """All notebook instances."""
    return f"{ROOT}/sagemaker/notebook-instances"


def notebook_instance(name: str) -> str:
    """A notebook instance."""
    return f"{notebook_instances()}/{_one(name)}"


def stacks() -> str:
    """All stacks."""
    return f"{ROOT}/cloudformation/stacks"


def stack(name: str) -> str:
    """A stack, by its id or name."""
    return f"{stacks()}/stackinfo?{urlencode({'stackId': name})}"


def buckets() -> str:
    """All buckets."""
    return f"{ROOT}/s3/buckets"


def bucket(name: str, prefix: str = "", after: str = "") -> str:
    """A bucket, or what is under a prefix, from a continuation token on."""
    return _query(f"{buckets()}/{_one(name)}", prefix=prefix, after=after)


def item(bucket: str, key: str, version: str = "") -> str:
    """An object."""
    return _query(f"{ROOT}/s3/object/{_one(bucket)}", prefix=key, versionId=version)


def download(bucket: str, key: str, version: str = "") -> str:
    """The content of an object, as a file to keep."""
    return _query(f"{ROOT}/s3/download/{_one(bucket)}", prefix=key, versionId=version)


def functions() -> str:
    """All functions."""
    return f"{ROOT}/lambda/functions"


def function(name: str) -> str:
    """A function."""
    return f"{functions()}/{_one(name)}"


def log_groups() -> str:
    """All log groups."""
    return f"{ROOT}/cloudwatch/log-groups"


def log_group(name: str) -> str:
    """The streams of a log group."""
    return _query(f"{ROOT}/cloudwatch/log-group", name=name)


def log_stream(group: str, stream: str, token: str = "") -> str:
    """The events of a log stream: the newest, or the page of a token."""
    return _query(f"{ROOT}/cloudwatch/log-stream", group=group, stream=stream, token=token)


def alarms() -> str:
    """All alarms."""
    return f"{ROOT}/cloudwatch/alarms"


def alarm(name: str) -> str:
    """An alarm."""
    return f"{ROOT}/cloudwatch/alarm/{_one(name)}"


def rules() -> str:
    """All rules."""
    return f"{ROOT}/events/rules"


def rule(name: str) -> str:
    """A rule of the default event bus."""
    return f"{ROOT}/events/eventbus/default/rules/{_one(name)}"


def roles(token: str = "") -> str:
    """The roles, from a token on."""
    return _query(f"{ROOT}/iam/roles", token=token)


def role(name: str) -> str:
    """A role."""
    return f"{ROOT}/iam/roles/details/{_one(name)}"


def policy(arn: str) -> str:
    """A managed policy."""
    return _query(f"{ROOT}/iam/policies/details", arn=arn)


def quota_services() -> str:
    """The services that have quotas."""
    return f"{ROOT}/servicequotas/home/services"


def quotas(service: str) -> str:
    """The quotas of a service."""
    return f"{quota_services()}/{_one(service)}/quotas"


def own(address: str) -> str:
    """Return the page of this console for an address of AWS's or of this one; other addresses as they are.

    What is not an address of the web is returned empty: it must not become a link.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https"):
        return ""
    own = (
        parts.hostname in ("127.0.0.1", "localhost")
        and parts.path.lstrip("/").partition("/")[0] in FIRST_PARTS
    )
    if not own and not _AWS.fullmatch(parts.hostname or ""):
        return address
    query, fragment = parts.query and f"?{parts.query}", parts.fragment and f"#{parts.fragment}"
    return f"{ROOT}{parts.path}{query}{fragment}"


def of_image(uri: str) -> str:
    """Return the page of the repository of an image, empty if it is not one of ECR's."""
    repository = re.split(r"@|:(?=[^/]*$)", uri)[0]
    found = re.fullmatch(r"(?:(\d{12})\.dkr\.ecr[^/]*|127\.0\.0\.1:\d+|localhost:\d+)/(.+)", repository)
    return image_repository(found[1] or "-", found[2]) if found else ""


def of_arn(arn: str) -> str:
    """Return the page of what an ARN names, empty if there is none."""
    for pattern, page in _ARNS:
        if found := re.fullmatch(f"arn:[a-z-]+:{pattern}", arn):
            return page(found[1] if found.re.groups else arn)
    return ""


def of_s3(uri: str) -> str:
    """Return the page of an `s3://` URI, empty for another one."""
    if not uri.startswith("s3://"):
        return ""
    name, _, key = uri.removeprefix("s3://").partition("/")
    return item(name, key) if key and not key.endswith("/") else bucket(name, key)


def _query(path: str, **fields: str) -> str:
    query = urlencode({name: text for name, text in fields.items() if text})
    return f"{path}?{query}" if query else path


def _one(name: str) -> str:
    return quote(name, safe=":")


def _many(path: str) -> str:
    return quote(path, safe="/")


_ARNS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (r"cloudformation:[^:]*:\d*:stack/.+", stack),
    (r"codebuild:[^:]*:\d*:project/(.+)", project),
    (r"codecommit:[^:]*:\d*:([^:/]+)", browse),
    (r"codepipeline:[^:]*:\d*:([^:/]+)", pipeline),
    (r"events:[^:]*:\d*:rule/([^/]+)", rule),
    (r"iam::(?:\d*|aws):policy/.+", policy),
    (r"iam::\d*:role/(?:.+/)?([^/]+)", role),
    (r"lambda:[^:]*:\d*:function:([^:]+)(?::.+)?", function),
    (r"logs:[^:]*:\d*:log-group:([^:]+)(?::\*)?", log_group),
    (r"sagemaker:[^:]*:\d*:endpoint/(.+)", endpoint),
    (r"sagemaker:[^:]*:\d*:notebook-instance/(.+)", notebook_instance),
    (r"sagemaker:[^:]*:\d*:training-job/(.+)", training_job),
)
"""What ARNs name that has a page: the page gets the group, or else the ARN."""
