"""A repository in a bucket: git-remote-s3 reads what a reset writes, and vice versa."""

import io
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.deletions import empty_bucket
from lab_helpers.instructor.fleet.provision import Plan as FleetPlan
from lab_helpers.instructor.fleet.provision import bring_up
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.instructor.package import package
from lab_helpers.names import Names
from lab_helpers.shared_clients import SharedClients
from lab_helpers.way_back.plan import make_plan
from lab_helpers.way_back.sources import BucketRemote, CodeCommitRemote, SourceError, remote_of
from lab_helpers.way_back.state import Execution
from lab_helpers.way_back.target import Image, Target, blob_id
from local_account.foundation.daemon import Daemon
from tests.interrupting import Interrupted
from tests.lab_helpers.instructor.reset.small_workshop import Lab
from tests.waiting import eventually

pytestmark = pytest.mark.docker

README = b"# Branches\n"
BUILDSPEC = b"version: 0.2\nenv: {variables: {IMAGE_TAG: '$Format:%H$'}}\n"
BRANCH = "scikit_base"
_NUMBERS = count(1)


def image(**files: bytes) -> Image:
    named = {name.replace("__", "."): content for name, content in files.items()}
    return Image("i", "p", "p", BRANCH, {"buildspec.yml": BUILDSPEC, **named}, "Grüße: an image")


class Place:
    """A bucket with a repository, as seen by a reset and by git."""

    def __init__(self, daemon: Daemon, clients: Any, directory: Path) -> None:
        self.s3, self.bucket = clients("s3"), f"sources-{next(_NUMBERS)}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.url = f"s3+zip://{self.bucket}/source"
        self.remote = remote_of(clients, Names("ana"), self.url)
        self.directory = directory
        self.environment = {
            **os.environ,
            **daemon.environment(),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "GIT_AUTHOR_NAME": "ana",
            "GIT_AUTHOR_EMAIL": "ana@example.org",
            "GIT_COMMITTER_NAME": "ana",
            "GIT_COMMITTER_EMAIL": "ana@example.org",
        }

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.strip()

    def clone(self, branch: str = BRANCH) -> str:
        """Clone as lifecycle-config/repository.sh does; return the name of the working copy."""
        name = f"copy-{next(_NUMBERS)}"
        self.git("clone", "--quiet", "--branch", branch, self.url, name)
        (self.directory / name / ".git" / "info" / "attributes").write_text("buildspec.yml export-subst\n")
        return name

    def push(self, copy: str, **files: str) -> str:
        for name, text in files.items():
            (self.directory / copy / name.replace("__", ".")).write_text(text)
        self.git("-C", copy, "add", "--all")
        self.git("-C", copy, "commit", "--quiet", "--message", "a learner's change")
        self.git("-C", copy, "push", "--quiet")
        return self.git("-C", copy, "rev-parse", "HEAD")

    def keys(self, branch: str = BRANCH) -> set[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"source/refs/heads/{branch}/")
        return {one["Key"].rpartition("/")[2] for one in listed.get("Contents", ())}

    def zip(self, branch: str = BRANCH, **version: str) -> tuple[dict[str, Any], zipfile.ZipFile]:
        found = self.s3.get_object(Bucket=self.bucket, Key=f"source/refs/heads/{branch}/repo.zip", **version)
        return found, zipfile.ZipFile(io.BytesIO(found["Body"].read()))

    def commit(self, made: Image) -> str:
        self.remote.commit(made, self.remote.tip(made.branch))
        return self.remote.tip(made.branch)


@pytest.fixture
def place(account: tuple[Daemon, SharedClients], tmp_path: Path) -> Place:
    return Place(*account, tmp_path)


@pytest.fixture
def seeded(place: Place) -> Place:
    place.remote.seed(README)
    place.remote.begin(BRANCH)
    return place


