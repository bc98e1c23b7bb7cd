import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local_account.foundation.config import DEFAULT_PORTS, AccountConfig
from local_account.foundation.daemon import Daemon, DaemonError, ports_from
from tests.background_account import ENGINE
from tests.checkout import ROOT
from tests.waiting import eventually

pytestmark = pytest.mark.slow

REPOSITORY = ROOT


def cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab_helpers", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_start_finds_the_running_account(daemon: Daemon) -> None:
    pid = daemon.pid
    assert pid is not None
    assert daemon.start(ENGINE, os.environ) == 0.0
    assert daemon.pid == pid


def test_a_server_with_outdated_code_is_recognized(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not daemon.outdated
    (tmp_path / "local_account").mkdir()
    (tmp_path / "local_account" / "changed.py").touch()
    monkeypatch.setattr("local_account.foundation.daemon.REPOSITORY", tmp_path)
    assert daemon.outdated


def test_env_and_exec_point_any_client_to_the_account(daemon: Daemon) -> None:
    said = cli("local", "exec", "--state", str(daemon.state), "--", "aws", "sts", "get-caller-identity")
    assert json.loads(said.stdout)["Account"] == "123456789012", said.stderr
    lines = cli("local", "env", "--state", str(daemon.state)).stdout.splitlines()
    assert f"export AWS_ENDPOINT_URL={daemon.config().endpoint_url}" in lines
    assert f"export DOCKER_HOST={ENGINE}" in lines


def test_in_the_environment_of_an_account_the_local_commands_mean_it_too(daemon: Daemon) -> None:
    """Otherwise `local run` starts another account, while every other command uses this one."""
    inside = ["local", "exec", "--state", str(daemon.state), "--"]
    said = cli(*inside, sys.executable, "-m", "lab_helpers", "local", "status", "--json")
    assert json.loads(said.stdout)["endpoint"] == daemon.config().endpoint_url
    lines = cli("local", "env", "--state", str(daemon.state)).stdout.splitlines()
    assert f"export MLOPS_LOCAL_STATE={daemon.state}" in lines


def test_exec_passes_on_the_exit_status_of_the_command(daemon: Daemon) -> None:
    assert cli("local", "exec", "--state", str(daemon.state), "--", "sh", "-c", "exit 7").returncode == 7
    missing = cli("local", "exec", "--state", str(daemon.state), "--", "no-such-command")
    assert (missing.returncode, missing.stderr) == (127, "error: command not found: no-such-command\n")


def test_an_unknown_notebook_instance_is_named_with_those_that_exist(daemon: Daemon) -> None:
    said = cli("local", "env", "--state", str(daemon.state), "--notebook-instance", "ana-mlops")
    assert said.returncode == 1
    assert "no notebook instance 'ana-mlops'" in said.stderr


def test_status_is_readable_for_people_and_programs(daemon: Daemon) -> None:
    found = json.loads(cli("local", "status", "--json", "--state", str(daemon.state)).stdout)
    assert found["process"] == daemon.pid
    assert found["endpoint"] == daemon.config().endpoint_url
    assert found["console"] == f"{found['endpoint']}/"
    assert "endpoints" in cli("local", "status", "--state", str(daemon.state)).stdout


def test_a_port_in_use_is_named_with_its_owner_and_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DaemonError) as raised:
            Daemon(tmp_path).start(ENGINE, os.environ, {**ports_from(0), "git_port": port})
    assert f"port {port} (git port)" in str(raised.value)
    assert "`--port 0` picks free ports" in str(raised.value)
    assert "--git-port" not in str(raised.value), "`local up` has no such option"
    if os.geteuid() == 0:
        assert f"process {os.getpid()} of" in str(raised.value)
    assert Daemon(tmp_path).pid is None


def test_a_server_that_dies_shows_the_end_of_its_log(tmp_path: Path) -> None:
    AccountConfig.load(tmp_path)
    (tmp_path / "account.sqlite").mkdir()  # no database can be created here
    with pytest.raises(
        DaemonError, match=r"exited with status 1 while starting\. The end of .*server\.log:(.|\n)*sqlite"
    ):
        Daemon(tmp_path).start(ENGINE, os.environ, ports_from(0))


def test_a_killed_account_is_cleaned_up_and_starts_again(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.start(ENGINE, os.environ, ports_from(0))
    ports, pid = daemon.config(), daemon.pid
    assert pid is not None
    marker = {"LOCAL_ACCOUNT_PROCESS": f"{ports.uid}:build-1"}
    left = subprocess.Popen(["sleep", "60"], env={**os.environ, **marker}, start_new_session=True)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10)
    assert daemon.stop()
    assert left.wait(5) == -signal.SIGTERM, "what the account started ends with it"
    daemon.start(ENGINE, os.environ)
    assert daemon.config() == ports
    assert daemon.stop()
    assert not daemon.stop()


