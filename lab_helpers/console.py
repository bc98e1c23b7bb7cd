"""Where things are in the console: deep links that open the page of a pipeline, a build, an endpoint.

The host follows from the endpoint that a client calls. An endpoint of AWS has the console of its partition
("AWS Management Console endpoints" in the AWS General Reference; the GovCloud and China user guides). Any
other endpoint, such as that of `AWS_ENDPOINT_URL`, is its own console, with the same paths.

AWS publishes no contract for the paths. These are the ones that its services put in their own answers, events
and e-mails, or that its consoles show in the address bar. A parameter that a console does not know opens its
list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from botocore.client import BaseClient

DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""The console of each partition that has a public one, after the region and a dot."""
SUFFIXES = (
    ".amazonaws.com",
    ".api.aws",
    ".amazonaws.com.cn",
    ".api.amazonwebservices.com.cn",
)
"""How the host names of AWS's endpoints end in these partitions (botocore's `partitions.json`)."""


def of(client: BaseClient) -> Console:
    """Return the console that shows what `client` works with, in the client's region."""
    region, address = client.meta.region_name, urlsplit(client.meta.endpoint_url)
    domain = DOMAINS.get(client.meta.partition)
    if domain and (address.hostname or "").endswith(SUFFIXES):
        return Console(f"https://{region}.{domain}", region)
    return Console(f"{address.scheme}://{address.netloc}", region)


