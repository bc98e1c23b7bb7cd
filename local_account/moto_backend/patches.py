"""What has to be changed inside moto, because no hook of its own allows it.

Each patch first checks that what it replaces is still there, so that an incompatible release of moto shows
when the account starts and not in the middle of a workshop.
"""

from __future__ import annotations

from typing import Any

from moto.core.common_models import BaseModel
from moto.iam import aws_managed_policies, models
from moto.settings import load_iam_aws_managed_policies


def apply() -> None:
    """Apply every patch; calling it again does no harm."""
    # moto keeps every object it ever made, for its dashboard: deleted ones, too.
    _replace(BaseModel, "__new__", lambda cls, *_, **__: object.__new__(cls))
    # 1,400 policies of AWS as one text, which moto reads only if it is told to.
    if not load_iam_aws_managed_policies():
        aws_managed_policies.aws_managed_policies_data = models.aws_managed_policies_data = "{}"


def _replace(owner: Any, name: str, replacement: Any) -> None:
    if not callable(getattr(owner, name, None)):
        raise RuntimeError(  # noqa: TRY004
            f"moto's {owner.__name__} no longer has {name}: see how this release does it and adapt "
            "local_account/moto_backend/patches.py, or pin moto lower in requirements.txt"
        )
    setattr(owner, name, replacement)
