"""The tables of docs/permissions.md: which permission a service needs when, and what happens without it."""

import json
from dataclasses import dataclass
from typing import Any

from tests.docs.pages import page, rows, section, spans

PAGE = "docs/permissions.md"


@dataclass(frozen=True)
class Entry:
    """One permission of a table."""

    service: str
    when: str
    permission: str
    code: str
    words: str


def entries(service: str) -> list[Entry]:
    """Return the permissions in the table of a service."""
    found = []
    for when, permissions, failure in rows(section(page(PAGE), service)):
        code, words = [*spans(failure), "", ""][:2]
        found += [Entry(service, when, one, code, words) for one in spans(permissions)]
    assert found, service
    return found


def role_without(iam: Any, name: str, permission: str, *principals: str) -> str:
    """Create a role that may do everything but one thing; return its ARN."""
    trust = {"Effect": "Allow", "Principal": {"Service": list(principals)}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    rest = {"Effect": "Allow", "NotAction": [permission], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [rest]}
    iam.put_role_policy(RoleName=name, PolicyName="rest", PolicyDocument=json.dumps(policy))
    return str(role)
