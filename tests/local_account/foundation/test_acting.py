"""Clients that act as a role."""

import pytest

from local_account.foundation.acting import ActingClient
from tests.sessions import make_client


def test_what_would_act_as_the_account_is_not_there() -> None:
    """Transfers use threads of their own, which do not know the role."""
    client = make_client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        endpoint_url="http://localhost",
    )
    acting = ActingClient(client, "arn:aws:iam::123456789012:role/x")
    assert acting.can_paginate("list_objects_v2")
    for helper in ("upload_file", "download_fileobj", "get_waiter", "generate_presigned_url"):
        with pytest.raises(AttributeError, match=f"{helper} would act as the account"):
            getattr(acting, helper)
