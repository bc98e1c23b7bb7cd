"""What a training job is given: hyperparameters as text, and CSV files. A fault is named with its place."""

import csv
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from rows import LARGEST, Column, as_number, as_table

# Set by SageMaker: names that begin with these are not the model's, unless it declares them.
PLATFORM = ("sagemaker_", "_tuning_")
TRUTH = {"true": True, "1": True, "false": False, "0": False}
# How programs write that there is no value (pandas and spreadsheets among them).
MISSING_LABELS = {"nan", "na", "n/a", "#n/a", "<na>", "null", "none"}
KINDS: dict[
    Any, tuple[bool, bool]
] = {  # what FEATURES declares: whether it is text, whether it may be missing
    float: (False, False),
    int: (False, False),
    str: (True, False),
    float | None: (False, True),
    int | None: (False, True),
    str | None: (True, True),
}


def hyperparameters(declared: type[Any], given: Mapping[str, str]) -> Any:
    """Convert SageMaker's strings to the declared types; raises ValueError, which names the hyperparameter.

    Types are int, float, str, bool, Literal, and each of them `| None` (given as `none`). Names that the
    platform adds (`sagemaker_…`, `_tuning_…`) are ignored.
    """
    types = get_type_hints(declared)
    wanted = {one.name: one for one in fields(declared) if one.init}
    for name in wanted:
        convert(name, types[name], None)  # a type that cannot be given is an error in model.py
    own = {name: text for name, text in given.items() if name in wanted or not name.startswith(PLATFORM)}
    if unknown := sorted(set(own) - set(wanted)):
        raise ValueError(f"unknown hyperparameter {', '.join(unknown)}: use {', '.join(wanted) or 'none'}")
    if missing := [name for name, one in wanted.items() if name not in own and required(one)]:
        raise ValueError(f"hyperparameter {', '.join(missing)} is missing: it has no default in model.py")
    return declared(**{name: convert(name, types[name], text) for name, text in own.items()})


def required(field: Field[Any]) -> bool:
    """Return whether a field of a dataclass has no default."""
    return field.default is MISSING and field.default_factory is MISSING


def convert(name: str, kind: Any, text: str | None) -> Any:
    """Return `text` as the declared type, or None for no text; raises ValueError.

    Without text, this only checks that the type can be given as text.
    """
    if get_origin(kind) in {Union, UnionType} and NoneType in get_args(kind):
        options = [one for one in get_args(kind) if one is not NoneType]
        if len(options) == 1:
            missing = text is not None and text.strip().lower() in {"none", "null", ""}
            return convert(name, options[0], None if missing else text)
    if get_origin(kind) is Literal:
        named = {str(one): one for one in get_args(kind)}
        if text is not None and text not in named:
            raise ValueError(f"hyperparameter {name}: {text!r} is not one of {', '.join(named)}")
        return None if text is None else named[text]
    if kind not in {int, float, str, bool}:
        raise ValueError(
            f"hyperparameter {name} is declared as {getattr(kind, '__name__', kind)} in model.py, which a "
            "training job cannot be given: use int, float, str, bool, Literal, or one of them `| None`"
        )
    if text is None:
        return None
    try:
        return parse(kind, text)
    except (ValueError, KeyError) as error:
        hint = {bool: ": use true or false", float: ": use a finite number"}.get(kind, "")
        raise ValueError(f"hyperparameter {name}: {text!r} is not a valid {kind.__name__}{hint}") from error


def parse(kind: Any, text: str) -> Any:
    """Return a text as an int, float, str or bool; raises ValueError or KeyError."""
    if kind is bool:
        return TRUTH[text.strip().lower()]
    if kind is not str and not math.isfinite(as_number(text)):  # evaluation.json could not hold NaN
        raise ValueError(f"{text!r} is not finite")
    return kind(text)


def columns(features: Any) -> list[Column]:
    """Return the columns that `FEATURES` declares: names of numbers, or names with their types.

    Raises ValueError for a type that a feature cannot have, or a name that is there twice.
    """
    declared = dict(features) if isinstance(features, Mapping) else dict.fromkeys(features, float)
    if not declared or len(declared) < len(features):
        raise ValueError("FEATURES of model.py is empty or has a name twice: name each column once")
    if unknown := [name for name, kind in declared.items() if kind not in KINDS]:
        raise ValueError(
            f"FEATURES of model.py has a type for {', '.join(unknown)} that a column cannot have: use float, "
            "str, float | None or str | None"
        )
    return [Column(name, *KINDS[kind]) for name, kind in declared.items()]


def files(channel: Path) -> list[Path]:
    """Return the CSV files of a channel, those in folders below it included; says which files it ignores.

    Raises ValueError if there is none.
    """
    found: list[Path] = []
    ignored: list[Path] = []
    for path in sorted(path for path in channel.rglob("*") if path.is_file()):
        hidden = any(part.startswith(".") for part in path.relative_to(channel).parts)
        (ignored if hidden or path.suffix.lower() != ".csv" else found).append(path)
    names = ", ".join(str(path.relative_to(channel)) for path in ignored)
    if not found:
        there = f", but {names}" if names else ""
        raise ValueError(f"the channel `training` has no .csv file{there}: upload one to its S3 prefix")
    if names:
        print(f"not read, because they are not .csv files: {names}")
    return found


class Table(NamedTuple):
    """Rows of features (float64, or objects if there is text), the target's texts, and where each row is."""

    rows: np.ndarray
    target: list[str]
    places: list[str]


