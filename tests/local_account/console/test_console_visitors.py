"""Pages are for browsers on this machine; everything else gets what it got before, or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import botocore
import pytest
import requests
from botocore.config import Config

from lab_helpers.names import LAB_TAG
from local_account.console import overview
from tests.local_account.account_process import AccountProcess
from tests.local_account.console.browser import Browser
from tests.sessions import make_client

PAGE = "/_console/"
COLLIDING = ["cloudformation", "cloudwatch", "codesuite", "ecr", "lambda", "sagemaker"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST:5901", "127.0.0.1:9999"])
def test_the_names_of_the_loopback_interface_get_pages(browser: Browser, host: str) -> None:
    assert browser.request(PAGE, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "10.0.0.1",
        "0.0.0.0",
        "a[b",
    ],
)
def test_a_name_that_someone_has_pointed_here_gets_a_sentence(browser: Browser, host: str) -> None:
    answer = browser.request(PAGE, headers={"Host": host})
    assert answer.status_code == 421
    assert "open it at 127.0.0.1 or localhost" in answer.text
    assert browser.request("/", headers={"Host": host}).headers["Content-Type"] == "application/xml"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    ],
)
def test_another_site_gets_a_sentence(browser: Browser, headers: dict[str, str]) -> None:
    answer = browser.request(PAGE, headers=headers)
    assert answer.status_code == 403
    assert "site" in answer.text


def test_a_link_can_be_followed_from_anywhere(browser: Browser) -> None:
    """JupyterLab at localhost and the account at 127.0.0.1 are two sites to a browser."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert browser.request(PAGE, headers=headers).status_code == 200


def test_the_pages_own_requests_are_answered(browser: Browser) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": browser.endpoint_url}
    assert browser.request(PAGE, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(browser: Browser, method: str) -> None:
    answer = browser.request(PAGE, method, data=b"x")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_head_is_answered_without_a_body(browser: Browser) -> None:
    answer = browser.request(PAGE, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


def test_only_the_pages_own_style_and_script_take_effect_and_nothing_is_framed(browser: Browser) -> None:
    answer = browser.request(PAGE)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert len(nonce) > 16
    assert f'<script nonce="{nonce}">' in answer.text
    assert nonce not in browser.request(PAGE).text
    assert {
        name: answer.headers[name]
        for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")
    } == {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_browser_at_the_accounts_address_is_led_to_the_overview(browser: Browser) -> None:
    answer = browser.request("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/_console/")


@pytest.mark.parametrize("accept", [None, "*/*", "application/xml", "application/json"])
def test_a_program_at_the_accounts_address_gets_xml_as_before(browser: Browser, accept: str | None) -> None:
    answer = requests.get(browser.endpoint_url, headers={"Accept": accept} if accept else {}, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/xml")


def test_a_signed_request_gets_its_answer_whatever_it_accepts(local_account: AccountProcess) -> None:
    s3 = local_account.client("s3")
    s3.meta.events.register(
        "before-send", lambda request, **_: request.headers.update({"Accept": "text/html"})
    )
    assert "Buckets" in s3.list_buckets()


def test_a_presigned_address_opens_in_a_browser(client: Callable[[str], Any], browser: Browser) -> None:
    s3, bucket = client("s3"), f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"content")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})
    assert browser.request(address).content == b"content"


@pytest.fixture(params=COLLIDING)
def bucket(request: pytest.FixtureRequest, client: Callable[[str], Any]) -> Iterator[str]:
    """A bucket with the name of a part of the console's paths, whose objects everyone may read."""
    s3, name = client("s3"), request.param
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_policy(
        Bucket=name,
        Policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", '
        f'"Action": "s3:GetObject", "Resource": "arn:aws:s3:::{name}/*"}}]}}',
    )
    s3.put_object(Bucket=name, Key="home", Body=b"of the bucket")
    yield name
    s3.delete_object(Bucket=name, Key="home")
    s3.delete_bucket(Bucket=name)


def test_a_bucket_with_the_name_of_a_page_is_still_read(
    browser: Browser, bucket: str, local_account: AccountProcess
) -> None:
    assert browser.request(f"/{bucket}/home").content == b"of the bucket"
    assert browser.request(f"/_console/{bucket}/home").status_code in (200, 404)
    unsigned = make_client(
        "s3", endpoint_url=local_account.endpoint_url, config=Config(signature_version=botocore.UNSIGNED)
    )
    assert unsigned.get_object(Bucket=bucket, Key="home")["Body"].read() == b"of the bucket"
    assert local_account.client("s3").get_object(Bucket=bucket, Key="home")["Body"].read() == b"of the bucket"


def test_the_path_of_a_page_of_aws_leads_to_the_page(browser: Browser) -> None:
    answer = browser.request("/sagemaker/home?region=us-east-1")
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        "/_console/sagemaker/home?region=us-east-1",
    )


def test_a_page_that_does_not_exist_says_so(browser: Browser) -> None:
    for address in ("/_console/nothing", "/_console/fragment?service=x&fragment=%3Cscript%3E"):
        shown = browser.open(address)
        assert shown.status == 404
        assert "<script>." not in shown.answer.text


def test_the_tag_of_a_lab_is_the_workshops() -> None:
    assert overview.LAB_TAG == LAB_TAG
