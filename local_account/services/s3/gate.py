"""Who may do what: IAM's policies, the bucket's policy, and its block of public access.

Contract: IAM User Guide, "Policy evaluation logic", within one account; Amazon S3 User Guide, "How Amazon S3
authorizes a request" and "Blocking public access to your Amazon S3 storage".

Differs from AWS: conditions know the request's global keys, its headers, and the tags of objects, except
those that PutObjectTagging is about to set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from local_account.authorization.authorizer import Authorizer, denied
from local_account.authorization.needs import Need
from local_account.authorization.policies import Decision, Outcome, Policy, Request, evaluate
from local_account.foundation.acting import HEADER
from local_account.services.s3 import policies
from local_account.services.s3.call import Call
from local_account.services.s3.circumstances import TAGGED_ACTIONS, Circumstances, of_every_request
from local_account.services.s3.errors import S3Error
from local_account.services.s3.needs import arn_of, common, needs, split
from local_account.services.s3.storage import NoSuchBucket, StorageError
from local_account.services.s3.wire.signatures import Credentials

if TYPE_CHECKING:
    from local_account.foundation.acting import Caller
    from local_account.services.s3.storage import Bucket, Storage

_ROLE = HEADER.lower()
_EVERYTHING = (Policy.parse({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, "root"),)
# The owner of the account can always mend a policy that locks everyone out.
_OF_ROOT = {"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"}


class Gate:
    """Lets requests through or refuses them."""

    def __init__(
        self,
        authorizer: Authorizer,
        storage: Storage,
        account_id: str,
        region: str,
        now: Callable[[], datetime],
    ) -> None:
        self._authorizer = authorizer
        self._storage = storage
        self._account_id = account_id
        self._region = region
        self._now = now
        self._root = f"arn:aws:iam::{account_id}:root"

    def caller(self, access_key_id: str, headers: Mapping[str, str]) -> Caller | None:
        """Return the role's session that an access key belongs to; None for the account's own key."""
        return self._authorizer.caller_of(access_key_id, headers.get(_ROLE))

    def credentials(self, access_key_id: str) -> Credentials | None:
        """Return the secret of an access key of the account."""
        found = self._authorizer.secret(access_key_id)
        return Credentials(found.key, found.token, found.expires) if found else None

    def admit(self, call: Call) -> Bucket | None:
        """Return the bucket of a request that may be made; None for a bucket that is to be created.

        Raises S3Error AccessDenied, NoSuchBucket.
        """
        if not call.bucket:
            self._check(call, None)
            return None
        try:
            bucket = self._storage.bucket(call.bucket)
        except NoSuchBucket:
            creates = call.operation == "CreateBucket"
            if creates or not call.anonymous:  # strangers learn which buckets there are, as on AWS
                self._check(call, None)
            if not creates:
                raise
            return None
        self._check(call, bucket)
        return bucket

    def _check(self, call: Call, bucket: Bucket | None) -> None:
        owner = call.headers.get("x-amz-expected-bucket-owner")
        if owner and not (len(owner) == 12 and owner.isascii() and owner.isdigit()):
            raise S3Error(
                "InvalidBucketOwnerAWSAccountID",
                f"The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]",
            )
        if owner and owner != self._account_id:
            raise S3Error("AccessDenied")
        policy = bucket.settings.get("policy") if bucket else None
        copies = "x-amz-copy-source" in call.headers
        if policy is None and call.caller is None and not call.anonymous and not copies:
            return
        for need in needs(call):
            self.require(call, self._bucket_of(need, bucket) if copies else bucket, need)

    def _bucket_of(self, need: Need, bucket: Bucket | None) -> Bucket | None:
        """Return the bucket whose policy is about a need: a copy reads from one and writes to another."""
        name, _ = split(need.resource)
        if bucket is not None and bucket.name == name:
            return bucket
        try:
            return self._storage.bucket(name)
        except NoSuchBucket:
            return None

    def require(self, call: Call, bucket: Bucket | None, need: Need) -> None:
        """Raise S3Error AccessDenied unless one permission is granted."""
        decision = self._decide(call, bucket, need)
        if decision.allowed:
            return
        if call.anonymous:
            raise S3Error("AccessDenied")
        error = denied(call.caller.arn if call.caller else self._root, "s3", need, decision)
        raise S3Error("AccessDenied", error.message)

    def may_list(self, call: Call, bucket: Bucket) -> bool:
        """Return whether the caller may know which keys there are.

        Others get AccessDenied instead of NoSuchKey (GetObject, "Permissions").
        """
        return self._decide(call, bucket, Need("s3:ListBucket", arn_of(bucket.name), common(call))).allowed

    def _decide(self, call: Call, bucket: Bucket | None, need: Need) -> Decision:
        document = bucket.settings.get("policy") if bucket else None
        known = {**need.context, **of_every_request(call, self._account_id, self._region, self._now())}
        need = replace(need, context=Circumstances(known, partial(self._tags, need)))
        of_bucket = policies.in_force(document) if document else ()
        if call.anonymous:
            if bucket is None or not document or _is_restricted(bucket, document):
                return Decision(Outcome.IMPLICIT_DENY)
            return evaluate(Request(need.action, need.resource, need.context, ""), (), of_bucket)
        if call.caller is not None:
            return self._authorizer.decide(call.caller.role_arn, need, of_bucket)
        if not of_bucket or call.operation in _OF_ROOT:
            return Decision(Outcome.ALLOWED)
        return evaluate(Request(need.action, need.resource, need.context, self._root), _EVERYTHING, of_bucket)

    def _tags(self, need: Need) -> Mapping[str, str]:
        if need.action not in TAGGED_ACTIONS:
            return {}
        bucket, key = split(need.resource)
        version_id = need.context.get("s3:versionid")
        try:
            if version_id:
                return self._storage.version(bucket, key, version_id[0]).attributes.tags
            return self._storage.latest(bucket, key).attributes.tags
        except StorageError:
            return {}


def _is_restricted(bucket: Bucket, policy: str) -> bool:
    block = bucket.settings.get("publicAccessBlock") or {}
    return bool(block.get("RestrictPublicBuckets")) and policies.is_public(policy)
