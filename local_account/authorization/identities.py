"""The policies of roles and users, from moto's records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from moto.backends import get_backend

from local_account.authorization.policies import Policy, PolicyError, Request, Statement
from local_account.foundation.acting import Caller

_SESSION_SECONDS = 3600
"""*CreateRole*, MaxSessionDuration: "If you do not specify a value for this setting, the default value of one
hour is applied."""
_ROLE_IDS: dict[str, str] = {}
"""Ids of roles by name: moto's state is the process's, and so is this."""


@dataclass(frozen=True)
class Identity:
    """The permissions of a role or user."""

    arn: str
    policies: tuple[Policy, ...]
    boundary: Policy | None


@dataclass(frozen=True)
class Role:
    """What STS needs to know of a role."""

    id: str
    trust_policy: str
    session_seconds: int
    """How long a session can be (MaxSessionDuration)."""

    def trusts(self, request: Request, session_arn: str) -> bool:
        """Return whether the trust policy lets a session of a role of the account assume this role.

        ``request`` is for ``sts:AssumeRole``, by the session's role.

        Contract: IAM User Guide, "AWS JSON policy elements: Principal": the session, its role, its
        account, or all.
        """
        about = [
            one
            for one in self._statements()
            if one.names(request.principal) or one.grants_to(session_arn)
            if one.applies(request)
        ]
        return any(one.allows for one in about) and all(one.allows for one in about)

    def names(self, role_arn: str, session_arn: str) -> Iterator[Policy]:
        """Yield what the trust policy says about exactly this role or session: that needs no other policy.

        Contract: IAM User Guide, "Evaluating identity-based policies with resource-based policies". Of a
        session, its role's boundary is no limit: such a statement is returned as one for everyone.
        """
        for one in self._statements():
            if session_arn in (one.principals or {}).get("AWS", ()):
                yield Policy("trust policy", (replace(one, principals={"*": ("*",)}),))
            elif one.names_role(role_arn):
                yield Policy("trust policy", (one,))

    def _statements(self) -> list[Statement]:
        try:
            statements = Policy.parse(self.trust_policy, "trust policy").statements
        except PolicyError:
            return []
        # A trust policy has no Resource: it is about its role.
        return [replace(one, resources=("*",)) for one in statements]


class Identities:
    """Roles, users and groups of an account."""

    def __init__(self, account_id: str) -> None:
        self._backend = get_backend("iam")[account_id]["aws"]

    def user_id(self, who: Caller) -> str:
        """Return the unique id of a session: its role's id and its name (STS GetCallerIdentity, UserId)."""
        role, name = self.role(who.role_arn), who.arn.rpartition("/")[2]
        return f"{role.id}:{name}" if role else name

    def role(self, arn: str) -> Role | None:
        """Return a role by its ARN; None if there is none."""
        found = self._role(arn.rpartition("/")[2])
        if found is None or found.arn != arn:
            return None
        return Role(
            found.id, found.assume_role_policy_document, int(found.max_session_duration or _SESSION_SECONDS)
        )

    def _role(self, name: str) -> Any:
        """Return moto's role. It keeps roles by id; their names, which never change, are remembered here."""
        roles = self._backend.roles
        found = roles.get(_ROLE_IDS.get(name))
        if found is None or found.name != name:
            found = next((one for one in list(roles.values()) if one.name == name), None)
            if found is None:
                _ROLE_IDS.pop(name, None)
            else:
                _ROLE_IDS[name] = found.id
        return found

    def find(self, arn: str) -> Identity | None:
        """Return a role or user by its ARN, with the permissions of its groups; None if there is none.

        Raises PolicyError for a policy that cannot be evaluated.
        """
        kind, _, path = arn.rpartition(":")[2].partition("/")
        name = path.rpartition("/")[2]
        if kind == "role":
            found = self._role(name)
            granted = [found]
        elif kind == "user":
            found = self._backend.users.get(name)
            granted = [found, *(one for one in list(self._backend.groups.values()) if found in one.users)]
        else:
            return None
        if found is None:
            return None
        boundary = getattr(found, "permissions_boundary_arn", None)
        return Identity(
            arn,
            tuple(policy for one in granted for policy in _policies(one)),
            self._managed(boundary) if boundary else None,
        )

    def secret_key(self, access_key_id: str) -> str | None:
        """Return the secret of a user's active access key; None if there is no such key."""
        for user in list(self._backend.users.values()):
            for key in user.access_keys:
                if key.access_key_id == access_key_id and key.status == "Active":
                    return str(key.secret_access_key)
        return None

    def _managed(self, arn: str) -> Policy:
        found = self._backend.managed_policies.get(arn)
        return _of_managed(found) if found else Policy(arn, ())  # deleted: nothing is within it


def _policies(holder: Any) -> list[Policy]:
    """Return the inline and the managed policies of a role, user or group."""
    # Other requests change these dictionaries meanwhile; a copy is made in one step.
    inline = [_parsed(document, name) for name, document in list(holder.policies.items())]
    return inline + [_of_managed(one) for one in list(holder.managed_policies.values())]


def _of_managed(policy: Any) -> Policy:
    default = policy.default_version_id
    (version,) = (one for one in list(policy.versions) if one.version_id == default)
    return _parsed(version.document, policy.name)


@lru_cache(maxsize=1024)
def _parsed(document: str, name: str) -> Policy:
    return Policy.parse(document, name)
