"""Policies and requests, and how they match.

Contract: IAM User Guide, "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from local_account.authorization.policies import conditions
from local_account.authorization.policies.patterns import Context, matches, resource_matches
from local_account.foundation.arns import OPEN_SERVICE, has_open_service

_WITH_VARIABLES = "2012-10-17"
_EFFECTS = ("Allow", "Deny")
_KNOWN = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
    "Principal",
    "NotPrincipal",
}


class PolicyError(ValueError):
    """A document that is not a policy, or has an element that cannot be evaluated; the message says which."""


@dataclass(frozen=True)
class Request:
    """What a principal wants to do: one action on one resource."""

    action: str
    """Service prefix and action, such as `s3:GetObject`; case does not matter."""
    resource: str = "*"
    """ARN, or `*` for an action without resource-level permissions."""
    context: Context = field(default_factory=lambda: MappingProxyType({}))
    """Condition keys in lower case, each with its values."""
    principal: str = ""
    """ARN of the role that makes the request."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, Any]]
    principals: Mapping[str, tuple[str, ...]] | None
    """None in an identity policy; by kind (`AWS`, `Service`) in a resource policy, `*` for everyone."""
    exact: frozenset[str]
    """The actions without wildcards, in lower case: looked up first."""
    has_variables: bool = True
    """Whether ``${…}`` is a variable: it is text in policies of version 2008-10-17."""

    @classmethod
    def parse(cls, document: Mapping[str, Any], where: str, *, has_variables: bool = True) -> Statement:
        """Parse a statement. Raises PolicyError."""
        if unknown := set(document) - _KNOWN:
            raise PolicyError(f"{where}: unknown element {', '.join(sorted(unknown))}")
        _check_shape(document, where)
        if document.get("Effect") not in _EFFECTS:
            raise PolicyError(f"{where}: Effect must be Allow or Deny")
        if "NotPrincipal" in document:
            raise PolicyError(f"{where}: NotPrincipal is not supported")
        if ("Action" in document) == ("NotAction" in document):
            raise PolicyError(f"{where}: needs either Action or NotAction")
        condition = document.get("Condition", {})
        try:
            conditions.check(condition)
        except conditions.ConditionError as error:
            raise PolicyError(f"{where}: {error}") from error
        actions = _texts(document.get("Action"))
        resources, not_resources = _texts(document.get("Resource")), _texts(document.get("NotResource"))
        if any(has_open_service(one) for one in (*resources, *not_resources)):
            raise PolicyError(f"{where}: {OPEN_SERVICE}")
        return cls(
            has_variables=has_variables,
            sid=document.get("Sid", ""),
            allows=document["Effect"] == "Allow",
            actions=tuple(one for one in actions if "*" in one or "?" in one),
            not_actions=_texts(document.get("NotAction")),
            resources=resources,
            not_resources=not_resources,
            condition=condition,
            principals=_principals(document.get("Principal")),
            exact=frozenset(one.lower() for one in actions if "*" not in one and "?" not in one),
        )

    def applies(self, request: Request) -> bool:
        """Return whether action, resource and conditions match; the principal is not considered."""
        return (
            self._has_action(request.action)
            and self._has_resource(request)
            and conditions.holds(self.condition, request.context, has_variables=self.has_variables)
        )

    def _has_action(self, action: str) -> bool:
        if self.not_actions:
            return not any(matches(one, action, ignore_case=True) for one in self.not_actions)
        return action.lower() in self.exact or any(
            matches(one, action, ignore_case=True) for one in self.actions
        )

    def _has_resource(self, request: Request) -> bool:
        context = request.context if self.has_variables else None
        if self.not_resources:
            return not any(resource_matches(one, request.resource, context) for one in self.not_resources)
        return any(resource_matches(one, request.resource, context) for one in self.resources)

    def names(self, principal: str) -> bool:
        """Return whether a resource policy's statement is about a principal or its account."""
        return self.grants_to(principal) or any(
            one == _account(principal) or one == f"arn:aws:iam::{_account(principal)}:root"
            for one in (self.principals or {}).get("AWS", ())
        )

    def grants_to(self, principal: str) -> bool:
        """Return whether a resource policy's statement names the principal itself, or everyone."""
        kinds = self.principals or {}
        return "*" in kinds or any(one in {"*", principal} for one in kinds.get("AWS", ()))

    def names_role(self, principal: str) -> bool:
        """Return whether a resource policy's statement names the principal by the ARN of its role."""
        return ":role/" in principal and principal in (self.principals or {}).get("AWS", ())


@dataclass(frozen=True)
class Policy:
    """A policy document."""

    name: str
    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, document: str | Mapping[str, Any], name: str = "") -> Policy:
        """Parse a policy document (JSON, or the decoded value). Raises PolicyError."""
        try:
            read = json.loads(document) if isinstance(document, str) else document
            listed = read["Statement"]
        except (ValueError, KeyError, TypeError) as error:
            raise PolicyError(f"policy {name} is not a policy document: {error}") from error
        statements = listed if isinstance(listed, list) else [listed]
        has_variables = read.get("Version") == _WITH_VARIABLES
        return cls(
            name,
            tuple(
                Statement.parse(
                    one,
                    f"policy {name}, statement {_label(one, name) or number}",
                    has_variables=has_variables,
                )
                for number, one in enumerate(statements, 1)
            ),
        )


def _label(statement: object, name: str) -> str:
    if not isinstance(statement, dict):
        raise PolicyError(f"policy {name}: each Statement must be an object")
    return str(statement.get("Sid") or "")


def _check_shape(document: Mapping[str, Any], where: str) -> None:
    """Raise PolicyError for a value that is not of its element's type (*Grammar of the IAM JSON policy*)."""
    if not isinstance(document.get("Sid", ""), str) or not isinstance(document.get("Effect", ""), str):
        raise PolicyError(f"{where}: Sid and Effect must be strings")
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if element in document and not _is_text(document[element]):
            raise PolicyError(f"{where}: {element} must be a string or a list of strings")
    principal = document.get("Principal", "*")
    if not (
        principal == "*" or (isinstance(principal, dict) and all(_is_text(one) for one in principal.values()))
    ):
        raise PolicyError(f"{where}: Principal must be * or name principals by kind")
    condition = document.get("Condition", {})
    if not isinstance(condition, dict) or not all(
        isinstance(keys, dict) and all(_is_value(one) for one in keys.values()) for keys in condition.values()
    ):
        raise PolicyError(f"{where}: Condition must have keys with values for each operator")


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _is_value(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, (str, bool, int, float)) for one in values)


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _principals(value: Any) -> dict[str, tuple[str, ...]] | None:
    if value is None:
        return None
    if value == "*":
        return {"*": ()}
    return {kind: _texts(names) for kind, names in value.items()}


def _account(arn: str) -> str:
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""
