"""Many labs share an account and a region: no role of one can do to another lab's resources what it may do
to its own. Judged by two evaluators: the local account's, and an independent one."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab_helpers.names import Names
from tests.local_account.authorization.judges import JudgeMissingError, Policies, Request, ours, theirs
from tests.local_account.authorization.labs import action_details, arn, owned, roles, works_on

pytestmark = pytest.mark.slow

# The default lab has the shortest names, `an` and `anab` resemble `ana`, the others are words in names.
LABS = ("", "ana", "bob", "an", "anab", "iris", "mlops", "scikit", "model")
PAIRS = [(one, other) for one in LABS for other in LABS if one != other]
# The other judge takes two milliseconds for each: only those where a pattern could reach too far.
TRICKY = [
    ("ana", "bob"),
    ("an", "ana"),
    ("ana", "anab"),
    ("", "ana"),
    ("ana", ""),
    ("", "mlops"),
    ("iris", ""),
]

READS = "reads"
# What a role may do everywhere in the account, and why.
ACCOUNT_WIDE = {
    # These have no resource-level permissions: they cannot be narrowed.
    "application-autoscaling:DescribeScalableTargets": READS,
    "application-autoscaling:DescribeScalingActivities": READS,
    "application-autoscaling:DescribeScalingPolicies": READS,
    "application-autoscaling:DescribeScheduledActions": READS,
    "codepipeline:PutJobFailureResult": "needs the id of a job, which only its function is told",
    "codepipeline:PutJobSuccessResult": "needs the id of a job, which only its function is told",
    "ecr:GetAuthorizationToken": READS,
    "cloudformation:ValidateTemplate": READS,
    "lambda:ListFunctions": READS,
    "logs:DescribeIndexPolicies": READS,
    "logs:DescribeLogGroups": READS,
    "logs:DescribeResourcePolicies": READS,
    "sagemaker:ListEndpointConfigs": READS,
    "sagemaker:ListEndpoints": READS,
    "sagemaker:ListHyperParameterTuningJobs": READS,
    "sagemaker:ListModels": READS,
    "sagemaker:ListProcessingJobs": READS,
    "sagemaker:ListTrainingJobs": READS,
    "sagemaker:ListTransformJobs": READS,
    # These have resource-level permissions, but a request that searches is about all resources.
    "cloudwatch:DescribeAlarms": READS,
    "cloudwatch:GetMetricData": READS,
    "cloudwatch:PutMetricData": "metrics are nobody's; a condition narrows the namespace",
}
# These work on resources that belong to all labs.
SHARED = {
    "iam:CreateServiceLinkedRole": "an account has one such role, which Application Auto Scaling assumes",
    "logs:DescribeLogStreams": "all training jobs of an account log to one group; it tells names only",
}


def actions(policies: list[dict[str, Any]], resource: str = "") -> list[str]:
    """The actions in some policies; with a resource, those they allow on exactly that resource."""
    found = set()
    for policy in policies:
        for statement in policy["Statement"]:
            listed = statement["Action"]
            if not resource or statement["Resource"] == resource:
                found |= {listed} if isinstance(listed, str) else set(listed)
    return sorted(found)


def contexts(action: str, of: str) -> list[dict[str, str]]:
    """The condition keys of the policies, with their values in requests about a lab's resources."""
    tag = {"aws:ResourceTag/mlops-workshop:lab": Names(of).tag}
    match action:
        case "iam:PassRole":
            services = ("codebuild", "codepipeline", "lambda", "events", "cloudformation", "sagemaker", "ec2")
            return [{"iam:PassedToService": f"{service}.amazonaws.com"} for service in services]
        case "s3:ListBucket":
            prefixes = ("training/reports/x", "training/input/x", "package/")
            return [*({"s3:prefix": one} for one in prefixes), {}]
        case (
            "application-autoscaling:TagResource"
            | "application-autoscaling:UntagResource"
            | "application-autoscaling:ListTagsForResource"
        ):
            return [tag]
        case _ if action.startswith("application-autoscaling:"):
            return [{"application-autoscaling:service-namespace": "sagemaker", **tag}]
    return [{}]


def requests(lab: str, of: str) -> Iterator[Request]:
    """Every action of every role of a lab, on everything of the lab `of` that the action applies to."""
    for role, policies in roles(lab).items():
        for action in actions(policies):
            pattern = works_on(action)
            if pattern is None or action in ACCOUNT_WIDE:
                continue
            for resource in owned(of):
                if pattern.fullmatch(resource):
                    for context in contexts(action, of):
                        yield Request(role, action, resource, context)


