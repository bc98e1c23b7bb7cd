"""Roles with all permissions, or with few, for tests about something else."""

import json
from collections.abc import Sequence
from typing import Any

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def make_role(iam: Any, name: str, *principals: str, actions: Sequence[str] = ()) -> str:
    """Create a role that services may assume; return its ARN. Without ``actions`` it may do everything."""
    trust = {"Effect": "Allow", "Principal": {"Service": list(principals)}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    some = {
        "Version": EVERYTHING["Version"],
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
    }
    allowed = json.dumps(some if actions else EVERYTHING)
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=allowed)
    return str(role)
