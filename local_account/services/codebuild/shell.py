"""The shell session of a build: commands run in turn, each seeing what the ones before it left.

Buildspec 0.2 runs all commands of a build "in the same instance of the default shell" (page "Build
specification reference for CodeBuild", versions). Here each command is a separate shell process that takes
over variables, functions and working directory from the one before: so ``exit`` ends a command and not the
session, and a command that ended can be told from a session that died.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from local_account.foundation.processes import Processes

# `declare` is tried first because sh may be bash; dash has `set` and `export -p`. Read-only variables of
# the shell itself cannot be set again: that complaint is dropped.
_COMMAND = """\
if [ -f {state} ]; then . {state} 2>/dev/null; fi
export CODEBUILD_BUILD_SUCCEEDING={succeeding}
trap '{{ if [ -n "${{BASH_VERSION-}}" ]; then declare -p; declare -f; else set; export -p; fi; }} \
>{state}.new 2>/dev/null; pwd >{state}.cwd; mv -f {state}.new {state}' EXIT
. {command}
"""


class Session:
    """A session of ``shell`` (path of bash or sh) that writes output to the file descriptor ``output``."""

    def __init__(
        self,
        *,
        processes: Processes,
        group: str,
        shell: str,
        directory: Path,
        cwd: Path,
        environment: Mapping[str, str],
        output: int,
    ) -> None:
        self._processes = processes
        self._group = group
        self._shell = shell
        self._state = directory / "state"
        self._command = directory / "command"
        self._driver = directory / "driver"
        self._cwd = cwd
        self._environment = environment
        self._output = output
        self.succeeding = True
        """Value of ``CODEBUILD_BUILD_SUCCEEDING`` for the following commands."""

    def run(self, command: str, started: Callable[[], object] = lambda: None) -> int:
        """Run one command to its end; return its exit status (128 + n if ended by signal n).

        ``started`` is called once its process exists.
        """
        process = self._start(command, self._output)
        started()
        status = process.wait()
        return status if status >= 0 else 128 - status

    def evaluate(self, text: str) -> str:
        """Expand ``text`` as the shell does inside double quotes, in the state of the session."""
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        process = self._start(f'printf %s "{quoted}"', subprocess.PIPE)
        return process.communicate()[0].decode(errors="replace").strip()

    def exported(self, name: str) -> str | None:
        """Return the value of an exported variable, or None."""
        process = self._start(f"env -0 | grep -z '^{name}='", subprocess.PIPE)
        value = process.communicate()[0].rstrip(b"\0").decode(errors="replace")
        return value.partition("=")[2] if value else None

    def _start(self, command: str, output: int) -> subprocess.Popen[bytes]:
        self._command.write_text(command + "\n")
        self._driver.write_text(
            _COMMAND.format(
                state=shlex.quote(str(self._state)),
                command=shlex.quote(str(self._command)),
                succeeding=int(self.succeeding),
            )
        )
        cwd_file = self._state.with_suffix(".cwd")
        cwd = Path(cwd_file.read_text().rstrip("\n")) if cwd_file.exists() else self._cwd
        return self._processes.spawn(
            self._group,
            [self._shell, str(self._driver)],
            env={} if self._state.exists() else self._environment,
            cwd=cwd if cwd.is_dir() else self._cwd,
            stdout=output,
            stderr=subprocess.STDOUT if output != subprocess.PIPE else subprocess.DEVNULL,
        )
