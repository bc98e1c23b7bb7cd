"""CodeCommit through unmodified git."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_account.services.codecommit.git_repository import ZERO_ID, GitRepository
from local_account.services.codecommit.git_server import repository_path
from tests.local_account.services.served import Served
from tests.waiting import eventually


class Git:
    """git as a learner runs it: only the environment knows about the local account."""

    def __init__(self, served: Served, home: Path) -> None:
        self.environment = {
            **os.environ,
            **served.account.environment(home=home),
            **{
                f"GIT_{role}_{part}": value
                for role in ("AUTHOR", "COMMITTER")
                for part, value in (("NAME", "Ana"), ("EMAIL", "ana@example.com"))
            },
        }
        self.home = home

    def __call__(self, *arguments: str, cwd: Path | None = None, fails: bool = False) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else done.stdout.strip()

    def commit(self, repository: Path, **files: str) -> str:
        for name, content in files.items():
            (repository / name).write_text(content)
        self("add", "-A", cwd=repository)
        self("commit", "-qm", "change", cwd=repository)
        return self("rev-parse", "HEAD", cwd=repository)


@pytest.fixture
def git(served: Served, tmp_path: Path) -> Git:
    return Git(served, tmp_path)


@pytest.fixture
def url(service_client: Callable[[str], Any], request: pytest.FixtureRequest) -> Iterator[str]:
    """The clone URL that CodeCommit returns for a new repository."""
    name = request.node.name.removeprefix("test_")[:90]
    codecommit = service_client("codecommit")
    metadata = codecommit.create_repository(repositoryName=name)["repositoryMetadata"]
    yield metadata["cloneUrlHttp"]
    codecommit.delete_repository(repositoryName=name)


@pytest.fixture
def clone(git: Git, url: str) -> Path:
    git("clone", "-q", url, "clone")
    return git.home / "clone"


def events(served: Served, url: str) -> list[dict[str, Any]]:
    return served.bus.details(repositoryName=url.rpartition("/")[2])


def test_clone_push_fetch(git: Git, url: str, clone: Path, service_client: Callable[[str], Any]) -> None:
    first = git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    git("clone", "-q", f"{url}.git", "other")
    second = git.commit(git.home / "other", a="2")
    git("push", "-q", cwd=git.home / "other")
    git("fetch", "-q", cwd=clone)
    assert git("rev-parse", "origin/main", cwd=clone) == second
    branch = service_client("codecommit").get_branch(
        repositoryName=url.rpartition("/")[2], branchName="main"
    )["branch"]
    assert branch["commitId"] == second != first


def test_every_moved_reference_has_its_event_and_no_other(
    git: Git, url: str, clone: Path, served: Served
) -> None:
    first = git.commit(clone, a="1")
    git("branch", "scikit_base", cwd=clone)
    git("tag", "v1", cwd=clone)
    git("push", "-q", "origin", "HEAD:main", "scikit_base", "v1", cwd=clone)
    created = events(served, url)
    assert {(one["referenceType"], one["referenceName"], one["commitId"]) for one in created} == {
        ("branch", "main", first),
        ("branch", "scikit_base", first),
        ("tag", "v1", first),
    }
    assert {one["event"] for one in created} == {"referenceCreated"}
    second = git.commit(clone, a="2")
    git("push", "-q", "origin", "HEAD:main", "v1", ":scikit_base", cwd=clone)
    updated, deleted = sorted(events(served, url)[3:], key=lambda one: one["event"], reverse=True)
    assert (updated["event"], updated["oldCommitId"], updated["commitId"]) == (
        "referenceUpdated",
        first,
        second,
    )
    assert (deleted["event"], deleted["oldCommitId"]) == ("referenceDeleted", first)
    git("push", "-q", "origin", "HEAD:main", cwd=clone)  # nothing to push
    assert len(events(served, url)) == 5


def test_the_event_is_published_when_push_returns(git: Git, url: str, clone: Path, served: Served) -> None:
    git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    pushed = time.monotonic()
    (event,) = [
        one for one in served.bus.events if one["detail"].get("repositoryName") == url.rpartition("/")[2]
    ]
    assert event["at"] < pushed
    assert event["resources"] == [served.account.arn("codecommit", url.rpartition("/")[2])]


def test_the_first_pushed_branch_becomes_the_default(
    git: Git, url: str, clone: Path, service_client: Callable[[str], Any]
) -> None:
    git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:trunk", cwd=clone)
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    metadata = service_client("codecommit").get_repository(repositoryName=url.rpartition("/")[2])
    assert metadata["repositoryMetadata"]["defaultBranch"] == "trunk"
    git("clone", "-q", url, "again")
    assert git("branch", "--show-current", cwd=git.home / "again") == "trunk"


def test_a_rejected_push_moves_nothing_and_publishes_nothing(
    git: Git, url: str, clone: Path, served: Served
) -> None:
    git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    git("clone", "-q", url, "other")
    git.commit(git.home / "other", b="1")
    git("push", "-q", cwd=git.home / "other")
    before = len(events(served, url))
    git.commit(clone, c="1")
    assert "rejected" in git("push", "origin", "HEAD:main", cwd=clone, fails=True)
    assert len(events(served, url)) == before


def test_an_unknown_repository_is_named(git: Git, served: Served) -> None:
    host = f"https://git-codecommit.{served.account.config.region}.amazonaws.com"
    message = git("clone", f"{host}/v1/repos/nobody", fails=True)
    assert "CodeCommit has no repository nobody" in message
    assert "create-repository" in message
    assert "not found" in git("clone", f"{host}/v1/repos/..%2F..%2Faccount", fails=True)


def test_a_push_larger_than_any_buffer(git: Git, url: str, clone: Path) -> None:
    # More than http.postBuffer: git sends it in chunks.
    (clone / "big").write_bytes(os.urandom(8_000_000))
    git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    git("clone", "-q", url, "copy")
    assert (git.home / "copy" / "big").read_bytes() == (clone / "big").read_bytes()


def test_a_fetch_with_much_to_negotiate(git: Git, url: str, clone: Path) -> None:
    # Long negotiations are sent compressed with gzip.
    for count in range(60):
        git("commit", "-q", "--allow-empty", "-m", str(count), cwd=clone)
        git("branch", f"b{count}", cwd=clone)
    git("push", "-q", "--all", cwd=clone)
    git("clone", "-q", url, "other")
    git("commit", "-q", "--allow-empty", "-m", "more", cwd=clone)
    git("push", "-q", "origin", "HEAD:refs/heads/more", cwd=clone)
    git("-c", "protocol.version=0", "fetch", "-q", cwd=git.home / "other")
    assert git("rev-parse", "origin/more", cwd=git.home / "other") == git("rev-parse", "HEAD", cwd=clone)


def test_pushes_at_the_same_time_each_have_their_events(
    git: Git, url: str, clone: Path, served: Served
) -> None:
    commit = git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    threads = [
        threading.Thread(
            target=git, args=("push", "-q", "origin", f"HEAD:refs/heads/b{n}"), kwargs={"cwd": clone}
        )
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(one["referenceName"], one["commitId"]) for one in events(served, url)]
    assert sorted(found) == [*((f"b{n}", commit) for n in range(5)), ("main", commit)]


def test_a_push_that_was_not_announced_is_announced_at_the_next_start(
    git: Git, url: str, clone: Path, served: Served
) -> None:
    commit = git.commit(clone, a="1")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    name = url.rpartition("/")[2]
    record = repository_path(served.account, name) / "moved" / "0123456789abcdef"
    record.write_text(f"{'0' * 40} {commit} refs/heads/lost\n")
    served.services["codecommit"].start()
    assert [one["referenceName"] for one in events(served, url)] == ["main", "lost"]
    assert not record.exists()
    served.services["codecommit"].start()
    assert len(events(served, url)) == 2


def test_a_push_is_announced_once_if_the_account_is_killed_right_after(
    git: Git, url: str, clone: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = url.rpartition("/")[2]
    git.commit(clone, a="1")
    with monkeypatch.context() as patch:
        patch.setattr(GitRepository, "forget_moves", lambda *_: 1 / 0)
        git("push", "-q", "origin", "HEAD:main", cwd=clone)
    assert GitRepository(repository_path(served.account, name)).unannounced()
    served.services["codecommit"].start()
    assert [one["referenceName"] for one in events(served, url)] == ["main"]
    assert not GitRepository(repository_path(served.account, name)).unannounced()


def test_a_branch_that_a_killed_account_has_moved_is_announced_and_no_other(
    git: Git, url: str, clone: Path, served: Served
) -> None:
    commit, name = git.commit(clone, a="1"), url.rpartition("/")[2]
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    repository = GitRepository(repository_path(served.account, name))
    repository.move("refs/heads/moved", commit, ZERO_ID)
    intended = repository.path / "moved" / "0123456789abcdef-intended"
    intended.write_text(f"{ZERO_ID} {commit} refs/heads/other\n")  # killed between the record and the move
    served.services["codecommit"].start()
    assert [one["referenceName"] for one in events(served, url)] == ["main", "moved"]
    assert not repository.unannounced()
    assert not intended.exists()


def test_a_push_is_announced_if_git_is_killed_right_after_it_moved_references(
    git: Git, url: str, clone: Path, served: Served
) -> None:
    commit, name = git.commit(clone, a="1"), url.rpartition("/")[2]
    git("tag", "-am", "one", "v1", cwd=clone)
    repository = GitRepository(repository_path(served.account, name))
    hook = repository.path / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nkill -9 $PPID\n")
    git("push", "-q", "origin", "HEAD:main", "v1", cwd=clone, fails=True)
    git("push", "-q", "origin", "HEAD:main", "v1", cwd=clone)  # there is nothing left to push
    found = eventually(lambda: events(served, url))
    assert [one["referenceName"] for one in found] == ["main", "v1"]
    assert found[0]["commitId"] == commit
    served.services["codecommit"].start()
    assert "kill" not in hook.read_text()  # as for a repository of an older build
    git.commit(clone, a="2")
    git("push", "-q", "origin", "HEAD:main", cwd=clone)
    assert [one["event"] for one in events(served, url)][2:] == ["referenceUpdated"]
    assert not repository.unannounced()


def test_a_push_succeeds_when_its_event_cannot_be_published(
    git: Git, url: str, clone: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git.commit(clone, a="1")
    with monkeypatch.context() as patch:
        patch.setattr(served.bus, "publish", lambda *_: 1 / 0)
        git("push", "-q", "origin", "HEAD:main", cwd=clone)
    assert events(served, url) == []
    served.services["codecommit"].start()
    assert [one["commitId"] for one in events(served, url)] == [commit]


def test_urls_of_git_remote_codecommit_lead_to_the_account_where_it_is_installed(git: Git, url: str) -> None:
    name = url.rpartition("/")[2]
    own = f"codecommit::us-east-1://{name}"
    assert "pip install git-remote-codecommit" in git("clone", own, "missing", fails=True)

    installed = git.home / "bin" / "git-remote-codecommit"
    installed.parent.mkdir()
    installed.write_text("#!/bin/sh\nexit 1\n")
    installed.chmod(0o755)
    git.environment["PATH"] += os.pathsep + str(installed.parent)
    for number, form in enumerate((own, f"codecommit://{name}", f"codecommit://a-profile@{name}")):
        git("clone", "-q", form, f"clone-{number}")
        git.commit(git.home / f"clone-{number}", file=str(number))
        git("push", "-q", "origin", "HEAD:main", cwd=git.home / f"clone-{number}")
    git("clone", "-q", "-b", "main", url, "clone")
    assert (git.home / "clone" / "file").read_text() == "2"
    answer = git("clone", f"codecommit::eu-west-1://{name}", "elsewhere", fails=True)
    assert "no repositories in the region eu-west-1" in answer
