"""The formats: from the bytes of a request to rows of numbers, from predictions to the bytes of an answer."""

import contextlib
import csv
import difflib
import functools
import io
import json
import re
from collections.abc import Callable
from itertools import chain
from types import GenericAlias
from typing import Any, NamedTuple, NoReturn

import msgspec
import numpy as np
import orjson

from server import RefusedError, Response

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
LARGEST = 1e30  # anything beyond could overflow a model that computes in single precision
Cell = float | str | None
Rows = list[tuple[Cell, ...]] | np.ndarray  # one value per feature, in the form that the decoder returned
Labels = list[str] | list[float]  # of a classifier; of a regressor
Encode = Callable[[str, Labels, np.ndarray | None], Response]  # algorithm, labels, probabilities


class Column(NamedTuple):
    """A feature: a number or text, and whether it may be missing."""

    name: str
    text: bool
    missing: bool

    @property
    def kind(self) -> str:
        """What stands in it, as `model.json` says it."""
        return ("text" if self.text else "number") + (" or nothing" if self.missing else "")

    @classmethod
    def of_kind(cls, name: str, kind: str) -> "Column":
        """Return the column of a name and a kind."""
        return cls(name, kind.startswith("text"), kind.endswith("nothing"))


def as_number(text: str) -> float:
    """Return the number that a text is; raises ValueError.

    `float` also reads `1_0` as 10, and digits of other scripts: in data, these are mistakes.
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def as_table(rows: Any, columns: list[Column]) -> np.ndarray:
    """Return rows as an array: float64, a missing number being NaN; objects if a column is text."""
    if any(column.text for column in columns):
        table = np.array([tuple(row) for row in rows], object).reshape(-1, len(columns))
        for number, column in enumerate(columns):
            if not column.text:
                table[:, number] = table[:, number].astype(np.float64)
        return table
    return np.array(rows, np.float64).reshape(-1, len(columns))


class RowReader:
    """Reads rows of one value per feature; raises RefusedError, which names the row and the feature."""

    def __init__(self, columns: list[Column]) -> None:
        self.columns, self.features = columns, [column.name for column in columns]
        self.plain = not any(column.text or column.missing for column in columns)  # only numbers
        kind = "numbers" if self.plain else "values"
        self.wanted = f"each row needs {len(columns)} {kind} ({', '.join(self.features)})"
        # msgspec checks width and types while it reads: text, null and true do not pass as numbers.
        kinds: list[Any] = [str if column.text else float for column in columns]
        kinds = [kind | None if one.missing else kind for kind, one in zip(kinds, columns, strict=True)]
        instances = ("instances", GenericAlias(list, GenericAlias(tuple, tuple(kinds))))
        # Whoever names an algorithm here would be answered by another one: that key must not have a value.
        body: Any = msgspec.defstruct("Body", [instances, ("algorithm", None, None)])
        self.read_json = msgspec.json.Decoder(body).decode

    def join(self, parts: list[Rows]) -> np.ndarray:
        """Return the rows of several requests as float64, all of them finite and within ±LARGEST.

        A missing number is NaN. With text, the rows are objects.
        """
        if not self.plain:
            return self.join_mixed(parts)
        if all(type(part) is list for part in parts):  # the most frequent case, and the fastest way
            numbers = chain.from_iterable(chain.from_iterable(parts))
            count = sum(map(len, parts)) * len(self.features)
            table = np.fromiter(numbers, np.float64, count).reshape(-1, len(self.features))
        else:
            table = np.concatenate([np.asarray(part, np.float64) for part in parts])
        if not np.vdot(table, table) <= LARGEST**2:  # one sum clears all values at once; if not, look closer
            for row, column in np.argwhere(~(np.abs(table) <= LARGEST)):
                self.refuse(row, column, table[row, column])
        return table

    def join_mixed(self, parts: list[Rows]) -> np.ndarray:
        """Return rows with text or missing values, every number of them within ±LARGEST."""
        table = as_table([row for part in parts for row in part], self.columns)
        for number, column in enumerate(self.columns):
            if not column.text:
                values = table[:, number].astype(np.float64)
                allowed = np.isnan(values) if column.missing else False
                for row in np.flatnonzero(~((np.abs(values) <= LARGEST) | allowed)):
                    self.refuse(int(row), number, values[row])
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
            for row, line in enumerate(filter(None, text.splitlines() if self.plain else ())):
                self.check_width(row, line.count(",") + 1)
            if not text.strip("\r\n"):
                return []
            if not self.plain:
                return [self.convert(row, cells) for row, cells in enumerate(csv_rows(text))]
            return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2, comments=None, quotechar='"')
        if kind == NPY:
            if any(column.text for column in self.columns):
                raise RefusedError(415, f"an array cannot hold the text of this model: use {JSON} or {CSV}")
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

    def convert(self, row: int, cells: list[str]) -> tuple[Cell, ...]:
        """Return a line of CSV with its numbers read, and None for what is empty."""
        self.check_width(row, len(cells))
        values: list[Cell] = []
        for number, (column, cell) in enumerate(zip(self.columns, cells, strict=True)):
            if not cell and column.missing:
                values.append(None)
            elif column.text and cell:
                values.append(cell)
            else:
                try:
                    values.append(as_number(cell))
                except ValueError:
                    self.refuse(row, number, repr(cell))
        return tuple(values)

    def check_width(self, row: int, width: int) -> None:
        """Refuse a row that does not have one number per feature."""
        if width != len(self.features):
            raise RefusedError(400, f"row {row} has {width} values: {self.wanted}")

    def explain(self, body: bytes, kind: str) -> None:
        """Read the body again, slowly and leniently, to name the fault that the fast way cannot name."""
        text = body.decode().removeprefix("\ufeff")
        if kind == CSV:
            for row, cells in enumerate(csv_rows(text)):
                for position, cell in enumerate(cells):
                    try:
                        as_number(cell)
                    except ValueError:
                        self.refuse(row, position, repr(cell))
        elif kind == JSON:
            document = json.loads(text)
            rows = document.get("instances") if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise RefusedError(400, f'send {{"instances": [[…], …]}}: {self.wanted}')
            if document.get("algorithm") is not None:
                raise RefusedError(400, "algorithm is not part of the body: choose it in CustomAttributes")
            for row, values in enumerate(rows):
                if not isinstance(values, list):
                    raise RefusedError(400, f"row {row} is not a list: {self.wanted}")
                self.check_width(row, len(values))
                for number, value in enumerate(values):
                    column = self.columns[number]
                    fits = isinstance(value, str) if column.text else type(value) in {int, float}
                    fits = (column.missing and value is None) or fits
                    if not fits or (type(value) in {int, float} and not abs(value) <= LARGEST):
                        self.refuse(row, number, json.dumps(value))

    def refuse(self, row: int, column: int, value: object) -> NoReturn:
        """Refuse a value that a model cannot predict from, and say where it stands."""
        kind = self.columns[column].kind.replace("number", "a number")
        wanted = kind if "nothing" in kind or "text" in kind else f"{kind} to predict from"
        raise RefusedError(400, f"row {row}, {self.features[column]}: {value!s:.40} is not {wanted}")


def csv_rows(text: str) -> list[list[str]]:
    """Return the lines of CSV that are not empty, as cells."""
    return [cells for cells in csv.reader(io.StringIO(text)) if cells]


@functools.lru_cache(maxsize=256)
def attribute(attributes: str, name: str, values: tuple[str, ...]) -> str | None:
    """Return the value of `name` in CustomAttributes such as `trace=1, algorithm=logistic`; None without it.

    Attributes that others read are ignored. What looks like a wrong way to write `name` is refused: the
    default would answer, and nobody would notice.
    """
    right = f"write {name}={values[0]}"
    known = [plain(one) for one in values]
    found: str | None = None
    for part in filter(str.strip, re.split("[,;]", attributes)):
        key, equals, value = (one.strip() for one in part.partition("="))
        if equals and key.lower() == name:
            if value not in values:
                raise RefusedError(400, f"unknown {name} {value!r}: use {' or '.join(values)}")
            if found not in {None, value}:
                raise RefusedError(400, f"CustomAttributes has two values of {name}: choose one")
            found = value
        elif re.search(rf"\b{name}\s*[=:]", part.lower()) or (
            not equals and (name in key.lower() or any(one in plain(key) for one in known))
        ):
            raise RefusedError(400, f"CustomAttributes is {attributes!r:.60}: {right}")
        elif equals and (plain(value) in known or alike(key.lower(), name)):
            raise RefusedError(400, f"CustomAttributes has {key!r:.40}, which is not {name!r}: {right}")
    return found


def plain(text: str) -> str:
    """Return a text in lower case, without what separates its words."""
    return re.sub(r"[\s_-]", "", text.lower())


def alike(given: str, name: str) -> bool:
    """Return whether `given` is probably a misspelled `name`."""
    return abs(len(given) - len(name)) <= 2 and bool(difflib.get_close_matches(given, [name], cutoff=0.8))


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


def to_json(algorithm: str, labels: Labels, probabilities: np.ndarray | None) -> Response:
    """Encode one label per row, and its probabilities in the order of the classes."""
    answer: dict[str, Any] = {"algorithm": algorithm, "predictions": labels}
    if probabilities is not None:
        answer["probabilities"] = np.ascontiguousarray(probabilities, np.float32)  # 7 digits are plenty
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))


def to_csv(_: str, labels: Labels, probabilities: np.ndarray | None) -> Response:
    """Encode one line per row: the label, then its probabilities."""
    text = io.StringIO()
    columns = [] if probabilities is None else probabilities.astype(float).round(7).T.tolist()
    csv.writer(text, lineterminator="\n").writerows(zip(labels, *columns, strict=True))
    return Response(text.getvalue().encode(), CSV)


ENCODERS: dict[str, Encode] = {JSON: to_json, CSV: to_csv}
