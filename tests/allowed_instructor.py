"""An instructor who is allowed exactly what the doctor asks for."""

import json
from typing import Any

import boto3

from lab_helpers.instructor.doctor import Room, permissions
from lab_helpers.names import Names
from lab_helpers.shared_clients import SharedClients

ROLE = "allowed-instructor"


def allowed_instructor(clients: Any, region: str, *, source_provider: str = "CodeCommit") -> SharedClients:
    """Return the clients of a role with these permissions; `clients` create it.

    Its resources are not narrowed: a policy of AWS may name each kind of resource in its own way.
    """
    room = Room(clients, region, 1, (Names("ana"),), source_provider=source_provider, environ={})
    groups = [group for some in permissions.wanted(room).values() for group in some]
    actions = sorted({f"{service}:{action}" for service, named, _ in groups for action in named.split()})
    iam = clients("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": room.account}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(
        RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    iam.put_role_policy(
        RoleName=ROLE,
        PolicyName="doctor",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    session = clients("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    return SharedClients(
        boto3.Session(
            session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"], region_name=region
        )
    )
