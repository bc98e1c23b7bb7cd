"""The journal of permissions: every use once, kept over a restart, and only where it is wanted."""

from pathlib import Path

from local_account.foundation.journal import NAME, Journal, Use, read

READ = Use("mlops-monitor", "judge", "Read", "s3:GetObject")
REPORT = Use("mlops-monitor", "judge", "Report", "s3:PutObject")


def test_a_journal_has_every_use_once_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    for uses in ([READ, READ], [READ, REPORT]):
        journal = Journal.of(tmp_path)
        assert journal
        for use in uses:
            journal.note(use)

    assert read(tmp_path / NAME) == {READ, REPORT}
    assert len((tmp_path / NAME).read_text().splitlines()) == 2


def test_without_the_file_there_is_no_journal(tmp_path: Path) -> None:
    assert Journal.of(tmp_path) is None
    assert not (tmp_path / NAME).exists()
