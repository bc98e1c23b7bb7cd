"""Notebook instances: scripts, what persists, what ends, what is in the log."""

import base64
import json
import os
import signal
import subprocess
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab

pytestmark = pytest.mark.slow

GROUP = "/aws/sagemaker/NotebookInstances"


def script(text: str) -> list[dict[str, str]]:
    whole = text if text.startswith("#!") else f"#!/bin/bash\nset -eu\n{text}"
    return [{"Content": base64.b64encode(whole.encode()).decode()}]


def create(lab: SageMakerLab, name: str, on_create: str = "", on_start: str = "") -> dict[str, Any]:
    hooks = {"OnCreate": script(on_create)} if on_create else {}
    if on_start:
        hooks["OnStart"] = script(on_start)
    lab.sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, **hooks)
    lab.sagemaker.create_notebook_instance(
        NotebookInstanceName=name,
        InstanceType="ml.t3.medium",
        RoleArn=lab.role,
        LifecycleConfigName=name,
        Tags=[{"Key": "lab", "Value": name}],
    )
    return settled(lab, name)


def settled(lab: SageMakerLab, name: str) -> dict[str, Any]:
    instance: dict[str, Any] = lab.when(
        lambda: lab.sagemaker.describe_notebook_instance(NotebookInstanceName=name),
        lambda instance: instance["NotebookInstanceStatus"] in ("InService", "Failed", "Stopped"),
    )
    return instance


def directory(lab: SageMakerLab, name: str) -> Path:
    return Path(lab.account.state) / "notebook-instances" / name


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(lab: SageMakerLab, name: str) -> None:
    lab.sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    assert settled(lab, name)["NotebookInstanceStatus"] == "Stopped"


def start(lab: SageMakerLab, name: str) -> dict[str, Any]:
    lab.sagemaker.start_notebook_instance(NotebookInstanceName=name)
    return settled(lab, name)


def test_scripts_run_with_the_roles_credentials_and_their_background_processes_keep_running(
    lab: SageMakerLab,
) -> None:
    instance = create(
        lab,
        "usual",
        on_create='echo created >> "$WORKSHOP_HOME/calls"; touch ~/of-this-session',
        on_start="""
            echo started >> "$WORKSHOP_HOME/calls"
            aws sts get-caller-identity --query Arn --output text
            nohup sleep 300 > /dev/null 2>&1 &
            echo $! > "$WORKSHOP_HOME/pid"
            """,
    )
    assert instance["NotebookInstanceStatus"] == "InService", instance
    home = directory(lab, "usual") / "SageMaker"
    assert (home / "calls").read_text() == "created\nstarted\n"
    assert (directory(lab, "usual") / "home/of-this-session").exists()
    lines = lab.when(lambda: lab.lines(GROUP, "usual/LifecycleConfigOnStart"), bool)
    assert ":assumed-role/sagemaker/" in lines[0]
    pid = int((home / "pid").read_text())
    assert alive(pid)
    tags = lab.sagemaker.list_tags(ResourceArn=instance["NotebookInstanceArn"])["Tags"]
    assert tags == [{"Key": "lab", "Value": "usual"}]
    with pytest.raises(ClientError, match=r"Status \(InService\) not in \(\[Stopped, Failed\]\)"):
        lab.sagemaker.delete_notebook_instance(NotebookInstanceName="usual")

    stop(lab, "usual")
    assert not alive(pid)
    assert not (directory(lab, "usual") / "home").exists()
    assert start(lab, "usual")["NotebookInstanceStatus"] == "InService"
    assert (home / "calls").read_text() == "created\nstarted\nstarted\n"
    assert not (directory(lab, "usual") / "home/of-this-session").exists()
    stop(lab, "usual")
    lab.sagemaker.delete_notebook_instance(NotebookInstanceName="usual")
    lab.when(lambda: not directory(lab, "usual").exists(), bool)
    with pytest.raises(ClientError, match="RecordNotFound"):
        lab.sagemaker.describe_notebook_instance(NotebookInstanceName="usual")


