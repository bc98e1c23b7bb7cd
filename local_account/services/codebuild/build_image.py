"""What a project's image decides about a build, although its commands run on this machine.

Reported by builds on AWS, not documented: the ``sh`` of Amazon Linux is bash, that of Ubuntu is dash.

Differs from AWS: a build runs on this machine, as its user, and not in a container of the project's image: it
has the tools that are installed here, and sees a copy of this machine: what it changes in `/etc`, `/usr`,
`/root` and so on, or installs with pip, is gone with it. `/tmp` is the machine's, and everything is where
Linux has no namespaces of mounts. The log says which shell a build has, and whose tools.

Differs from AWS: the image decides what its name tells. `sh` is bash for Amazon Linux and dash for Ubuntu;
another image gets this machine's `sh`. AWS's own images have version 2 of the AWS CLI, so `aws ecr get-login`
is refused. Source: reported by builds on AWS, not documented.
"""

from __future__ import annotations

import platform
import shlex
import shutil
from importlib import metadata
from pathlib import Path

from local_account.foundation.errors import FIDELITY

MANAGED = ("aws/codebuild/", "public.ecr.aws/codebuild/")
"""How the names of AWS's own build images begin; their AWS CLI is version 2."""
_BASH = "/bin/bash"
_AWS = """\
#!/bin/sh
case " $* " in *" ecr get-login "*)
echo "aws: error: argument operation: Invalid choice: get-login belongs to AWS CLI version 1; the build" \\
"images of AWS have version 2. Use: aws ecr get-login-password | docker login --username AWS" \\
"--password-stdin REGISTRY" >&2
exit 252
esac
exec {program} "$@"
"""


def shell(image: str, wanted: str) -> tuple[str, str]:
    """Return the program of a build's shell, and the name to call it by; ``wanted`` is ``sh`` or ``bash``."""
    if wanted == "bash":
        return _BASH, "bash"
    if "amazonlinux" in image:
        return _BASH, "sh"
    return (_managed(image) and shutil.which("dash")) or "/bin/sh", "sh"


def describe(image: str, program: str, called: str, *, reason: str) -> list[str]:
    """Return lines for the build's log: which shell it has, and whose tools.

    ``reason`` says why the build has no root directory of its own; it is empty if it has one.
    """
    name = Path(program).resolve().name
    known = called == "bash" or "amazonlinux" in image or (_managed(image) and name == "dash")
    why = "" if known else "; the sh of the image may be another, and env/shell: bash is the same everywhere"
    tools = [f"Python {platform.python_version()}"]
    if version := _cli_version():
        tools.insert(0, f"AWS CLI {version}" + (" (the image has version 2)" if _managed(image) else ""))
    return [
        f"Shell: {name}" + (" as sh" if called != name else "") + why,
        f"The commands run on this machine and not in the image {image} ({FIDELITY}#codebuild). "
        f"Tools: {', '.join(tools)}, and what else is installed here",
        *([f"What the commands change outside of their directory stays: {reason}"] if reason else []),
    ]


def write_aws(image: str, directory: Path, path: str) -> None:
    """Put an ``aws`` into ``directory`` that refuses what the image's AWS CLI does not have."""
    if _managed(image) and (program := shutil.which("aws", path=path)):
        write_program(directory / "aws", _AWS.format(program=shlex.quote(program)))


def write_program(path: Path, text: str) -> None:
    """Write an executable script."""
    path.write_text(text)
    path.chmod(0o755)


def _managed(image: str) -> bool:
    return image.startswith(MANAGED)


def _cli_version() -> str | None:
    try:
        return metadata.version("awscli")  # 0.4 s faster than `aws --version`
    except metadata.PackageNotFoundError:
        return None
