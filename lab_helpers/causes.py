"""The line of a build's log that says what went wrong, and the few lines around it.

A failed `docker build` ends with dozens of lines that repeat each other: the tool's error, BuildKit's summary
of it, the Dockerfile around the step, CodeBuild's own account. The first that a tool wrote itself is the one
to read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 300
"""Characters of a line that are shown: pip lists every version there is."""
BEFORE, AFTER = 3, 2

NOISE = re.compile(r"^\s*$|^ ---> |sha256:|^Removing intermediate|^#\d+ (?:DONE|CACHED)|━")
"""Lines of a build that say nothing to a learner: digests, progress bars."""
_COLOR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""ECMA-48 control sequences. Docker's classic builder prints in red what a step writes to standard error."""
_STEP = re.compile(r"^(?:Step \d+/\d+ :|\[Container\].* (?:Running command|Entering phase) )")
_VERTEX = re.compile(r"^#(\d+) (?:ERROR|CANCELED)")
_PREFIX = re.compile(r"^(?:#\d+ )?(?:\d+\.\d+ )?")
_TOOLS = (
    # pip; BuildKit's own lines begin likewise and are in _GENERIC
    re.compile(r"ERROR: "),
    # apt, git, compilers, curl, npm, the AWS CLI, CodeBuild and CodePipeline
    re.compile(r"E: |fatal: |error: |Error: |curl: \(|npm (?:ERR!|error) |An error occurred \("),
    re.compile(r"(?:aws|Unable to locate|Could not connect|[A-Z_]+_(?:FILE|EXECUTION)?_?ERROR): "),
    # Docker's classic builder and the registry
    re.compile(r"Error response from daemon: |toomanyrequests: |denied: |unauthorized: |manifest unknown"),
    re.compile(
        r"Error parsing reference: |failed to read dockerfile|dockerfile parse error|unknown instruction"
    ),
    # a shell
    re.compile(r"\S*sh: .*(?:not found|No such file|Permission denied|syntax error|cannot )"),
    # the last line of a Python traceback
    re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:: |$)"),
    re.compile(r"No space left on device|.*: no space left on device"),
)
_GENERIC = (
    re.compile(r"ERROR: (?:process|executor failed|failed to solve|failed to build)"),
    re.compile(r"(?:error: )?failed to (?:solve|build)"),
    re.compile(r"The command .* returned a non-zero code"),
    re.compile(r"\[Container\].*(?:did not exit successfully|Message: )"),
)
"""They only say that some other program failed; the last one does not even say which step of it."""
_HARMLESS = (
    re.compile(r"ERROR: pip's dependency resolver does not"),
    re.compile(r"ERROR: ld\.so: "),
)


@dataclass(frozen=True)
class Cause:
    """Why a program failed: the line that says so, and lines of the log around it, without that line."""

    line: str
    around: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        """The lines around it as a message shows them."""
        return [f"  | {line}" for line in self.around]


def find(lines: Sequence[str]) -> Cause:
    """Return the cause in the log of something that failed; its line is empty if the log is.

    Looks first at what the failing step printed: a line of a tool before one that only says that a tool
    failed. Without either, the last line of the step stands for the cause.
    """
    plain = (uncolored(line) for line in lines)
    said = [line.rstrip() for line in plain if line.strip("-= \t\r\n") and "━" not in line]
    if not said:
        return Cause("")
    failing = _failing(said)
    everything = range(len(said))
    for candidates, patterns in ((failing, _TOOLS), (failing, _GENERIC), (everything, _GENERIC[:-1])):
        for index in candidates:
            if _matches(said[index], patterns) and not _matches(said[index], _HARMLESS):
                if patterns is _TOOLS and _matches(said[index], _GENERIC):
                    continue
                return _cause(said, index)
    return _cause(said, max(failing, default=len(said) - 1))


def uncolored(line: str) -> str:
    """Return a line as a terminal shows it, without colors."""
    return _COLOR.sub("", line)


def shortened(line: str, longest: int = LONGEST) -> str:
    """Return a line with its middle left out if it is longer than `longest` characters."""
    if len(line) <= longest:
        return line
    head = 2 * longest // 3
    return f"{line[:head]} … {line[-(longest - head) :]}"


def _failing(said: Sequence[str]) -> list[int]:
    """Return the indices of the lines of the step that failed; of all lines if no step can be told."""
    failed = next((found[1] for line in said if (found := _VERTEX.match(line))), None)
    if failed is not None:  # BuildKit numbers the lines of each step
        return [index for index, line in enumerate(said) if line.startswith(f"#{failed} ")]
    end = next((n for n, line in enumerate(said) if _matches(line, _GENERIC)), len(said))
    begins = [n for n, line in enumerate(said[:end]) if _STEP.match(line)]
    return list(range(begins[-1] + 1 if begins else 0, end)) or list(range(len(said)))


def _cause(said: Sequence[str], index: int) -> Cause:
    line = _plain(said[index])
    near = [_plain(one) for one in said[max(index - BEFORE, 0) : index + 1 + AFTER]]
    near = [one for one in near if not one.startswith("[Container]")]  # CodeBuild's own account
    seen: dict[str, None] = {}
    for one in near:
        if one not in line and line not in one and not _matches(one, _GENERIC):
            seen.setdefault(shortened(one, 160))
    return Cause(shortened(line), tuple(seen))


def _plain(line: str) -> str:
    """Return a line without BuildKit's number and time."""
    return _PREFIX.sub("", line)


def _matches(line: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.match(_plain(line)) for pattern in patterns)