def test_scripts_have_a_root_directory_of_their_own(lab: SageMakerLab) -> None:
    marks = [Path(place, f"mark-{uuid.uuid4().hex[:8]}") for place in ("/root", "/etc", "/usr/local", "/")]
    text = " ".join(map(str, marks))
    instance = create(
        lab,
        "rooted",
        on_create=f"for mark in {text}; do echo on-create >$mark; done",
        on_start=f"""
            cat {text}
            whoami
            sudo -u ec2-user -i <<'EOF'
            echo "home $HOME in $PWD"
            cp /etc/hostname SageMaker/by-ec2-user
            python3 --version
            EOF
            sudo -u ec2-user VALUE=given bash -c 'echo "$VALUE of $(getent passwd ec2-user | cut -d: -f6)"'
            python3 -c "import json; print(json.load(open('/opt/ml/metadata/resource-metadata.json')))"
            sudo ln -sf /usr/share/zoneinfo/UTC /etc/localtime
            echo content > /home/ec2-user/SageMaker/file
            chown ec2-user: /home/ec2-user/SageMaker/file
            chown -R ec2-user:ec2-user /home/ec2-user/SageMaker
            """.replace("            EOF", "EOF"),
    )
    lines = lab.when(lambda: lab.lines(GROUP, "rooted/LifecycleConfigOnStart"), bool)
    if lines[0].startswith("This script runs on the machine itself"):
        pytest.skip(lines[0])
    assert instance["NotebookInstanceStatus"] == "InService", lines
    assert lines[:5] == ["on-create"] * 4 + ["root"]
    assert "home /home/ec2-user in /home/ec2-user" in lines
    assert "given of /home/ec2-user" in lines
    arn = instance["NotebookInstanceArn"]
    assert str({"ResourceArn": arn, "ResourceName": "rooted"}) in lines
    volume = directory(lab, "rooted") / "SageMaker"
    assert (volume / "file").read_text() == "content\n"
    assert (volume / "by-ec2-user").exists()
    assert not any(mark.exists() for mark in marks)
    stop(lab, "rooted")
    assert start(lab, "rooted")["NotebookInstanceStatus"] == "Failed"  # nothing but the volume has survived


@pytest.mark.skipif(os.geteuid() != 0, reason="su is not for those who are root in a namespace only")
def test_a_script_can_become_ec2_user_with_su(lab: SageMakerLab) -> None:
    """As the sample `proxy-for-jupyter` of AWS does."""
    create(lab, "su", on_start="su - ec2-user -c 'echo in $PWD; touch SageMaker/by-su'")

    lines = lab.when(lambda: lab.lines(GROUP, "su/LifecycleConfigOnStart"), bool)
    if lines[0].startswith("This script runs on the machine itself"):
        pytest.skip(lines[0])
    assert lines == ["in /home/ec2-user"]
    assert (directory(lab, "su") / "SageMaker/by-su").exists()
    stop(lab, "su")
    lab.sagemaker.delete_notebook_instance(NotebookInstanceName="su")


def test_programs_of_conda_say_that_there_is_none(lab: SageMakerLab) -> None:
    programs = ["conda install numpy", "pip install numpy", "jupyter --version"]
    script = "\n".join(f"/home/ec2-user/anaconda3/bin/{program} && echo done" for program in programs)
    create(lab, "anaconda", on_start=f"{script}\nexit 1")

    lines = lab.when(lambda: lab.lines(GROUP, "anaconda/LifecycleConfigOnStart"), bool)
    lab.sagemaker.delete_notebook_instance(NotebookInstanceName="anaconda")
    if lines[0].startswith("This script runs on the machine itself"):
        pytest.skip(lines[0])
    assert "done" not in lines
    assert sum(line.startswith("There are no conda environments") for line in lines) == len(programs)


