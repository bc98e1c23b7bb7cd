"""What a page is made from, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request, Response


class NotFoundError(Exception):
    """There is nothing at an address; the message says what was looked for."""


_TOKENS = {
    "cloudformation": ("NextToken", "NextToken"),
    "events": ("NextToken", "NextToken"),
    "lambda": ("Marker", "NextMarker"),
    "resourcegroupstaggingapi": ("PaginationToken", "PaginationToken"),
    "sagemaker": ("NextToken", "NextToken"),
}
"""What the services call the token of the next page, in requests and answers."""


@dataclass(frozen=True)
class Visit:
    """One request for a page, and the account that it shows."""

    request: Request
    client: Callable[[str], Any]
    """Returns the account's boto3 client of a service, which calls it in this thread."""
    operation: Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
    """Calls an operation (boto3's names) of a service without a client, which is for lists of hundreds of
    things of which only the names are needed: making and reading the messages costs ten times as much."""
    region: str
    account_id: str

    def all(self, service: str, operation: str, member: str, **params: Any) -> Iterator[Any]:
        """Yield what an operation lists, on all its pages; without a client, see `operation`."""
        asked, told = _TOKENS.get(service, ("nextToken", "nextToken"))
        while True:
            page = self.operation(service, operation, params)
            yield from page[member]
            if not page.get(told):
                return
            params[asked] = page[told]

    def argument(self, name: str) -> str:
        """Return a field of the query, empty if it is not there."""
        return self.request.args.get(name, "")


@dataclass(frozen=True)
class Page:
    """What a template is filled with."""

    template: str
    title: str
    section: str
    """The entry of the navigation to which the page belongs, by its title."""
    values: Mapping[str, Any]
    crumbs: Sequence[tuple[str, str]] = ()
    """Where the page belongs, from the outside in: title and address."""
    live: int = 0
    """After how many seconds the page asks for itself again; 0 if what it shows changes no more."""
    service: str = ""
    """The console of AWS whose pages are behind a fragment, if this is where it begins."""
    status: int = field(default=200)


Answer = Page | Response
Render = Callable[..., Answer]
"""Makes the page of an address: it gets the visit, and the variable parts of the address by name."""
