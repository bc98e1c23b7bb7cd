"""The formats: from the bytes of a request to rows of numbers, from predictions to the bytes of an answer."""

import contextlib
import csv
import functools
import io
import json
from collections.abc import Callable
from itertools import chain
from types import GenericAlias
from typing import Any, NoReturn

import msgspec
import numpy as np
import orjson

from server import RefusedError, Response

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
LARGEST = 1e30  # anything beyond could overflow a model that computes in single precision
Rows = list[tuple[float, ...]] | np.ndarray  # one number per feature, in the form that the decoder returned
Encode = Callable[[str, list[str], np.ndarray | None], Response]  # algorithm, labels, probabilities


class RowReader:
    """Reads rows of one number per feature; raises RefusedError, which names the row and the feature."""

    def __init__(self, features: list[str]) -> None:
        self.features = features
        self.wanted = f"each row needs {len(features)} numbers ({', '.join(features)})"
        # msgspec checks width and types while it reads: text, null and true do not pass as numbers.
        row = GenericAlias(tuple, (float,) * len(features))
        body: Any = msgspec.defstruct("Body", [("instances", GenericAlias(list, row))])
        self.read_json = msgspec.json.Decoder(body).decode

    def join(self, parts: list[Rows]) -> np.ndarray:
        """Return the rows of several requests as float64, all of them finite and within ±LARGEST."""
        if all(type(part) is list for part in parts):  # the most frequent case, and the fastest way
            numbers = chain.from_iterable(chain.from_iterable(parts))
            count = sum(map(len, parts)) * len(self.features)
            table = np.fromiter(numbers, np.float64, count).reshape(-1, len(self.features))
        else:
            table = np.concatenate(parts, dtype=np.float64)
        if not np.vdot(table, table) <= LARGEST**2:  # one sum clears all values at once; if not, look closer
            for row, column in np.argwhere(~(np.abs(table) <= LARGEST)):
                self.refuse(row, column, table[row, column])
        return table

    def read(self, body: bytes, content_type: str) -> Rows:
        """Return one row per instance in a body of the given media type."""
        kind = content_type.partition(";")[0].strip().lower()
        try:
            rows = self.decode(body, kind)
        except RefusedError:
            raise
        except Exception as error:  # whatever the decoder raises, the body is at fault
            with contextlib.suppress(ValueError, LookupError, RecursionError, csv.Error):
                self.explain(body, kind)
            raise RefusedError(400, f"the body is not valid {kind}: {error}") from error
        if not len(rows):
            raise RefusedError(400, "there are no instances: send at least one row")
        return rows

    def decode(self, body: bytes, kind: str) -> Rows:
        """Return the rows in a body; raises whatever the decoder of its media type raises."""
        if kind == JSON:
            rows: Rows = self.read_json(body).instances
            return rows
        if kind == CSV:
            text = body.decode().removeprefix("\ufeff")  # the byte order mark that Excel writes
            for row, line in enumerate(filter(None, text.splitlines())):
                self.check_width(row, line.count(",") + 1)
            if not text.strip("\r\n"):
                return []
            return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2, comments=None, quotechar='"')
        if kind == NPY:
            file = io.BytesIO(body)
            table = np.lib.format.read_array(file, allow_pickle=False)  # unpickling can run code
            if file.tell() < len(body):
                raise ValueError("there is more data than the header declares")
            if table.ndim != 2 or table.dtype.kind not in "fiu":
                raise RefusedError(
                    400, f"send a 2-dimensional array of numbers, not {table.ndim}-dimensional {table.dtype}"
                )
            if len(table):
                self.check_width(0, table.shape[1])
            return table
        raise RefusedError(415, f"Content-Type is {kind!r}: use {JSON}, {CSV} or {NPY}")

    def check_width(self, row: int, width: int) -> None:
        """Refuse a row that does not have one number per feature."""
        if width != len(self.features):
            raise RefusedError(400, f"row {row} has {width} values: {self.wanted}")

    def explain(self, body: bytes, kind: str) -> None:
        """Read the body again, slowly and leniently, to name the fault that the fast way cannot name."""
        text = body.decode().removeprefix("\ufeff")
        if kind == CSV:
            for row, cells in enumerate(cells for cells in csv.reader(io.StringIO(text)) if cells):
                for column, cell in enumerate(cells):
                    try:
                        float(cell)
                    except ValueError:
                        self.refuse(row, column, repr(cell))
        elif kind == JSON:
            document = json.loads(text)
            rows = document.get("instances") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise RefusedError(400, f'send {{"instances": [[…], …]}}: {self.wanted}')
            for row, values in enumerate(rows):
                if not isinstance(values, list):
                    raise RefusedError(400, f"row {row} is not a list: {self.wanted}")
                self.check_width(row, len(values))
                for column, value in enumerate(values):
                    if type(value) not in {int, float} or not abs(value) <= LARGEST:
                        self.refuse(row, column, json.dumps(value))

    def refuse(self, row: int, column: int, value: object) -> NoReturn:
        """Refuse a value that a model cannot predict from, and say where it stands."""
        raise RefusedError(
            400, f"row {row}, {self.features[column]}: {value!s:.40} is not a number to predict from"
        )


@functools.lru_cache(maxsize=256)
def negotiate(accept: str) -> str:
    """Return the media type that a client prefers (RFC 9110, "Accept"): JSON if it states no preference."""
    best, chosen = 0.0, ""
    for part in (accept or "*/*").lower().replace(" ", "").split(","):
        kind, _, parameters = part.partition(";")
        kind = {"*/*": JSON, "application/*": JSON, "text/*": CSV}.get(kind, kind)
        try:
            quality = float(parameters.partition("q=")[2] or 1)
        except ValueError:
            quality = 0
        if kind in {JSON, CSV} and quality > best:
            best, chosen = quality, kind
    if not chosen:
        raise RefusedError(406, f"Accept is {accept!r}: this server can send {JSON} or {CSV}")
    return chosen


def to_json(algorithm: str, labels: list[str], probabilities: np.ndarray | None) -> Response:
    """Encode one label per row, and its probabilities in the order of the classes."""
    answer: dict[str, Any] = {"algorithm": algorithm, "predictions": labels}
    if probabilities is not None:
        answer["probabilities"] = np.ascontiguousarray(probabilities, np.float32)  # 7 digits are plenty
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))


def to_csv(_: str, labels: list[str], probabilities: np.ndarray | None) -> Response:
    """Encode one line per row: the label, then its probabilities."""
    text = io.StringIO()
    columns = [] if probabilities is None else probabilities.astype(float).round(7).T.tolist()
    csv.writer(text, lineterminator="\n").writerows(zip(labels, *columns, strict=True))
    return Response(text.getvalue().encode(), CSV)


ENCODERS: dict[str, Encode] = {JSON: to_json, CSV: to_csv}
