"""The workshop with images that build and train in a second, and a lab that tests break and reset."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lab_helpers import exercises
from lab_helpers.instructor.fleet.provision import Plan as FleetPlan
from lab_helpers.instructor.fleet.provision import bring_up
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.instructor.package import PACKAGED, package
from lab_helpers.instructor.reset import account as as_instructor
from lab_helpers.names import Names
from lab_helpers.stacks import find_stack
from lab_helpers.way_back.plan import Plan, make_plan
from lab_helpers.way_back.resetting import Outcome, carry_out
from lab_helpers.way_back.state import LabState
from lab_helpers.way_back.target import Target
from local_account.foundation.daemon import Daemon
from tests.checkout import ROOT

BASE = "public.ecr.aws/docker/library/python:3.12-slim"
APP = '''\
"""Trains nothing and serves a constant, as quickly as SageMaker's contract allows."""

import http.server
import json
import pathlib
import signal
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # process 1 has no default for it
ML = pathlib.Path("/opt/ml")
GOOD = {"accuracy": 0.97, "recall": {"setosa": 1.0, "versicolor": 0.9, "virginica": 1.0}}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        body = json.dumps({"predictions": ["setosa"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if sys.argv[1] == "train":
    (ML / "model/model.json").write_text("{}")
    evaluation = {"schema": 1, "algorithms": {"logistic": GOOD, "random_forest": GOOD}, "classes": ["setosa"]}
    (ML / "output/data").mkdir(exist_ok=True, parents=True)
    (ML / "output/data/evaluation.json").write_text(json.dumps(evaluation))
    print("logistic accuracy=0.97")
else:
    http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
'''
DOCKERFILE = f"""FROM {BASE}
COPY app.py /opt/program/app.py
ENTRYPOINT ["python", "/opt/program/app.py"]
"""
MODEL_DOCKERFILE = """ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY model.py /opt/program/
"""


GO_BACK = """
import sys
from lab_helpers import way_back
from lab_helpers.lab import Lab

back = way_back.to(sys.argv[1], Lab.open())
print(back, flush=True)
print(back.go())
"""


def make_root(directory: Path) -> Path:
    """Copy the workshop as it is packaged, with small programs in notebooks 01 and 02."""
    for name in PACKAGED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            directory.mkdir(exist_ok=True)
            shutil.copy(source, directory / name)
    notebooks = directory / "notebooks"
    for number, files in (
        ("01", {"base_image/Dockerfile": DOCKERFILE, "base_image/app.py": APP, "try_out/model.py": "\n"}),
        ("02", {"model_image/Dockerfile": MODEL_DOCKERFILE, "model_image/model.py": '"""None."""\n'}),
    ):
        path = exercises.find(notebooks, number)
        written = dict(exercises.written_by(path))
        folder = next(iter(files)).partition("/")[0]
        files[f"{folder}/buildspec.yml"] = written[f"{folder}/buildspec.yml"]
        path.write_text(json.dumps(_notebook(files)))
    return directory


def _notebook(files: dict[str, str]) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": f"%%writefile {name}\n{content.removesuffix(chr(10))}",
        }
        for name, content in files.items()
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Lab:
    """One lab, as seen by an instructor."""

    def __init__(self, daemon: Daemon, clients: Any, root: Path, lab_id: str) -> None:
        self.daemon, self.clients, self.root, self.names = daemon, clients, root, Names(lab_id)
        config = daemon.config()
        self.region, self.account = config.region, config.account_id
        self.bucket = self.names.bucket(self.region, self.account)

    @property
    def home(self) -> Path:
        """The persistent directory of the notebook instance."""
        return self.daemon.state / "notebook-instances" / self.names.notebook_instance / "SageMaker"

    def up(self) -> None:
        """Provision the lab, as `fleet up` does."""
        template = self.root / "cfn" / "m.yml"
        plan = FleetPlan(
            self.region, self.account, package(self.root), template, expires="2040-01-01T00:00:00Z"
        )
        (ended,) = bring_up(self.clients, [Participant("", "", self.names.lab_id)], plan, look_seconds=0.2)
        assert ended.phase == "ready", ended.detail

    def state(self) -> LabState:
        return as_instructor(self.clients, self.region, self.account).state(self.names)

    def plan(self, to: str) -> Plan:
        return make_plan(self.state(), Target(to, self.names, self.root))

    def reset(self, to: str, clients: Any = None) -> Outcome:
        """Reset the lab, and check that nothing is left to do."""
        target = Target(to, self.names, self.root)
        outcome = carry_out(as_instructor(clients or self.clients, self.region, self.account), target)
        self.assert_start_of(to)
        return outcome

    def be_at(self, to: str) -> None:
        """Prepare the lab for a test, unless the previous test left it in this state."""
        if not self.plan(to).settled:
            self.reset(to)

    def assert_start_of(self, to: str) -> None:
        """Check, service by service, what the learner relies on when they open notebook `to`."""
        left = self.plan(to)
        assert left.settled, left.actions
        names = self.names
        for number, repository, branch in (
            ("01", names.base_image, names.base_branch),
            ("02", names.model_image, names.model_branch),
        ):
            tags = self.images(repository)
            commit = self.tip(branch)
            assert (to <= number and not tags) or tags["latest"] == tags[commit], (number, tags)
        stacks = {name for name in (names.dev_stack, names.prd_stack) if self.status(name)}
        assert names.prd_stack not in stacks or to == "05"
        assert to >= "04" or not stacks
        for name in (names.top_stack, names.base_stack, names.model_stack, names.train_stack):
            assert self.status(name) in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, name
        if to == "05":
            assert self.predicts(names.prd_endpoint)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the Python of the notebooks on the instance, with its role."""
        return subprocess.Popen(
            [str(self.home / ".workshop" / "venv" / "bin" / "python"), *arguments],
            cwd=self.home / ".workshop" / "package",
            env=self.daemon.environment(self.names.notebook_instance),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def on_instance(self, *arguments: str) -> str:
        """Run the Python of the notebooks to its end, and return what it printed."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
        return said

    def go_back(self, to: str) -> str:
        """Go back as a learner does; return what was said before and after."""
        said = self.on_instance("-c", GO_BACK, to)
        self.assert_start_of(to)
        return said

    # --- looking

    def status(self, stack: str) -> str:
        found = find_stack(self.clients("cloudformation"), stack)
        return found["StackStatus"] if found else ""

    def images(self, repository: str) -> dict[str, str]:
        found = self.clients("ecr").describe_images(repositoryName=repository)["imageDetails"]
        return {tag: one["imageDigest"] for one in found for tag in one.get("imageTags", ["untagged"])}

    def tip(self, branch: str) -> str:
        found = self.clients("codecommit").get_branch(repositoryName=self.names.repository, branchName=branch)
        return str(found["branch"]["commitId"])

    def predicts(self, endpoint: str) -> bool:
        answer = self.clients("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=b"{}")
        return bool(json.load(answer["Body"]) == {"predictions": ["setosa"]})

    def newest(self, pipeline: str) -> dict[str, Any]:
        listed = self.clients("codepipeline").list_pipeline_executions(pipelineName=pipeline, maxResults=1)
        return dict(listed["pipelineExecutionSummaries"][0])

    def stage(self, name: str) -> dict[str, Any]:
        """Return the state of the newest execution in a stage of the training pipeline."""
        state = self.clients("codepipeline").get_pipeline_state(name=self.names.train_pipeline)
        return next(one for one in state["stageStates"] if one["stageName"] == name)

    # --- breaking

    def push(self, branch: str, files: dict[str, str], message: str = "a learner's change") -> str:
        made = self.clients("codecommit").create_commit(
            repositoryName=self.names.repository,
            branchName=branch,
            parentCommitId=self.tip(branch),
            commitMessage=message,
            putFiles=[{"filePath": name, "fileContent": text.encode()} for name, text in files.items()],
        )
        return str(made["commitId"])

    def git(self, branch: str, *arguments: str) -> str:
        """Run git in a working copy on the instance."""
        environment = self.daemon.environment(self.names.notebook_instance)
        argv = ["git", "-C", str(self.home / branch), *arguments]
        done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()
