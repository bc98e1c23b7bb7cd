"""AWS STS: sessions of roles, and the identity of the caller.

Contract: STS API Reference. Sessions are `foundation.sessions`; moto would keep them for ever, and write all
of them at each new one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from local_account.authorization.identities import Identities
from local_account.authorization.policies import Request
from local_account.foundation.acting import Caller, caller
from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer, Service

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef, GetAccessKeyInfoRequestTypeDef

_LACKING = (
    "Policy",
    "PolicyArns",
    "Tags",
    "TransitiveTagKeys",
    "SerialNumber",
    "TokenCode",
    "ProvidedContexts",
    "MinimumSessionTokenSize",
)
"""Refuses in AssumeRole."""
_CHAINED_SECONDS = 3600
_ARN = re.compile("arn:[^:]+:[^:]+:[^:]*:[^:]*:.+")


class SecurityTokenService(Service):
    """AssumeRole for roles of this account; the other ways to a session are refused by name.

    Lacks: `AssumeRoleWithSAML`, `AssumeRoleWithWebIdentity`, `GetFederationToken`, `GetSessionToken`,
    `DecodeAuthorizationMessage`.
    """

    name = "sts"
    validation_error: ClassVar[str] = "ValidationError"

    def assume_role(self, params: AssumeRoleRequestTypeDef) -> Answer:
        """AssumeRole. The account's own credentials may assume any role, as the services on AWS do.

        Raises ServiceError AccessDenied for a role that does not exist or does not trust the caller, and
        ValidationError for a session longer than the role or, for a role that assumes another, AWS allows.

        Differs from AWS: the account's own credentials may assume any role, whomever it trusts: services do
        so here. On AWS, the root user cannot assume roles. Source: STS API Reference, AssumeRole.
        """
        if lacking := [name for name in _LACKING if params.get(name)]:
            raise ServiceError(
                "UnsupportedOperation",
                f"AssumeRole with {', '.join(lacking)} is not supported by the local account",
            )
        if not _ARN.fullmatch(params["RoleArn"]):
            raise ServiceError("ValidationError", f"{params['RoleArn']} is invalid")
        role_arn, seconds = params["RoleArn"], params.get("DurationSeconds", _CHAINED_SECONDS)
        role = Identities(self.account.config.account_id).role(role_arn)
        who = caller()
        if role is None or (who and not role.trusts(_request(params, who), who.arn)):
            arn = who.arn if who else f"arn:aws:iam::{self.account.config.account_id}:root"
            raise ServiceError(
                "AccessDenied",
                f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                status=403,
            )
        if who and seconds > _CHAINED_SECONDS:
            raise ServiceError(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
                "chaining.",
            )
        if seconds > role.session_seconds:
            raise ServiceError(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            )
        session = self.account.sessions.open(
            role_arn, params["RoleSessionName"], role.id, self.account.now(), seconds
        )
        return {
            "Credentials": {
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_access_key,
                "SessionToken": session.session_token,
                "Expiration": session.expiration,
            },
            "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
            "SourceIdentity": params.get("SourceIdentity"),
        }

    def get_caller_identity(self, params: object) -> Answer:
        """GetCallerIdentity: a session of a role, or the root user for the account's own credentials."""
        account, who = self.account.config.account_id, caller()
        if who is None:
            return {"Account": account, "UserId": account, "Arn": f"arn:aws:iam::{account}:root"}
        return {"Account": account, "UserId": Identities(account).user_id(who), "Arn": who.arn}

    def get_access_key_info(self, params: GetAccessKeyInfoRequestTypeDef) -> Answer:
        """GetAccessKeyInfo: there is one account."""
        return {"Account": self.account.config.account_id}


def _request(params: AssumeRoleRequestTypeDef, who: Caller) -> Request:
    """Return what a trust policy decides on (IAM User Guide, "IAM and AWS STS condition context keys")."""
    given = {
        "sts:externalid": params.get("ExternalId"),
        "sts:rolesessionname": params["RoleSessionName"],
        "sts:sourceidentity": params.get("SourceIdentity"),
        "aws:principalarn": who.role_arn,
        "aws:principalaccount": who.role_arn.split(":")[4],
    }
    context = {key: [value] for key, value in given.items() if value}
    return Request("sts:AssumeRole", params["RoleArn"], context, who.role_arn)
