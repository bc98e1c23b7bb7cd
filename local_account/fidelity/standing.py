"""Where each operation of a service stands: executed, only recorded, or refused."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name

from local_account import server
from local_account.fidelity.notes import Note
from local_account.gateway.service import Service
from local_account.moto_backend.backend import SERVICES as BACKEND
from local_account.services.s3.service import implemented

_EVALUATED = re.compile(
    r"(Simulate|Get|List|Attach|Detach|Put|Delete|Create|Update|Set|Tag|Untag).*(Role|Polic)"
)
_NOT_EVALUATED = re.compile(r"User|Group|Account|Login|SAML|OpenID|InstanceProfile|ServiceLinked|SSH")


# Older names of operations whose requests are the same.
_SAME = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}


@dataclass(frozen=True)
class Standing:
    """The operations of one service; together they are those of botocore's model."""

    service: str
    executes: tuple[str, ...]
    keeps: tuple[str, ...]
    refuses: tuple[str, ...]


@cache
def classes() -> Mapping[str, type[Service]]:
    """Return the services that the account owns, by boto3's name."""
    served = [one for one in vars(server).values() if isinstance(one, type) and issubclass(one, Service)]
    return {
        one.name: one
        for one in sorted(served, key=lambda one: getattr(one, "name", ""))
        if one is not Service
    }


def folders() -> Mapping[str, str]:
    """Return the service of each folder of `services/`; of two, the first."""
    found: dict[str, str] = {}
    for name, one in classes().items():
        parts = one.__module__.split(".")
        if parts[1] == "services":
            found.setdefault(parts[2], name)
    return found


def operations() -> Mapping[str, Mapping[str, str]]:
    """Return the operations of each service by boto3's method name."""
    return {name: {xform_name(one): one for one in _model(name).operation_names} for name in names()}


def names() -> list[str]:
    """Return boto3's names of all services that answer."""
    return sorted({*classes(), *BACKEND})


def standings(notes: list[Note]) -> list[Standing]:
    """Return the standing of every service; what a note says is kept only is recorded."""
    return [_standing(name, notes) for name in names()]


def _standing(name: str, notes: list[Note]) -> Standing:
    every = sorted(_model(name).operation_names)
    kept = {one for note in notes if (note.kind, note.section) == ("Kept only", name) for one in note.subject}
    answered = {one for one in every if _is_implemented(name, one)}
    if name in BACKEND:
        kept |= {one for one in answered if not _acts(name, one)}
    return Standing(
        name,
        tuple(one for one in every if one in answered and one not in kept),
        tuple(one for one in every if one in answered and one in kept),
        tuple(one for one in every if one not in answered),
    )


def _is_implemented(name: str, operation: str) -> bool:
    if name == "s3":
        return _SAME.get(operation, operation) in implemented()
    owned = classes().get(name)
    if owned and hasattr(owned, xform_name(operation)):
        return True
    return name in BACKEND and _moto_has(name, operation)


def _moto_has(name: str, operation: str) -> bool:
    method = getattr(_moto(name), xform_name(operation), None)
    return method is not None and "NotImplementedError" not in inspect.getsource(method)


@cache
def _moto(name: str) -> Any:
    from moto.ec2.responses import EC2Response
    from moto.iam.responses import IamResponse

    return {"ec2": EC2Response, "iam": IamResponse}[name]


def _acts(name: str, operation: str) -> bool:
    """Return whether an operation of moto's has an effect: roles and policies of IAM are evaluated."""
    return name == "iam" and bool(_EVALUATED.match(operation)) and not _NOT_EVALUATED.search(operation)


@cache
def _model(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)
