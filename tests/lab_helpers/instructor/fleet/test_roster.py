"""Rosters as instructors write them, and the messages about faulty ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.instructor.fleet.roster import (
    CONFUSING,
    RESERVED,
    Participant,
    RosterError,
    candidates,
    parse_roster,
    read_roster,
    write_roster,
)
from lab_helpers.names import Names


def ids(text: str) -> list[str]:
    return [one.lab_id for one in parse_roster(text)]


def faults(text: str) -> str:
    with pytest.raises(RosterError) as refused:
        parse_roster(text)
    return str(refused.value)


def test_lab_ids_come_from_names_and_are_unique() -> None:
    text = "Ana Silva,ana@example.org\nBob\nAna Costa\nAna Cruz\nJosé Núñez\nSøren Æbelø\nBartholomäus X.\n"
    assert ids(text) == ["ana", "bob", "anac", "ana2", "jose", "soren", "bartholoma"]


def test_a_line_at_the_end_does_not_change_the_lab_ids_above() -> None:
    text = "Ana Silva\nBob\nAna Costa\n"
    assert ids(text + "Ana Cruz\nBob Bo\n")[:3] == ids(text)


def test_a_given_lab_id_wins_over_a_derived_one_wherever_it_is() -> None:
    assert ids("name,lab_id\nAna Silva,\nSomebody else,ana\n") == ["anas", "ana"]


def test_names_in_another_script_use_the_address_or_a_digest() -> None:
    given_id = ids("山田 太郎,taro.yamada@example.org\n鈴木 花子\n")
    assert given_id[0] == "taro"
    assert given_id[1].startswith("p")
    assert ids("鈴木 花子\n") == given_id[1:]


def test_confusing_ids_are_not_derived() -> None:
    assert ids("Iris Murdoch\nDefault\nMlops\n") == ["irism", "default2", "mlops2"]


@pytest.mark.parametrize(
    "text",
    [
        "Name;E-Mail;Lab ID\nAna Silva;ana@example.org;a1\n",
        "\ufeffname\temail\tlab_id\nAna Silva\tana@example.org\ta1\n".lstrip("\ufeff"),
        "lab,name,e-mail,company\na1,Ana Silva,ana@example.org,ACME\n",
        "# our class\n\nAna Silva,ana@example.org,a1\r\n",
        '"Ana Silva", ana@example.org, a1',
    ],
    ids=["semicolons", "tabs", "other order and columns", "no header", "one line"],
)
def test_the_formats_that_spreadsheets_save(text: str) -> None:
    assert parse_roster(text) == [Participant("Ana Silva", "ana@example.org", "a1")]


def test_a_file_from_excel_has_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes("name,email\nAna,\n".encode("utf-8-sig"))
    assert read_roster(path) == [Participant("Ana", "", "ana")]


def test_all_faulty_lines_are_named_at_once() -> None:
    said = faults("Ana,not an address\n,bob@example.org\nCy,,Too-Long-Id\nDi,,d\nEd,,d\nFay,,default\n")
    for part in (
        "line 1: 'not an address' is not a valid e-mail address",
        "line 2: the name is missing",
        "line 3: 'Too-Long-Id' is not a valid lab id",
        "line 5: the lab id 'd' is already used in line 4",
        "line 6: 'default' can't be a lab id",
    ):
        assert part in said
    assert "line 4" not in said.replace("already used in line 4", "")


def test_a_repeated_participant_is_an_error_unless_both_have_lab_ids() -> None:
    assert "line 2: the same participant as in line 1" in faults("Ana,a@b\nana,A@b\n")
    assert ids("Ana,a@b,x\nana,A@b,y\n") == ["x", "y"]


def test_files_that_are_not_a_roster(tmp_path: Path) -> None:
    assert "it has no participants" in faults("name,email\n")
    assert "there is no column `name`" in faults("email,lab id\n")
    assert "line 1: 5 columns" in faults("a,a@b,c,d,e\n")
    assert "is not a valid CSV file" in faults('Ana,"unclosed\n')
    with pytest.raises(RosterError, match="No such file"):
        read_roster(tmp_path / "missing.csv")
    (tmp_path / "utf16.csv").write_bytes("Ana".encode("utf-16"))
    with pytest.raises(RosterError, match="save it as `CSV UTF-8`"):
        read_roster(tmp_path / "utf16.csv")


def test_a_written_roster_reads_back_the_same() -> None:
    participants = parse_roster('Ana Silva,ana@example.org\n"Bo, junior"\nAna Costa\n')
    assert parse_roster(write_roster(participants)) == participants


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_the_name_the_lab_id_is_valid(name: str, email: str) -> None:
    found = candidates(name, email)
    some = [next(found) for _ in range(12)]
    assert len(set(some)) == 12
    for lab_id in some:
        assert Names(lab_id).lab_id == lab_id
        assert lab_id not in CONFUSING | RESERVED.keys()
