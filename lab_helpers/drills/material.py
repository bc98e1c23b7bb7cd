"""What a drill trains with: a changed copy of the learner's training job, and of the data if it needs to."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers import keys
from lab_helpers.aws_errors import is_gone
from lab_helpers.drills.drill import DrillError
from lab_helpers.exercises import unzipped, zipped

if TYPE_CHECKING:
    from lab_helpers.drills.record import Record
    from lab_helpers.lab import Lab

DESCRIPTOR = "trainingjob.json"
Row = dict[str, str]


@dataclass(frozen=True)
class Material:
    """The members of `trainingjob.zip`, its descriptor, and CSV files by name if there is data of its own."""

    members: Mapping[str, bytes]
    descriptor: dict[str, Any]
    data: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, lab: Lab) -> Material:
        """Read the learner's newest `trainingjob.zip`. Raises DrillError if there is none that is whole."""
        try:
            content = lab.client("s3").get_object(Bucket=lab.bucket, Key=keys.TRAINING_JOB)["Body"].read()
        except ClientError as error:
            if not is_gone(error):
                raise
            raise DrillError(
                f"s3://{lab.bucket}/{keys.TRAINING_JOB} does not exist: run notebook 03 first"
            ) from error
        members = unzipped(content)
        try:
            descriptor = json.loads(members[DESCRIPTOR])
            _channel(descriptor)
        except (KeyError, TypeError, StopIteration, ValueError) as error:
            raise DrillError(
                f"s3://{lab.bucket}/{keys.TRAINING_JOB} has no {DESCRIPTOR} with the channel `training`: run "
                "notebook 03 again"
            ) from error
        return cls(members, descriptor)

    def hyperparameter(self, name: str, value: str) -> Material:
        """Return it with one hyperparameter set."""
        changed = copy.deepcopy(self.descriptor)
        changed.setdefault("HyperParameters", {})[name] = value
        return Material(self.members, changed, self.data)

    def gate(self, **thresholds: float) -> Material:
        """Return it with other thresholds of the quality gate."""
        changed = copy.deepcopy(self.descriptor)
        changed["QualityGate"].update(thresholds)
        return Material(self.members, changed, self.data)

    def rows(self, lab: Lab, change: Callable[[list[Row], list[str]], None]) -> Material:
        """Return it with data of its own: `change` gets the rows of all files, and the names of the columns.

        Raises DrillError if the learner's data is not there, or if its files differ in their columns.
        """
        texts = _read(lab, _channel(self.descriptor)["DataSource"]["S3DataSource"]["S3Uri"])
        tables: dict[str, list[Row]] = {}
        columns: list[str] = []
        for name, text in texts.items():
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            tables[name] = list(reader)
            found = list(reader.fieldnames or ())
            if columns and set(found) != set(columns):
                raise DrillError(
                    f"{name} has other columns than the files before it: a drill needs one table"
                )
            columns = columns or found
        change([row for rows in tables.values() for row in rows], columns)
        return Material(
            self.members, self.descriptor, {name: _csv(columns, rows) for name, rows in tables.items()}
        )

    def upload(self, lab: Lab, record: Record) -> str:
        """Write it below the drill's folder, and return the version of the zip."""
        s3, descriptor = lab.client("s3"), copy.deepcopy(self.descriptor)
        for name, body in self.data.items():
            s3.put_object(Bucket=lab.bucket, Key=f"{record.folder}input/{name}", Body=body)
        if self.data:
            place = _channel(descriptor)["DataSource"]["S3DataSource"]
            place["S3Uri"] = f"s3://{lab.bucket}/{record.folder}input/"
        members = {**self.members, DESCRIPTOR: json.dumps(descriptor, indent=2).encode()}
        return s3.put_object(Bucket=lab.bucket, Key=record.zip, Body=zipped(members))["VersionId"]


def _channel(descriptor: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in descriptor["InputDataConfig"] if one["ChannelName"] == "training"
    )
    return found


def _read(lab: Lab, uri: str) -> dict[str, str]:
    """Return the CSV files below a prefix, by the rest of their keys."""
    s3, (bucket, _, prefix) = lab.client("s3"), uri.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [one["Key"] for page in pages for one in page.get("Contents", [])]
    texts = {
        key.removeprefix(prefix).lstrip("/") or key.rpartition("/")[2]: s3.get_object(Bucket=bucket, Key=key)[
            "Body"
        ]
        .read()
        .decode("utf-8-sig")
        for key in found
        if key.lower().endswith(".csv")
    }
    if not texts:
        raise DrillError(f"{uri} has no .csv file: upload the data in notebook 03 first")
    return texts


def _csv(columns: list[str], rows: list[Row]) -> bytes:
    text = io.StringIO()
    lines = csv.DictWriter(text, columns, lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    return text.getvalue().encode()
