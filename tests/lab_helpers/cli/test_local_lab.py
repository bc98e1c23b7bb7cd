"""Which page `make lab` opens, and when it opens a browser."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from lab_helpers.cli.local.lab import address_of, forwarding, has_display, last_worked_in


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A volume with three notebooks as they were copied."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / ".workshop").mkdir()
    copied = {}
    for name in ("00_welcome.ipynb", "01_base.ipynb", "02_model.ipynb"):
        (tmp_path / "notebooks" / name).write_text(name)
        copied[name] = sha256(name.encode()).hexdigest()
    (tmp_path / ".workshop" / "exercises.json").write_text(json.dumps(copied))
    return tmp_path


def write(path: Path, content: str, at: int) -> None:
    path.write_text(content)
    os.utime(path, (at, at))


def test_a_new_lab_opens_the_first_notebook(home: Path) -> None:
    assert last_worked_in(home) == "notebooks/00_welcome.ipynb"


def test_a_lab_opens_where_the_learner_last_worked(home: Path) -> None:
    write(home / "notebooks" / "02_model.ipynb", "worked", at=2_000_000_000)
    write(home / "notebooks" / "01_base.ipynb", "worked later", at=2_000_000_060)
    write(home / "notebooks" / "00_welcome.ipynb", "00_welcome.ipynb", at=2_000_000_120)  # as it was
    write(home / "notebooks" / "02_mine.ipynb", "not of the workshop", at=2_000_000_180)

    assert last_worked_in(home) == "notebooks/01_base.ipynb"


def test_the_first_notebook_opens_if_nothing_says_what_was_copied(home: Path) -> None:
    (home / ".workshop" / "exercises.json").unlink()
    assert last_worked_in(home) == "notebooks/00_welcome.ipynb"


def test_the_address_opens_a_notebook_with_the_token() -> None:
    opened = address_of("http://127.0.0.1:5904/lab?token=abc", "notebooks/00_welcome.ipynb")
    assert opened == "http://127.0.0.1:5904/lab/tree/notebooks/00_welcome.ipynb?token=abc"


@pytest.mark.parametrize("name", ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"])
def test_a_browser_is_opened_where_it_can_be_seen(name: str) -> None:
    assert has_display({name: "something"})


def test_no_browser_is_opened_without_a_display() -> None:
    assert not has_display({"HOME": "/root", "DISPLAY": ""})


def test_over_ssh_a_command_brings_both_addresses_to_the_learners_machine() -> None:
    addresses = (
        "http://127.0.0.1:40123/lab/tree/notebooks/00_welcome.ipynb?token=abc",
        "http://127.0.0.1:5901/",
    )
    assert (
        forwarding({"SSH_CONNECTION": "10.0.0.7 50314 10.0.0.9 22"}, *addresses)
        == "ssh -N -L 40123:127.0.0.1:40123 -L 5901:127.0.0.1:5901 HOST"
    )
    assert forwarding({"HOME": "/root"}, *addresses) == ""