def test_the_url_says_where_the_repository_is(place: Place, account: tuple[Daemon, Any]) -> None:
    assert isinstance(place.remote, BucketRemote)
    assert place.remote.resource == ("bucket", place.bucket)
    for url in ("", "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/ana-mlops"):
        remote = remote_of(account[1], Names("ana"), url)
        assert isinstance(remote, CodeCommitRemote)
        assert remote.resource == ("codecommit-repository", "ana-mlops")


def test_from_the_first_commit_to_an_image(place: Place) -> None:
    assert (place.remote.tip("main"), place.remote.files("main")) == ("", None)

    place.remote.seed(README)
    first = place.remote.tip("main")
    assert place.remote.files("main") == (first, {"README.md": blob_id(README)})
    assert not place.remote.begun(BRANCH)

    place.remote.begin(BRANCH)
    assert place.remote.begun(BRANCH)
    assert place.remote.files(BRANCH) == place.remote.files("main")

    made = image(app__py=b"\r\n\x00")
    commit = place.commit(made)
    assert place.remote.files(BRANCH) == (commit, {"README.md": blob_id(README), **made.blobs})
    assert not place.remote.begun(BRANCH)

    place.remote.begin(BRANCH)
    assert place.remote.begun(BRANCH)
    assert place.remote.tip(BRANCH) == first


def test_repeating_it_writes_nothing(seeded: Place) -> None:
    seeded.commit(image())
    revision = seeded.remote.revision(BRANCH, seeded.remote.tip(BRANCH))
    before = seeded.s3.list_object_versions(Bucket=seeded.bucket)["Versions"]

    seeded.remote.seed(b"another")
    seeded.commit(image())
    assert seeded.remote.revision(BRANCH, seeded.remote.tip(BRANCH)) == revision

    assert seeded.s3.list_object_versions(Bucket=seeded.bucket)["Versions"] == before


def test_a_commit_replaces_bundle_and_zip_file(seeded: Place) -> None:
    one = seeded.commit(image(app__py=b"1\n"))
    two = seeded.commit(image(model__py=b"2\n"))

    assert one != two
    assert seeded.keys() == {f"{two}.bundle", "repo.zip"}
    found, archive = seeded.zip()
    assert set(archive.namelist()) == {"README.md", "buildspec.yml", "model.py"}
    assert archive.read("buildspec.yml") == BUILDSPEC.replace(b"$Format:%H$", two.encode())
    assert found["ContentDisposition"] == f"attachment; filename=repo-{two[:8]}.zip"
    (summary,) = found["Metadata"].values()
    assert summary == f"{two[:7]} Gr??e: an image"
    assert seeded.remote.revision(BRANCH, two) == {
        "revisionType": "S3_OBJECT_VERSION_ID",
        "revisionValue": found["VersionId"],
    }
    assert seeded.remote.known_as(BRANCH, one) == ""


def test_git_clones_what_a_reset_wrote_and_pushes_to_it(seeded: Place) -> None:
    commit = seeded.commit(image())
    copy = seeded.clone()
    assert seeded.git("-C", copy, "rev-parse", "HEAD") == commit
    assert seeded.git("-C", copy, "log", "--format=%an|%s").splitlines() == [
        "MLOps workshop|Grüße: an image",
        "MLOps workshop|Describe the branches",
    ]
    assert seeded.git("clone", "--quiet", seeded.url, "default") == ""
    assert seeded.git("-C", "default", "symbolic-ref", "HEAD") == "refs/heads/main"

    pushed = seeded.push(copy, app__py="mine\n")

    assert seeded.keys() == {f"{pushed}.bundle", "repo.zip"}
    tip, files = seeded.remote.files(BRANCH) or ("", {})
    assert tip == pushed
    assert files["app.py"] == blob_id(b"mine\n")
    before = seeded.s3.list_object_versions(Bucket=seeded.bucket)["Versions"]
    assert seeded.remote.revision(BRANCH, pushed)["revisionValue"] == seeded.zip()[0]["VersionId"]
    assert seeded.s3.list_object_versions(Bucket=seeded.bucket)["Versions"] == before


