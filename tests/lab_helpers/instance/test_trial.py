"""A trial on the instance says what it saw, whether or not it is what the workshop assumes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import keys
from lab_helpers.containers import BASE_IMAGE
from lab_helpers.instance.attendant import Attendant
from lab_helpers.instance.trial import _fact, assumptions
from lab_helpers.reset_request import TRIAL, Answer, Request
from tests.lab_helpers.instance.bucket import Bucket

ENVIRONMENT = {"NAME_PREFIX": "ana-", "WORKSHOP_USER": "ec2-user", "JUPYTER_RUNTIME_DIR": "/nowhere"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance with a hook that found everything, and programs that say what theirs would."""
    programs, home = tmp_path / "programs", tmp_path / "home"
    state = home / ".workshop"
    state.mkdir(parents=True)
    programs.mkdir()
    for name, text in {
        "docker": f'[ "$3" = {BASE_IMAGE} ] || echo 25.0.8',
        "aws": "echo arn:aws:sts::1:assumed-role/ana-mlops-notebook/SageMaker",
        "git": "echo c0ffee",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    tools = ("aws", "git", "python3", "sha256sum", "runuser", "getent", "setsid", "flock")
    found = "".join(f"{tool}=/usr/bin/{tool}\n" for tool in tools)
    (state / "hook.txt").write_text(f"user=root\npath=/sbin:/bin\n{found}")
    (state / "lab.env").write_text("LAB_ID='ana'\n")
    (state / "venv" / "bin").mkdir(parents=True)
    (state / "venv" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return home


def broken(home: Path) -> dict[str, str]:
    return {one.text: one.saw for one in assumptions(home, ENVIRONMENT) if not one.holds}


def test_what_is_as_assumed_holds_and_a_jupyter_that_does_not_answer_is_named(home: Path) -> None:
    assert broken(home) == {
        "the idle check finds Jupyter, or idle instances never stop": (
            "none of these answers: https://localhost:8443/"
        ),
        "Jupyter offers the kernel of the workshop": "none",
        "JupyterLab has the extension that shows the buttons of a decision": (
            "@jupyter-widgets/jupyterlab-manager is not there"
        ),
        "JupyterLab opens with the first notebook": "it has no layout from the workshop",
    }


def test_what_is_otherwise_is_reported_with_what_was_seen(home: Path) -> None:
    state = home / ".workshop"
    (state / "hook.txt").write_text("user=nobody\npath=/bin\naws=\ngit=/usr/bin/git\n")
    (state / "lab.env").write_text("LAB_ID='${LabId}'\n")
    programs = home.parent / "programs"
    (programs / "docker").write_text("#!/bin/sh\necho permission denied >&2; exit 1\n")
    (programs / "git").unlink()
    (programs / "aws").write_text("#!/bin/sh\necho arn:aws:sts::1:assumed-role/other/x\n")

    found = broken(home)

    assert found["docker answers to the user without sudo"] == "permission denied"
    assert found["a hook finds its programs on its bare PATH"].startswith("not found: aws, python3,")
    assert found["hooks run as root, or as the user whose workshop it is"] == "nobody"
    assert "LAB_ID='${LabId}'" in found.values()
    assert "arn:aws:sts::1:assumed-role/other/x" in found.values()


def test_the_attendant_tries_the_instance_out_on_request(home: Path) -> None:
    package = home / ".workshop" / "package" / "lab_helpers"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import json, pathlib, sys\nfolder = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n"
        "folder.mkdir()\n(folder / 'summary.json').write_text(json.dumps({'ran': sys.argv[4:]}))\n"
        "print('said'); sys.exit(3)\n"
    )
    s3: Any = Bucket()
    request = Request.new(TRIAL, "2026-11-23T18:20:01+00:00", ("--notebooks", "01"))
    s3.put_object(Key=keys.RESET_REQUEST, Body=request.to_json())

    assert Attendant(home, "bucket", s3).look() == Answer(request.id, "", "", ())

    report = json.loads(s3.objects[keys.TRIAL])
    assert (report["id"], report["status"]) == (request.id, "done")
    assert report["notebooks"] == {
        "exit_status": 3, "summary": {"ran": ["--notebooks", "01"]}, "output": ["said"]
    }  # fmt: skip
    assert report["facts"]["hook's PATH"] == "/sbin:/bin"


def test_a_fact_that_a_failing_program_told_is_marked() -> None:
    """The last line of an error reads like a fact."""
    assert _fact("sh", "-c", "echo Run --help for more; exit 3") == "no (Run --help for more)"
    assert _fact("false") == "no (exit status 1)"
