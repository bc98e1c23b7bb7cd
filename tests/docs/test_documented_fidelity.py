"""docs/fidelity.md is what the code says, and what it says is true of the code."""

import re
from functools import cache

import pytest

from local_account.fidelity import __main__ as generator
from local_account.fidelity import notes, standing
from local_account.fidelity.notes import EVERYWHERE, Note
from local_account.foundation.errors import FIDELITY, pointed
from tests.conformance.counts import Counts, counts
from tests.docs.pages import ROOT, anchors, page, rows, section

COMMAND = "run `python -m local_account.fidelity > docs/fidelity.md`"


@cache
def found() -> list[Note]:
    return notes.read(ROOT / "local_account", standing.folders(), standing.operations())


@cache
def refused() -> dict[str, set[str]]:
    return {one.service: set(one.refuses) for one in standing.standings(found())}


def test_the_page_is_what_the_code_says() -> None:
    text = page(FIDELITY)
    assert text == generator.generate(section(text, "Conformance").strip().split("\n\n")[-1]), COMMAND


def test_the_table_of_conformance_claims_no_more_than_there_is() -> None:
    *areas, (total, *numbers) = rows(section(page(FIDELITY), "Conformance"))
    known = counts()
    for area, *row in areas:
        cases, equal, different, lacking = map(int, row)
        assert cases == equal + different + lacking
        assert cases <= known.get(area, Counts(0, 0, 0, 0)).cases, f"{area}: {COMMAND}"
    assert total == "total"
    assert [int(one) for one in numbers] == [sum(int(row[i]) for row in areas) for i in (1, 2, 3, 4)]


def test_every_operation_of_botocore_stands_somewhere_once() -> None:
    for one in standing.standings(found()):
        named = [*one.executes, *one.keeps, *one.refuses]
        assert sorted(named) == sorted(standing.operations()[one.service].values())


def test_what_people_look_for_is_refused() -> None:
    lacking = [note for note in found() if note.kind == "Lacks"]
    assert len(lacking) > 10
    for note in lacking:
        names = set(re.findall(r"`([\w-]+)`", note.text))
        known = set(standing.names()) if note.section == EVERYWHERE else set()
        assert not names & known, f"{note.where}: the account has {names & known}"
        if note.section != EVERYWHERE:
            assert names <= refused()[note.section], f"{note.where}: {names - refused()[note.section]}"


def test_notes_name_operations_of_their_service() -> None:
    for note in found():
        known = set(standing.operations().get(note.section, {}).values())
        assert set(note.subject) <= known, f"{note.where}: {set(note.subject) - known}"


def test_what_looks_like_a_note_is_read_as_one() -> None:
    form = r'^\s*(?:"""|# )?(Differs from AWS|Kept only|Refuses|Lacks)\b[^.]*?:\s'
    written = re.compile(form, re.MULTILINE)
    for path in (ROOT / "local_account").rglob("*.py"):
        where = path.relative_to(ROOT / "local_account").as_posix()
        if not where.startswith(("fidelity/", "scaffold/")):
            count = len(written.findall(path.read_text()))
            members = path.read_text().count('"""Refuses in ')
            assert count + members == sum(note.where == where for note in found()), where


@pytest.mark.parametrize("service", standing.names())
def test_errors_point_to_a_section_that_exists(service: str) -> None:
    message = pointed(f"{service}.Anything is not supported by the local account", service)
    assert message.endswith(f"({FIDELITY}#{service})")
    assert service in anchors(page(FIDELITY))


def test_only_what_the_account_lacks_is_pointed_at() -> None:
    assert pointed("Role r does not exist", "iam") == "Role r does not exist"
    once = pointed("The local account does not support these: [AWS::SNS::Topic]", "cloudformation")
    assert pointed(once, "s3") == once
