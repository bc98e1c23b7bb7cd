"""The record of a drill in the lab's bucket: what it changes, what that was before, and how it ended.

`drills/running.json` is the drill that runs. It is written before anything changes, so that anyone can put
back what an interrupted drill has left. Its end moves it to `drills/{id}.json`.

Contract: S3 User Guide, "Add preconditions to S3 operations with conditional requests": of two writers with
`If-None-Match: *`, one gets 412 (or 409 while the other writes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers import keys
from lab_helpers.aws_errors import is_gone
from lab_helpers.drills.drill import DrillError, Sighting

if TYPE_CHECKING:
    from lab_helpers.lab import Lab

SCHEMA = 1
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


@dataclass(frozen=True)
class Record:
    """One drill in one lab; times are in UTC."""

    id: str
    drill: str
    started: datetime
    by: str
    """ARN of whoever started it."""
    dev: str = ""
    prd: str = ""
    """The executions whose models DEV and PRD served before; empty if they served nothing."""
    execution: str = ""
    """The pipeline execution of the drill; empty if it has none, or if its start was interrupted."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """What else was changed, as it was before."""
    ended: datetime | None = None
    happened: str = ""
    noticed_by: str = ""
    noticed: datetime | None = None
    missed: bool = False
    done: tuple[str, ...] = ()
    """What was done to put it back."""

    @property
    def seconds(self) -> float | None:
        """Seconds from the start until someone noticed; None if nobody has."""
        return max((self.noticed - self.started).total_seconds(), 0.0) if self.noticed else None

    @property
    def folder(self) -> str:
        """Where the drill has what it trains with."""
        return f"{keys.DRILLS}{self.id}/"

    @property
    def zip(self) -> str:
        """The key of its `trainingjob.zip`."""
        return f"{self.folder}trainingjob.zip"

    def seen(self, sighting: Sighting) -> Record:
        """Return the record with what has happened."""
        return replace(
            self,
            happened=sighting.happened,
            noticed_by=sighting.by,
            noticed=sighting.at if sighting.by else None,
            missed=sighting.missed,
        )

    def to_json(self) -> bytes:
        """Return the document that is kept in S3."""
        document = {"schema": SCHEMA, **asdict(self)}
        return json.dumps(document, indent=1, default=datetime.isoformat).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Record:
        """Read what `to_json` has written. Raises DrillError for a schema that this version does not know."""
        document: dict[str, Any] = json.loads(text)
        if document.pop("schema", None) != SCHEMA:
            raise DrillError(
                "the drill's record is of another version of the workshop: end the drill with that one"
            )
        for name in ("started", "noticed", "ended"):
            if document[name]:
                document[name] = datetime.fromisoformat(document[name])
        document["done"] = tuple(document["done"])
        return cls(**document)


def new(drill: str, by: str) -> Record:
    """Return the record of a drill that begins now. Its id does not say which one: learners can see it."""
    now = datetime.now(UTC)
    return Record(f"{now:%Y%m%d-%H%M%S}-{now.microsecond:06}", drill, now, by)


def running(lab: Lab) -> Record | None:
    """Return the drill that runs in a lab, or None."""
    return _read(lab, keys.DRILL)


def newest(lab: Lab) -> Record | None:
    """Return the drill that runs, else the one that ended last, else None."""
    if found := running(lab):
        return found
    pages = lab.client("s3").get_paginator("list_objects_v2")
    ended = [
        one["Key"]
        for page in pages.paginate(Bucket=lab.bucket, Prefix=keys.DRILLS, Delimiter="/")
        for one in page.get("Contents", [])
        if one["Key"].endswith(".json") and one["Key"] != keys.DRILL
    ]
    return _read(lab, max(ended)) if ended else None


def begin(lab: Lab, record: Record) -> None:
    """Write the record of a drill that begins. Raises DrillError if another one runs."""
    try:
        lab.client("s3").put_object(
            Bucket=lab.bucket,
            Key=keys.DRILL,
            Body=record.to_json(),
            ContentType="application/json",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN:
            raise
        other = running(lab)
        if other and other.id == record.id:
            return  # boto3 has repeated the request, because the first answer was lost
        raise DrillError(already(other)) from error


def already(other: Record | None) -> str:
    """Return why no other drill can start."""
    name = f"the drill {other.drill}" if other else "another drill"
    since = f" since {other.started:%H:%M:%S} UTC" if other else ""
    return (
        f"{name} has been running in this lab{since}: end it first, in notebook 09 "
        "(`conduct.end(lab)`), or as an instructor with `fleet drill end`"
    )


def write(lab: Lab, record: Record) -> None:
    """Update the record of the running drill."""
    _put(lab, keys.DRILL, record)


def finish(lab: Lab, record: Record) -> None:
    """Keep the record of a drill that was put back, and make room for the next one."""
    _put(lab, f"{keys.DRILLS}{record.id}.json", record)
    now = running(lab)
    if now and now.id == record.id:
        lab.client("s3").delete_object(Bucket=lab.bucket, Key=keys.DRILL)


def _put(lab: Lab, key: str, record: Record) -> None:
    lab.client("s3").put_object(
        Bucket=lab.bucket, Key=key, Body=record.to_json(), ContentType="application/json"
    )


def _read(lab: Lab, key: str) -> Record | None:
    try:
        answer = lab.client("s3").get_object(Bucket=lab.bucket, Key=key)
    except ClientError as error:
        if not is_gone(error):
            raise
        return None
    return Record.from_json(answer["Body"].read())