def test_a_working_copy_fetches_what_a_reset_did_to_its_pushes(seeded: Place) -> None:
    """A commit on top of the learner's, back to the first one, and git's own writes are accepted."""
    copy = seeded.clone()
    (seeded.directory / copy / "folder").mkdir()
    pushed = seeded.push(copy, app__py="mine\n", **{"folder/deep__py": "1\n"})

    commit = seeded.commit(image(app__py=b"wanted\n"))
    seeded.git("-C", copy, "pull", "--quiet", "--ff-only")
    assert seeded.git("-C", copy, "rev-parse", "HEAD", "HEAD~1").split() == [commit, pushed]
    assert set(seeded.git("-C", copy, "ls-files").split()) == {"README.md", "app.py", "buildspec.yml"}

    seeded.remote.begin(BRANCH)
    seeded.git("-C", copy, "fetch", "--quiet", "--prune", "origin")
    assert seeded.git("-C", copy, "rev-parse", f"origin/{BRANCH}") == seeded.remote.tip("main")


def test_a_repository_seeded_by_git_goes_back_to_the_start(place: Place) -> None:
    """What lifecycle-config/repository.sh pushes: all branches at once, from one with another name."""
    place.git("init", "--quiet", "--initial-branch=main", "seed")
    (place.directory / "seed" / "README.md").write_bytes(README)
    place.git("-C", "seed", "add", "README.md")
    place.git("-C", "seed", "commit", "--quiet", "--message", "Describe the branches")
    refs = [f"HEAD:refs/heads/{branch}" for branch in (BRANCH, "iris_model", "main")]
    place.git("-C", "seed", "push", "--quiet", place.url, *refs)
    first = place.git("-C", "seed", "rev-parse", "HEAD")

    assert place.remote.begun(BRANCH)
    place.remote.seed(b"another")
    assert place.remote.tip("main") == first
    commit = place.commit(image())

    copy = place.clone()
    assert place.git("-C", copy, "rev-parse", "HEAD", "HEAD~1").split() == [commit, first]


def test_a_zip_file_without_the_commit_id_is_written_again(seeded: Place) -> None:
    copy = seeded.clone()
    (seeded.directory / copy / ".git" / "info" / "attributes").unlink()
    pushed = seeded.push(copy, buildspec__yml=BUILDSPEC.decode())
    assert b"$Format" in seeded.zip()[1].read("buildspec.yml")

    revision = seeded.remote.revision(BRANCH, pushed)

    _, archive = seeded.zip(VersionId=revision["revisionValue"])
    assert pushed.encode() in archive.read("buildspec.yml")


@pytest.mark.parametrize("operation", ["seed", "begin", "commit"])
def test_interrupted_at_any_call_the_same_operation_completes_it(
    account: tuple[Daemon, SharedClients], tmp_path: Path, operation: str
) -> None:
    for number in range(1, 40):
        place = Place(*account, tmp_path)
        if operation != "seed":
            place.remote.seed(README)
            place.remote.begin(BRANCH)
            place.commit(image())
        clients = Interrupted(account[1], number)
        remote, wanted = remote_of(clients, Names("ana"), place.url), image(app__py=b"1\n")

        def do(
            remote: Any = remote,
            wanted: Image = wanted,
            branch: str = "main" if operation == "seed" else BRANCH,
        ) -> str:
            if operation == "commit":
                remote.commit(wanted, remote.tip(BRANCH))
            else:
                remote.seed(README) if operation == "seed" else remote.begin(BRANCH)
            tip = str(remote.tip(branch))
            remote.revision(branch, tip)
            return tip

        try:
            do()
        except KeyboardInterrupt:
            tip = do()
        else:
            assert number > 5
            return
        branch = "main" if operation == "seed" else BRANCH
        assert place.keys(branch) == {f"{tip}.bundle", "repo.zip"}, number
        assert place.zip(branch)[1].comment.decode() == tip
        if operation == "commit":
            files = place.remote.files(BRANCH)
            assert files is not None
            assert files[1].items() >= wanted.blobs.items()
        assert operation != "begin" or place.remote.begun(BRANCH)
    raise AssertionError("it was interrupted at every one of 40 calls")


