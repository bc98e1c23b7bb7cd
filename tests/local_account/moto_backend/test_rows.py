"""What moto keeps for IAM and EC2 is on disk after each request; writing it costs what changed."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto.backends import get_backend
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.moto_backend.backend import MotoBackend
from local_account.moto_backend.changes import COLLECTIONS, KNOWN
from local_account.moto_backend.database import BackendKey, Database, Stored
from local_account.moto_backend.rows import Rows
from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import EVERYTHING, make_role
from tests.sessions import make_client

ACCOUNT = "123456789012"
POLICY = json.dumps(EVERYTHING)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
KEYS = {"iam": ("iam", ACCOUNT, "aws"), "ec2": ("ec2", ACCOUNT, "us-east-1")}
ATOMS = (str, bytes, int, float, bool, type(None), datetime, type, IPv4Network, IPv4Address)


class Moto:
    """MotoBackend in this process, the requests of boto3 clients, and what reaches the disk."""

    def __init__(self, state: Path) -> None:
        state.mkdir()
        self.state = state
        self.backend = MotoBackend(Account(AccountConfig(state_dir=state, uid="0" * 12)))
        self.operations: list[str] = []
        self.written: list[list[Stored]] = []

    def client(self, service: str) -> Any:
        made = make_client(
            service,
            endpoint_url="http://127.0.0.1:1",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        made.meta.events.register("before-send", lambda request, **_: self._answer(service, request))
        made.meta.events.register("before-call", lambda model, **_: self.operations.append(model.name))
        return made

    def _answer(self, service: str, request: Any) -> AWSResponse:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        environ = EnvironBuilder(
            method=request.method, base_url=request.url, data=request.body, headers=headers
        ).get_environ()
        answer = self.backend.handle(service, Request(environ))
        body = answer.get_data()
        raw = SimpleNamespace(stream=lambda: iter([body]))
        return AWSResponse(request.url, answer.status_code, dict(answer.headers), raw)  # type: ignore[arg-type]

    def restored(self, service: str) -> Any:
        """A new backend with what is on disk."""
        database = Database(self.state / "moto" / "objects.sqlite")
        made = type(live(service))(KEYS[service][2], ACCOUNT)
        Rows(database, KEYS[service], made, COLLECTIONS[service]).load()
        database.close()
        return made

    def check(self, service: str) -> None:
        there, restored = live(service), self.restored(service)
        problem = difference(there, restored, {}, service)
        assert not problem, f"after {self.operations[-1]}: {problem}"


def live(service: str) -> Any:
    return get_backend(service)[ACCOUNT][KEYS[service][2]]


def difference(one: Any, other: Any, seen: dict[int, tuple[Any, Any]], at: str) -> str:
    """Say where two graphs of objects differ, in values, order or identity; empty if they do not."""
    if type(one) is not type(other) or isinstance(one, ATOMS):
        return "" if one == other else f"{at}: {one!r} is {other!r}"
    if id(one) in seen:
        return "" if seen[id(one)][1] is other else f"{at}: another object"
    seen[id(one)] = (one, other)
    if isinstance(one, dict):
        pairs = [(f"{at}[{key!r}]", one[key], other.get(key)) for key in one]
        wrong = list(one) != list(other)
    elif isinstance(one, (list, tuple)):
        pairs = [(f"{at}[{number}]", *pair) for number, pair in enumerate(zip(one, other, strict=False))]
        wrong = len(one) != len(other)
    elif hasattr(one, "__dict__"):
        pairs, wrong = [(at, vars(one), vars(other))], False
    else:
        pairs, wrong = [], one != other and not callable(one)
    if wrong:
        return f"{at}: {str(one)[-300:]} is {str(other)[-300:]}"
    return next((found for where, a, b in pairs if (found := difference(a, b, seen, where))), "")


@pytest.fixture
def moto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moto]:
    for service in KEYS:
        get_backend(service).pop(ACCOUNT, None)
    made = Moto(tmp_path / "state")
    write = Database.write

    def written(database: Database, key: BackendKey, gone: Any, rows: Any) -> None:
        listed = list(rows)
        write(database, key, gone, listed)
        made.written.append(listed)

    monkeypatch.setattr(Database, "write", written)
    yield made
    made.backend.stop()
    for service in KEYS:
        get_backend(service).pop(ACCOUNT, None)


def iam_calls(iam: Any) -> Iterator[None]:
    """Every operation of IAM that `changes` knows, and some that it does not; yields after each."""
    tags = [{"Key": "Lab", "Value": "ana"}]
    for name in ("one", "two", "three"):
        yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=tags)
    arns = [iam.create_policy(PolicyName=f"p{n}", PolicyDocument=POLICY)["Policy"]["Arn"] for n in range(3)]
    yield None
    yield iam.put_role_policy(RoleName="one", PolicyName="inline", PolicyDocument=POLICY)
    for arn in arns:
        yield iam.attach_role_policy(RoleName="one", PolicyArn=arn)
    yield iam.detach_role_policy(RoleName="one", PolicyArn=arns[2])
    yield iam.tag_role(RoleName="two", Tags=[{"Key": "More", "Value": "1"}])
    yield iam.untag_role(RoleName="two", TagKeys=["Lab"])
    yield iam.update_role(RoleName="two", Description="d", MaxSessionDuration=7200)
    yield iam.update_role_description(RoleName="two", Description="e")
    yield iam.update_assume_role_policy(RoleName="two", PolicyDocument=TRUST)
    yield iam.put_role_permissions_boundary(RoleName="two", PermissionsBoundary=arns[0])
    yield iam.delete_role_permissions_boundary(RoleName="two")
    yield iam.create_service_linked_role(AWSServiceName="lex.amazonaws.com")
    yield iam.create_policy_version(PolicyArn=arns[0], PolicyDocument=POLICY, SetAsDefault=False)
    yield iam.set_default_policy_version(PolicyArn=arns[0], VersionId="v2")
    yield iam.delete_policy_version(PolicyArn=arns[0], VersionId="v1")
    yield iam.tag_policy(PolicyArn=arns[1], Tags=tags)
    yield iam.untag_policy(PolicyArn=arns[1], TagKeys=["Lab"])
    yield iam.create_instance_profile(InstanceProfileName="profile")
    yield iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName="one")
    yield iam.tag_instance_profile(InstanceProfileName="profile", Tags=tags)
    yield iam.untag_instance_profile(InstanceProfileName="profile", TagKeys=["Lab"])
    yield from user_calls(iam, arns[0], tags)
    yield from unknown_iam_calls(iam)
    yield iam.create_account_alias(AccountAlias="workshop")
    yield iam.delete_account_alias(AccountAlias="workshop")
    yield iam.generate_credential_report()
    yield iam.update_account_password_policy(MinimumPasswordLength=12)
    yield iam.delete_account_password_policy()
    yield iam.remove_role_from_instance_profile(InstanceProfileName="profile", RoleName="one")
    yield iam.delete_instance_profile(InstanceProfileName="profile")
    yield iam.delete_role_policy(RoleName="one", PolicyName="inline")
    with pytest.raises(ClientError, match="must detach all policies"):
        iam.delete_role(RoleName="one")
    yield None
    yield iam.delete_role(RoleName="three")
    yield iam.create_role(RoleName="three", AssumeRolePolicyDocument=TRUST)
    yield iam.detach_role_policy(RoleName="one", PolicyArn=arns[1])
    yield iam.delete_policy(PolicyArn=arns[1])
    yield iam.put_role_policy(RoleName="one", PolicyName="again", PolicyDocument=POLICY)


def user_calls(iam: Any, policy: str, tags: list[dict[str, str]]) -> Iterator[None]:
    for name in ("ana", "bob"):
        yield iam.create_user(UserName=name, Tags=tags)
    yield iam.create_group(GroupName="learners")
    yield iam.add_user_to_group(GroupName="learners", UserName="ana")
    yield iam.add_user_to_group(GroupName="learners", UserName="bob")
    yield iam.put_user_policy(UserName="ana", PolicyName="inline", PolicyDocument=POLICY)
    yield iam.put_group_policy(GroupName="learners", PolicyName="inline", PolicyDocument=POLICY)
    yield iam.attach_user_policy(UserName="ana", PolicyArn=policy)
    yield iam.attach_group_policy(GroupName="learners", PolicyArn=policy)
    yield iam.tag_user(UserName="bob", Tags=[{"Key": "More", "Value": "1"}])
    yield iam.untag_user(UserName="bob", TagKeys=["More"])
    yield iam.create_login_profile(UserName="ana", Password="p-1234567")
    yield iam.update_login_profile(UserName="ana", Password="p-7654321")
    key = iam.create_access_key(UserName="ana")["AccessKey"]["AccessKeyId"]
    yield None
    yield iam.update_access_key(UserName="ana", AccessKeyId=key, Status="Inactive")
    ssh = iam.upload_ssh_public_key(UserName="ana", SSHPublicKeyBody="ssh-rsa AAAA ana")["SSHPublicKey"]
    yield None
    ssh_id = ssh["SSHPublicKeyId"]
    yield iam.update_ssh_public_key(UserName="ana", SSHPublicKeyId=ssh_id, Status="Inactive")
    yield iam.delete_ssh_public_key(UserName="ana", SSHPublicKeyId=ssh_id)
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]["SerialNumber"]
    yield None
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "234567"}
    yield iam.enable_mfa_device(UserName="ana", SerialNumber=device, **codes)
    yield iam.delete_access_key(UserName="ana", AccessKeyId=key)  # moto keeps that of a renamed user
    yield iam.update_user(UserName="ana", NewUserName="anna")
    yield iam.update_group(GroupName="learners", NewGroupName="class")
    yield iam.deactivate_mfa_device(UserName="anna", SerialNumber=device)
    yield iam.delete_virtual_mfa_device(SerialNumber=device)
    yield iam.delete_login_profile(UserName="anna")
    yield iam.remove_user_from_group(GroupName="class", UserName="anna")
    yield iam.detach_user_policy(UserName="anna", PolicyArn=policy)
    yield iam.detach_group_policy(GroupName="class", PolicyArn=policy)
    yield iam.delete_user_policy(UserName="anna", PolicyName="inline")
    yield iam.delete_group_policy(GroupName="class", PolicyName="inline")
    yield iam.delete_user(UserName="anna")
    yield iam.remove_user_from_group(GroupName="class", UserName="bob")
    yield iam.delete_user(UserName="bob")
    yield iam.create_group(GroupName="empty")
    yield iam.delete_group(GroupName="empty")


def unknown_iam_calls(iam: Any) -> Iterator[None]:
    saml = iam.create_saml_provider(SAMLMetadataDocument="a" * 1024, Name="saml")["SAMLProviderArn"]
    yield None
    yield iam.update_saml_provider(SAMLProviderArn=saml, SAMLMetadataDocument="b" * 1024)
    oidc = iam.create_open_id_connect_provider(Url="https://example.org", ThumbprintList=["a" * 40])
    yield None
    arn = oidc["OpenIDConnectProviderArn"]
    yield iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "k", "Value": "v"}])
    yield iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def ec2_calls(ec2: Any) -> Iterator[None]:
    """Every operation of EC2 that `changes` knows, and some that it does not; yields after each."""
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    yield None
    yield ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")
    group = ec2.create_security_group(GroupName="lab", Description="d", VpcId=vpc)["GroupId"]
    yield None
    rule = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    yield ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    yield ec2.authorize_security_group_egress(GroupId=group, IpPermissions=rule)
    yield ec2.create_tags(Resources=[group, vpc], Tags=[{"Key": "Lab", "Value": "ana"}])
    yield ec2.create_network_interface(
        SubnetId=ec2.describe_subnets()["Subnets"][0]["SubnetId"], Groups=[group]
    )
    yield ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)
    yield ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rule)
    yield ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "Lab"}])
    interface = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])
    for one in interface["NetworkInterfaces"]:
        yield ec2.delete_network_interface(NetworkInterfaceId=one["NetworkInterfaceId"])
    yield ec2.delete_security_group(GroupId=group)
    yield ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})


@pytest.mark.parametrize(("service", "calls"), [("iam", iam_calls), ("ec2", ec2_calls)])
def test_after_each_request_the_disk_has_what_is_in_memory(moto: Moto, service: str, calls: Any) -> None:
    for _ in calls(moto.client(service)):
        moto.check(service)

    assert not set(KNOWN[service]) - set(moto.operations), "make these calls here, too"


def test_what_a_request_writes_is_what_it_changed(moto: Moto) -> None:
    iam = moto.client("iam")
    arn = iam.create_policy(PolicyName="shared", PolicyDocument=POLICY)["Policy"]["Arn"]
    for number in range(30):
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=TRUST)
        assert [row.collection for row in moto.written[-1]] == ["roles"]

    iam.put_role_policy(RoleName="role-7", PolicyName="inline", PolicyDocument=POLICY)
    assert [row.collection for row in moto.written[-1]] == ["roles"]
    iam.attach_role_policy(RoleName="role-7", PolicyArn=arn)
    assert sorted(row.collection for row in moto.written[-1]) == ["managed_policies", "roles"]
    count = len(moto.written)
    iam.tag_role(RoleName="role-7", Tags=[])
    assert len(moto.written) == count


def test_what_could_not_be_written_is_written_with_the_next_change(
    moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = moto.client("iam")
    iam.create_role(RoleName="gone", AssumeRolePolicyDocument=TRUST)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", full)
        with pytest.raises(sqlite3.OperationalError):
            iam.create_role(RoleName="lost", AssumeRolePolicyDocument=TRUST)
        with pytest.raises(sqlite3.OperationalError):
            iam.delete_role(RoleName="gone")
    iam.create_role(RoleName="next", AssumeRolePolicyDocument=TRUST)

    moto.check("iam")
    assert [role.name for role in moto.restored("iam").roles.values()] == ["lost", "next"]


def test_a_killed_account_has_its_roles_policies_and_security_groups_again(
    own_account: AccountProcess,
) -> None:
    own_account.start()
    iam, ec2 = own_account.client("iam"), own_account.client("ec2")
    make_role(iam, "kept", "lambda.amazonaws.com")
    arn = iam.create_policy(PolicyName="kept", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="kept", PolicyArn=arn)
    group = ec2.create_security_group(GroupName="kept", Description="d")["GroupId"]
    vpcs = ec2.describe_vpcs()["Vpcs"]

    own_account.stop(signal.SIGKILL)
    own_account.start()

    iam, ec2 = own_account.client("iam"), own_account.client("ec2")
    assert iam.get_role_policy(RoleName="kept", PolicyName="everything")["PolicyDocument"] == EVERYTHING
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert [
        one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName="kept")["AttachedPolicies"]
    ] == [arn]
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["GroupName"] == "kept"
    assert ec2.describe_vpcs()["Vpcs"] == vpcs


def test_a_user_is_not_renamed_to_another_and_a_profile_gives_up_only_its_roles(moto: Moto) -> None:
    iam = moto.client("iam")
    for name in ("ana", "ben"):
        iam.create_user(UserName=name)
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="p")

    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.update_user(UserName="ana", NewUserName="ben")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")

    iam.update_user(UserName="ana", NewUserName="eva")
    assert {one["UserName"] for one in iam.list_users()["Users"]} == {"ben", "eva"}
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