Judge = Callable[[Policies, list[Request]], list[str]]
IDENTITIES = {role: policies for lab in LABS for role, policies in roles(lab).items()}


@pytest.fixture(scope="session", params=["ours", "iam-simulate"])
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param == "ours":
        return ours
    try:
        theirs({}, [])
    except JudgeMissingError as error:
        pytest.skip(f"iam-simulate could not be fetched: {error}")
    return theirs


def test_a_role_may_do_its_work_on_its_own_labs_resources(judge: Judge) -> None:
    """Otherwise the next test could not fail."""
    asked = list(requests("ana", "ana"))

    allowed = defaultdict(set)
    for request, outcome in zip(asked, judge(IDENTITIES, asked), strict=True):
        if outcome == "allowed":
            allowed[request.role].add(request.action)
    for role, policies in roles("ana").items():
        assert set(actions(policies)) - set(ACCOUNT_WIDE) - set(SHARED) == allowed[role] - set(SHARED), role
        assert allowed[role]


def test_a_role_may_do_nothing_to_another_lab(judge: Judge) -> None:
    asked = [request for pair in (PAIRS if judge is ours else TRICKY) for request in requests(*pair)]
    outcomes = judge(IDENTITIES, asked)

    crossed = [request for request, outcome in zip(asked, outcomes, strict=True) if outcome == "allowed"]
    assert len(asked) > 4_000
    assert not crossed, f"{len(crossed)}, such as {crossed[:3]}"


def test_both_judges_agree_on_every_request(judge: Judge) -> None:
    asked = [request for pair in [("ana", "ana"), ("", ""), *TRICKY] for request in requests(*pair)]
    # The other judge also rejects impossible requests: a log group's ARN in the form that requests have.
    pairs = zip(ours(IDENTITIES, asked), judge(IDENTITIES, asked), asked, strict=True)

    assert [one for one in pairs if one[0] != one[1] and one[1] != "error: no.resource.types"] == []


def test_actions_on_all_resources_are_known_and_harmless() -> None:
    found = {one for policies in roles("ana").values() for one in actions(policies, resource="*")}

    assert found == set(ACCOUNT_WIDE)
    for action, why in ACCOUNT_WIDE.items():
        if why == READS:
            assert action_details(action)["accessLevel"] in {"List", "Read"}, action


def test_an_action_without_resources_is_allowed_for_all_resources() -> None:
    """A statement that names resources for such an action never applies: the request is about `*`."""
    for role, policies in roles("ana").items():
        without = {one for one in actions(policies) if works_on(one) is None}
        assert without <= set(actions(policies, resource="*")), role


def test_no_role_may_change_permissions() -> None:
    """Roles, policies and users are the instructor's; a role is only passed to the service it is for."""
    allowed = {
        "iam:PassRole",
        "iam:CreateServiceLinkedRole",
        "lambda:AddPermission",
        "lambda:RemovePermission",
    }
    found = {one for policies in roles("ana").values() for one in actions(policies)}

    assert {one for one in found if action_details(one)["accessLevel"] == "Permissions management"} <= allowed
    assert {one for one in found if one.startswith(("iam:", "sts:"))} <= {*allowed, "iam:GetRole"}


def test_nobody_sees_the_training_logs_of_another_lab(judge: Judge) -> None:
    """All training jobs of an account log to one group; a stream begins with the job's name."""
    group = arn("logs", "log-group:/aws/sagemaker/TrainingJobs")
    streams = {lab: f"{group}:log-stream:{Names(lab).training_job('0')}/algo-1-1" for lab in LABS}
    purposes = (("notebook", "logs:GetLogEvents"), ("sagemaker", "logs:PutLogEvents"))
    asked = [(lab, Request(Names(lab).role(purpose), action, streams[of]))
             for lab in LABS for of in LABS for purpose, action in purposes]  # fmt: skip
    outcomes = judge(IDENTITIES, [request for _, request in asked])

    for (lab, request), outcome in zip(asked, outcomes, strict=True):
        assert (outcome == "allowed") == (request.resource == streams[lab]), request
    whole = [Request(Names(lab).role("notebook"), "logs:FilterLogEvents", group) for lab in LABS]
    assert set(judge(IDENTITIES, whole)) == {"implicitDeny"}
