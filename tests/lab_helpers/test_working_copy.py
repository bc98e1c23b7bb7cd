"""`commit_and_push` with real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab_helpers import git


def run(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(directory), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without any git configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("WORKSHOP_USER", "ana")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    remote, directory = tmp_path / "remote.git", tmp_path / "scikit_base"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    subprocess.run(["git", "init", "-q", "-b", "scikit_base", str(directory)], check=True)
    run(directory, "remote", "add", "origin", str(remote))
    return directory


def test_changes_are_committed_and_pushed(copy: Path, tmp_path: Path) -> None:
    (copy / "Dockerfile").write_text("FROM x\n")
    commit = git.commit_and_push(copy, "Base image")
    assert commit.new
    assert (commit.branch, commit.message) == ("scikit_base", "Base image")
    assert run(tmp_path / "remote.git", "rev-parse", "scikit_base") == commit.id
    assert run(copy, "log", "-1", "--format=%an <%ae>") == "ana <ana@workshop.invalid>"


def test_nothing_to_commit_is_fine(copy: Path) -> None:
    (copy / "Dockerfile").write_text("FROM x\n")
    first = git.commit_and_push(copy, "Base image")
    second = git.commit_and_push(copy, "Something else")
    assert (second.id, second.new, second.message) == (first.id, False, "Base image")
    assert "nothing to commit" in str(second)


def test_a_commit_that_was_not_pushed_is_pushed(copy: Path, tmp_path: Path) -> None:
    (copy / "Dockerfile").write_text("FROM x\n")
    run(copy, "add", "-A")
    run(copy, "-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "by hand")
    commit = git.commit_and_push(copy, "unused")
    assert run(tmp_path / "remote.git", "rev-parse", "scikit_base") == commit.id


def test_a_rejected_push_says_what_to_do(copy: Path, tmp_path: Path) -> None:
    (copy / "a").write_text("1")
    git.commit_and_push(copy, "one")
    other = tmp_path / "other"
    subprocess.run(
        ["git", "clone", "-qb", "scikit_base", str(tmp_path / "remote.git"), str(other)], check=True
    )
    (other / "b").write_text("2")
    git.commit_and_push(other, "two")
    (copy / "a").write_text("3")
    with pytest.raises(git.GitError, match=r"git push failed(.|\n)*git pull --rebase") as raised:
        git.commit_and_push(copy, "three")
    said = str(raised.value)
    assert said.startswith("! [rejected]        HEAD -> scikit_base (fetch first)\n"), said
    assert said.count("[rejected]") == 1
    assert (copy / "a").read_text() == "3"


def test_a_failure_begins_with_gits_own_reason(copy: Path, tmp_path: Path) -> None:
    (copy / "a").write_text("1")
    run(copy, "remote", "set-url", "origin", str(tmp_path / "nowhere.git"))
    with pytest.raises(git.GitError, match=r"^fatal: '.*nowhere\.git' does not appear to be a git rep"):
        git.commit_and_push(copy, "one")


def test_a_directory_that_is_not_a_working_copy_is_named(tmp_path: Path) -> None:
    with pytest.raises(git.GitError, match="not a git working copy"):
        git.commit_and_push(tmp_path, "x")