def test_a_branch_with_two_bundles_is_repaired(seeded: Place) -> None:
    """What a killed push leaves behind; git-remote-s3 rejects any further push."""
    commit = seeded.commit(image())
    seeded.s3.put_object(
        Bucket=seeded.bucket, Key=f"source/refs/heads/{BRANCH}/{'0' * 40}.bundle", Body=b"", Metadata={}
    )
    assert seeded.remote.files(BRANCH) is None

    seeded.remote.commit(image(), commit)

    assert seeded.keys() == {f"{commit}.bundle", "repo.zip"}


def test_an_invalid_bundle_is_reported_with_gits_message(seeded: Place) -> None:
    (name,) = seeded.keys() - {"repo.zip"}
    seeded.s3.put_object(Bucket=seeded.bucket, Key=f"source/refs/heads/{BRANCH}/{name}", Body=b"rubbish")

    with pytest.raises(SourceError, match="git bundle"):
        seeded.remote.files(BRANCH)


# --- a whole lab


class BucketLab(Lab):
    """A lab whose source is in its bucket."""

    def up(self) -> None:
        plan = FleetPlan(
            self.region,
            self.account,
            package(self.root),
            self.root / "cfn" / "m.yml",
            parameters={"SourceProvider": "S3"},
            expires="2040-01-01T00:00:00Z",
        )
        (ended,) = bring_up(self.clients, [Participant("", "", self.names.lab_id)], plan, look_seconds=0.2)
        assert ended.phase == "ready", ended.detail

    @property
    def remote(self) -> Any:
        return remote_of(self.clients, self.names, f"s3+zip://{self.bucket}/source")

    def tip(self, branch: str) -> str:
        return str(self.remote.tip(branch))


@pytest.fixture(scope="module")
def bucket_lab(account: tuple[Daemon, SharedClients], root: Path) -> BucketLab:
    found = BucketLab(*account, root, "zoe")
    found.up()
    return found


def test_a_lab_in_the_bucket_gets_its_images_and_loses_them(bucket_lab: BucketLab) -> None:
    assert bucket_lab.state().clone_url == f"s3+zip://{bucket_lab.bucket}/source"
    bucket_lab.reset("03")
    names = bucket_lab.names
    assert bucket_lab.git(BRANCH, "rev-parse", "HEAD") == bucket_lab.tip(BRANCH)
    before = bucket_lab.tip(BRANCH), bucket_lab.images(names.base_image)

    assert {action.kind for action in bucket_lab.plan("03").actions} == {"exercises"}
    bucket_lab.reset("03")
    assert (bucket_lab.tip(BRANCH), bucket_lab.images(names.base_image)) == before

    bucket_lab.clients("codebuild").delete_project(name=names.model_project)
    listed = bucket_lab.clients("codepipeline").list_pipeline_executions(pipelineName=names.base_pipeline)
    bucket_lab.reset("01")
    again = bucket_lab.clients("codepipeline").list_pipeline_executions(pipelineName=names.base_pipeline)
    assert len(again["pipelineExecutionSummaries"]) == len(listed["pipelineExecutionSummaries"])
    assert bucket_lab.tip(BRANCH) == bucket_lab.tip("main")


