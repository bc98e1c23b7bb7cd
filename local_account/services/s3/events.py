"""Events of Amazon S3, published by the changes themselves.

Contract: Amazon S3 User Guide, "Using EventBridge" and "EventBridge event message structure".
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from local_account.foundation.patience import patient

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.foundation.errors import Params
    from local_account.services.s3.call import Call
    from local_account.services.s3.storage import Bucket, Deleted, ObjectVersion

log = logging.getLogger(__name__)

_MARKER_ETAG = "d41d8cd98f00b204e9800998ecf8427e"  # of empty content, as in the documented example
_LIFECYCLE = "s3.amazonaws.com"


class Announcements:
    """Publishes what happened to objects of buckets that send events to EventBridge."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def created(self, call: Call, bucket: Bucket, version: ObjectVersion, reason: str) -> None:
        """Publish *Object Created*."""
        if _sends(bucket):
            known: Params = {"key": version.key, "size": version.size, "etag": version.etag}
            if bucket.versioning:
                known["version-id"] = version.version_id
            self._publish(bucket, "Object Created", known, self._made(call, reason))

    def deleted(self, call: Call, bucket: Bucket, key: str, version_id: str | None, deleted: Deleted) -> None:
        """Publish *Object Deleted*, unless there was nothing to delete; ``version_id`` as in the request."""
        self._deleted(bucket, key, version_id, deleted, self._made(call, "DeleteObject"))

    def expired(self, bucket: Bucket, key: str, version_id: str | None, deleted: Deleted) -> None:
        """Publish *Object Deleted* for what a lifecycle rule deleted."""
        detail: Params = {
            "request-id": os.urandom(8).hex().upper(),
            "requester": _LIFECYCLE,
            "reason": "Lifecycle Expiration",
        }
        self._deleted(bucket, key, version_id, deleted, detail)

    def tagged(self, call: Call, bucket: Bucket, version: ObjectVersion) -> None:
        """Publish *Object Tags Added* or *Object Tags Deleted*."""
        if _sends(bucket):
            known: Params = {"key": version.key, "etag": version.etag}
            if bucket.versioning:
                known["version-id"] = version.version_id
            kind = "Object Tags Added" if version.attributes.tags else "Object Tags Deleted"
            made = self._made(call, "")
            del made["reason"]
            self._publish(bucket, kind, known, made)

    def _deleted(
        self, bucket: Bucket, key: str, version_id: str | None, deleted: Deleted, detail: Params
    ) -> None:
        if not _sends(bucket):
            return
        added_marker = deleted.is_delete_marker and version_id is None
        if not added_marker and deleted.removed is None:
            return
        known: Params = {"key": key}
        if added_marker:
            known["etag"] = _MARKER_ETAG
        if bucket.versioning and deleted.version_id:
            known["version-id"] = deleted.version_id
        kind = "Delete Marker Created" if added_marker else "Permanently Deleted"
        self._publish(bucket, "Object Deleted", known, {**detail, "deletion-type": kind})

    def _made(self, call: Call, reason: str) -> Params:
        return {
            "request-id": call.request_id,
            "requester": self._account.config.account_id,
            "source-ip-address": call.source_ip,
            "reason": reason,
        }

    def _publish(self, bucket: Bucket, kind: str, known: Params, detail: Params) -> None:
        """Put an event on the bus. The change has happened: a failure here must not deny it.

        With a full disk it waits for room, and so does the client: what is acknowledged has its event.
        """
        sequenced = {**known, "sequencer": f"{time.time_ns():016X}"}
        try:
            with patient(self._account.tasks.stopping):
                self._account.bus.publish(
                    "aws.s3",
                    kind,
                    {"version": "0", "bucket": {"name": bucket.name}, "object": sequenced, **detail},
                    [f"arn:aws:s3:::{bucket.name}"],
                )
        except Exception:
            log.exception("the event %s of %s/%s was lost", kind, bucket.name, known["key"])


def _sends(bucket: Bucket) -> bool:
    configuration = bucket.settings.get("notification")
    return configuration is not None and "EventBridgeConfiguration" in configuration