@pytest.mark.parametrize("command", ["source activate python3", "conda install -y numpy"])
def test_conda_by_its_bare_name_is_not_another_program_of_the_machine(
    lab: SageMakerLab, command: str
) -> None:
    """`activate` is also what an environment of Python's own has on the path."""
    name = f"bare-{command.split(maxsplit=1)[0]}"
    instance = create(lab, name, on_start=f"set -e\n{command}\necho not reached")

    lines = lab.when(lambda: lab.lines(GROUP, f"{name}/LifecycleConfigOnStart"), bool)
    if lines[0].startswith("This script runs on the machine itself"):
        pytest.skip(lines[0])
    assert instance["NotebookInstanceStatus"] == "Failed"
    assert lines[0].startswith("There are no conda environments on a notebook instance of the local account")


def test_the_first_line_of_a_script_chooses_the_program(lab: SageMakerLab) -> None:
    """A script from Windows fails, as many report of AWS's samples for lifecycle configurations."""
    broken = create(lab, "crlf", on_start="#!/bin/bash\r\necho not reached\r\n")
    other = create(lab, "python", on_start="#!/usr/bin/env python3\nprint(1 + 1)")

    assert broken["NotebookInstanceStatus"] == "Failed"
    lines = lab.lines(GROUP, "crlf/LifecycleConfigOnStart")
    # bash 5.2 no longer calls it a bad interpreter.
    assert "bad interpreter" in lines[0] or "required file not found" in lines[0]
    assert "not reached" not in lines
    assert other["NotebookInstanceStatus"] == "InService"
    assert "2" in lab.lines(GROUP, "python/LifecycleConfigOnStart")
    stop(lab, "python")
    lab.sagemaker.delete_notebook_instance(NotebookInstanceName="python")


def test_a_script_for_conda_learns_that_there_is_none(lab: SageMakerLab) -> None:
    instance = create(
        lab,
        "conda",
        on_start="""
            sudo -u ec2-user -i <<'EOF'
            set -e
            source /home/ec2-user/anaconda3/bin/activate python3
            echo not reached
            EOF
            """.replace("            EOF", "EOF"),
    )
    lines = lab.when(lambda: lab.lines(GROUP, "conda/LifecycleConfigOnStart"), bool)
    if lines[0].startswith("This script runs on the machine itself"):
        pytest.skip(lines[0])
    assert instance["NotebookInstanceStatus"] == "Failed"
    assert lines[0].startswith("There are no conda environments on a notebook instance of the local account")


def test_environment_json_gives_other_programs_access_to_the_instance(lab: SageMakerLab) -> None:
    create(lab, "seen")
    path = directory(lab, "seen") / "environment.json"
    assert path.stat().st_mode & 0o777 == 0o600
    environment = json.loads(path.read_text())
    command = 'aws sts get-caller-identity --query Arn --output text; cd ~/SageMaker; echo "$WORKSHOP_USER"'
    answer = subprocess.run(
        ["bash", "-ec", command], env=environment, capture_output=True, text=True, check=True
    )
    arn, user = answer.stdout.split()
    assert ":assumed-role/sagemaker/" in arn
    assert user


def test_a_script_that_fails_says_where_its_output_is_and_can_be_fixed(lab: SageMakerLab) -> None:
    instance = create(lab, "broken", on_create="echo about to fail; exit 7")
    assert instance["NotebookInstanceStatus"] == "Failed"
    assert "OnCreate ended with exit code 7" in instance["FailureReason"]
    assert "broken/LifecycleConfigOnCreate" in instance["FailureReason"]
    said, hint = lab.lines(GROUP, "broken/LifecycleConfigOnCreate")
    assert said == "about to fail"
    assert "no conda, yum, cron, systemd" in hint and "docs/fidelity.md#sagemaker" in hint
    lab.sagemaker.update_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="broken", OnCreate=script("echo mended")
    )
    instance = start(lab, "broken")
    assert instance["NotebookInstanceStatus"] == "InService"
    assert "FailureReason" not in instance


