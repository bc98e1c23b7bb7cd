"""Buckets: few, so they are kept in memory as well as in the index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from local_account.services.s3.storage.errors import BucketAlreadyExists, BucketNotEmpty, NoSuchBucket
from local_account.services.s3.storage.index import Execute, Index
from local_account.services.s3.storage.records import Bucket
from local_account.services.s3.storage.rows import microseconds, moment


@dataclass(slots=True)
class Known:
    """A bucket and its number in the index."""

    number: int
    bucket: Bucket


class Buckets:
    """The buckets of one storage. What is in memory changes under the writer's lock only."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._known: dict[str, Known] = {}
        for row in index.all("SELECT id, name, created, region, versioning, settings FROM buckets", ()):
            settings = MappingProxyType(json.loads(row[5]))
            bucket = Bucket(row[1], moment(row[2]), row[3], row[4], settings)
            self._known[bucket.name] = Known(row[0], bucket)

    def known(self, name: str) -> Known:
        """Return the bucket with its number. Raises NoSuchBucket."""
        try:
            return self._known[name]
        except KeyError:
            raise NoSuchBucket(f"there is no bucket {name!r}") from None

    def all(self) -> list[Bucket]:
        """Return all buckets in order of their names."""
        return [known.bucket for _, known in sorted(self._known.copy().items())]

    def create(self, name: str, region: str, now: datetime, settings: Mapping[str, Any]) -> Bucket:
        """Return the new bucket. Raises BucketAlreadyExists."""
        kept = json.dumps(dict(settings))
        bucket = Bucket(name, now, region, "", MappingProxyType(json.loads(kept)))
        with self._index as execute:
            if name in self._known:
                raise BucketAlreadyExists(f"there is a bucket {name!r}")
            number = (
                execute(
                    "INSERT INTO buckets VALUES (NULL, ?, ?, ?, '', ?)",
                    (name, microseconds(now), region, kept),
                ).lastrowid
                or 0
            )
            self._index.on_commit(lambda: self._known.update({name: Known(number, bucket)}))
        return bucket

    def delete(self, execute: Execute, known: Known) -> None:
        """Delete an empty bucket, within a transaction. Raises BucketNotEmpty."""
        if execute("SELECT 1 FROM versions WHERE bucket = ? LIMIT 1", (known.number,)).fetchone():
            raise BucketNotEmpty(known.bucket.name, bool(known.bucket.versioning))
        execute("DELETE FROM buckets WHERE id = ?", (known.number,))
        self._index.on_commit(partial(self._known.__delitem__, known.bucket.name))

    def configure(self, name: str, setting: str, document: object | None) -> Bucket:
        """Set a setting, or remove it with None. Return the bucket."""
        with self._index as execute:
            known = self.known(name)
            settings = dict(known.bucket.settings)
            if document is None:
                settings.pop(setting, None)
            else:
                settings[setting] = document
            kept = json.dumps(settings)
            execute("UPDATE buckets SET settings = ? WHERE id = ?", (kept, known.number))
            return self._replace(known, replace(known.bucket, settings=MappingProxyType(json.loads(kept))))

    def set_versioning(self, name: str, status: str) -> Bucket:
        """Set "Enabled" or "Suspended". Return the bucket."""
        with self._index as execute:
            known = self.known(name)
            execute("UPDATE buckets SET versioning = ? WHERE id = ?", (status, known.number))
            if not known.bucket.versioning:
                execute("UPDATE versions SET versioned = 1 WHERE bucket = ?", (known.number,))
            return self._replace(known, replace(known.bucket, versioning=status))

    def _replace(self, known: Known, bucket: Bucket) -> Bucket:
        self._index.on_commit(lambda: setattr(known, "bucket", bucket))
        return bucket
