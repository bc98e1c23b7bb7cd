"""Dynamic references: values of Parameter Store and Secrets Manager, put in where a template names them.

Contract: *Get values stored in other services using dynamic references* in the CloudFormation User Guide. A
stack keeps the references, and an update compares them: a changed secret or parameter is no change of the
stack. The values are looked up when a resource is created or changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local_account.services.cloudformation.providers.base import ResourceError
from local_account.services.cloudformation.template import invalid

_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]*)\}\}")
_SSM = re.compile(r"[A-Za-z0-9_./-]+(:\d+)?")
_OF_AN_ARN = 7
"""Parts of a secret's ARN, which colons divide."""
_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")

Clients = Callable[[str], Any]
"""Gives a client of a service, with the permissions of the operation."""


def found(node: Any, where: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield each reference in a value: its text, its service, what it names, and the path to it."""
    if isinstance(node, str):
        for match in _REFERENCE.finditer(node):
            yield match[0], match[1], match[2], where
    elif isinstance(node, list):
        for item in node:
            yield from found(item, where)
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from found(item, f"{where}/{key}")


def check(type_name: str, props: Any, clients: Clients) -> None:
    """Raise ServiceError ValidationError for what CloudFormation refuses before it begins.

    These are parameters that do not exist, and secure strings: none of the properties that may have them
    ("Resources that support dynamic parameter patterns for secure strings") is of a type that exists here.
    """
    for text, service, named, path in found(props):
        if service == "secretsmanager":
            continue
        if not _SSM.fullmatch(named):
            raise invalid(f"Incorrect format is used in the following SSM reference: [{text}]")
        if service == "ssm-secure":
            raise invalid(f"SSM Secure reference is not supported in: [{type_name}/Properties{path}]")
        _parameter(clients("ssm"), named)


def values(type_name: str, props: Any, clients: Clients) -> dict[str, str]:
    """Return the value of each reference. Raises ResourceError, ClientError or ServiceError."""
    values: dict[str, str] = {}
    for text, service, named, _ in found(props):
        if service == "secretsmanager" and type_name.startswith(_CUSTOM):
            raise ResourceError(
                f"A custom resource cannot have the dynamic reference {text}: CloudFormation supports no "
                "references to secrets there"
            )
        if text not in values:
            lookup = _secret if service == "secretsmanager" else _parameter
            values[text] = lookup(clients("ssm" if lookup is _parameter else service), named)
    return values


def plain(text: str, clients: Clients) -> str:
    """Return an output's value: only what is no secret is put in."""
    known = {
        reference: _parameter(clients("ssm"), named)
        for reference, service, named, _ in found(text)
        if service == "ssm"
    }
    return str(replaced(text, known))


def replaced(node: Any, known: Mapping[str, str]) -> Any:
    """Return a value with the references replaced that are known."""
    if not known:
        return node
    if isinstance(node, str):
        return _REFERENCE.sub(lambda match: known.get(match[0], match[0]), node)
    if isinstance(node, list):
        return [replaced(item, known) for item in node]
    if isinstance(node, dict):
        return {key: replaced(item, known) for key, item in node.items()}
    return node


def _parameter(ssm: Any, named: str) -> str:
    try:
        parameter = ssm.get_parameter(Name=named)["Parameter"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ParameterNotFound", "ParameterVersionNotFound"):
            raise invalid(error.response["Error"]["Message"]) from error
        raise invalid(f"Parameters: [ssm:{named}] cannot be found.") from error
    if parameter["Type"] == "SecureString":
        raise invalid(
            f"Parameters [{named}] referenced by template have types not supported by CloudFormation."
        )
    return str(parameter["Value"])


def _secret(secrets: Any, named: str) -> str:
    parts = named.split(":")
    length = _OF_AN_ARN if named.startswith("arn:") else 1
    identifier, rest = ":".join(parts[:length]), [*parts[length:], "", "", "", ""]
    kind, key, stage, version = rest[:4]
    if kind not in ("", "SecretString") or any(rest[4:]):
        raise ResourceError(f"Incorrect format is used in the following dynamic reference: [{named}]")
    chosen = {name: value for name, value in (("VersionStage", stage), ("VersionId", version)) if value}
    text = secrets.get_secret_value(SecretId=identifier, **chosen).get("SecretString")
    if text is None:
        raise ResourceError("Could not find a SecretString in the secret")
    return _member(text, key) if key else str(text)


def _member(text: str, key: str) -> str:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ResourceError("Could not parse SecretString JSON") from error
    if not isinstance(document, dict) or key not in document:
        raise ResourceError("Could not find a value associated with JSONKey in SecretString")
    value = document[key]
    return value if isinstance(value, str) else json.dumps(value)
