"""What AWS refuses and moto would do: checked before a request reaches moto.

Contract: IAM API Reference, "Errors" of each operation; IAM User Guide, "IAM and AWS STS quotas" and "Grammar
of the IAM JSON policy language". The codes and messages are those that users of AWS report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import AWSManagedPolicy, IAMBackend
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from local_account.foundation import acting
from local_account.foundation.arns import OPEN_SERVICE, has_open_service
from local_account.foundation.errors import ServiceError
from local_account.foundation.system_tags import counted
from local_account.moto_backend import principals
from local_account.moto_backend.identity_policies import InlinePolicyValidator, ManagedPolicyValidator

_Params = Mapping[str, str]
_TRUST_SIZE, _MANAGED_SIZE, _ATTACHED = 2048, 6144, 10
_INLINE_SIZE = {"role": 10_240, "user": 2048, "group": 5120}
_HOLDERS = {"RoleName": "role", "UserName": "user", "GroupName": "group"}
_TAGS = 50


def check(backend: IAMBackend, operation: str, params: _Params) -> None:
    """Raise ServiceError for a request that AWS refuses."""
    for one in ("PolicyArn", "PermissionsBoundary"):
        if one in params and not params[one].startswith("arn:"):
            raise ServiceError("ValidationError", "Invalid ARN:  Could not be parsed!")
    _check_tags(params)
    rule = _RULES.get(operation)
    if rule:
        rule(backend, params)


def _get_user(_backend: IAMBackend, params: _Params) -> None:
    if not params.get("UserName") and acting.caller():
        raise ServiceError("ValidationError", "Must specify userName when calling with non-User credentials")


# --- policy documents


def _create_role(backend: IAMBackend, params: _Params) -> None:
    _check_trust(backend, params.get("AssumeRolePolicyDocument", ""))


def _update_trust(backend: IAMBackend, params: _Params) -> None:
    _check_trust(backend, params.get("PolicyDocument", ""))


def _check_trust(backend: IAMBackend, text: str) -> None:
    document = _document(text, "This policy contains invalid Json")
    statements = _statements(document)
    for statement in statements:
        if not isinstance(statement.get("Principal", statement.get("NotPrincipal")), str | dict):
            misspelt = next((one for one in statement if one.lower().startswith("princip")), "")
            raise _malformed(f"Unknown field {misspelt}" if misspelt else "Missing required field Principal")
    # IAM takes the older version for roles, which moto's validator refuses.
    _validate(IAMTrustPolicyDocumentValidator, {**document, "Version": "2012-10-17"}, document)
    for statement in statements:
        principals.check(backend, statement.get("Principal", {}))
    _check_size(text, _TRUST_SIZE, f"Cannot exceed quota for ACLSizePerRole: {_TRUST_SIZE}")


def _put_inline(backend: IAMBackend, params: _Params) -> None:
    text = params.get("PolicyDocument", "")
    _check_identity(InlinePolicyValidator, text)
    for parameter, kind in _HOLDERS.items():
        if parameter in params:
            holder = _holder(backend, kind, params[parameter])
            others = [one for name, one in _inline(holder).items() if name != params.get("PolicyName")]
            _check_size(
                "".join((*others, text)),
                _INLINE_SIZE[kind],
                f"Maximum policy size of {_INLINE_SIZE[kind]} bytes exceeded for {kind} {params[parameter]}",
            )


def _write_managed(_backend: IAMBackend, params: _Params) -> None:
    text = params.get("PolicyDocument", "")
    _check_identity(ManagedPolicyValidator, text)
    _check_size(text, _MANAGED_SIZE, f"Cannot exceed quota for PolicySize: {_MANAGED_SIZE}")


def _check_identity(validator: type[ManagedPolicyValidator], text: str) -> None:
    document = _document(text, "Syntax errors in policy.")
    _validate(validator, document, document)
    for statement in _statements(document):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise _malformed("Policy document should not specify a principal.")
        for element in ("Resource", "NotResource"):
            named = statement.get(element, [])
            if any(has_open_service(one) for one in ([named] if isinstance(named, str) else named)):
                raise _malformed(OPEN_SERVICE)


def _validate(validator: type[Any], document: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if given.get("Version", "2008-10-17") not in ("2008-10-17", "2012-10-17"):
        raise _malformed("Syntax errors in policy.")
    try:
        validator(json.dumps(document)).validate()
    except MalformedPolicyDocument as error:
        raise _malformed(str(error.message)) from error
    for statement in _statements(given):
        if not re.fullmatch("[0-9A-Za-z]*", statement.get("Sid", "")):
            raise _malformed(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular "
                "expression [0-9A-Za-z]*"
            )


def _document(text: str, message: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise _malformed(message) from error
    if not isinstance(read, dict):
        raise _malformed(message)
    return read


def _statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = document.get("Statement", [])
    statements = listed if isinstance(listed, list) else [listed]
    if not statements or not all(isinstance(one, dict) for one in statements):
        raise _malformed("Syntax errors in policy.")
    return statements


def _check_size(text: str, limit: int, message: str) -> None:
    """Raise LimitExceeded. White space does not count."""
    if len(re.sub(r"\s", "", text)) > limit:
        raise ServiceError("LimitExceeded", message, 409)


def _malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocument", message)


# --- quotas, and what is in use


def _attach(backend: IAMBackend, params: _Params) -> None:
    for parameter, kind in _HOLDERS.items():
        attached = getattr(_holder(backend, kind, params.get(parameter, "")), "managed_policies", {})
        if len(attached) >= _ATTACHED and params.get("PolicyArn") not in attached:
            raise ServiceError(
                "LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind.title()}: {_ATTACHED}", 409
            )


def _delete_policy(backend: IAMBackend, params: _Params) -> None:
    arn = params.get("PolicyArn", "")
    found = backend.managed_policies.get(arn)
    _change_policy(backend, params)
    if found is None:
        return
    holders = [*backend.roles.values(), *backend.users.values(), *backend.groups.values()]
    if any(
        arn in one.managed_policies or getattr(one, "permissions_boundary_arn", None) == arn
        for one in holders
    ):
        raise ServiceError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    if len(found.versions) > 1:
        raise ServiceError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy.",
            409,
        )


def _delete_user(backend: IAMBackend, params: _Params) -> None:
    user = backend.users.get(params.get("UserName", ""))
    if user is None:
        return
    for there, first in (
        (any(user in one.users for one in backend.groups.values()), "remove users from group"),
        (user.access_keys, "delete access keys"),
        (user.password, "delete login profile"),
        (user.mfa_devices, "delete MFA device"),
    ):
        if there:
            raise ServiceError("DeleteConflict", f"Cannot delete entity, must {first} first.", 409)


def _delete_group(backend: IAMBackend, params: _Params) -> None:
    group = backend.groups.get(params.get("GroupName", ""))
    if group is None:
        return
    for there, first in (
        (group.users, "remove users from group"),
        (group.policies, "delete policies"),
        (group.managed_policies, "detach all policies"),
    ):
        if there:
            raise ServiceError("DeleteConflict", f"Cannot delete entity, must {first} first.", 409)


def _change_policy(backend: IAMBackend, params: _Params) -> None:
    if isinstance(backend.managed_policies.get(params.get("PolicyArn", "")), AWSManagedPolicy):
        raise ServiceError("AccessDenied", "Policy is managed by AWS and cannot be changed.", 403)


def _create_version(backend: IAMBackend, params: _Params) -> None:
    _change_policy(backend, params)
    _write_managed(backend, params)


def _check_tags(params: _Params) -> None:
    keys = [value for name, value in params.items() if re.fullmatch(r"Tags\.member\.\d+\.Key", name)]
    if counted(keys) > _TAGS:
        raise ServiceError(
            "ValidationError",
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have "
            f"length less than or equal to {_TAGS}",
        )
    if len({key.lower() for key in keys}) < len(keys):
        raise ServiceError(
            "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )


def _holder(backend: IAMBackend, kind: str, name: str) -> Any:
    holders: Iterable[Any] = getattr(backend, f"{kind}s").values()
    return next((one for one in holders if one.name == name), None)


def _inline(holder: Any) -> dict[str, str]:
    return dict(holder.policies) if holder else {}


_RULES: dict[str, Callable[[IAMBackend, _Params], None]] = {
    "GetUser": _get_user,
    "CreateRole": _create_role,
    "UpdateAssumeRolePolicy": _update_trust,
    **dict.fromkeys(("PutRolePolicy", "PutUserPolicy", "PutGroupPolicy"), _put_inline),
    "CreatePolicy": _write_managed,
    "CreatePolicyVersion": _create_version,
    **dict.fromkeys(("AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy"), _attach),
    "DeletePolicy": _delete_policy,
    "DeleteUser": _delete_user,
    "DeleteGroup": _delete_group,
    **dict.fromkeys(
        ("DeletePolicyVersion", "SetDefaultPolicyVersion", "TagPolicy", "UntagPolicy"), _change_policy
    ),
}
