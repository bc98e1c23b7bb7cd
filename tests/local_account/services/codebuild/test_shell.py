"""The commands of a build see what earlier commands left, as in one shell."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_account.foundation.processes import Processes
from local_account.foundation.root_directory import RootDirectory
from local_account.services.codebuild.shell import Session

Open = Callable[..., Session]


@pytest.fixture(params=[("/bin/sh", "sh"), ("/bin/bash", "sh"), ("/bin/bash", "bash")], ids=" as ".join)
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    processes = Processes("test-shell")
    output = os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT)
    (tmp_path / "root").mkdir()
    session = Session(
        processes=processes,
        group="g",
        shell=request.param,
        root=RootDirectory(processes, "g", tmp_path / "root", tmp_path),
        directory=tmp_path,
        cwd=tmp_path,
        environment={"PATH": os.environ["PATH"], "GIVEN": "from outside"},
        output=output,
    )
    yield session
    processes.end()
    session.close()
    os.close(output)


def test_variables_functions_and_directory_stay(session: Session, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    text = 'it\'s "quoted" $HOME\nand has two lines'
    assert session.run(f"PLAIN='{text.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'; cd sub") == 0
    assert session.run('export PUBLIC="$PLAIN"; [ "$(basename "$PWD")" = sub ]') == 0
    assert session.run("unset GIVEN") == 0
    assert session.run('[ -z "${GIVEN+x}" ]') == 0
    assert session.exported("PUBLIC") == text
    assert session.exported("PLAIN") is None
    assert session.evaluate("name-$PUBLIC-$(echo 1)").startswith('name-it\'s "quoted"')


def test_functions_and_options_stay(session: Session) -> None:
    assert session.run("greet() { echo hello; }; set -f") == 0
    assert session.run('[ "$(greet)" = hello ] && [ "$(echo *)" = "*" ]') == 0


def test_messages_of_the_shell_name_no_path_of_this_machine(session: Session, tmp_path: Path) -> None:
    assert session.run("no-such-command") == 127
    assert session.run("if true; then") != 0
    said = (tmp_path / "output").read_text()
    assert said.count("/codebuild/output/tmp/script.sh: ") >= 2
    assert str(tmp_path) not in said


def test_exit_ends_a_command_and_not_the_session(session: Session) -> None:
    assert session.run("KEPT=1; exit 7") == 7
    assert session.run('[ "$KEPT" = 1 ]') == 0
    assert session.run("exit 0; false") == 0


def test_a_failing_command_in_a_block_with_errexit_ends_the_block(session: Session) -> None:
    assert session.run("set -e\nfalse\ntouch after") == 1
    assert session.run("[ ! -e after ]") == 0


def test_a_syntax_error_is_a_failed_command(session: Session) -> None:
    assert session.run("if true; then") != 0
    assert session.run("true") == 0


def test_a_killed_command_has_the_status_that_a_shell_would_give(session: Session) -> None:
    assert session.run("kill -KILL $$") == 137
    assert session.run("true") == 0


def test_a_process_in_the_background_delays_nothing(session: Session) -> None:
    assert session.run("(sleep 60; true) & exit 3") == 3
    assert session.run("sleep 60 & true") == 0


def test_a_broken_path_breaks_the_commands_and_not_the_session(session: Session) -> None:
    assert session.run("export PATH=/nowhere") == 0
    assert session.run("ls") == 127
    assert session.run("exit 0") == 0
    assert session.run('[ "$PATH" = /nowhere ]') == 0
    assert session.exported("PATH") == "/nowhere"


def test_the_state_of_the_build_is_in_the_environment(session: Session) -> None:
    assert session.run('[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ]') == 0
    session.succeeding = False
    assert session.run('[ "$CODEBUILD_BUILD_SUCCEEDING" = 0 ]') == 0
