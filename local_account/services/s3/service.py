"""Amazon S3: finds out who asks for what, lets it be judged, and has it done.

Contract: Amazon S3 API Reference. Bodies are streamed, so this service reads and answers HTTP itself; its
operations are in the modules of their nouns. What it lacks answers ``NotImplemented``, by name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from random import getrandbits
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, unquote

from botocore import xform_name

from local_account.foundation.errors import ServiceError, failure
from local_account.gateway.heads import Head, head_of
from local_account.gateway.service import HttpService
from local_account.gateway.streams import DisconnectedError, MalformedBodyError
from local_account.services.s3 import answers, cors, routes, settings
from local_account.services.s3.buckets import Buckets
from local_account.services.s3.call import Call, Reply
from local_account.services.s3.copies import Copies
from local_account.services.s3.details import Details
from local_account.services.s3.errors import S3Error
from local_account.services.s3.events import Announcements
from local_account.services.s3.facilities import Facilities
from local_account.services.s3.forms import Forms
from local_account.services.s3.gate import Gate
from local_account.services.s3.lifecycle import Lifecycle
from local_account.services.s3.listings import Listings
from local_account.services.s3.objects import Objects
from local_account.services.s3.refusals import refusal
from local_account.services.s3.settings import Settings
from local_account.services.s3.storage import NoSuchBucket, Storage, StorageError
from local_account.services.s3.uploads import Uploads
from local_account.services.s3.wire import signatures

if TYPE_CHECKING:
    from datetime import datetime

    from local_account.authorization.authorizer import Authorizer
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

Operation = Callable[[Call], Reply]
_NOTHING: Mapping[str, str] = MappingProxyType({})
# The bucket in the host's name: virtual-hosted-style requests ("Virtual hosting of buckets").
_VIRTUAL = re.compile(r"(.+)\.(?:s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com|localhost)(?::\d+)?")
_FIRST_LIFECYCLE_SECONDS = 60
_LIFECYCLE_SECONDS = 3600
# They say themselves who may make them.
_OPEN = {"PostObject", "PreflightRequest"}


class S3(HttpService):
    """Amazon S3.

    Lacks: `CreateSession` (directory buckets), `GetObjectTorrent`, `PutBucketInventoryConfiguration`,
    `PutBucketMetricsConfiguration`, `PutBucketReplication`, `PutBucketWebsite`, `PutObjectLockConfiguration`,
    `PutObjectRetention`, `PutObjectLegalHold`, `RestoreObject`, `SelectObjectContent`.

    Refuses: Object Lock, replication, inventory, analytics, archives, KMS and customer keys, websites, access
    points, MFA delete.
    """

    name: ClassVar[str] = "s3"

    def __init__(
        self, account: Account, authorizer: Authorizer, clock: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__(account)
        self.storage = Storage(account.config.state_dir / "s3")
        self._now = clock or account.now
        self._gate = Gate(
            authorizer, self.storage, account.config.account_id, account.config.region, self._now
        )
        facilities = Facilities(
            self.storage,
            self._gate,
            Announcements(account),
            account.config.account_id,
            account.config.region,
            self._now,
        )
        self.lifecycle = Lifecycle(facilities, account.tasks.stopping.is_set)
        self._operations = _operations(facilities)
        account.tagged.append(self.tagged)

    def start(self) -> None:
        """Carry out lifecycle rules soon after the start, and then every hour."""
        self.account.tasks.spawn("s3-lifecycle-first", self._carry_out_soon)
        self.account.tasks.every(_LIFECYCLE_SECONDS, "s3-lifecycle", self.lifecycle.carry_out)

    def _carry_out_soon(self) -> None:
        if not self.account.tasks.stopping.wait(_FIRST_LIFECYCLE_SECONDS):
            self.lifecycle.carry_out()

    def trim(self) -> None:
        """Give back memory that only makes the next request faster."""
        self.storage.trim()

    def close(self) -> None:
        """Close the storage; nothing is lost."""
        self.storage.close()

    def tagged(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Return the ARN and tags of each bucket."""
        for bucket in self.storage.buckets():
            document = bucket.settings.get("tagging") or {"TagSet": []}
            yield f"arn:aws:s3:::{bucket.name}", {one["Key"]: one["Value"] for one in document["TagSet"]}

    def respond(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        head = head_of(environ)
        request_id = f"{getrandbits(64):016X}"  # no secret; the system's would give up the interpreter's lock
        try:
            reply = self._answer(head, environ, request_id)
        except S3Error as error:
            reply = answers.of_error(error, head.method, unquote(head.path), request_id)
        except (DisconnectedError, MalformedBodyError):
            raise
        except Exception as error:
            found = failure(error, self.account.config.state_dir)
            if found.code != "DiskFull":
                log.exception("s3 %s %s failed", head.method, head.path)
            code = "DiskFull" if found.code == "DiskFull" else "InternalError"
            reply = answers.of_error(
                S3Error(code, found.message), head.method, unquote(head.path), request_id
            )
        start_response(answers.STATUS_LINES[reply.status], answers.headers_of(reply, request_id))
        return [reply.body] if isinstance(reply.body, bytes) else reply.body

    def _answer(self, head: Head, environ: Mapping[str, Any], request_id: str) -> Reply:
        bucket_name, key = _address(head)
        query = _query(head.query)
        headers = signatures.headers_of(head)
        operation = routes.find(head.method, bucket_name, key, query, copies="x-amz-copy-source" in headers)
        if not operation:
            kind = "OBJECT" if key else "BUCKET" if bucket_name else "SERVICE"
            raise S3Error("MethodNotAllowed", Method=head.method, ResourceType=kind)
        call = Call(
            operation=operation,
            bucket=bucket_name,
            key=key,
            query=query,
            headers=headers,
            stream=environ["wsgi.input"],
            signature=None,
            caller=None,
            request_id=request_id,
            source_ip=environ.get("REMOTE_ADDR", ""),
            anonymous=True,
        )
        try:
            reply = self._perform(call, head)
        except S3Error as error:
            error.headers |= self._cross_origin(call, head.method)
            raise
        except StorageError as error:
            refused = refusal(error, call)
            refused.headers |= self._cross_origin(call, head.method)
            raise refused from error
        reply.headers |= self._cross_origin(call, head.method)
        return reply

    def _cross_origin(self, call: Call, method: str) -> Mapping[str, str]:
        """Return what a browser is told with any answer, so that its page can read errors, too."""
        if "origin" not in call.headers:
            return _NOTHING
        try:
            rules = self.storage.bucket(call.bucket).settings.get("cors")
        except NoSuchBucket:
            return _NOTHING
        return cors.actual(rules, method, call.headers["origin"]) if rules else _NOTHING

    def _perform(self, call: Call, head: Head) -> Reply:
        if call.operation == "PreflightRequest":
            bucket = self.storage.bucket(call.bucket)
            return Reply(200, cors.preflight(bucket.settings.get("cors"), call.headers))
        if call.operation not in _OPEN:
            call.signature = signatures.verify(head, self._gate.credentials, self._now())
            call.anonymous = call.signature is None
            if call.signature is not None:
                call.caller = self._caller(call.signature.access_key_id, call.headers)
            self._gate.admit(call)
        perform = self._operations.get(call.operation)
        if perform is None:
            raise S3Error("NotImplemented", f"s3.{call.operation} is not supported by the local account")
        return perform(call)

    def _caller(self, access_key_id: str, headers: Mapping[str, str]) -> Any:
        try:
            return self._gate.caller(access_key_id, headers)
        except ServiceError as error:  # it ended since its signature was verified
            raise S3Error("ExpiredToken") from error


def implemented() -> frozenset[str]:
    """Return the names of the operations that are performed."""
    nouns = (Objects, Copies, Uploads, Listings, Buckets, Details, Forms, Settings)
    written = {*settings.READS, *settings.WRITES, *settings.DELETES}
    return frozenset(
        name
        for name in routes.OPERATIONS
        if name in written or any(hasattr(noun, str(xform_name(name))) for noun in nouns)
    )


def _operations(facilities: Facilities) -> dict[str, Operation]:
    """Return what performs each operation, by its name."""
    objects, of_settings = Objects(facilities), Settings(facilities)
    nouns = (
        objects,
        Copies(facilities),
        Uploads(facilities, objects),
        Listings(facilities),
        Buckets(facilities),
        Details(facilities, objects),
        Forms(facilities, objects),
        of_settings,
    )
    performed: dict[str, Operation] = dict.fromkeys(settings.READS, of_settings.read)
    performed |= dict.fromkeys(settings.WRITES, of_settings.write)
    performed |= dict.fromkeys(settings.DELETES, of_settings.delete)
    for name in routes.OPERATIONS - set(performed):
        method = str(xform_name(name))
        for noun in nouns:
            if hasattr(noun, method):
                performed[name] = getattr(noun, method)
    return performed


def _address(head: Head) -> tuple[str, str]:
    """Return the bucket and the key of a request, path-style or virtual-hosted. Raises S3Error InvalidURI."""
    try:
        path = unquote(head.path, errors="strict")
    except UnicodeDecodeError as error:
        raise S3Error("InvalidURI") from error
    host = head.headers.get("host", "")
    if host.startswith("127.0.0.1") or not (found := _VIRTUAL.fullmatch(host)):
        bucket, _, key = path[1:].partition("/")
        return bucket, key
    return found[1], path[1:]


def _query(text: str) -> Mapping[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True)) if text else _NOTHING
