"""IAM roles and the policies that they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from local_account.console import links
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_SECTION = "Roles"
_ROLES = 25


def listing(visit: Visit) -> Answer:
    """Roles in the order of IAM, few on a page: moto and a client need a millisecond for each."""
    client: IAMClient = visit.client("iam")
    token = visit.argument("token")
    more: dict[str, Any] = {"Marker": token} if token else {}
    found = client.list_roles(MaxItems=_ROLES, **more)
    values = {
        "roles": found["Roles"],
        "trusted": trusted,
        "next": found.get("Marker", "") if found["IsTruncated"] else "",
    }
    return Page("roles.html", _SECTION, _SECTION, values, service="iam")


def shown(visit: Visit, name: str) -> Answer:
    """A role: who may assume it, and its policies."""
    client: IAMClient = visit.client("iam")
    role = client.get_role(RoleName=name)["Role"]
    managed = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    inline = [
        client.get_role_policy(RoleName=name, PolicyName=policy)
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    values = {
        "role": role,
        "trusted": trusted(role["AssumeRolePolicyDocument"]),
        "managed": managed,
        "inline": inline,
    }
    return Page("role.html", name, _SECTION, values, ((_SECTION, links.roles()),))


def policy(visit: Visit) -> Answer:
    """A managed policy, by its ARN: its document, and the roles that have it."""
    arn = visit.argument("arn")
    if not arn:
        raise NotFoundError("The address names no policy: it has no arn.")
    client: IAMClient = visit.client("iam")
    found = client.get_policy(PolicyArn=arn)["Policy"]
    version = client.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    holders = client.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role")["PolicyRoles"]
    values = {"policy": found, "document": version["Document"], "holders": holders}
    return Page("policy.html", found["PolicyName"], _SECTION, values, ((_SECTION, links.roles()),))


def trusted(document: Any) -> str:
    """Return who may assume a role, by its trust policy: services, accounts, principals."""
    return ", ".join(dict.fromkeys(_principals(document)))


def _principals(document: Any) -> Iterable[str]:
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", "*")
        for named in principal.values() if isinstance(principal, Mapping) else [principal]:
            yield from map(str, named if isinstance(named, list) else [named])


PAGES: Mapping[str, Render] = {
    "/iam/home": listing,
    "/iam/roles": listing,
    "/iam/roles/details/<name>": shown,
    "/iam/policies/details": policy,
}
