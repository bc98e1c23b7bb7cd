"""Lifecycle rules carried out: what is old goes, in small steps.

Contract: Amazon S3 User Guide, "Managing the lifecycle of objects", "Expiring objects" and "Lifecycle
configuration elements": an object expires at the midnight (UTC) after its days have passed.

Differs from AWS: lifecycle rules are carried out a minute after the start, within the hour after they change,
and once a day. An object expires at the midnight (UTC) after its days, as on AWS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from local_account.services.s3.lifecycle_rules import Rule, rules

if TYPE_CHECKING:
    from local_account.services.s3.facilities import Facilities
    from local_account.services.s3.storage import Bucket, Candidates, ObjectVersion

log = logging.getLogger(__name__)

STEP = 200
"""Rows that are looked at before other requests get their turn."""
Page = Callable[["tuple[str, int] | None"], "Candidates"]


class Lifecycle:
    """Carries out the rules of all buckets."""

    def __init__(self, facilities: Facilities, stopping: Callable[[], bool]) -> None:
        self._with = facilities
        self._storage = facilities.storage
        self._stopping = stopping
        self._done: dict[str, tuple[datetime, object]] = {}
        """By bucket: the day on which its rules were carried out, and these rules."""

    def carry_out(self) -> None:
        """Delete what the rules of the buckets call for at this time.

        Only midnight and other rules can change that, so a bucket is looked through once a day.
        """
        now = self._with.now()
        for bucket in self._storage.buckets():
            document = bucket.settings.get("lifecycle")
            if document is None or self._done.get(bucket.name) == (_midnight(now), document):
                continue
            for rule in rules(document):
                if self._stopping():
                    return
                try:
                    self._apply(bucket, rule, now)
                except Exception:
                    log.exception("a lifecycle rule of %s was not carried out", bucket.name)
            self._done[bucket.name] = (_midnight(now), document)

    def _apply(self, bucket: Bucket, rule: Rule, now: datetime) -> None:
        storage, name, prefix = self._storage, bucket.name, rule.prefix
        limit = _limit(rule, now)
        if limit is not None:
            expired = limit
            self._each(
                bucket,
                rule,
                lambda after: storage.expired(name, prefix, expired, after, STEP),
                permanently=False,
            )
        if rule.noncurrent_days is not None:
            since = _days_before(now, rule.noncurrent_days)
            self._each(
                bucket,
                rule,
                lambda after: storage.noncurrent(
                    name, prefix, since, keep=rule.newer_noncurrent, after=after, limit=STEP
                ),
                permanently=True,
            )
        if rule.expired_marker or limit is not None:  # days that expire objects remove lone markers, too
            self._each(
                bucket,
                rule,
                lambda after: storage.lone_markers(name, prefix, after, STEP),
                permanently=True,
                markers_before=None if rule.expired_marker else limit,
            )
        if rule.abort_days is not None:
            begun = _days_before(now, rule.abort_days)
            while stale := storage.stale_uploads(name, prefix, begun, STEP):
                for upload in stale:
                    storage.abort(upload)

    def _each(
        self,
        bucket: Bucket,
        rule: Rule,
        page: Page,
        *,
        permanently: bool,
        markers_before: datetime | None = None,
    ) -> None:
        after: tuple[str, int] | None = None
        while not self._stopping():
            found = page(after)
            for version in found.versions:
                # A marker has neither tags nor a size: a rule that asks for them leaves it where it is.
                if not rule.matches(version.key, version.attributes.tags, version.size):
                    continue
                if markers_before is not None and version.modified >= markers_before:
                    continue
                self._delete(bucket, version, permanently=permanently)
            after = found.after
            if after is None:
                return

    def _delete(self, bucket: Bucket, version: ObjectVersion, *, permanently: bool) -> None:
        version_id = version.version_id if permanently else None
        if version_id is not None:
            deleted = self._storage.delete_version(bucket.name, version.key, version_id)
        else:

            def unless(current: ObjectVersion | None) -> None:
                if current is None or current.sequence != version.sequence:
                    raise _ChangedError

            try:
                deleted = self._storage.delete(bucket.name, version.key, self._with.now(), unless=unless)
            except _ChangedError:  # written since the page was read
                return
        self._with.events.expired(bucket, version.key, version_id, deleted)


class _ChangedError(Exception):
    """The object is no longer what the rule saw."""


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _days_before(now: datetime, days: int) -> datetime:
    """Return the time before which something began, if its days passed before the last midnight."""
    return _midnight(now) - timedelta(days=days)


def _limit(rule: Rule, now: datetime) -> datetime | None:
    if rule.days is not None:
        return _days_before(now, rule.days)
    if rule.date is not None and now >= rule.date:
        return now
    return None