def test_a_script_that_takes_too_long_fails_the_instance_and_is_ended(lab: SageMakerLab) -> None:
    instance = create(lab, "slow", on_start='echo $$ > "$WORKSHOP_HOME/pid"; sleep 60')
    assert instance["NotebookInstanceStatus"] == "Failed"
    assert "for Notebook Instance 'arn:aws:sagemaker:" in instance["FailureReason"]
    assert "took longer than 10 seconds" in instance["FailureReason"]
    assert not alive(int((directory(lab, "slow") / "SageMaker/pid").read_text()))


def test_instances_beyond_the_quota_are_refused_and_those_that_are_stopped_count(lab: SageMakerLab) -> None:
    """The words are those of a report by CloudFormation's maintainers (aws-cloudformation/rain, 468)."""

    def create(name: str) -> None:
        lab.sagemaker.create_notebook_instance(
            NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=lab.role
        )

    listed = lab.sagemaker.list_notebook_instances(MaxResults=100)["NotebookInstances"]
    there = sum(one["NotebookInstanceStatus"] != "Failed" for one in listed)
    names = [f"one-of-{number}" for number in range(there, 8)]
    for name in names:
        create(name)
    settled(lab, names[0])
    stop(lab, names[0])
    with pytest.raises(
        ClientError,
        match=r"limit 'Total number of notebook instances' is 8 NotebookInstances, with current "
        r"utilization of 8 NotebookInstances and a request delta of 1 NotebookInstances\.",
    ) as refused:
        create("too-many")
    assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    with pytest.raises(ClientError, match="duplicate"):
        create(names[0])
    for name in names:
        if name != names[0]:
            settled(lab, name)
            stop(lab, name)
        lab.sagemaker.delete_notebook_instance(NotebookInstanceName=name)


def test_a_script_of_more_than_16384_characters_is_refused(lab: SageMakerLab) -> None:
    with pytest.raises(ClientError, match="16384"):
        lab.sagemaker.create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName="long", OnStart=script("#" * 16_000)
        )
    with pytest.raises(ClientError, match="not base64"):
        lab.sagemaker.create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName="raw", OnStart=[{"Content": "echo hello"}]
        )


def test_update_needs_a_stopped_instance(lab: SageMakerLab) -> None:
    create(lab, "changed")
    with pytest.raises(ClientError, match=r"Unable to transition to \(Updating\)"):
        lab.sagemaker.update_notebook_instance(NotebookInstanceName="changed", InstanceType="ml.t3.large")
    stop(lab, "changed")
    lab.sagemaker.update_notebook_instance(
        NotebookInstanceName="changed", InstanceType="ml.t3.large", DisassociateLifecycleConfig=True
    )
    instance = settled(lab, "changed")
    assert instance["InstanceType"] == "ml.t3.large"
    assert "NotebookInstanceLifecycleConfigName" not in instance


def test_a_presigned_url_opens_jupyterlab_on_the_persistent_directory(lab: SageMakerLab) -> None:
    create(lab, "jupyter", on_create='echo hello > "$WORKSHOP_HOME/hello.txt"')
    client = lab.account.client("sagemaker", read_timeout=90)
    url = client.create_presigned_notebook_instance_url(NotebookInstanceName="jupyter")["AuthorizedUrl"]
    assert url.startswith("http://127.0.0.1:")
    base, _, token = url.partition("/lab?token=")
    request = urllib.request.Request(f"{base}/api/contents", headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request) as answer:
        names = {item["name"] for item in json.load(answer)["content"]}
    assert "hello.txt" in names
    again = client.create_presigned_notebook_instance_url(NotebookInstanceName="jupyter")
    assert again["AuthorizedUrl"] == url
    stop(lab, "jupyter")
    with pytest.raises(OSError):
        urllib.request.urlopen(request, timeout=2)


