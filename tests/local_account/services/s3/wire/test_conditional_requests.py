"""Conditional requests, with RFC 9110's precedence."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.conditions import (
    check_copy_source,
    check_delete,
    check_read,
    check_write,
    has_conditions,
)

MODIFIED = datetime(2026, 5, 1, 12, 0, 0, 900_000, tzinfo=UTC)
BEFORE, AT, AFTER = (
    format_datetime(MODIFIED.replace(microsecond=0) + timedelta(seconds=seconds), usegmt=True)
    for seconds in (-1, 0, 1)
)
NOW = MODIFIED + timedelta(seconds=5)
FUTURE = format_datetime(NOW + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, ""),
        ({"if-match": '"e"'}, ""),
        ({"if-match": "e"}, ""),
        ({"if-match": '"a", "e"'}, ""),
        ({"if-match": "*"}, ""),
        ({"if-match": '"x"'}, "If-Match"),
        ({"if-none-match": '"x"'}, ""),
        ({"if-none-match": 'W/"e"'}, "304"),
        ({"if-none-match": "*"}, "304"),
        ({"if-modified-since": BEFORE}, ""),
        ({"if-modified-since": AT}, "304"),
        ({"if-modified-since": AFTER}, "304"),
        ({"if-modified-since": FUTURE}, ""),
        ({"if-modified-since": "yesterday"}, ""),
        ({"if-unmodified-since": BEFORE}, "If-Unmodified-Since"),
        ({"if-unmodified-since": AT}, ""),
        # the documented pairs: the ETag decides
        ({"if-match": '"e"', "if-unmodified-since": BEFORE}, ""),
        ({"if-none-match": '"e"', "if-modified-since": BEFORE}, "304"),
        ({"if-none-match": '"x"', "if-modified-since": AFTER}, ""),
        # what must hold is checked before what must not
        ({"if-match": '"x"', "if-none-match": '"e"'}, "If-Match"),
    ],
)
def test_reads(headers: dict[str, str], outcome: str) -> None:
    assert has_conditions(headers) == bool(headers)
    of_source = {f"x-amz-copy-source-{name}": value for name, value in headers.items()}
    if not outcome:
        check_read(headers, "e", MODIFIED, NOW)
        check_copy_source(of_source, "e", MODIFIED, NOW)
        return
    with pytest.raises(S3Error) as raised:
        check_read(headers, "e", MODIFIED, NOW)
    if outcome == "304":
        assert (raised.value.code, raised.value.status) == ("NotModified", 304)
    else:
        assert (raised.value.code, raised.value.status) == ("PreconditionFailed", 412)
        assert raised.value.fields == {"Condition": outcome}
    with pytest.raises(S3Error) as raised:
        check_copy_source(of_source, "e", MODIFIED, NOW)
    assert raised.value.status == 412


@pytest.mark.parametrize(
    ("headers", "etag", "code"),
    [
        ({"if-none-match": "*"}, None, ""),
        ({"if-none-match": "*"}, "e", "PreconditionFailed"),
        ({"if-none-match": '"e"'}, None, "NotImplemented"),
        ({"if-match": '"e"'}, "e", ""),
        ({"if-match": '"x"'}, "e", "PreconditionFailed"),
        ({"if-match": '"e"'}, None, "NoSuchKey"),
        ({"if-match": '"e"', "if-none-match": "*"}, "e", "NotImplemented"),
        ({"if-modified-since": AT}, "e", "NotImplemented"),
        ({}, "e", ""),
    ],
)
def test_writes(headers: dict[str, str], etag: str | None, code: str) -> None:
    if not code:
        check_write(headers, "key", etag)
        return
    with pytest.raises(S3Error) as raised:
        check_write(headers, "key", etag)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("match", "etag", "code"),
    [("*", "e", ""), ('"e"', "e", ""), ('"x"', "e", "PreconditionFailed"), ("*", None, "NoSuchKey")],
)
def test_deletes(match: str, etag: str | None, code: str) -> None:
    check_delete({}, "key", etag)
    if not code:
        check_delete({"if-match": match}, "key", etag)
        return
    with pytest.raises(S3Error) as raised:
        check_delete({"if-match": match}, "key", etag)
    assert raised.value.code == code
