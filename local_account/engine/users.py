"""Which local accounts use the engine that the workshop started: the last one to leave stops it."""

import hashlib
from pathlib import Path

from local_account.engine.dockerd import running_pid, stop_engine
from local_account.engine.home import create


def hold(home: Path, state: Path) -> None:
    """Note that the account in `state` uses the engine of `home`."""
    users = home / "users"
    create(users)
    _entry(users, state).write_text(f"{state.resolve()}\n")


def release(home: Path, state: Path) -> bool:
    """Note that the account no longer uses it, and stop the engine after its last user; True if stopped."""
    users = home / "users"
    _entry(users, state).unlink(missing_ok=True)
    others = [Path(entry.read_text().strip()) for entry in users.glob("*")] if users.is_dir() else []
    # An account whose directory was deleted never releases the engine.
    if any((other / "server.pid").exists() for other in others):
        return False
    return running_pid(home) is not None and stop_engine(home)


def _entry(users: Path, state: Path) -> Path:
    return users / hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]
