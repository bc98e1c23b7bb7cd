"""What a transform job does to records before and after the model sees them: filters and the join.

Contract: SageMaker AI Developer Guide, "Associate Prediction Results with Input Records".

Refuses (CreateTransformJob): a slice with an end in InputFilter or OutputFilter, such as `$[1:4]`: the guide
includes the element at the end, JSONPath does not. List the indexes, or leave the end open (`$[1:]`).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.services.sagemaker.resources import invalid, unsupported

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import CreateTransformJobRequestTypeDef

Step = Callable[[Any], Any]
_STEP = re.compile(
    r"\.(?P<child>[A-Za-z_]\w*)"
    r"|\.?\[(?P<names>\s*'[^']*'(?:\s*,\s*'[^']*')*\s*)\]"
    r"|\[(?P<indexes>\s*-?\d+(?:\s*,\s*-?\d+)*\s*)\]"
    r"|\[(?P<start>-?\d*):(?P<end>-?\d*)\]"
    r"|(?P<all>\.\*|\[\*\])"
)
_TYPES = ("text/csv", "application/json", "application/jsonlines")
CSV, JSON, LINES = _TYPES


class ProcessingError(Exception):
    """Records that a filter or the join cannot be applied to; the message says why."""


@dataclass(frozen=True)
class DataProcessing:
    """The filters and the join of a job. ``input_type`` and ``output_type`` are media types."""

    input_type: str
    output_type: str
    input_filter: Sequence[Step]
    output_filter: Sequence[Step]
    join: bool

    def for_model(self, records: Sequence[bytes]) -> bytes:
        """Return the payload of some records: each filtered, on a line of its own."""
        if not self.input_filter:
            return b"".join(records)
        return _written([_select(self.input_filter, one) for one in _read(records, self.input_type)],
                        self.input_type)  # fmt: skip

    def for_output(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """Return what is stored for some records: the model's answer, joined and filtered."""
        if not (self.join or self.output_filter):
            return answer
        whole = self.output_type == JSON and self.input_type == JSON
        answers = _read([answer] if whole else answer.splitlines(keepends=True), self.output_type)
        if self.join:
            given = _read(records, self.input_type)
            if len(given) != len(answers):
                raise ProcessingError(
                    f"cannot join {len(given)} input records with {len(answers)} records of output"
                )
            answers = [_joined(one, other) for one, other in zip(given, answers, strict=True)]
        kind = self.input_type if self.join else self.output_type
        return _written([_select(self.output_filter, one) for one in answers], kind)


def data_processing(params: CreateTransformJobRequestTypeDef) -> DataProcessing:
    """Return what a request asks for.

    Raises ServiceError: ValidationException for an expression that is not JSONPath, and for formats that
    cannot be processed; UnsupportedOperation for a slice with an end.
    """
    asked = params.get("DataProcessing", {})
    given, wanted = params["TransformInput"], params["TransformOutput"]
    processing = DataProcessing(
        given.get("ContentType", "").partition(";")[0].strip().lower(),
        wanted.get("Accept", "").partition(";")[0].strip().lower(),
        _compiled("InputFilter", asked.get("InputFilter", "$")),
        _compiled("OutputFilter", asked.get("OutputFilter", "$")),
        asked.get("JoinSource", "None") == "Input",
    )
    if not (processing.input_filter or processing.output_filter or processing.join):
        return processing
    for member, kind in (("ContentType", processing.input_type), ("Accept", processing.output_type)):
        if kind not in _TYPES:
            raise invalid(
                f"DataProcessing needs {member} to be one of {', '.join(_TYPES)}, but it is {kind or 'empty'}"
            )
    lines = given.get("SplitType", "None"), wanted.get("AssembleWith", "None")
    if CSV in (processing.input_type, processing.output_type) and lines != ("Line", "Line"):
        raise invalid("DataProcessing of text/csv needs SplitType and AssembleWith to be Line")
    return processing


def _compiled(member: str, path: str) -> list[Step]:
    """Return the steps of a JSONPath; none for ``$``."""
    if not path.startswith("$"):
        raise invalid(f"{member} {path!r} is not a valid JSONPath: it does not begin with $")
    steps: list[Step] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if not found:
            raise invalid(
                f"{member} {path!r} is not a valid JSONPath: {path[at:]!r} is not an operator of it"
            )
        if found["end"]:
            raise unsupported(f"a slice with an end in {member} ({path}; list the indexes)")
        steps.append(_step(found))
        at = found.end()
    return steps


def _step(found: re.Match[str]) -> Step:
    if found["child"] is not None or found["names"] is not None:
        names = [found["child"]] if found["child"] else re.findall(r"'([^']*)'", found["names"])
        return lambda value: (
            _child(value, names[0]) if len(names) == 1 else {name: _child(value, name) for name in names}
        )
    if found["indexes"] is not None:
        indexes = [int(one) for one in found["indexes"].split(",")]
        return lambda value: (
            _item(value, indexes[0]) if len(indexes) == 1 else [_item(value, index) for index in indexes]
        )
    if found["all"] is not None:
        return lambda value: list(value.values()) if isinstance(value, dict) else list(value)
    start = int(found["start"] or 0)
    return lambda value: _list(value)[start:]


def _child(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise ProcessingError(f"there is no attribute {name!r} in a record")
    return value[name]


def _item(value: Any, index: int) -> Any:
    items = _list(value)
    if not -len(items) <= index < len(items):
        raise ProcessingError(f"the index {index} is not within a record of {len(items)} values")
    return items[index]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ProcessingError("an index needs a record that is an array")
    return value


def _select(steps: Sequence[Step], value: Any) -> Any:
    for step in steps:
        value = step(value)
    return value


def _joined(given: Any, answer: Any) -> Any:
    if isinstance(given, _Row):
        return _Row([*given, *(answer if isinstance(answer, list) else [answer])])
    if isinstance(given, dict):
        return {**given, "SageMakerOutput": answer}
    return {"SageMakerInput": given, "SageMakerOutput": answer}


class _Row(list[Any]):
    """A line of CSV."""


def _read(records: Sequence[bytes], kind: str) -> list[Any]:
    try:
        if kind == CSV:
            texts = [record.decode() for record in records]
            return [_Row(row) for text in texts for row in csv.reader(io.StringIO(text, newline="")) if row]
        return [json.loads(record) for record in records if record.strip()]
    except (ValueError, csv.Error) as error:
        raise ProcessingError(f"a record is not valid {kind}: {error}") from error


def _written(values: Sequence[Any], kind: str) -> bytes:
    if kind == CSV:
        text = io.StringIO(newline="")
        rows = [value if isinstance(value, list) else [value] for value in values]
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()
    end = "" if kind == JSON and len(values) == 1 else "\n"
    return "".join(json.dumps(value) + end for value in values).encode()