def test_instances_and_configs_are_listed(lab: SageMakerLab) -> None:
    create(lab, "list-1")
    create(lab, "list-2")
    found = lab.sagemaker.list_notebook_instances(NameContains="list-", SortOrder="Descending")
    assert [item["NotebookInstanceName"] for item in found["NotebookInstances"]] == ["list-2", "list-1"]
    configs = lab.sagemaker.list_notebook_instance_lifecycle_configs(NameContains="list-")
    assert len(configs["NotebookInstanceLifecycleConfigs"]) == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_instance_starts_again_with_the_account(
    impatient: Callable[[Path], AccountProcess], tmp_path: Path, how: int
) -> None:
    account = impatient(tmp_path / "state").start()
    lab = SageMakerLab(account).prepare()
    try:
        create(
            lab,
            "lasting",
            on_start="""
                nohup sleep 300 > /dev/null 2>&1 &
                echo $! >> "$WORKSHOP_HOME/pids"
                """,
        )
        account.stop(how)
        account.start()
        assert settled(lab, "lasting")["NotebookInstanceStatus"] == "InService"
        first, second = map(int, (directory(lab, "lasting") / "SageMaker/pids").read_text().split())
        assert not alive(first)
        assert alive(second)
    finally:
        account.stop()
    assert not alive(second)


def test_an_instance_begins_with_its_repositories(lab: SageMakerLab, tmp_path: Path) -> None:
    codecommit = lab.account.client("codecommit")
    urls = []
    for name in ("lessons", "extra"):
        codecommit.create_repository(repositoryName=name)
        put = {"branchName": "work", "fileContent": name.encode(), "filePath": "README"}
        codecommit.put_file(repositoryName=name, **put)
        urls.append(f"https://git-codecommit.us-east-1.amazonaws.com/v1/repos/{name}")
    lab.sagemaker.create_code_repository(
        CodeRepositoryName="lessons", GitConfig={"RepositoryUrl": urls[0], "Branch": "work"}
    )
    repositories = {"DefaultCodeRepository": "lessons", "AdditionalCodeRepositories": [urls[1]]}
    machine = {"InstanceType": "ml.t3.medium", "RoleArn": lab.role}
    lab.sagemaker.create_notebook_instance(NotebookInstanceName="cloning", **machine, **repositories)

    instance = settled(lab, "cloning")

    assert instance["NotebookInstanceStatus"] == "InService", instance
    assert {key: instance[key] for key in repositories} == repositories
    volume = directory(lab, "cloning") / "SageMaker"
    assert [(volume / name / "README").read_text() for name in ("lessons", "extra")] == ["lessons", "extra"]
    found = lab.sagemaker.list_notebook_instances(DefaultCodeRepositoryContains="less")["NotebookInstances"]
    assert [one["NotebookInstanceName"] for one in found] == ["cloning"]


def test_a_repository_that_cannot_be_cloned_fails_the_instance(lab: SageMakerLab) -> None:
    machine = {"InstanceType": "ml.t3.medium", "RoleArn": lab.role}
    url = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/nowhere"
    with pytest.raises(ClientError, match=r"Cannot find CodeRepository: .*code-repository/unknown"):
        lab.sagemaker.create_notebook_instance(
            NotebookInstanceName="x", **machine, DefaultCodeRepository="unknown"
        )
    lab.sagemaker.create_notebook_instance(
        NotebookInstanceName="failing-clone", **machine, DefaultCodeRepository=url
    )

    instance = settled(lab, "failing-clone")

    assert instance["NotebookInstanceStatus"] == "Failed"
    assert instance["FailureReason"].startswith(f"Failed to clone {url}: ")
    assert "CodeCommit has no repository nowhere" in instance["FailureReason"]
