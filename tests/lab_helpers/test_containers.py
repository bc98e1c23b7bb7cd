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