def test_free_ports_are_picked_only_if_the_ports_of_the_account_are_taken(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    assert set(daemon.ports_from(0)) == set(DEFAULT_PORTS)
    config = AccountConfig.load(tmp_path, daemon.ports_from(0))

    assert daemon.ports_from(0) == {}, "those of the account"
    with socket.create_server(("127.0.0.1", config.git_port)):
        assert config.git_port not in daemon.ports_from(0).values()
        assert len(daemon.ports_from(0)) == 3
    assert daemon.ports_from(7000) == dict(zip(DEFAULT_PORTS, (7000, 7001, 7002), strict=True))


def test_reset_deletes_nothing_when_it_cannot_ask(tmp_path: Path) -> None:
    refused = cli("local", "reset", "--state", str(tmp_path))
    assert refused.returncode == 2
    assert "cannot ask for confirmation without a terminal: give --yes" in refused.stderr
    assert tmp_path.exists()


def test_reset_empties_an_account_and_touches_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DaemonError, match="does not look like"):
        Daemon(tmp_path).reset()
    refused = cli("local", "reset", "--yes", "--state", str(tmp_path))
    assert refused.returncode == 1
    assert (tmp_path / "thesis.txt").exists()
    state = tmp_path / "state"
    assert not Daemon(state).reset()
    daemon = Daemon(state)
    daemon.start(ENGINE, os.environ, ports_from(0))
    assert daemon.reset()
    assert list(state.iterdir()) == []
    assert daemon.pid is None


def test_reset_never_deletes_what_was_there_before_the_account(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "server.log").write_text("of another program")
    refused = cli("local", "up", "--port", "0", "--state", str(tmp_path))
    assert refused.returncode == 1
    assert "holds something other than a local account (thesis.txt)" in refused.stderr
    assert "--state or MLOPS_LOCAL_STATE" in refused.stderr
    assert cli("local", "reset", "--yes", "--state", str(tmp_path)).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log", "thesis.txt"]


@pytest.mark.parametrize("command", [["up", "--port", "0"], ["run", "--notebooks", "00"]])
def test_a_state_directory_that_cannot_be_one_is_refused_before_anything_starts(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "file").touch()
    refused = cli("local", *command, "--state", str(tmp_path / "file" / "state"))
    assert refused.returncode == 1
    assert f"{tmp_path / 'file' / 'state'} cannot be created (Not a directory)" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [("--output", "{file}/runs", "cannot be created: Not a directory"), ("--decision", "maybe", "neither")],
)
def test_a_wrong_option_of_run_is_refused_before_anything_starts(
    tmp_path: Path, option: str, value: str, says: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    refused = cli("local", "run", option, value.format(file=file), "--state", str(tmp_path / "state"))
    assert refused.returncode == 2
    assert says in refused.stderr
    assert not (tmp_path / "state").exists()


def test_a_state_that_is_a_file_is_neither_running_nor_removed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("years of work")
    assert cli("local", "down", "--keep-engine", "--state", str(file)).returncode == 0
    refused = cli("local", "reset", "--yes", "--state", str(file))
    assert (refused.returncode, "is not a directory" in refused.stderr) == (1, True)
    assert file.read_text() == "years of work"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"uid": "x", "no_such_field": 1}'])
def test_an_account_whose_configuration_is_damaged_can_be_reset(tmp_path: Path, content: str) -> None:
    (tmp_path / "account.json").write_text(content)
    with pytest.raises(DaemonError, match=r"account\.json is damaged .*make reset"):
        Daemon(tmp_path).start(ENGINE, os.environ)
    assert Daemon(tmp_path).reset()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["-1", "65534"])
def test_three_ports_must_fit(tmp_path: Path, port: str) -> None:
    refused = cli("local", "up", "--port", port, "--state", str(tmp_path))
    assert (refused.returncode, "--port" in refused.stderr) == (2, True)


def test_without_an_account_the_error_names_the_command_that_starts_one(tmp_path: Path) -> None:
    said = cli("local", "env", "--state", str(tmp_path))
    assert said.returncode == 1
    assert "make up" in said.stderr


def test_an_engine_that_does_not_answer_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    said = cli("local", "up", "--state", str(tmp_path / "s"), DOCKER_HOST="unix:///nowhere.sock")
    assert said.returncode == 1
    assert "No Docker Engine answers at DOCKER_HOST=unix:///nowhere.sock" in said.stderr
    assert Daemon(tmp_path / "s").pid is None


@pytest.mark.parametrize(
    "command", [(), ("run",), ("deploy",), ("local",), ("local", "run"), ("local", "exec")]
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    said = cli(*command, "--help")
    assert said.returncode == 0
    assert "Usage: python -m lab_helpers" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "--participant", "Ana B"), "is not a valid lab id"),
        (("run", "--directory", "/nowhere"), "--directory"),
        (("deploy", "--participant", "1x", "--region", "us-east-1"), "is not a valid lab id"),
        (("deploy", "--region", "us-east-1", "--parameter", "x"), "Name=value"),
    ],
)
def test_a_usage_error_is_status_2_and_says_what_is_wrong(arguments: tuple[str, ...], part: str) -> None:
    said = cli(*arguments)
    assert said.returncode == 2
    assert part in said.stderr


def test_status_says_how_to_start_what_is_not_running(tmp_path: Path) -> None:
    said = cli("local", "status", "--state", str(tmp_path))
    assert said.returncode == 1
    assert "not running: `make lab" in " ".join(said.stdout.split())
