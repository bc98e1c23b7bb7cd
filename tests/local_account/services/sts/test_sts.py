"""Sessions of roles: who gets one, what it may do, and how long."""

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_account.foundation.sessions import Sessions
from local_account.foundation.store import Store
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.refusing import refusal
from tests.sessions import make_client

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def with_session(account: AccountProcess, session: dict[str, str], service: str) -> Any:
    return make_client(
        service,
        endpoint_url=account.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def test_a_session_survives_the_end_of_the_account(own_account: AccountProcess) -> None:
    own_account.start()
    role = make_role(own_account.client("iam"), "survivor", "lambda.amazonaws.com")
    session = own_account.client("sts").assume_role(RoleArn=role, RoleSessionName="before")["Credentials"]

    own_account.stop(signal.SIGKILL)
    own_account.start()

    who = with_session(own_account, session, "sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/survivor/before"


@pytest.mark.parametrize(
    "arn",
    [
        "nothing-valid-in-here",
        "arn::b:::something/test-role",
        "arn:a::::something/test-role",
        "arn:a:::something/test-role",
        "arn:a:a::aaaaaaaaaa:",
    ],
)
def test_what_is_not_an_arn_is_not_a_role(local_account: AccountProcess, arn: str) -> None:
    """Recorded on AWS: LocalStack tests/aws/services/sts, test_sts_invalid_parameters."""
    sts = local_account.client("sts")
    said = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="session")
    assert said == f"ValidationError: {arn} is invalid"


def test_a_role_is_not_a_user(local_account: AccountProcess) -> None:
    """Recorded on AWS: LocalStack tests/aws/services/iam, test_get_user_without_username_as_role."""
    iam = local_account.client("iam")
    role = make_role(iam, "no-user", "lambda.amazonaws.com")
    allowed = {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}
    iam.put_role_policy(
        RoleName="no-user",
        PolicyName="look",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    session = local_account.client("sts").assume_role(RoleArn=role, RoleSessionName="look")["Credentials"]
    said = refusal(with_session(local_account, session, "iam").get_user)
    assert said == "ValidationError: Must specify userName when calling with non-User credentials"


def test_a_session_is_as_long_as_requested(local_account: AccountProcess) -> None:
    iam, sts = local_account.client("iam"), local_account.client("sts")
    role = make_role(iam, "sts-long", "lambda.amazonaws.com")
    request = {"RoleArn": role, "RoleSessionName": "session", "DurationSeconds": 43_200}
    assert refusal(sts.assume_role, **request) == (
        "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )

    iam.update_role(RoleName="sts-long", MaxSessionDuration=43_200)
    answer = sts.assume_role(**request)

    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA")
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":session")
    who = with_session(local_account, answer["Credentials"], "sts").get_caller_identity()
    assert who["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]


def test_a_role_that_does_not_exist_cannot_be_assumed(client: Callable[[str], Any]) -> None:
    missing = f"arn:aws:iam::{ACCOUNT}:role/sts-missing"
    said = refusal(client("sts").assume_role, RoleArn=missing, RoleSessionName="session")

    assert said == (
        f"AccessDenied: User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: sts:AssumeRole on "
        f"resource: {missing}"
    )


def test_what_would_limit_a_session_is_refused_and_not_ignored(local_account: AccountProcess) -> None:
    role = make_role(local_account.client("iam"), "sts-limited", "lambda.amazonaws.com")
    said = refusal(
        local_account.client("sts").assume_role, RoleArn=role, RoleSessionName="session", Policy="{}"
    )

    assert said.startswith(
        "UnsupportedOperation: AssumeRole with Policy is not supported by the local account"
    )


def test_a_role_assumes_another_only_if_that_trusts_it_and_for_an_hour(local_account: AccountProcess) -> None:
    iam, sts = local_account.client("iam"), local_account.client("sts")
    first = make_role(iam, "sts-first", "lambda.amazonaws.com")
    second = make_role(iam, "sts-second", "lambda.amazonaws.com")
    session = sts.assume_role(RoleArn=first, RoleSessionName="session")["Credentials"]
    chained = with_session(local_account, session, "sts")

    assert refusal(chained.assume_role, RoleArn=second, RoleSessionName="other").startswith("AccessDenied")

    trust = {"Effect": "Allow", "Principal": {"AWS": first}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.update_assume_role_policy(RoleName="sts-second", PolicyDocument=document)
    assert chained.assume_role(RoleArn=second, RoleSessionName="other")["Credentials"]
    iam.update_role(RoleName="sts-second", MaxSessionDuration=43_200)
    said = refusal(chained.assume_role, RoleArn=second, RoleSessionName="other", DurationSeconds=7200)
    assert "1 hour session limit" in said


def test_a_trust_policy_decides_by_its_actions_and_conditions(local_account: AccountProcess) -> None:
    iam, sts = local_account.client("iam"), local_account.client("sts")
    first = make_role(iam, "sts-asking", "lambda.amazonaws.com")
    second = make_role(iam, "sts-asked", "lambda.amazonaws.com")
    session = sts.assume_role(RoleArn=first, RoleSessionName="me")["Credentials"]
    chained = with_session(local_account, session, "sts")

    def trust(**changes: Any) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": first}, "Action": "sts:AssumeRole"} | changes
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.update_assume_role_policy(RoleName="sts-asked", PolicyDocument=document)

    def assume(**params: str) -> Any:
        return chained.assume_role(RoleArn=second, RoleSessionName="other", **params)

    trust(Action="sts:TagSession")
    assert refusal(assume).startswith("AccessDenied")
    trust(Condition={"StringEquals": {"sts:ExternalId": "42"}})
    assert refusal(assume).startswith("AccessDenied")
    assert refusal(assume, ExternalId="43").startswith("AccessDenied")
    assert assume(ExternalId="42")["Credentials"]
    trust(Condition={"StringLike": {"sts:RoleSessionName": "x*"}})
    assert refusal(assume).startswith("AccessDenied")
    trust(Principal={"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/sts-asking/me"})
    assert assume()["Credentials"]
    trust(Principal={"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/sts-asking/you"})
    assert refusal(assume).startswith("AccessDenied")


def test_a_role_without_policies_assumes_what_names_it_and_not_what_names_its_account(
    local_account: AccountProcess,
) -> None:
    iam, sts = local_account.client("iam"), local_account.client("sts")
    first = make_role(iam, "sts-bare", "lambda.amazonaws.com")
    iam.delete_role_policy(RoleName="sts-bare", PolicyName="everything")
    second = make_role(iam, "sts-naming", "lambda.amazonaws.com")
    session = sts.assume_role(RoleArn=first, RoleSessionName="me")["Credentials"]
    chained = with_session(local_account, session, "sts")
    named_session = f"arn:aws:sts::{ACCOUNT}:assumed-role/sts-bare/me"

    def assume(principal: str) -> Any:
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.update_assume_role_policy(RoleName="sts-naming", PolicyDocument=document)
        return chained.assume_role(RoleArn=second, RoleSessionName="other")

    assert refusal(assume, principal=f"arn:aws:iam::{ACCOUNT}:root").startswith("AccessDenied")
    assert assume(first)["Credentials"]
    assert assume(named_session)["Credentials"]

    denied = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": second}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    iam.put_role_policy(RoleName="sts-bare", PolicyName="no", PolicyDocument=document)
    assert "explicit deny" in refusal(assume, principal=first)


@pytest.mark.parametrize("service", ["sts", "iam", "s3", "logs"])
def test_a_session_needs_its_own_token(local_account: AccountProcess, service: str) -> None:
    role = make_role(local_account.client("iam"), f"sts-token-{service}", "lambda.amazonaws.com")
    sts = local_account.client("sts")
    one, other = (
        sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"] for name in ("one", "two")
    )
    calls = {
        "sts": "get_caller_identity",
        "iam": "list_roles",
        "s3": "list_buckets",
        "logs": "describe_log_groups",
    }

    mixed = with_session(local_account, {**one, "SessionToken": other["SessionToken"]}, service)

    said = refusal(getattr(mixed, calls[service]))
    assert said.startswith("InvalidToken:" if service == "s3" else "InvalidClientTokenId:")
    assert getattr(with_session(local_account, one, service), calls[service])()


@pytest.mark.parametrize("service", ["sts", "iam", "s3", "logs"])
def test_sessions_of_a_deleted_role_do_not_act_as_its_successor(
    local_account: AccountProcess, service: str
) -> None:
    iam, name = local_account.client("iam"), f"sts-successor-{service}"
    role = make_role(iam, name, "lambda.amazonaws.com")
    session = local_account.client("sts").assume_role(RoleArn=role, RoleSessionName="old")["Credentials"]
    calls = {
        "sts": "get_caller_identity",
        "iam": "list_roles",
        "s3": "list_buckets",
        "logs": "describe_log_groups",
    }
    call = getattr(with_session(local_account, session, service), calls[service])
    assert call()

    iam.delete_role_policy(RoleName=name, PolicyName="everything")
    iam.delete_role(RoleName=name)
    assert refusal(call).startswith("Invalid")
    make_role(iam, name, "lambda.amazonaws.com")
    assert refusal(call).startswith("Invalid")


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("a", False),
        ("ab", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a b", False),
        ("é1", False),
        ("a+=,.@-_", True),
    ],
)
def test_session_names_follow_the_rules(local_account: AccountProcess, name: str, valid: bool) -> None:
    iam = local_account.client("iam")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        make_role(iam, "sts-names", "lambda.amazonaws.com")
    sts = local_account.client("sts", parameter_validation=False)
    request = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/sts-names", "RoleSessionName": name}
    if valid:
        arn = sts.assume_role(**request)["AssumedRoleUser"]["Arn"]
        assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/sts-names/{name}"
    else:
        assert refusal(sts.assume_role, **request).startswith("ValidationError")


def test_expired_sessions_are_forgotten(store: Store) -> None:
    sessions = Sessions(store, ACCOUNT)
    old = sessions.open("arn:aws:iam::1:role/r", "old", "AROA1", NOW, 900)
    kept = sessions.open("arn:aws:iam::1:role/r", "kept", "AROA1", NOW, 43_200)

    later = sessions.open("arn:aws:iam::1:role/r", "later", "AROA1", NOW + timedelta(hours=2), 900)

    assert sessions.find(old.access_key_id) is None
    assert sorted(store.table("sts.sessions").keys()) == sorted((kept.access_key_id, later.access_key_id))
    again = Sessions(store, ACCOUNT)
    assert again.find(kept.access_key_id) == kept
    again.open("arn:aws:iam::1:role/r", "much later", "AROA1", NOW + timedelta(hours=20), 900)
    assert again.find(kept.access_key_id) is None


def test_processes_with_a_role_share_a_session_that_lasts_and_is_not_stored(store: Store) -> None:
    sessions = Sessions(store, ACCOUNT)
    one = sessions.of_process("arn:aws:iam::1:role/r")

    assert sessions.of_process("arn:aws:iam::1:role/r") == one
    assert sessions.of_process("arn:aws:iam::1:role/other") != one
    assert sessions.find(one.access_key_id) == one
    assert one.expiration is None
    assert store.table("sts.sessions").keys() == []


def test_credentials_of_an_expired_session_are_refused_as_expired(own_account: AccountProcess) -> None:
    own_account.start()
    make_role(own_account.client("iam"), "expired", "lambda.amazonaws.com")
    role = own_account.client("iam").get_role(RoleName="expired")["Role"]
    own_account.stop()
    store = Store(own_account.state / "account.sqlite")
    began = datetime.now(UTC) - timedelta(hours=1)
    session = Sessions(store, ACCOUNT).open(role["Arn"], "s", role["RoleId"], began, 900)
    store.close()
    own_account.start()
    credentials = {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
    }

    said = refusal(with_session(own_account, credentials, "sts").get_caller_identity)

    assert said == "ExpiredToken: The security token included in the request is expired"
