"""`python -m benchmarks`: what it is asked for is checked before anything is measured."""

import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--only", "speed"), "no such part: speed; choose from"),
        (("--pictures", "FILE/pictures"), "nothing can be written to"),
        (("--output", "FILE/bench.json"), "nothing can be written to"),
    ],
)
def test_what_it_cannot_do_is_refused_at_once(
    wrong: tuple[str, str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "FILE").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks", *wrong])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
