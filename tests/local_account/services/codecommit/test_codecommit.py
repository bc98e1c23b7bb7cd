"""CodeCommit through unmodified boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.served import Served

if TYPE_CHECKING:
    from mypy_boto3_codecommit import CodeCommitClient

ZERO = "0" * 40


@pytest.fixture(scope="session")
def codecommit(service_client: Callable[[str], Any]) -> CodeCommitClient:
    client: CodeCommitClient = service_client("codecommit")
    return client


@pytest.fixture
def repository(codecommit: CodeCommitClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new repository named after the test."""
    name = request.node.name.removeprefix("test_")[:90].replace("[", "-").replace("]", "")
    codecommit.create_repository(repositoryName=name, repositoryDescription="for a test", tags={"a": "1"})
    yield name
    codecommit.delete_repository(repositoryName=name)


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def commit(
    codecommit: CodeCommitClient,
    repository: str,
    path: str,
    content: bytes,
    *,
    parent: str | None = None,
    branch: str = "main",
) -> str:
    options: Any = {"parentCommitId": parent} if parent else {}
    return codecommit.put_file(
        repositoryName=repository, branchName=branch, filePath=path, fileContent=content, **options
    )["commitId"]


def test_metadata_has_the_clone_url_of_aws_itself(
    codecommit: CodeCommitClient, repository: str, served: Served
) -> None:
    metadata = codecommit.get_repository(repositoryName=repository)["repositoryMetadata"]
    assert metadata["cloneUrlHttp"] == (
        f"https://git-codecommit.{served.account.config.region}.amazonaws.com/v1/repos/{repository}"
    )
    assert metadata["Arn"] == served.account.arn("codecommit", repository)
    assert metadata["repositoryDescription"] == "for a test"
    assert "defaultBranch" not in metadata


def test_a_name_in_use_is_refused_and_the_repository_stays(
    codecommit: CodeCommitClient, repository: str
) -> None:
    first = commit(codecommit, repository, "a", b"1")
    with pytest.raises(ClientError) as error:
        codecommit.create_repository(repositoryName=repository)
    assert code(error) == "RepositoryNameExistsException"
    assert codecommit.get_branch(repositoryName=repository, branchName="main")["branch"]["commitId"] == first


@pytest.mark.parametrize("name", ["no spaces", "../up", "..", "ends.git", "slash/ed", "x" * 101, "naïve"])
def test_invalid_names_are_refused(codecommit: CodeCommitClient, name: str) -> None:
    with pytest.raises(ClientError) as error:
        codecommit.create_repository(repositoryName=name)
    assert code(error) == "InvalidRepositoryNameException"


def test_unknown_repositories_are_named(codecommit: CodeCommitClient, repository: str) -> None:
    with pytest.raises(ClientError) as error:
        codecommit.get_repository(repositoryName="nobody")
    assert code(error) == "RepositoryDoesNotExistException"
    batch = codecommit.batch_get_repositories(repositoryNames=[repository, "nobody"])
    assert [one["repositoryName"] for one in batch["repositories"]] == [repository]
    assert batch["repositoriesNotFound"] == ["nobody"]
    assert codecommit.delete_repository(repositoryName="nobody").get("repositoryId") is None


def test_list_and_describe(codecommit: CodeCommitClient, repository: str) -> None:
    names = [one["repositoryName"] for one in codecommit.list_repositories()["repositories"]]
    assert repository in names
    assert names == sorted(names)
    codecommit.update_repository_description(repositoryName=repository, repositoryDescription="other")
    metadata = codecommit.get_repository(repositoryName=repository)["repositoryMetadata"]
    assert metadata["repositoryDescription"] == "other"


def test_a_renamed_repository_keeps_everything(codecommit: CodeCommitClient, repository: str) -> None:
    tip = commit(codecommit, repository, "a", b"1")
    before = codecommit.get_repository(repositoryName=repository)["repositoryMetadata"]
    codecommit.create_repository(repositoryName="taken-name")
    with pytest.raises(ClientError) as error:
        codecommit.update_repository_name(oldName=repository, newName="taken-name")
    assert code(error) == "RepositoryNameExistsException"
    codecommit.delete_repository(repositoryName="taken-name")
    codecommit.update_repository_name(oldName=repository, newName="new-name")
    after = codecommit.get_repository(repositoryName="new-name")["repositoryMetadata"]
    assert after["repositoryId"] == before["repositoryId"]
    assert after["cloneUrlHttp"].endswith("/new-name")
    assert codecommit.get_branch(repositoryName="new-name", branchName="main")["branch"]["commitId"] == tip
    with pytest.raises(ClientError) as error:
        codecommit.get_repository(repositoryName=repository)
    assert code(error) == "RepositoryDoesNotExistException"
    codecommit.delete_repository(repositoryName="new-name")


