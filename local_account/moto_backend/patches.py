"""What has to be changed inside moto, because no hook of its own allows it.

Each patch first checks that what it replaces is still there, so that an incompatible release of moto shows
when the account starts and not in the middle of a workshop.
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.common_models import BaseModel
from moto.iam import aws_managed_policies, models
from moto.s3 import notifications
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.settings import load_iam_aws_managed_policies

from local_account.moto_backend.bucket_policies import permission


def apply() -> None:
    """Apply every patch; calling it again does no harm."""
    # moto keeps every object it ever made, for its dashboard: deleted ones, too.
    _replace(BaseModel, "__new__", lambda cls, *_, **__: object.__new__(cls))
    # 1,400 policies of AWS as one text, which moto reads only if it is told to.
    if not load_iam_aws_managed_policies():
        aws_managed_policies.aws_managed_policies_data = models.aws_managed_policies_data = "{}"
    # The account's own EventBridge publishes S3's events.
    _replace(notifications, "_send_event_bridge_message", lambda *_, **__: None)
    # moto ignores the conditions of a bucket policy: a TLS-only policy would lock everyone out of the bucket.
    _replace(
        FakeBucket,
        "get_permission",
        lambda bucket, action, resource: permission(bucket.policy, action, resource),
    )
    if not hasattr(S3Response, "_moto_get_bucket_notification"):
        S3Response._moto_get_bucket_notification = S3Response.get_bucket_notification
        _replace(S3Response, "get_bucket_notification", _get_bucket_notification)


def _replace(owner: Any, name: str, replacement: Any) -> None:
    if not callable(getattr(owner, name, None)):
        raise RuntimeError(  # noqa: TRY004
            f"moto's {owner.__name__} no longer has {name}: see how this release does it and adapt "
            "local_account/moto_backend/patches.py, or pin moto lower in requirements.txt"
        )
    setattr(owner, name, replacement)


def _get_bucket_notification(response: Any) -> Any:
    """Make GetBucketNotificationConfiguration report that EventBridge is on, which moto omits."""
    status, headers, body = response._moto_get_bucket_notification()
    configuration = response.backend.get_bucket(response.bucket_name).notification_configuration
    if configuration and configuration.event_bridge is not None and "EventBridgeConf" not in body:
        end = "</NotificationConfiguration>"
        body = re.sub(rf"/>\s*$|{end}\s*$", "", body)
        body += ("" if body.endswith(">") else ">") + f"<EventBridgeConfiguration/>{end}"
    return status, headers, body
