"""How pages become HTML: templates that escape everything, and how values are written in them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup
from werkzeug.wrappers import Response

from local_account.console import links, plots

if TYPE_CHECKING:
    from jinja2 import Environment

    from local_account.console.visit import Page, Visit

_TEMPLATES = Path(__file__).parent / "templates"
_GOOD = frozenset(
    (
        "Succeeded",
        "SUCCEEDED",
        "Completed",
        "InService",
        "Active",
        "ACTIVE",
        "OK",
        "Successful",
        "Approved",
    )
)
_BAD = frozenset(
    (
        "Failed",
        "FAILED",
        "FAULT",
        "TIMED_OUT",
        "CLIENT_ERROR",
        "ALARM",
        "OutOfService",
        "RollingBack",
        "Inactive",
        "Rejected",
        "Errored",
    )
)
_ENDED = frozenset(
    (
        "Stopped",
        "STOPPED",
        "Superseded",
        "Cancelled",
        "Abandoned",
        "Skipped",
        "Overridden",
        "INSUFFICIENT_DATA",
        "DELETE_COMPLETE",
    )
)
SECTIONS = (
    ("Overview", links.overview()),
    ("Pipelines", links.pipelines()),
    ("Builds", links.projects()),
    ("Repositories", links.repositories()),
    ("Images", links.image_repositories()),
    ("Training jobs", links.training_jobs()),
    ("Endpoints", links.endpoints()),
    ("Notebook instances", links.notebook_instances()),
    ("Stacks", links.stacks()),
    ("Buckets", links.buckets()),
    ("Functions", links.functions()),
    ("Rules", links.rules()),
    ("Logs", links.log_groups()),
    ("Alarms", links.alarms()),
    ("Roles", links.roles()),
    ("Quotas", links.quota_services()),
)


def respond(page: Page, visit: Visit) -> Response:
    """Return the response with a page; only its own style and script take effect in it."""
    nonce = secrets.token_urlsafe(16)
    text = (
        environment()
        .get_template(page.template)
        .render(
            page.values,
            page=page,
            nonce=nonce,
            sections=SECTIONS,
            account_id=visit.account_id,
            region=visit.region,
            now=datetime.now(UTC),
        )
    )
    response = Response(text, page.status, content_type="text/html; charset=utf-8")
    secure(response, nonce)
    return response


def secure(response: Response, nonce: str = "") -> None:
    """Set the headers that keep a page to itself; without a nonce it can have neither style nor script."""
    own = f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; " if nonce else ""
    response.headers.update(
        {
            "Content-Security-Policy": f"default-src 'none'; {own}img-src data:; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'",
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
    )


@cache
def environment() -> Environment:
    """Return the environment of the templates."""
    from jinja2 import ChainableUndefined, Environment, FileSystemLoader

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=ChainableUndefined,
    )
    made.filters.update(
        kind=kind, moment=moment, clock=clock, span=span, size=size, shown=shown, short=short, number=number
    )
    made.globals.update(links=links, plot=plots.plot, span_between=span_between)
    return made


def kind(status: str) -> str:
    """Return what a status means, in one word: `good`, `bad`, `busy` or `ended`."""
    if status in _GOOD or (
        status.endswith("_COMPLETE") and "ROLLBACK" not in status and status not in _ENDED
    ):
        return "good"
    if status in _BAD or status.endswith(("_FAILED", "ROLLBACK_COMPLETE")):
        return "bad"
    return "ended" if status in _ENDED else "busy"


def moment(value: datetime | int | float | None) -> Markup | str:
    """Return a time as an element; numbers are milliseconds since 1970."""
    if not value:
        return "–"
    at = (
        datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) else value.astimezone(UTC)
    )
    text = f"{at:%Y-%m-%d %H:%M:%S}"
    return Markup('<time datetime="{}">{} UTC</time>').format(at.isoformat(timespec="milliseconds"), text)


def clock(milliseconds: int) -> str:
    """Return the time of day of an event, which is in milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]


def span(seconds: object) -> str:
    """Return a duration to read: `3.2 s`, `1 min 05 s`."""
    if not isinstance(seconds, int | float | timedelta):  # a member that is not there
        return "–"
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"


def span_between(begin: datetime | None, end: datetime | None) -> str:
    """Return the time from `begin` to `end`, or until now."""
    return span((end or datetime.now(UTC)) - begin) if begin else "–"


def size(count: float | None) -> str:
    """Return a number of bytes to read: `1536` becomes `1.5 KB`."""
    if count is None:
        return "–"
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


def number(value: float) -> str:
    """Return a number without superfluous digits."""
    return f"{value:.6g}"


def shown(value: object) -> str:
    """Return a value of a request or template as text: documents as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, default=str) if isinstance(value, Mapping | list) else str(value)


def short(identity: str) -> str:
    """Return the beginning of a commit id, digest or execution id, as they are usually quoted."""
    return identity.removeprefix("sha256:")[:8]
