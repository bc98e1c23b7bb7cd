"""Images that a learner builds begin with a public image, which a busy registry does not always hand out."""

from pathlib import Path

import pytest

from lab_helpers import containers

DOCKERFILE = "# comment\nFROM public.ecr.aws/docker/library/python:3.12-slim\nRUN true\n"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that writes its calls down, has no images, and is refused as often as `refusals` says."""
    script = f"""#!/bin/sh
        echo "$*" >> {tmp_path}/calls
        [ "$1" = pull ] || {{ echo "Error: No such image"; exit 1; }}
        [ -s {tmp_path}/refusals ] || {{ echo "Status: Downloaded newer image"; exit 0; }}
        sed -i 1d {tmp_path}/refusals
        echo "toomanyrequests: Rate exceeded"; exit 1
    """
    (tmp_path / "docker").write_text(script)
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "calls").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "calls"


@pytest.mark.parametrize(("refusals", "pulls"), [(0, 1), (2, 3), (9, 3)])
def test_a_public_image_is_pulled_again_after_a_random_time(calls: Path, refusals: int, pulls: int) -> None:
    calls.with_name("refusals").write_text("\n" * refusals)
    slept: list[float] = []

    containers.pull_public(DOCKERFILE, slept.append)

    assert calls.read_text().count("pull public.ecr.aws/docker/library/python:3.12-slim") == pulls
    assert len(slept) == min(refusals, 3)
    assert all(a <= seconds <= 2 * a for a, seconds in zip(containers.PULL_PAUSES, slept, strict=False))


@pytest.mark.parametrize("dockerfile", ["ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", ""])
def test_other_images_are_left_to_docker_build(calls: Path, dockerfile: str) -> None:
    containers.pull_public(dockerfile)

    assert calls.read_text() == ""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that prints what the test writes to `says`, and fails if there is a file `fails`."""
    script = f"""#!/bin/sh
        case "$1" in image) echo 1048576;; *) cat {tmp_path}/says;; esac
        [ ! -e {tmp_path}/fails ] || [ "$1" = image ] || exit 1
    """
    (tmp_path / "docker").write_text(script)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "says"


def test_a_build_prints_its_steps_and_not_what_they_print(
    tool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.write_text("Step 1/2 : FROM x\n ---> 5c1f\nStep 2/2 : RUN pip install y\nCollecting y\n")
    containers.build(tool.parent, "t")
    said = capsys.readouterr().out.splitlines()
    assert said[1:3] == ["  Step 1/2 : FROM x", "  Step 2/2 : RUN pip install y"]
    assert said[3].startswith("✓ built t: 1.0 MB")


def test_a_failed_build_begins_with_the_error_of_the_tool(tool: Path) -> None:
    tool.write_text(
        "Step 2/2 : RUN pip install y\nERROR: No matching distribution found for y\n" + "z\n" * 60
    )
    tool.with_name("fails").touch()
    with pytest.raises(containers.ContainerError) as caught:
        containers.build(tool.parent, "t")
    said = str(caught.value)
    assert said.startswith("ERROR: No matching distribution found for y\n")
    assert len(said.splitlines()) <= 8


def test_training_prints_what_the_program_prints_and_a_failure_its_reason(
    tool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.write_text("tree accuracy=0.9333\n")
    assert containers.train("i", tmp_path).output == "tree accuracy=0.9333\n"
    assert capsys.readouterr().out == "tree accuracy=0.9333\n"
    containers.train("i", tmp_path, quiet=True)
    assert capsys.readouterr().out == ""
    tool.with_name("fails").touch()
    (tmp_path / "output").mkdir()
    (tmp_path / "output/failure").write_text(
        "ValueError: unknown hyperparameter n\n\nTraceback …\n" + "x\n" * 30
    )
    with pytest.raises(containers.ContainerError) as caught:
        containers.train("i", tmp_path)
    said = str(caught.value).splitlines()
    assert said[0] == "ValueError: unknown hyperparameter n"
    assert len(said) == 3
