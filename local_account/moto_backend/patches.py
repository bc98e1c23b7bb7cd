"""What has to be changed inside moto, because no hook of its own allows it.

Each patch first checks that what it replaces is still there, so that an incompatible release of moto shows
when the account starts and not in the middle of a workshop.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.core.common_models import BaseModel
from moto.iam import aws_managed_policies, models
from moto.iam.exceptions import EntityAlreadyExists, InvalidInput, NotFoundException
from moto.iam.models import IAMBackend
from moto.settings import load_iam_aws_managed_policies

from local_account.foundation import linked_roles
from local_account.moto_backend.identity_policies import InlinePolicyValidator


def apply() -> None:
    """Apply every patch; calling it again does no harm."""
    # moto keeps every object it ever made, for its dashboard: deleted ones, too.
    _replace(BaseModel, "__new__", lambda cls, *_, **__: object.__new__(cls))
    # A user who is renamed to another's name would replace them, and a role that is taken out of an instance
    # profile that it is not in would be an internal error.
    _guard(IAMBackend, "update_user", _check_new_name)
    _guard(IAMBackend, "remove_role_from_instance_profile", _check_role_of_profile)
    # The name of the role would end with "Sagemaker".
    _replace(IAMBackend, "create_service_linked_role", _create_linked_role)
    # Policies are validated before they reach moto (`refusals`), which refuses some that IAM accepts.
    _replace(models, "IAMPolicyDocumentValidator", InlinePolicyValidator)
    # 1,400 policies of AWS as one text, which moto reads only if it is told to.
    if not load_iam_aws_managed_policies():
        aws_managed_policies.aws_managed_policies_data = models.aws_managed_policies_data = "{}"


_original_linked_role = IAMBackend.create_service_linked_role


def _create_linked_role(backend: Any, service_name: str, description: str, suffix: str) -> Any:
    """Create a role under the name that AWS gives it, if that is known (*CreateServiceLinkedRole*)."""
    name = linked_roles.NAMES.get(service_name)
    if not name:
        try:
            return _original_linked_role(backend, service_name, description, suffix)
        except EntityAlreadyExists as error:
            raise _taken(str(error.message).split()[3]) from error
    if any(role.name == name for role in backend.get_roles()):
        raise _taken(name)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service_name}, "Action": "sts:AssumeRole"}
        ],
    }
    return backend.create_role(
        name,
        json.dumps(trust),
        f"/aws-service-role/{service_name}/",
        permissions_boundary=None,
        description=description,
        tags=[],
        max_session_duration="3600",
        linked_service=service_name,
    )


def _taken(name: str) -> InvalidInput:
    return InvalidInput(
        f"Service role name {name} has been taken in this account, please try a different suffix."
    )


def _check_new_name(
    backend: Any, user_name: str, new_path: str | None = None, new_user_name: str | None = None
) -> None:
    """Raise EntityAlreadyExists for the name of another user (*UpdateUser*)."""
    if new_user_name and new_user_name != user_name and new_user_name in backend.users:
        raise EntityAlreadyExists(f"User with name {new_user_name} already exists.")


def _check_role_of_profile(backend: Any, profile_name: str, role_name: str) -> None:
    """Raise NoSuchEntity for a role that is not in the profile (*RemoveRoleFromInstanceProfile*)."""
    if backend.get_role(role_name) not in backend.get_instance_profile(profile_name).roles:
        raise NotFoundException(f"Role {role_name} is not in the instance profile {profile_name}.")


def _guard(owner: Any, name: str, check: Callable[..., None]) -> None:
    """Let a method of moto run only if a check of its arguments does not raise."""
    original = getattr(owner, name, None)
    if getattr(original, "is_guarded", False):
        return

    def guarded(*arguments: Any, **named: Any) -> Any:
        check(*arguments, **named)
        return original(*arguments, **named)  # type: ignore[misc]

    guarded.is_guarded = True  # type: ignore[attr-defined]
    _replace(owner, name, guarded)


def _replace(owner: Any, name: str, replacement: Any) -> None:
    if not callable(getattr(owner, name, None)):
        raise RuntimeError(  # noqa: TRY004
            f"moto's {owner.__name__} no longer has {name}: see how this release does it and adapt "
            "local_account/moto_backend/patches.py, or pin moto lower in requirements.txt"
        )
    setattr(owner, name, replacement)
