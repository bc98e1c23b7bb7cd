"""Who makes a request, and whether the policies allow it.

Differs from AWS: only requests of roles are judged. The account's own credentials may do everything, and so
may the access keys of IAM users, whatever their policies say; GetCallerIdentity calls both root.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request

from local_account.authorization.identities import Identities
from local_account.authorization.needs import Need, needs
from local_account.authorization.policies import Decision, Outcome, Policy, PolicyError, evaluate
from local_account.authorization.policies import Request as PolicyRequest
from local_account.foundation import acting
from local_account.foundation.account import ROOT_CREDENTIALS
from local_account.foundation.acting import Caller
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.journal import Use
from local_account.foundation.sessions import Session
from local_account.gateway import protocol

if TYPE_CHECKING:
    from local_account.foundation.account import Account

_CREDENTIAL = re.compile(r"(?:Credential=)?([A-Z0-9]{16,128})/\d{8}/")


@dataclass(frozen=True, slots=True)
class Secret:
    """What belongs to an access key id: a session's secret has a token, and ends."""

    key: str
    token: str = ""
    expires: datetime | None = None


class Authorizer:
    """Lets requests through or refuses them, as AWS does."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def caller(self, request: Request) -> Caller | None:
        """Return the session whose credentials signed a request; None if unsigned, or signed by the account.

        Raises ServiceError for credentials of a session that does not exist or has expired, or whose token is
        not in the request.
        """
        given = request.headers.get("Authorization", "") or request.args.get("X-Amz-Credential", "")
        found = _CREDENTIAL.search(given)
        if not found or not found[1].startswith("ASIA"):
            headers = request.headers
            return acting.acting_caller(headers.get(acting.HEADER), self._account, headers.get(acting.SOURCE))
        session = self._account.sessions.find(found[1])
        token = request.headers.get("X-Amz-Security-Token") or request.args.get("X-Amz-Security-Token", "")
        if session and not hmac.compare_digest(session.session_token.encode(), token.encode()):
            raise _invalid_token()
        return self.caller_of(found[1])

    def caller_of(self, access_key_id: str, acts_as: str | None = None) -> Caller | None:
        """Return the session of an access key; None for the account's own, unless it acts as a role.

        Raises ServiceError for credentials of a session that does not exist or has expired, or whose role has
        been deleted.
        """
        if not access_key_id.startswith("ASIA"):
            return acting.acting_caller(acts_as, self._account)
        session = self._session(access_key_id)
        if session is None:
            raise _invalid_token()
        if session.expiration and session.expiration <= self._account.now():
            raise ServiceError("ExpiredToken", "The security token included in the request is expired", 403)
        return Caller(session.arn, session.role_arn)

    def _session(self, access_key_id: str) -> Session | None:
        """Return a session whose role still exists; one that is created later under its name is another."""
        session = self._account.sessions.find(access_key_id)
        if session and session.role_id:
            role = Identities(self._account.config.account_id).role(session.role_arn)
            return session if role and role.id == session.role_id else None
        return session

    def secret(self, access_key_id: str) -> Secret | None:
        """Return the secret of an access key: the account's own, a session's or a user's; None if unknown."""
        if access_key_id == ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"]:
            return Secret(ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
        if access_key_id.startswith("ASIA"):
            session = self._session(access_key_id)
            if session is None:
                return None
            return Secret(session.secret_access_key, session.session_token, session.expiration)
        key = Identities(self._account.config.account_id).secret_key(access_key_id)
        return Secret(key) if key else None

    def check(self, caller: Caller | None, service: str, operation: str, params: Params) -> None:
        """Raise ServiceError AccessDenied unless the caller may make the request."""
        if caller is not None:
            self._require(caller, service, needs(service, operation, params, self._arn))

    def _arn(self, service: str, resource: str) -> str:
        arn = self._account.arn(service, resource)
        complete = self._account.whole_arn.get(service)
        return complete(arn) if complete else arn

    def decide(self, role_arn: str, need: Need, of_resource: Iterable[Policy] = ()) -> Decision:
        """Evaluate the policies of a role and of the resource. A deleted role may do nothing."""
        found = Identities(self._account.config.account_id).find(role_arn)
        if found is None:
            return Decision(Outcome.IMPLICIT_DENY)
        request = PolicyRequest(need.action, need.resource, need.context, role_arn)
        decision = evaluate(request, found.policies, of_resource, found.boundary)
        if decision.allowed and (journal := self._account.journal):
            name = role_arn.rpartition("/")[2]
            for policy, statement in decision.statements:
                if statement.principals is None:
                    journal.note(Use(name, policy.name, statement.sid, need.action))
        return decision

    def _require(self, caller: Caller, service: str, required: Iterable[Need]) -> None:
        for need in required:
            try:
                decision = self.decide(caller.role_arn, need, self._trust(caller, need))
            except PolicyError as error:
                raise ServiceError("MalformedPolicyDocument", str(error)) from error
            if not decision.allowed:
                raise denied(caller.arn, service, need, decision)

    def _trust(self, caller: Caller, need: Need) -> list[Policy]:
        """Return what the trust policy of a role that is to be assumed grants the caller by itself."""
        if need.action != "sts:AssumeRole":
            return []
        role = Identities(self._account.config.account_id).role(need.resource)
        return [*role.names(caller.role_arn, caller.arn)] if role else []


def _invalid_token() -> ServiceError:
    return ServiceError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


def denied(arn: str, service: str, need: Need, decision: Decision) -> ServiceError:
    """Return the error for a denied request (IAM User Guide, "Troubleshoot access denied error messages")."""
    reason = f"because no identity-based policy allows the {need.action} action"
    if decision.outcome is Outcome.EXPLICIT_DENY:
        policy, statement = decision.statements[0]
        reason = (
            f"with an explicit deny in an identity-based policy: {policy.name}"
            if statement.principals is None
            else "with an explicit deny in a resource-based policy"
        )
    message = f"User: {arn} is not authorized to perform: {need.action} on resource: {need.resource} {reason}"
    if service == "ec2":
        return ServiceError("UnauthorizedOperation", message, 403)
    if service == "s3" or protocol.service_model(service).protocol == "query":
        return ServiceError("AccessDenied", message, 403)
    # JSON services answer with 400, REST services with 403.
    status = 403 if protocol.service_model(service).protocol == "rest-json" else 400
    return ServiceError("AccessDeniedException", message, status)
