"""What a request can change in a backend of moto: the collections, and the entries that its parameters name.

Operations that are not listed are taken to change anything. Each listed one creates or removes entries, and
changes those that its parameters name, or what is in no collection (of IAM, that is a few attributes);
`tests/local_account/moto_backend/test_rows.py` makes each one and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from local_account.moto_backend.rows import Collection, Named

_IAM = (
    Collection("roles", name="name"),
    Collection("managed_policies"),
    Collection("instance_profiles"),
    Collection("users"),
    Collection("groups"),
    Collection("access_keys"),
    Collection("virtual_mfa_devices"),
    Collection("certificates"),
    Collection("saml_providers"),
    Collection("open_id_providers"),
    Collection("inline_policies"),
)
_EC2 = (Collection("groups", levels=2, name="id"), Collection("tags"))
COLLECTIONS = {"iam": _IAM, "ec2": _EC2}
"""By service; everything else in a backend is one row."""

_ROLE, _USER, _GROUP, _POLICY = "RoleName", "UserName", "GroupName", "PolicyArn"
_PROFILE, _KEY, _DEVICE = "InstanceProfileName", "AccessKeyId", "SerialNumber"
_IAM_NAMES = {
    _ROLE: "roles",
    _USER: "users",
    _GROUP: "groups",
    _POLICY: "managed_policies",
    _PROFILE: "instance_profiles",
    _KEY: "access_keys",
    _DEVICE: "virtual_mfa_devices",
}
_EC2_NAMES = {"GroupId": "groups", "ResourceId": "tags"}
# The parameters that name what an operation changes; each of them has to be in the request.
_IAM_OPERATIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("CreateRole", "CreateServiceLinkedRole", "CreateUser", "CreateGroup", "CreatePolicy"), ()
    ),
    **dict.fromkeys(("CreateInstanceProfile", "CreateVirtualMFADevice"), ()),
    **dict.fromkeys(("DeleteRole", "DeletePolicy", "DeleteInstanceProfile", "DeleteUser", "DeleteGroup"), ()),
    **dict.fromkeys(("CreateAccountAlias", "DeleteAccountAlias", "GenerateCredentialReport"), ()),
    **dict.fromkeys(("UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy"), ()),
    **dict.fromkeys(("PutRolePolicy", "DeleteRolePolicy", "TagRole", "UntagRole", "UpdateRole"), (_ROLE,)),
    **dict.fromkeys(("UpdateAssumeRolePolicy", "UpdateRoleDescription"), (_ROLE,)),
    **dict.fromkeys(("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"), (_ROLE,)),
    **dict.fromkeys(("AttachRolePolicy", "DetachRolePolicy"), (_ROLE, _POLICY)),
    **dict.fromkeys(("AttachUserPolicy", "DetachUserPolicy"), (_USER, _POLICY)),
    **dict.fromkeys(("AttachGroupPolicy", "DetachGroupPolicy"), (_GROUP, _POLICY)),
    **dict.fromkeys(("CreatePolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"), (_POLICY,)),
    **dict.fromkeys(("TagPolicy", "UntagPolicy"), (_POLICY,)),
    **dict.fromkeys(("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"), (_PROFILE,)),
    **dict.fromkeys(("TagInstanceProfile", "UntagInstanceProfile"), (_PROFILE,)),
    **dict.fromkeys(("PutUserPolicy", "DeleteUserPolicy", "TagUser", "UntagUser", "UpdateUser"), (_USER,)),
    **dict.fromkeys(("CreateLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile"), (_USER,)),
    **dict.fromkeys(("CreateAccessKey", "DeleteAccessKey"), (_USER,)),
    **dict.fromkeys(("UploadSSHPublicKey", "UpdateSSHPublicKey", "DeleteSSHPublicKey"), (_USER,)),
    **dict.fromkeys(("PutGroupPolicy", "DeleteGroupPolicy", "UpdateGroup"), (_GROUP,)),
    **dict.fromkeys(("AddUserToGroup", "RemoveUserFromGroup"), (_GROUP,)),
    "UpdateAccessKey": (_KEY,),
    "EnableMFADevice": (_USER, _DEVICE),
    "DeactivateMFADevice": (_USER, _DEVICE),
    "DeleteVirtualMFADevice": (),
}
_EC2_OPERATIONS: dict[str, tuple[str, ...]] = {
    "CreateSecurityGroup": (),
    "DeleteSecurityGroup": ("GroupId",),
    **dict.fromkeys(("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"), ("GroupId",)),
    **dict.fromkeys(("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"), ("GroupId",)),
    **dict.fromkeys(("CreateTags", "DeleteTags"), ("ResourceId",)),
}
KNOWN = {"iam": _IAM_OPERATIONS, "ec2": _EC2_OPERATIONS}
_NAMES = {"iam": _IAM_NAMES, "ec2": _EC2_NAMES}


@dataclass(frozen=True)
class Change:
    """What an operation may have changed, besides new and removed entries."""

    named: tuple[Named, ...]
    rest: bool
    """Whether what is in no collection may have changed."""


def of(service: str, operation: str, params: Mapping[str, str]) -> Change | None:
    """Return what a request in AWS's query protocol may change; None if that is not known: anything."""
    naming = KNOWN[service].get(operation)
    if naming is None:
        return None
    named = []
    for parameter in naming:
        # A list's members are numbered: ResourceId.1
        found = [value for name, value in params.items() if name.partition(".")[0] == parameter]
        if not found:
            return None
        named += [Named(_NAMES[service][parameter], value) for value in found]
    return Change(tuple(named), rest=service == "iam")