def read_table(paths: list[Path], features: list[Column], target: str) -> Table:
    """Read CSV files with a header line.

    Raises ValueError, which names file, line and column, for anything that cannot be trained on.
    """
    cells, texts, places = [], [], []
    for path in paths:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                header = next(reader, [])
                position = find(path.name, header, [*(one.name for one in features), target])
                for line in filter(None, reader):
                    place = f"{path.name}, line {reader.line_num}"
                    if len(line) != len(header):
                        raise ValueError(
                            f"{place}: {len(line)} values, but the header has {len(header)} columns"
                        )
                    cells.append([read(place, one, line[position[one.name]]) for one in features])
                    if not line[position[target]].strip():
                        raise ValueError(f"{place}, {target} is empty: fill it or remove the line")
                    texts.append(str(read(place, Column(target, True, False), line[position[target]])))
                    places.append(place)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path.name} is not UTF-8 ({error}): save it as UTF-8") from error
        except csv.Error as error:
            raise ValueError(f"{path.name}, line {reader.line_num}: {error}") from error
    if not cells:
        raise ValueError("the training data is empty: the files have a header line and no rows")
    return Table(as_table(cells, features), texts, places)


def find(file: str, header: list[str], wanted: list[str]) -> dict[str, int]:
    """Return where the wanted columns are; raises ValueError for one that is missing or there twice."""
    if missing := sorted(set(wanted) - set(header)):
        there = f": it has {', '.join(header)}" if header else ""
        raise ValueError(f"{file} has no column {', '.join(missing)}{there}")
    if twice := [name for name in wanted if header.count(name) > 1]:
        raise ValueError(f"{file} has the column {', '.join(twice)} twice: remove or rename one")
    return {name: header.index(name) for name in wanted}


def read(place: str, column: Column, text: str) -> float | str | None:
    """Return one cell; raises ValueError if the column cannot hold it."""
    where = f"{place}, {column.name}"
    if not text.strip():
        if not column.missing:
            kind = "str" if column.text else "float"
            raise ValueError(
                f"{where} is empty: fill it or remove the line; a feature may be missing if model.py "
                f"declares FEATURES = {{{column.name!r}: {kind} | None, …}}"
            )
        return None
    if column.text:
        if text != text.strip():
            raise ValueError(f"{where}: {text!r} begins or ends with a space; remove it")
        return text
    try:
        value = as_number(text)
    except ValueError as error:
        raise ValueError(
            f"{where}: {text!r:.60} is not a number; leave a missing value empty, and declare a column of "
            f"text in model.py as FEATURES = {{{column.name!r}: str, …}}"
        ) from error
    if not abs(value) <= LARGEST:
        raise ValueError(f"{where}: {text} is NaN, infinite or beyond ±{LARGEST:g}")
    return value


def labels(table: Table, target: str, declared: Sequence[str] = ()) -> np.ndarray:
    """Return the classes of the rows; raises ValueError if they cannot be told apart or learned.

    Labels that differ only in case, spaces or characters that cannot be seen are taken for a mistake, and so
    is one that says that it is missing, unless `CLASSES` of model.py declares them; then every label has to
    be among the declared ones.
    """
    if isinstance(declared, str):
        raise TypeError("CLASSES of model.py is one text: use a tuple of texts")
    counts = Counter(table.target)
    spellings: dict[str, str] = {}
    for label, _ in counts.most_common():
        usual = label if declared else spellings.setdefault(spelling(label), label)
        place = table.places[table.target.index(label)]
        if not declared and label.lower() in MISSING_LABELS:
            raise ValueError(
                f"{place}, {target}: {label!r} is how programs write a missing value: fill it or remove the "
                "line, or declare CLASSES in model.py if it is a class"
            )
        if usual != label:
            raise ValueError(
                f"{place}, {target}: {label!a} is spelled {usual!a} elsewhere; use one spelling, or declare "
                "both in model.py as CLASSES if they are different classes"
            )
        if declared and label not in declared:
            raise ValueError(
                f"{place}, {target}: {label!r} is not among CLASSES of model.py ({', '.join(declared)})"
            )
    hint = f". If {target} is a quantity, use a regressor" if all(map(numeric, counts)) else ""
    if len(counts) < 2:
        raise ValueError(f"{target} is {next(iter(counts))!r} in every row: there is nothing to tell apart")
    if alone := [label for label, count in counts.items() if count < 2]:
        place = table.places[table.target.index(alone[0])]
        raise ValueError(
            f"{target} {alone[0]!r} has only one row ({place}): a class needs at least one row to learn "
            f"from and one to test with{hint}"
        )
    if len(table.target) <= 5 * (len(counts) - 1):
        raise ValueError(
            f"{len(table.target)} rows are too few for {len(counts)} values of {target}: a fifth of the rows "
            f"is for testing, and each value has to be among them{hint}"
        )
    return np.array(table.target)


def spelling(label: str) -> str:
    """Return a label without what a reader does not see: case, spaces, and how Unicode composes it."""
    composed = unicodedata.normalize("NFKC", label)
    seen = "".join(one for one in composed if unicodedata.category(one) != "Cf")
    return " ".join(seen.casefold().split())


def numeric(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(as_number(text))
    except ValueError:
        return False


def quantities(table: Table, target: str) -> np.ndarray:
    """Return the numbers that a regressor learns; raises ValueError for what is not one."""
    column = Column(target, False, False)
    if len(table.target) < 10:
        raise ValueError(f"{len(table.target)} rows are too few: a regressor needs at least 10")
    for place, text in zip(table.places, table.target, strict=True):
        if not numeric(text):
            raise ValueError(
                f"{place}, {target}: {text!r:.60} is not a number, and a regressor predicts numbers; for "
                "classes, use a classifier"
            )
        read(place, column, text)
    return np.array(table.target, np.float64)