def test_first_commit_sets_the_default_branch(codecommit: CodeCommitClient, repository: str) -> None:
    commit(codecommit, repository, "README.md", b"hello", branch="trunk")
    metadata = codecommit.get_repository(repositoryName=repository)["repositoryMetadata"]
    assert metadata["defaultBranch"] == "trunk"


def test_branches_are_created_moved_and_deleted(
    codecommit: CodeCommitClient, repository: str, served: Served
) -> None:
    first = commit(codecommit, repository, "a", b"1")
    codecommit.create_branch(repositoryName=repository, branchName="feature/x", commitId=first)
    assert codecommit.list_branches(repositoryName=repository)["branches"] == ["feature/x", "main"]
    with pytest.raises(ClientError) as error:
        codecommit.create_branch(repositoryName=repository, branchName="feature/x", commitId=first)
    assert code(error) == "BranchNameExistsException"
    with pytest.raises(ClientError) as error:
        codecommit.create_branch(repositoryName=repository, branchName="y", commitId="1" * 40)
    assert code(error) == "CommitDoesNotExistException"
    with pytest.raises(ClientError) as error:
        codecommit.create_branch(repositoryName=repository, branchName="a..b", commitId=first)
    assert code(error) == "InvalidBranchNameException"
    with pytest.raises(ClientError) as error:
        codecommit.delete_branch(repositoryName=repository, branchName="main")
    assert code(error) == "DefaultBranchCannotBeDeletedException"
    codecommit.update_default_branch(repositoryName=repository, defaultBranchName="feature/x")
    deleted = codecommit.delete_branch(repositoryName=repository, branchName="main")["deletedBranch"]
    assert deleted == {"branchName": "main", "commitId": first}
    events = [(one["event"], one["referenceName"]) for one in served.bus.details(repositoryName=repository)]
    assert events == [
        ("referenceCreated", "main"),
        ("referenceCreated", "feature/x"),
        ("referenceDeleted", "main"),
    ]


def test_commit_adds_updates_moves_and_deletes_in_one_step(
    codecommit: CodeCommitClient, repository: str
) -> None:
    first = codecommit.create_commit(
        repositoryName=repository,
        branchName="main",
        authorName="Ana",
        email="ana@example.com",
        commitMessage="first",
        putFiles=[
            {"filePath": "keep/a.txt", "fileContent": b"a"},
            {"filePath": "run.sh", "fileContent": b"#!/bin/sh\n", "fileMode": "EXECUTABLE"},
            {"filePath": "old", "fileContent": b"old"},
            {"filePath": "gone", "fileContent": b"gone"},
        ],
    )
    second = codecommit.create_commit(
        repositoryName=repository,
        branchName="main",
        parentCommitId=first["commitId"],
        putFiles=[
            {"filePath": "keep/a.txt", "fileContent": b"b"},
            {"filePath": "new", "sourceFile": {"filePath": "old", "isMove": True}},
        ],
        deleteFiles=[{"filePath": "gone"}],
    )
    assert [one["absolutePath"] for one in second["filesAdded"]] == ["new"]
    assert [one["absolutePath"] for one in second["filesUpdated"]] == ["keep/a.txt"]
    assert {one["absolutePath"] for one in second["filesDeleted"]} == {"gone", "old"}
    root = codecommit.get_folder(repositoryName=repository, folderPath="/")
    assert [one["absolutePath"] for one in root["files"]] == ["new", "run.sh"]
    assert [one["absolutePath"] for one in root["subFolders"]] == ["keep"]
    assert root["files"][1]["fileMode"] == "EXECUTABLE"
    kept = codecommit.get_folder(repositoryName=repository, folderPath="keep")
    assert [one["absolutePath"] for one in kept["files"]] == ["keep/a.txt"]
    file = codecommit.get_file(repositoryName=repository, filePath="keep/a.txt", commitSpecifier="main")
    assert (file["fileContent"], file["commitId"]) == (b"b", second["commitId"])
    shown = codecommit.get_commit(repositoryName=repository, commitId=first["commitId"])["commit"]
    assert (shown["author"]["name"], shown["author"]["email"]) == ("Ana", "ana@example.com")
    assert (shown["message"].strip(), shown["parents"]) == ("first", [])
    differences = codecommit.get_differences(
        repositoryName=repository,
        beforeCommitSpecifier=first["commitId"],
        afterCommitSpecifier=second["commitId"],
    )["differences"]
    assert [one["changeType"] for one in differences] == ["D", "M", "A", "D"]  # removed, keep/a.txt, new, old
    for size in (0, -1):
        with pytest.raises(codecommit.exceptions.InvalidMaxResultsException):
            codecommit.get_differences(
                repositoryName=repository, afterCommitSpecifier=second["commitId"], MaxResults=size
            )


