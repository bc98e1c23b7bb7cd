"""Makes the root directory of a notebook instance: that of `root_mounts`, with ec2-user and sudo.

A program for a mount namespace of its own, started by `instance_root`. Needs only the standard library.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":  # a script does not find the project
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from local_account.foundation.root_mounts import BIND, mount, prepare, stay

OWN = Path("/.instance")
"""Where sudo is, and what answers for conda."""
METADATA = Path("/opt/ml/metadata/resource-metadata.json")
"""SageMaker AI Developer Guide, "Notebook instance metadata"."""


def make(instance: Path, sudo: Path, directory: Path, kept: list[Path]) -> Path:
    """Mount the root directory in the empty ``directory``; return it.

    ``instance`` has the home directory of ec2-user, the volume and the metadata; ``sudo`` is the program of
    this name; what is in ``kept`` is the machine's own.
    """
    root = prepare(directory, kept, OWN)
    user = root / "home" / "ec2-user"
    user.mkdir(parents=True, exist_ok=True)
    mount(instance / "home", user, flags=BIND)
    with contextlib.suppress(FileExistsError):  # where the link in the home directory leads
        (root / "home" / "SageMaker").symlink_to(instance / "SageMaker")
    with contextlib.suppress(PermissionError):  # if /opt could not be covered
        metadata = root / METADATA.relative_to("/")
        metadata.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(instance / METADATA.name, metadata)
    _add_programs_and_users(root, sudo)
    return root


def _add_programs_and_users(root: Path, sudo: Path) -> None:
    """Add programs and ec2-user, in files of our own: a user cannot change those of the machine even here."""
    own = root / OWN.relative_to("/")
    own.mkdir()
    program = own / "sudo"
    shutil.copyfile(sudo, program)
    for name in ("activate", "conda", "deactivate"):
        shutil.copyfile(root / "home" / "ec2-user" / "anaconda3" / "bin" / "activate", own / name)
    for path in own.iterdir():
        path.chmod(0o755)
    if (there := root / "usr" / "bin" / "sudo").exists():
        mount(program, there, flags=BIND)
    users = Path("/etc/passwd").read_text()
    if "\nec2-user:" not in users:
        # no password instead of one in /etc/shadow, without which `su - ec2-user` is refused
        entry = f"ec2-user:*:{os.getuid()}:{os.getgid()}:EC2 Default User:/home/ec2-user:/bin/bash\n"
        (own / "passwd").write_text(users + entry)
        mount(own / "passwd", root / "etc" / "passwd", flags=BIND)
    groups = Path("/etc/group").read_text()
    if "\nec2-user:" not in groups:
        (own / "group").write_text(f"{groups}ec2-user:x:{os.getgid()}:\n")
        mount(own / "group", root / "etc" / "group", flags=BIND)


if __name__ == "__main__":
    instance, sudo, directory, *others = map(Path, sys.argv[1:])
    stay(lambda: make(instance, sudo, directory, others))
