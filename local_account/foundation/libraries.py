"""Libraries that other libraries import, and the account's process does without, or loads when it needs them.

Together they take 23 MB of resident memory, a quarter of what the process has after its start without them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OWN_TLS = "OpenSSL"
"""urllib3's alternative to Python's own `ssl`; with `cryptography` that it loads 10 MB."""
_SSH = "paramiko"
"""Of docker's library, 8 MB."""
_CHECKSUMS = "awscrt"
"""Of botocore, 8 MB, for checksums that no client of ours computes. S3 loads it when somebody else's does."""
_CERTIFICATES = "cryptography.x509"
"""Of moto, which checks a signing certificate with it."""


def leave_out(docker_host: str) -> None:
    """Do without them; call it before one of the libraries is imported. Calling it again does no harm.

    ``docker_host`` is the engine's address: behind ``ssh://`` its client needs what it imports.
    """
    sys.modules.setdefault(_OWN_TLS, None)  # type: ignore[arg-type]
    if not docker_host.startswith("ssh:"):
        sys.modules.setdefault(_SSH, None)  # type: ignore[arg-type]
    with absent(_CHECKSUMS):
        importlib.import_module("botocore.compat")  # it looks for it once
    _load_later(_CERTIFICATES)


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Let imports of libraries that are not loaded yet fail in this block, as if they were not installed."""
    left_out = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


def _load_later(name: str) -> None:
    """Have a module loaded when it is used, and not when it is imported."""
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    package, _, own = name.rpartition(".")
    setattr(sys.modules[package], own, module)  # or `from PACKAGE import` would look into it
