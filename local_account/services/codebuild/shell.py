"""The shell of a build: one process that runs the commands in turn, each seeing what the others left.

Buildspec 0.2 runs all commands of a build in the same instance of the default shell (page "Build
specification reference for CodeBuild", versions). A command that ends the shell (``exit``, ``set -e``, a
syntax error in dash) ends itself only: the next one gets a new shell with the variables, the directory and,
from bash, the functions of the one that ended.

Differs from AWS: all commands of a build run in one shell. A command that ends it (`exit`) ends itself only,
and functions are then kept by bash but not by dash.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from local_account.foundation.processes import Processes
from local_account.foundation.root_directory import RootDirectory

NAME = "/codebuild/output/tmp/script.sh"
"""What the shell calls itself in its messages, as in builds on AWS: no path of this machine."""

# `declare` is tried first because sh may be bash; dash has `set` and `export -p`. Read-only variables of the
# shell itself cannot be set again: that complaint is dropped. Commands may change PATH, hence /bin. Commands
# do not get the descriptors of the session: what they leave in the background would keep them open.
_SCRIPT = """\
trap '{{ if [ -n "${{BASH_VERSION-}}" ]; then declare -p; declare -f; else set; export -p; fi; }} \
>{state}.new 2>/dev/null; pwd >{state}.cwd; /bin/mv -f {state}.new {state}' EXIT
if [ -f {state} ]; then . {state} 2>/dev/null; fi
export CODEBUILD_BUILD_SUCCEEDING
exec 8<{orders} 9>{results}
while read -r CODEBUILD_BUILD_SUCCEEDING <&8; do
eval "$(/bin/cat {command})" 8<&- 9>&-
{{ echo $? >&9; }} 2>/dev/null
done
"""
_ENDED = "ended"


class Session:
    """A session of ``shell``, whose commands write output to the file descriptor ``output``.

    ``shell`` is a program and the name that it is called by: bash called ``sh`` follows POSIX. Commands have
    the root directory ``root``.
    """

    def __init__(
        self,
        *,
        processes: Processes,
        group: str,
        shell: tuple[str, str],
        root: RootDirectory,
        directory: Path,
        cwd: Path,
        environment: Mapping[str, str],
        output: int,
    ) -> None:
        self._processes = processes
        self._group = group
        program, called = shell
        self._program = directory / "shell" / called
        self._program.parent.mkdir()
        self._program.symlink_to(program)
        self._root = root
        self._directory = directory
        self._state = directory / "state"
        self._command = directory / "command"
        self._answer = directory / "answer"
        self._cwd = cwd
        self._environment = environment
        self._output = output
        self._shell: _Shell | None = None
        self.succeeding = True
        """Value of ``CODEBUILD_BUILD_SUCCEEDING`` for the following commands."""

    def run(self, command: str, started: Callable[[], object] = lambda: None) -> int:
        """Run one command to its end; return its exit status (128 + n if ended by signal n).

        ``started`` is called once its process exists.
        """
        self._command.write_text(command + "\n")
        shell = self._shell if self._shell and self._shell.alive() else self._start()
        started()
        status = shell.run("1" if self.succeeding else "0")
        return status if status >= 0 else 128 - status

    def evaluate(self, text: str) -> str:
        """Expand ``text`` as the shell does inside double quotes, in the state of the session."""
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return self._ask(f'printf %s "{quoted}"').decode(errors="replace").strip()

    def exported(self, name: str) -> str | None:
        """Return the value of an exported variable, or None."""
        entries = self._ask("/usr/bin/env -0").split(b"\0")
        prefix = f"{name}=".encode()
        found = [entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)]
        return found[0].decode(errors="replace") if found else None

    def close(self) -> None:
        """Let the shell end; what it left in the background is the group's."""
        if self._shell:
            self._shell.close()
            self._shell = None

    def _ask(self, command: str) -> bytes:
        """Return what a command prints that the build does not see."""
        self._answer.unlink(missing_ok=True)
        self.run(f"{{ {command}; }} >{shlex.quote(str(self._answer))} 2>/dev/null")
        return self._answer.read_bytes() if self._answer.exists() else b""

    def _start(self) -> _Shell:
        self.close()
        cwd_file = self._state.with_suffix(".cwd")
        cwd = Path(cwd_file.read_text().rstrip("\n")) if cwd_file.exists() else self._cwd
        if not self._root.seen_from_outside(cwd).is_dir():
            cwd = self._cwd

        def spawn(orders: Path, results: Path) -> subprocess.Popen[bytes]:
            paths = {"state": self._state, "command": self._command, "orders": orders, "results": results}
            script = _SCRIPT.format(**{name: shlex.quote(str(path)) for name, path in paths.items()})
            return self._processes.spawn(
                self._group,
                self._root.command([str(self._program), "-c", script, NAME], cwd),
                env={} if self._state.exists() else self._environment,
                cwd=self._cwd,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )

        self._shell = _Shell(self._directory, spawn)
        return self._shell


class _Shell:
    """A running shell, which reads an order for each command and answers with its exit status.

    The pipes have names because dash knows descriptors up to 9 only, and a child cannot choose those that it
    is given. They are open for both directions, so opening them waits for nobody.
    """

    def __init__(self, directory: Path, spawn: Callable[[Path, Path], subprocess.Popen[bytes]]) -> None:
        paths = (directory / "orders", directory / "results")
        for path in paths:
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        self._orders, self._results = (os.open(path, os.O_RDWR) for path in paths)
        self._answers = os.fdopen(os.dup(self._results))
        self._process = spawn(*paths)
        self._waiter = threading.Thread(target=self._wait, name="build shell", daemon=True)
        self._waiter.start()

    def alive(self) -> bool:
        """Return whether it can run another command."""
        return self._process.poll() is None

    def run(self, order: str) -> int:
        """Let the shell run its command; return the command's status, or the shell's if that ended."""
        os.write(self._orders, f"{order}\n".encode())
        answer = self._answers.readline().rstrip("\n")
        return self._process.wait() if answer == _ENDED else int(answer)

    def close(self) -> None:
        """Let the shell end."""
        os.close(self._orders)
        self._waiter.join()
        self._answers.close()
        os.close(self._results)

    def _wait(self) -> None:
        self._process.wait()
        os.write(self._results, f"{_ENDED}\n".encode())
