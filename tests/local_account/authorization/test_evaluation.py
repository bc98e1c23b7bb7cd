"""Policy evaluation: what the IAM User Guide says, and what an independent evaluator decides."""

from collections.abc import Sequence
from typing import Any

import pytest

from local_account.authorization.policies import Outcome, Policy, PolicyError, evaluate
from local_account.authorization.policies import Request as Asked
from tests.local_account.authorization.judges import ACCOUNT, JudgeMissingError, Request, theirs

KEY = f"arn:aws:s3:::lab-{ACCOUNT}/training/input/iris.csv"
PASS = f"arn:aws:iam::{ACCOUNT}:role/ana-mlops-codebuild"


def allow(action: str = "s3:GetObject", resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def when(**operators: Any) -> dict[str, Any]:
    return allow(Condition={name.replace("__", ":"): keys for name, keys in operators.items()})


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


TAG = "aws:PrincipalTag/team"
ALLOWED, EXPLICIT, IMPLICIT = "allowed", "explicitDeny", "implicitDeny"
BUCKET = f"arn:aws:s3:::lab-{ACCOUNT}"
LIST = allow("s3:ListBucket", Condition={"NumericLessThan": {"s3:max-keys": "10"}})
Case = tuple[list[dict[str, Any]], str, str, dict[str, str], str]
"""Statements, action, resource, context, outcome."""
CASES: dict[str, Case] = {
    "nothing said": ([allow("s3:PutObject")], "s3:GetObject", KEY, {}, IMPLICIT),
    "case of actions": ([allow("S3:getobject")], "s3:GetObject", KEY, {}, ALLOWED),
    "wildcard in an action": ([allow("s3:Get*")], "s3:GetObject", KEY, {}, ALLOWED),
    "wildcard that misses": ([allow("s3:Get*")], "s3:PutObject", KEY, {}, IMPLICIT),
    "question mark": ([allow("s3:?etObject")], "s3:GetObject", KEY, {}, ALLOWED),
    "deny wins": (
        [allow("*"), {"Effect": "Deny", "Action": "s3:GetObject", "Resource": KEY}],
        "s3:GetObject",
        KEY,
        {},
        EXPLICIT,
    ),
    "deny of something else": (
        [allow("*"), {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}],
        "s3:GetObject",
        KEY,
        {},
        ALLOWED,
    ),
    "NotAction": (
        [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
        "s3:GetObject",
        KEY,
        {},
        ALLOWED,
    ),
    "NotAction that is meant": (
        [{"Effect": "Allow", "NotAction": ["iam:*", "s3:Get*"], "Resource": "*"}],
        "s3:GetObject",
        KEY,
        {},
        IMPLICIT,
    ),
    "NotResource": (
        [{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}],
        "s3:GetObject",
        KEY,
        {},
        ALLOWED,
    ),
    "NotResource that is meant": (
        [{"Effect": "Allow", "Action": "s3:*", "NotResource": f"arn:aws:s3:::lab-{ACCOUNT}/*"}],
        "s3:GetObject",
        KEY,
        {},
        IMPLICIT,
    ),
    "resources have a case": (
        [allow(resource=KEY.replace("iris", "Iris"))],
        "s3:GetObject",
        KEY,
        {},
        IMPLICIT,
    ),
    "wildcard across slashes": (
        [allow(resource="arn:aws:s3:::lab-*/iris.csv")],
        "s3:GetObject",
        KEY,
        {},
        ALLOWED,
    ),
    "one resource of a list": ([allow(resource=["arn:aws:s3:::x/*", KEY])], "s3:GetObject", KEY, {}, ALLOWED),
    "StringEquals": (
        [
            allow(
                "iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "codebuild.amazonaws.com"}}
            )
        ],
        "iam:PassRole",
        PASS,
        {"iam:PassedToService": "codebuild.amazonaws.com"},
        ALLOWED,
    ),
    "StringEquals of another": (
        [
            allow(
                "iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "codebuild.amazonaws.com"}}
            )
        ],
        "iam:PassRole",
        PASS,
        {"iam:PassedToService": "ec2.amazonaws.com"},
        IMPLICIT,
    ),
    "StringEquals without the key": ([when(StringEquals={TAG: "a"})], "s3:GetObject", KEY, {}, IMPLICIT),
    "IfExists without the key": ([when(StringEqualsIfExists={TAG: "a"})], "s3:GetObject", KEY, {}, ALLOWED),
    "IfExists with another": (
        [when(StringEqualsIfExists={TAG: "a"})],
        "s3:GetObject",
        KEY,
        {TAG: "b"},
        IMPLICIT,
    ),
    "StringNotEquals without the key": ([when(StringNotEquals={TAG: "a"})], "s3:GetObject", KEY, {}, ALLOWED),
    "StringNotEquals of one in a list": (
        [when(StringNotEquals={TAG: ["a", "b"]})],
        "s3:GetObject",
        KEY,
        {TAG: "b"},
        IMPLICIT,
    ),
    "StringLike": ([when(StringLike={TAG: "ml*s"})], "s3:GetObject", KEY, {TAG: "mlops"}, ALLOWED),
    "StringEqualsIgnoreCase": (
        [when(StringEqualsIgnoreCase={TAG: "MLops"})],
        "s3:GetObject",
        KEY,
        {TAG: "mlOPS"},
        ALLOWED,
    ),
    "keys have no case": ([when(StringEquals={TAG.upper(): "a"})], "s3:GetObject", KEY, {TAG: "a"}, ALLOWED),
    "all operators": (
        [when(StringEquals={TAG: "a"}, Bool={"aws:SecureTransport": "true"})],
        "s3:GetObject",
        KEY,
        {TAG: "a", "aws:SecureTransport": "false"},
        IMPLICIT,
    ),
    "Bool": (
        [when(Bool={"aws:SecureTransport": True})],
        "s3:GetObject",
        KEY,
        {"aws:SecureTransport": "true"},
        ALLOWED,
    ),
    "Null": ([when(Null={TAG: "true"})], "s3:GetObject", KEY, {}, ALLOWED),
    "Null of a key that is there": ([when(Null={TAG: "true"})], "s3:GetObject", KEY, {TAG: "a"}, IMPLICIT),
    "NumericLessThan": ([LIST], "s3:ListBucket", BUCKET, {"s3:max-keys": "9"}, ALLOWED),
    "NumericLessThan of too many": ([LIST], "s3:ListBucket", BUCKET, {"s3:max-keys": "10"}, IMPLICIT),
    "IpAddress": (
        [when(IpAddress={"aws:SourceIp": "10.0.0.0/8"})],
        "s3:GetObject",
        KEY,
        {"aws:SourceIp": "10.1.2.3"},
        ALLOWED,
    ),
    "NotIpAddress": (
        [when(NotIpAddress={"aws:SourceIp": "10.0.0.0/8"})],
        "s3:GetObject",
        KEY,
        {"aws:SourceIp": "10.1.2.3"},
        IMPLICIT,
    ),
    "DateGreaterThan": (
        [when(DateGreaterThan={"aws:CurrentTime": "2026-01-01T00:00:00Z"})],
        "s3:GetObject",
        KEY,
        {"aws:CurrentTime": "2026-11-23T00:00:00Z"},
        ALLOWED,
    ),
    "ArnLike": (
        [when(ArnLike={"aws:SourceArn": "arn:aws:events:*:*:rule/ana-*"})],
        "s3:GetObject",
        KEY,
        {"aws:SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/ana-x"},
        ALLOWED,
    ),
    "a variable in a resource": (
        [allow(resource=f"arn:aws:s3:::lab-${{{TAG}}}/*")],
        "s3:GetObject",
        KEY,
        {TAG: ACCOUNT},
        ALLOWED,
    ),
    "a variable without a value": (
        [allow(resource=f"arn:aws:s3:::lab-${{{TAG}}}/*")],
        "s3:GetObject",
        KEY,
        {},
        IMPLICIT,
    ),
    "a value is no pattern": (
        [allow(resource=f"arn:aws:s3:::lab-${{{TAG}}}/*")],
        "s3:GetObject",
        KEY,
        {TAG: "*"},
        IMPLICIT,
    ),
    "a variable in a condition": (
        [when(StringEquals={"aws:PrincipalTag/other": f"${{{TAG}}}"})],
        "s3:GetObject",
        KEY,
        {TAG: "a", "aws:PrincipalTag/other": "a"},
        ALLOWED,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_request_is_decided_as_the_user_guide_says(case: Case) -> None:
    statements, action, resource, context, outcome = case
    asked = Asked(action, resource, {key.lower(): [value] for key, value in context.items()})

    assert evaluate(asked, [Policy.parse(document(*statements))]).outcome == outcome


def test_the_independent_evaluator_agrees() -> None:
    identities = {name: [document(*statements)] for name, (statements, *_) in CASES.items()}
    asked = [
        Request(name, action, resource, context) for name, (_, action, resource, context, _) in CASES.items()
    ]
    try:
        outcomes = theirs(identities, asked)
    except JudgeMissingError as error:
        pytest.skip(f"iam-simulate could not be fetched: {error}")

    wanted = {name: case[-1] for name, case in CASES.items()}
    assert dict(zip(CASES, outcomes, strict=True)) == wanted


def test_sets_of_values() -> None:
    def outcome(operator: str, values: list[str]) -> bool:
        policy = Policy.parse(document(when(**{operator: {"aws:TagKeys": ["a", "b"]}})))
        return evaluate(Asked("s3:GetObject", KEY, {"aws:tagkeys": values}), [policy]).allowed

    assert outcome("ForAllValues__StringEquals", ["a", "b"])
    assert not outcome("ForAllValues__StringEquals", ["a", "c"])
    assert outcome("ForAllValues__StringEquals", [])
    assert outcome("ForAnyValue__StringEquals", ["c", "a"])
    assert not outcome("ForAnyValue__StringEquals", ["c"])
    assert not outcome("ForAnyValue__StringEquals", [])


def test_a_boundary_limits_and_denies() -> None:
    identity = [Policy.parse(document(allow("*")))]

    def outcome(*statements: dict[str, Any]) -> Outcome:
        boundary = Policy.parse(document(*statements))
        return evaluate(Asked("s3:GetObject", KEY), identity, boundary=boundary).outcome

    assert outcome(allow("s3:*")) is Outcome.ALLOWED
    assert outcome(allow("ec2:*")) is Outcome.IMPLICIT_DENY
    assert outcome(allow("*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}) is Outcome.EXPLICIT_DENY


def test_a_resource_policy_grants_to_those_it_names_and_denies_those_it_covers() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/ana"

    def outcome(principal: Any, effect: str = "Allow", identity: Sequence[Policy] = ()) -> Outcome:
        policy = Policy.parse(document({**allow(), "Effect": effect, "Principal": principal}))
        return evaluate(Asked("s3:GetObject", KEY, principal=role), identity, [policy]).outcome

    everything = [Policy.parse(document(allow("*")))]
    assert outcome({"AWS": role}) is Outcome.ALLOWED
    assert outcome("*") is Outcome.ALLOWED
    assert outcome({"AWS": ACCOUNT}) is Outcome.IMPLICIT_DENY, "the account's own policies decide"
    assert outcome({"AWS": f"{role}2"}) is Outcome.IMPLICIT_DENY
    assert outcome({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Deny", everything) is Outcome.EXPLICIT_DENY
    assert outcome({"Service": "s3.amazonaws.com"}, "Deny", everything) is Outcome.ALLOWED


def test_a_decision_has_its_statements() -> None:
    policy = Policy.parse(document(allow("s3:*", Sid="Objects"), allow("ec2:*", Sid="Machines")), "work")

    decision = evaluate(Asked("s3:GetObject", KEY), [policy])

    assert [(one.name, statement.sid) for one, statement in decision.statements] == [("work", "Objects")]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("no json", "policy p is not a policy document"),
        ({"Version": "2012-10-17"}, "is not a policy document"),
        (document({**allow(), "Effect": "Perhaps"}), "statement 1: Effect must be Allow or Deny"),
        (document({**allow(), "Sid": "Twice", "NotAction": "x:y"}), "statement Twice: needs either"),
        (document(when(StringSimilar={"a": "b"})), "operator StringSimilar is unknown"),
        (document(when(ForSomeValues__StringLike={"a": "b"})), "ForSomeValues:StringLike is unknown"),
        (document({**allow(), "Prinzipal": "*"}), "unknown element Prinzipal"),
        (document({**allow(), "NotPrincipal": "*"}), "NotPrincipal is not supported"),
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_refused_with_the_reason(broken: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Policy.parse(broken, "p")