@dataclass(frozen=True)
class Console:
    """The console of one region; `base` is its address without a path. Every method returns a URL."""

    base: str
    region: str

    def pipeline(self, name: str) -> str:
        """A pipeline, with the state of its stages."""
        return self._path(f"codesuite/codepipeline/pipelines/{_segment(name)}/view")

    def pipeline_execution(self, name: str, execution_id: str) -> str:
        """One execution of a pipeline (PipelineExecutionId)."""
        where = f"{_segment(name)}/executions/{_segment(execution_id)}"
        return self._path(f"codesuite/codepipeline/pipelines/{where}/visualization")

    def build_project(self, name: str) -> str:
        """A build project, with the history of its builds."""
        return self._path(f"codesuite/codebuild/projects/{_segment(name)}/history")

    def build(self, build_id: str) -> str:
        """A build, by its id `project:uuid`: phases, environment, artifacts."""
        return self._path(f"codesuite/codebuild/projects/{_build(build_id)}/phase")

    def build_log(self, build_id: str) -> str:
        """The log of a build, by its id `project:uuid`; it grows while the build runs."""
        return self._path(f"codesuite/codebuild/projects/{_build(build_id)}/log")

    def repository(self, name: str, branch: str = "") -> str:
        """A CodeCommit repository: the files of a branch, or of the default branch."""
        at = f"/refs/heads/{_segments(branch)}" if branch else ""
        return self._path(f"codesuite/codecommit/repositories/{_segment(name)}/browse{at}")

    def commit(self, repository: str, commit_id: str) -> str:
        """A commit of a CodeCommit repository."""
        return self._path(
            f"codesuite/codecommit/repositories/{_segment(repository)}/commit/{_segment(commit_id)}"
        )

    def image_repository(self, account: str, name: str) -> str:
        """A private ECR repository of an account (12 digits), with its images."""
        return self._path(f"ecr/repositories/private/{account}/{_segments(name)}")

    def training_job(self, name: str) -> str:
        """A SageMaker training job."""
        return self._fragment("sagemaker", f"/jobs/{_segment(name)}")

    def tuning_job(self, name: str) -> str:
        """A SageMaker hyperparameter tuning job."""
        return self._fragment("sagemaker", f"/hyper-tuning-jobs/{_segment(name)}")

    def transform_job(self, name: str) -> str:
        """A SageMaker batch transform job."""
        return self._fragment("sagemaker", f"/transform-jobs/{_segment(name)}")

    def processing_job(self, name: str) -> str:
        """A SageMaker processing job."""
        return self._fragment("sagemaker", f"/processing-jobs/{_segment(name)}")

    def endpoint(self, name: str) -> str:
        """A SageMaker endpoint."""
        return self._fragment("sagemaker", f"/endpoints/{_segment(name)}")

    def notebook_instance(self, name: str) -> str:
        """A SageMaker notebook instance."""
        return self._fragment("sagemaker", f"/notebook-instances/{_segment(name)}")

    def notebook_instances(self) -> str:
        """All SageMaker notebook instances."""
        return self._fragment("sagemaker", "/notebook-instances")

    def stack(self, stack: str) -> str:
        """A CloudFormation stack, by its id or name."""
        return self._fragment("cloudformation", f"/stacks/stackinfo?stackId={quote(stack, safe='')}")

    def stacks(self) -> str:
        """All CloudFormation stacks."""
        return self._fragment("cloudformation", "/stacks")

    def new_stack(self, name: str, template_url: str, parameters: Mapping[str, str]) -> str:
        """The form for a new stack, with everything filled in ("Create quick-create links")."""
        values = {f"param_{key}": value for key, value in parameters.items()}
        fields = {"stackName": name, "templateURL": template_url, **values}
        return self._fragment("cloudformation", f"/stacks/new?{urlencode(fields, quote_via=quote)}")

    def bucket(self, name: str, prefix: str = "") -> str:
        """A bucket, or what is under a prefix that ends with a slash."""
        return self._path(f"s3/buckets/{_segment(name)}", prefix=prefix)

    def object(self, bucket: str, key: str) -> str:
        """An object of a bucket."""
        return self._path(f"s3/object/{_segment(bucket)}", prefix=key)

    def function(self, name: str) -> str:
        """A Lambda function."""
        return self._fragment("lambda", f"/functions/{_segment(name)}")

    def rules(self) -> str:
        """All rules of EventBridge."""
        return self._fragment("events", "/rules")

    def rule(self, name: str) -> str:
        """A rule of the default event bus of EventBridge."""
        return self._fragment("events", f"/eventbus/default/rules/{_segment(name)}")

    def role(self, name: str) -> str:
        """An IAM role, with its policies."""
        return self._fragment("iam", f"/roles/details/{_segment(name)}")

    def policy(self, arn: str) -> str:
        """A managed policy of IAM."""
        return self._fragment("iam", f"/policies/details/{_segment(arn)}")

    def log_group(self, name: str) -> str:
        """A log group of CloudWatch Logs, with its streams."""
        return self._fragment("cloudwatch", f"logsV2:log-groups/log-group/{_dollars(name)}")

    def log_stream(self, group: str, stream: str) -> str:
        """The events of one log stream."""
        where = f"{_dollars(group)}/log-events/{_dollars(stream)}"
        return self._fragment("cloudwatch", f"logsV2:log-groups/log-group/{where}")

    def alarm(self, name: str) -> str:
        """A CloudWatch alarm."""
        return self._fragment("cloudwatch", f"alarmsV2:alarm/{_segment(name)}")

    def service_quotas(self, service: str) -> str:
        """The quotas of a service, by the code that Service Quotas has for it."""
        return self._path(f"servicequotas/home/services/{_segment(service)}/quotas")

    def _path(self, path: str, **fields: str) -> str:
        query = urlencode({"region": self.region, **{name: text for name, text in fields.items() if text}})
        return f"{self.base}/{path}?{query}"

    def _fragment(self, service: str, fragment: str) -> str:
        """Return a page of the consoles whose pages are behind a `#`."""
        return f"{self.base}/{service}/home?{urlencode({'region': self.region})}#{fragment}"


def _segment(name: str) -> str:
    return quote(name, safe="")


def _segments(path: str) -> str:
    return quote(path, safe="/")


def _build(build_id: str) -> str:
    return f"{_segment(build_id.partition(':')[0])}/build/{_segment(build_id)}"


def _dollars(name: str) -> str:
    """Return a name as CloudWatch's console writes it: percent-encoded twice, with `$` for the outer `%`."""
    return quote(quote(name, safe=""), safe="").replace("%", "$")
