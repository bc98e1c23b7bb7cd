"""The roster: a CSV file with names, e-mail addresses and lab ids."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab_helpers.names import LAB_ID, InvalidNameError, Names

LONGEST = 10
RESERVED = {
    "default": "it is the tag of the lab without an id",
    "sthree": 'S3 rejects bucket names that begin with it ("Bucket naming rules")',
}
"""Lab ids that cannot be used, and why."""
CONFUSING = {"iris", "mlops", "scikit"}
"""Lab ids that are not derived from names: the resource names of every lab begin with these words."""

_COLUMNS = {
    "name": "name",
    "participant": "name",
    "email": "email",
    "mail": "email",
    "lab": "lab_id",
    "labid": "lab_id",
    "id": "lab_id",
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
# Letters that Unicode does not decompose into a base letter and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


class RosterError(ValueError):
    """A roster is not valid; the message lists every faulty line and what is wrong with it."""


@dataclass(frozen=True)
class Participant:
    """One person and their lab; `email` can be empty."""

    name: str
    email: str
    lab_id: str

    @property
    def names(self) -> Names:
        """The names of the lab's resources."""
        return Names(self.lab_id)


@dataclass(frozen=True)
class _Row:
    line: int
    name: str
    email: str
    lab_id: str


def read_roster(path: Path) -> list[Participant]:
    """Read a roster in UTF-8, separated by commas, semicolons or tabs (as spreadsheets save it).

    Columns are `name`, `email` (optional) and `lab_id` (optional): in any order if the first line names them,
    else in this order. Empty lines and lines that begin with `#` are skipped. Missing lab ids are derived
    from the name, or else from the e-mail address: the same file gives the same ids, and lines added at its
    end do not change the ids above them.

    Raises RosterError if the file cannot be read, and once for all faulty lines.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RosterError(f"the roster {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RosterError(f"the roster {path} is not UTF-8: save it as `CSV UTF-8`") from error
    return parse_roster(text, str(path))


def parse_roster(text: str, source: str = "the roster") -> list[Participant]:
    """Read the text of a roster; see read_roster."""
    faults: list[str] = []
    try:
        rows = list(_rows(text, faults))
    except csv.Error as error:
        raise RosterError(f"{source} is not a valid CSV file: {error}") from error
    _check(rows, faults)
    if not rows and not faults:
        faults.append("it has no participants: write one per line, such as `Ana Silva,ana@example.org`")
    if faults:
        raise RosterError("\n  ".join([f"{source} can't be used:", *faults]))
    taken = {row.lab_id for row in rows if row.lab_id}
    participants = []
    for row in rows:
        lab_id = row.lab_id or next(one for one in candidates(row.name, row.email) if one not in taken)
        taken.add(lab_id)
        participants.append(Participant(row.name, row.email, lab_id))
    return participants


def write_roster(participants: list[Participant]) -> str:
    """Return the roster as CSV with every lab id filled in, so that later edits cannot change one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "email", "lab_id"))
    writer.writerows((one.name, one.email, one.lab_id) for one in participants)
    return text.getvalue()


def _rows(text: str, faults: list[str]) -> Iterator[_Row]:
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    delimiter = max(",;\t", key=next(lines, "").count)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    columns, width = {"name": 0, "email": 1, "lab_id": 2}, 0
    for raw in reader:
        cells = [cell.strip() for cell in raw]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if not width:
            width, header = 3, _header(cells)
            if header:
                if "name" not in header:
                    raise RosterError(
                        f"line {reader.line_num}: there is no column `name`: {', '.join(cells)}"
                    )
                columns, width = header, len(cells)
                continue
        if any(cells[width:]):
            faults.append(f"line {reader.line_num}: {len(cells)} columns, expected {width} at most")
            continue
        row = {key: cells[at] if at < len(cells) else "" for key, at in columns.items()}
        yield _Row(reader.line_num, row["name"], row.get("email", ""), row.get("lab_id", ""))


def _header(cells: list[str]) -> dict[str, int]:
    """Return the position of each known column; empty if the line is a participant."""
    words = [re.sub(r"[^a-z]", "", cell.lower()) for cell in cells]
    return {_COLUMNS[word]: at for at, word in reversed(list(enumerate(words))) if word in _COLUMNS}


def _check(rows: list[_Row], faults: list[str]) -> None:
    labs: dict[str, int] = {}
    people: dict[tuple[str, str], int] = {}
    for row in rows:
        where = f"line {row.line}: "
        if not row.name:
            faults.append(f"{where}the name is missing")
        if row.email and not _EMAIL.fullmatch(row.email):
            faults.append(
                f"{where}{row.email!r} is not a valid e-mail address (columns: name, e-mail, lab id)"
            )
        if row.lab_id:
            if row.lab_id in RESERVED:
                faults.append(f"{where}{row.lab_id!r} can't be a lab id: {RESERVED[row.lab_id]}")
            try:
                Names(row.lab_id)
            except InvalidNameError as error:
                faults.append(where + str(error))
            if row.lab_id in labs:
                faults.append(f"{where}the lab id {row.lab_id!r} is already used in line {labs[row.lab_id]}")
            labs.setdefault(row.lab_id, row.line)
        else:
            person = (row.name.casefold(), row.email.casefold())
            if person in people:
                faults.append(
                    f"{where}the same participant as in line {people[person]}: remove one, or give a lab id"
                )
            people.setdefault(person, row.line)


def candidates(name: str, email: str = "") -> Iterator[str]:
    """Yield lab ids for a person endlessly, best first: `ana`, `anas`, `ana2`, `ana3`, …"""
    words = _words(name) or _words(email.partition("@")[0])
    if not words:  # a name in another script, and no e-mail address
        words = ["p" + hashlib.sha256(name.encode()).hexdigest()[:6]]
    first = words[0][:LONGEST]
    found = [first]
    if len(words) > 1:
        found.append(first[: LONGEST - 1] + words[-1][0])
    yield from (one for one in found if _usable(one))
    number = 2
    while True:
        end = str(number)
        if _usable(numbered := first[: LONGEST - len(end)] + end):
            yield numbered
        number += 1


def _usable(lab_id: str) -> bool:
    return lab_id not in CONFUSING | RESERVED.keys() and LAB_ID.fullmatch(lab_id) is not None


def _words(text: str) -> list[str]:
    """Return the words of `a` to `z` and digits that begin with a letter; accents are dropped."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    # The Latin part of a mixed word does not make a name.
    return [word for word in re.findall(r"[^\W_]+", plain) if LAB_ID.match(word) and word.isascii()]
