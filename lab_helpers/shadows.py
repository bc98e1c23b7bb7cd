"""A shadow variant: what it has answered to copies of requests, of which clients see nothing.

Contract: SageMaker AI Developer Guide, "Shadow variants" and "Data capture".
"""

from __future__ import annotations

import base64
import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab_helpers import keys, waits
from lab_helpers.display import Table, duration
from lab_helpers.errors import WorkshopError
from lab_helpers.live import Live, tick

if TYPE_CHECKING:
    from lab_helpers.lab import Lab
    from lab_helpers.monitoring import Traffic

Label = str | float
PATIENCE = 600.0
"""Seconds; on AWS, captured data takes minutes."""


class ShadowError(WorkshopError, RuntimeError):
    """S3 does not have the captured answers; the message says how many it has."""


def captured(lab: Lab, traffic: Traffic) -> dict[str, dict[str, Label]]:
    """Return what was answered to these requests, by variant and inference id, as far as S3 has it.

    AWS does not say whether what a shadow variant has answered is captured with the request's inference id.
    If it is not, the question tells which requests it was: a model answers the same question the same way.
    """
    wanted, found, nameless = set(traffic.ids), dict[str, dict[str, Label]](), list[tuple[str, str, Label]]()
    asked = dict[str, set[str]]()
    for variant, event in _events(lab, traffic.endpoint):
        name, question = event["eventMetadata"].get("inferenceId"), _text(event, "endpointInput")
        if name is not None and name not in wanted:
            continue
        answer = json.loads(_text(event, "endpointOutput"))["predictions"][0]
        if name is None:
            nameless.append((variant, question, answer))
        else:
            found.setdefault(variant, {})[name] = answer
            asked.setdefault(question, set()).add(name)
    for variant, question, answer in nameless:
        for name in asked.get(question, ()):
            found.setdefault(variant, {}).setdefault(name, answer)
    return found


def _events(lab: Lab, endpoint: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield everything that is captured of an endpoint, with its variant."""
    s3, stem = lab.client("s3"), f"{keys.CAPTURE}{endpoint}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=lab.bucket, Prefix=stem):
        for one in page.get("Contents", []):
            variant = one["Key"].removeprefix(stem).partition("/")[0]
            for line in s3.get_object(Bucket=lab.bucket, Key=one["Key"])["Body"].iter_lines():
                yield variant, json.loads(line)


def _text(event: Mapping[str, Any], part: str) -> str:
    """Return a captured body: as text, or in BASE64 if its content type is not one of those configured."""
    found = event["captureData"][part]
    return base64.b64decode(found["data"]).decode() if found["encoding"] == "BASE64" else str(found["data"])


def wait(
    lab: Lab, traffic: Traffic, variants: Sequence[str], sleep: Callable[[float], None] = time.sleep
) -> dict[str, dict[str, Label]]:
    """Wait until S3 has what each of these variants has answered. Raises ShadowError after ten minutes."""
    live, began, count = Live(), time.monotonic(), len(traffic.ids)
    while True:
        found = captured(lab, traffic)
        status = ", ".join(f"{name} {len(found.get(name, {}))} of {count}" for name in variants)
        if all(len(found.get(name, {})) == count for name in variants):
            break
        if (waited := time.monotonic() - began) > PATIENCE:
            raise ShadowError(
                f"S3 has {status} answers after {duration(waited)}: run this cell again to wait longer"
            )
        show = functools.partial(waits.show, live, "captured", traffic.endpoint, status, began)
        show()
        tick(min(1 + waited / 20, 10), show, sleep)
    live.show(Table(["captured", "status", "waited"], [[traffic.endpoint, status, ""]]))
    return found


def table(found: Mapping[str, Mapping[str, Label]], truth: Mapping[str, Label]) -> Table:
    """Show how many answers of each variant are right, and how many are the same as the first one's."""
    first = next(iter(found.values()))
    return Table(
        ["variant", "answers", "right", "as the first"],
        [
            [
                name,
                len(answers),
                f"{sum(answers[one] == truth[one] for one in answers) / len(answers):.1%}",
                f"{sum(answers[one] == first[one] for one in answers) / len(answers):.1%}",
            ]
            for name, answers in found.items()
        ],
    )