def test_an_execution_in_the_bucket_lab_that_builds_the_right_commit_continues(bucket_lab: BucketLab) -> None:
    """It identifies the commit by the version of the zip file."""
    bucket_lab.be_at("02")
    version = bucket_lab.remote.revision(BRANCH, bucket_lab.tip(BRANCH))["revisionValue"]

    def planned(revision: str) -> set[str]:
        under_way = {bucket_lab.names.base_pipeline: (Execution("e", "InProgress", (revision,)),)}
        state = replace(bucket_lab.state(), executions=under_way)
        target = Target("02", bucket_lab.names, bucket_lab.root)
        return {action.kind for action in make_plan(state, target).actions}

    assert planned(version) == {"exercises"}
    assert planned("another") == {"stop-executions", "stop-builds", "exercises"}


def test_a_broken_push_in_the_bucket_lab_is_repaired(bucket_lab: BucketLab) -> None:
    bucket_lab.be_at("02")
    right = bucket_lab.images(bucket_lab.names.base_image)["latest"]
    copy = bucket_lab.home / BRANCH
    (copy / "Dockerfile").write_text("FROM nowhere\n")
    bucket_lab.git(BRANCH, "commit", "--quiet", "--all", "--message", "a learner's change")
    helper = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = bucket_lab.daemon.environment(bucket_lab.names.notebook_instance) | {"PATH": helper}
    subprocess.run(["git", "push", "--quiet"], cwd=copy, env=environment, check=True)
    assert "FROM nowhere" in (copy / "Dockerfile").read_text()

    bucket_lab.reset("02")

    assert bucket_lab.images(bucket_lab.names.base_image)["latest"] == right
    assert "nowhere" not in (copy / "Dockerfile").read_text()


def test_a_learner_in_the_bucket_lab_goes_back_with_the_role_of_the_notebook(bucket_lab: BucketLab) -> None:
    bucket_lab.be_at("02")
    first = bucket_lab.tip("main")
    assert "move it back to the first commit" in bucket_lab.go_back("01")
    assert bucket_lab.tip(BRANCH) == first

    assert "build the image and push it" in bucket_lab.go_back("02")
    assert bucket_lab.git(BRANCH, "rev-parse", "HEAD") == bucket_lab.tip(BRANCH) != first


def test_a_repository_in_the_bucket_deleted_by_hand_is_recreated(bucket_lab: BucketLab) -> None:
    bucket_lab.be_at("01")
    s3 = bucket_lab.clients("s3")
    for one in s3.list_objects_v2(Bucket=bucket_lab.bucket, Prefix="source/")["Contents"]:
        s3.delete_object(Bucket=bucket_lab.bucket, Key=one["Key"])
    assert {"seed-repository", "seed-branch"} <= {a.kind for a in bucket_lab.plan("01").actions}

    bucket_lab.reset("01")

    assert bucket_lab.git(BRANCH, "rev-parse", "HEAD") == bucket_lab.tip(BRANCH) == bucket_lab.tip("main")


def test_a_deleted_bucket_with_the_source_in_it_is_recreated(
    bucket_lab: BucketLab,
) -> None:
    bucket_lab.be_at("01")
    empty_bucket(bucket_lab.clients, bucket_lab.bucket)
    bucket_lab.clients("s3").delete_bucket(Bucket=bucket_lab.bucket)

    bucket_lab.reset("01")

    assert bucket_lab.remote.begun(BRANCH)
    assert bucket_lab.git(BRANCH, "rev-parse", "HEAD") == bucket_lab.tip(BRANCH)


def test_a_lab_created_again_keeps_its_source_in_the_bucket(bucket_lab: BucketLab) -> None:
    """DELETE_FAILED: its bucket was not empty."""
    stack = bucket_lab.names.top_stack
    bucket_lab.clients("cloudformation").delete_stack(StackName=stack)
    eventually(lambda: bucket_lab.status(stack) == "DELETE_FAILED", 60, lambda: bucket_lab.status(stack))

    bucket_lab.reset("01")

    assert bucket_lab.state().clone_url.startswith("s3+zip://")
