"""A browser, as far as the pages need one: what it sends, and what it would find in the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
VOID = {"meta", "link", "br", "hr", "img", "input", "line", "circle", "polyline", "text"}


@dataclass
class Found(HTMLParser):
    """The parts of a page: text, links by their text, elements with their attributes."""

    text: str = ""
    links: dict[str, str] = field(default_factory=dict)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._address = ""
        self._words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self.text += " "
        self._open.append(tag)
        if tag == "a":
            self._address, self._words = attributes.get("href", ""), ""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "a":
            self.links[" ".join(self._words.split())] = self._address

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.text += data
        self._words += data


@dataclass
class Shown:
    """An answer, and what is in it."""

    answer: requests.Response

    def __post_init__(self) -> None:
        self.found = Found()
        self.found.feed(self.answer.text)

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def text(self) -> str:
        """The text that a reader sees, with single spaces."""
        return " ".join(self.found.text.split())

    @property
    def links(self) -> dict[str, str]:
        return self.found.links

    def elements(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found.elements if name == tag]


class Browser:
    """Opens addresses of one account, as a person does who types them."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url

    def request(self, address: str, method: str = "GET", **options: Any) -> requests.Response:
        """Make a request as it is, without following redirects."""
        headers = {"Accept": ACCEPT, **options.pop("headers", {})}
        return requests.request(
            method,
            urljoin(self.endpoint_url, address),
            headers=headers,
            allow_redirects=options.pop("allow_redirects", False),
            timeout=30,
            **options,
        )

    def open(self, address: str) -> Shown:
        """Open a page; follow redirects. An address of AWS's console is opened here, with its fragment."""
        path, _, fragment = address.partition("#")
        answer = self.request(path, allow_redirects=True)
        service = (
            path.removeprefix(self.endpoint_url).removeprefix("/_console").split("/")[1].partition("?")[0]
        )
        if fragment:  # what the page's script does
            answer = requests.get(
                f"{self.endpoint_url}/_console/fragment",
                params={"service": service, "fragment": fragment},
                headers={"Accept": ACCEPT},
                timeout=30,
            )
        return Shown(answer)