def test_a_commit_on_an_outdated_parent_changes_nothing(
    codecommit: CodeCommitClient, repository: str
) -> None:
    first = commit(codecommit, repository, "a", b"1")
    second = commit(codecommit, repository, "a", b"2", parent=first)
    expected = {
        None: "ParentCommitIdRequiredException",
        first: "ParentCommitIdOutdatedException",
        "1" * 40: "ParentCommitDoesNotExistException",
        "abc": "InvalidParentCommitIdException",
    }
    for parent, wanted in expected.items():
        with pytest.raises(ClientError) as error:
            commit(codecommit, repository, "a", b"3", parent=parent)
        assert code(error) == wanted
    tip = codecommit.get_branch(repositoryName=repository, branchName="main")["branch"]["commitId"]
    assert tip == second


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, "FileEntryRequiredException"),
        ({"putFiles": [{"filePath": "a", "fileContent": b"1"}]}, "NoChangeException"),
        (
            {"putFiles": [{"filePath": "a/b", "fileContent": b"1"}]},
            "DirectoryNameConflictsWithFileNameException",
        ),
        (
            {"putFiles": [{"filePath": "d", "fileContent": b"1"}]},
            "FileNameConflictsWithDirectoryNameException",
        ),
        ({"putFiles": [{"filePath": "../a", "fileContent": b"1"}]}, "InvalidPathException"),
        ({"putFiles": [{"filePath": ".git/config", "fileContent": b"1"}]}, "InvalidPathException"),
        ({"putFiles": [{"filePath": "x"}]}, "SourceFileOrContentRequiredException"),
        ({"putFiles": [{"filePath": "x", "fileContent": b"1"}] * 2}, "SamePathRequestException"),
        ({"deleteFiles": [{"filePath": "nothing"}]}, "FileDoesNotExistException"),
    ],
)
def test_commits_that_cannot_be_made_change_nothing(
    codecommit: CodeCommitClient, repository: str, change: dict[str, Any], wanted: str
) -> None:
    first = commit(codecommit, repository, "a", b"1")
    tip = commit(codecommit, repository, "d/e", b"1", parent=first)
    with pytest.raises(ClientError) as error:
        codecommit.create_commit(repositoryName=repository, branchName="main", parentCommitId=tip, **change)
    assert code(error) == wanted
    assert codecommit.get_branch(repositoryName=repository, branchName="main")["branch"]["commitId"] == tip


def test_what_does_not_exist_is_named(codecommit: CodeCommitClient, repository: str) -> None:
    tip = commit(codecommit, repository, "a", b"1")
    calls: dict[str, Callable[[], object]] = {
        "BranchDoesNotExistException": lambda: codecommit.get_branch(
            repositoryName=repository, branchName="nowhere"
        ),
        "CommitDoesNotExistException": lambda: codecommit.get_file(
            repositoryName=repository, filePath="a", commitSpecifier="nowhere"
        ),
        "FileDoesNotExistException": lambda: codecommit.get_file(repositoryName=repository, filePath="b"),
        "FolderDoesNotExistException": lambda: codecommit.get_folder(
            repositoryName=repository, folderPath="b"
        ),
        "CommitIdDoesNotExistException": lambda: codecommit.get_commit(
            repositoryName=repository, commitId="1" * 40
        ),
        "InvalidCommitIdException": lambda: codecommit.get_commit(repositoryName=repository, commitId="main"),
        "SameFileContentException": lambda: commit(codecommit, repository, "a", b"1", parent=tip),
    }
    for wanted, call in calls.items():
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == wanted


def test_tags(codecommit: CodeCommitClient, repository: str, served: Served) -> None:
    arn = served.account.arn("codecommit", repository)
    codecommit.tag_resource(resourceArn=arn, tags={"b": "2"})
    codecommit.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert codecommit.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    with pytest.raises(ClientError) as error:
        codecommit.list_tags_for_resource(resourceArn="arn:aws:codecommit:mars-1:000000000000:x")
    assert code(error) == "InvalidResourceArnException"


def test_events_say_what_moved_from_where_to_where(
    codecommit: CodeCommitClient, repository: str, served: Served
) -> None:
    first = commit(codecommit, repository, "a", b"1")
    second = commit(codecommit, repository, "a", b"2", parent=first)
    created, updated = served.bus.details(repositoryName=repository)
    assert (created["event"], created["commitId"]) == ("referenceCreated", first)
    assert "oldCommitId" not in created
    assert (updated["event"], updated["commitId"], updated["oldCommitId"]) == (
        "referenceUpdated",
        second,
        first,
    )
    assert (updated["referenceType"], updated["referenceFullName"]) == ("branch", "refs/heads/main")
