"""Notebooks show the report page of an execution, or say why there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lab_helpers import evidence, keys
from tests.lab_helpers.fakes import lab

EXECUTION = "11111111-2222-3333-4444-555555555555"
PAGE = '<!doctype html><html lang="en"><body class="x"><p>3 &lt; 4 & "quoted"</p></body></html>'


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


def test_the_page_is_shown_in_a_frame_that_runs_nothing(tmp_path: Path, s3: Any) -> None:
    found = {"passed": True, "tested": True, "summary": "DEV passed all 12 tests; a < b"}
    s3.put_object(Bucket="bucket", Key=keys.tests(EXECUTION), Body=json.dumps(found).encode())
    s3.put_object(Bucket="bucket", Key=keys.page(EXECUTION), Body=PAGE.encode())
    frames = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "iframe":
                frames.append(dict(attrs))

    shown = evidence.of(lab(tmp_path, s3=s3), EXECUTION)
    assert repr(shown) == "DEV passed all 12 tests; a < b"
    assert shown.passed
    html = shown._repr_html_()
    assert "<p>DEV passed all 12 tests; a &lt; b</p>" in html
    Reader().feed(html)
    [frame] = frames
    assert frame["srcdoc"] == PAGE
    assert frame["sandbox"] is None  # with no permission at all
    assert frame["title"] == f"Report on execution {EXECUTION}"


def test_an_execution_of_an_earlier_version_has_a_sentence_instead(tmp_path: Path, s3: Any) -> None:
    shown = evidence.of(lab(tmp_path, s3=s3), EXECUTION)
    assert repr(shown).startswith(f"There is no report page on execution {EXECUTION}")
    assert "iframe" not in shown._repr_html_()
    assert not shown.passed
