"""The cause of a failed build is the line that the failing tool wrote, out of all that builds print."""

from __future__ import annotations

import pytest

from lab_helpers import causes

BUILDKIT_PIP = """\
#5 [2/4] COPY requirements.txt /opt/program/
#5 DONE 0.1s
#6 [3/4] RUN pip install --requirement /opt/program/requirements.txt     && pip check
#6 1.731 Collecting numpy==99.4.6 (from -r /opt/program/requirements.txt (line 3))
#6 1.802 ERROR: Could not find a version that satisfies the requirement numpy==99.4.6 (from versions: 2.4.6)
#6 1.803 ERROR: No matching distribution found for numpy==99.4.6
#6 ERROR: process "/bin/sh -c pip install --requirement …" did not complete successfully: exit code: 1
------
 > [3/4] RUN pip install --requirement /opt/program/requirements.txt     && pip check:
1.802 ERROR: Could not find a version that satisfies the requirement numpy==99.4.6 (from versions: 2.4.6)
1.803 ERROR: No matching distribution found for numpy==99.4.6
------
Dockerfile:12
--------------------
  11 |     COPY requirements.txt /opt/program/
  12 | >>> RUN pip install --requirement /opt/program/requirements.txt \\
--------------------
ERROR: failed to solve: process "/bin/sh -c pip install …" did not complete successfully: exit code: 1
[Container] 2026/11/30 10:00:12.1 Command did not exit successfully docker build . exit status 1
[Container] 2026/11/30 10:00:12.2 Phase context status code: COMMAND_EXECUTION_ERROR Message: Error
"""
CLASSIC_PYTHON = """\
[Container] 2026/11/30 10:00:01.0 Running command docker build --tag x .
Step 2/3 : RUN echo "ERROR: of an earlier step"
ERROR: of an earlier step
Step 3/3 : RUN python -c 'import scikit.ensemble'
 ---> Running in 5c1f5d7e
Traceback (most recent call last):
  File "<string>", line 1, in <module>
ModuleNotFoundError: No module named 'scikit'
The command '/bin/sh -c python -c 'import scikit.ensemble'' returned a non-zero code: 1
[Container] 2026/11/30 10:00:02.0 Command did not exit successfully docker build --tag x . exit status 1
"""
DOCKERFILE = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
Dockerfile:3
--------------------
   3 | >>> BUILD pip install
--------------------
ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: BUILD
"""
MISSING_FILE = """\
#6 [2/3] COPY other.py /opt/program/
#6 ERROR: failed to calculate checksum of ref abc::def: "/other.py": not found
------
 > [2/3] COPY other.py /opt/program/:
------
ERROR: failed to solve: failed to compute cache key: "/other.py": not found
"""
LOGIN = """\
[Container] 2026/11/30 10:00:01.0 Running command aws ecr get-login-password | docker login --username AWS
An error occurred (AccessDeniedException) when calling the GetAuthorizationToken operation: not authorized
Error: Cannot perform an interactive login from a non TTY device
[Container] 2026/11/30 10:00:02.0 Command did not exit successfully aws ecr get-login-password exit status 1
"""
SHELL = """\
[Container] 2026/11/30 10:00:01.0 Running command podman build .
/codebuild/output/tmp/script.sh: line 4: podman: command not found
[Container] 2026/11/30 10:00:02.0 Command did not exit successfully podman build . exit status 127
"""
GIT = """\
Cloning into 'x'...
fatal: unable to access 'https://example.com/x/': Could not resolve host: example.com
"""
SILENT = """\
[Container] 2026/11/30 10:00:01.0 Running command ./check.sh
checking the model
the model is too large
[Container] 2026/11/30 10:00:02.0 Command did not exit successfully ./check.sh exit status 3
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (BUILDKIT_PIP, "ERROR: Could not find a version that satisfies the requirement numpy==99.4.6"),
        (CLASSIC_PYTHON, "ModuleNotFoundError: No module named 'scikit'"),
        (DOCKERFILE, "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: BUILD"),
        (MISSING_FILE, 'ERROR: failed to calculate checksum of ref abc::def: "/other.py": not found'),
        (LOGIN, "An error occurred (AccessDeniedException) when calling the GetAuthorizationToken"),
        (SHELL, "/codebuild/output/tmp/script.sh: line 4: podman: command not found"),
        (GIT, "fatal: unable to access"),
        (SILENT, "the model is too large"),
    ],
)
def test_the_cause_is_what_the_failing_tool_wrote(log: str, line: str) -> None:
    found = causes.find(log.splitlines())
    assert found.line.startswith(line)
    assert found.line not in found.around
    assert len(found.around) <= causes.BEFORE + causes.AFTER


def test_colors_of_the_classic_builder_hide_no_cause() -> None:
    cause = causes.find(
        [
            "Step 2/3 : RUN pip install scikit-learn==99",
            " ---> Running in 5c1f5d7e",
            "Collecting scipy",
            "\x1b[91mERROR: Could not find a version that satisfies the requirement scikit-learn==99\n",
            "\x1b[0m\x1b[91mERROR: No matching distribution found for scikit-learn==99",
            "\x1b[0mThe command '/bin/sh -c pip install scikit-learn==99' returned a non-zero code: 1",
        ]
    )
    assert cause.line == "ERROR: Could not find a version that satisfies the requirement scikit-learn==99"
    assert "ERROR: No matching distribution found for scikit-learn==99" in cause.around
    assert not [line for line in cause.around if "\x1b" in line]


def test_lines_around_the_cause_say_what_it_was_doing_and_repeat_nothing() -> None:
    found = causes.find(BUILDKIT_PIP.splitlines())
    assert "ERROR: No matching distribution found for numpy==99.4.6" in found.around
    assert any(line.startswith("Collecting numpy==99.4.6") for line in found.around)
    assert sum("Could not find a version" in line for line in (found.line, *found.around)) == 1


def test_a_very_long_cause_keeps_its_two_ends() -> None:
    found = causes.find([f"ERROR: Could not find x (from versions: {', '.join(map(str, range(999)))}, end)"])
    assert found.line.startswith("ERROR: Could not find x")
    assert found.line.endswith("end)")
    assert len(found.line) <= causes.LONGEST + 3


def test_an_empty_log_has_no_cause() -> None:
    assert causes.find([]) == causes.Cause("")
