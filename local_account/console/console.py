"""The console as an application: which requests are for a page, and which page it is.

Everything is below `/_console`, where no bucket can be. A browser that asks for the account's address, or for
the path of a page of AWS's console, is sent there, if S3 has nothing at that path.

Differs from AWS: the console only shows. What it shows is what the account's APIs answer; nothing can be
created, changed or approved in it. There are no pages for EC2, Secrets Manager, Systems Manager and the users
and groups of IAM.
Addresses of the console in answers (of pipelines' actions, of a model's errors) lead to it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from local_account.console import (
    alarms,
    batch_jobs,
    buckets,
    builds,
    endpoints,
    fragments,
    functions,
    images,
    links,
    logs,
    model_packages,
    notebook_instances,
    overview,
    pipelines,
    quotas,
    rendering,
    repositories,
    roles,
    rules,
    stacks,
    training_jobs,
    tuning_jobs,
)
from local_account.console.refusals import is_own, refusal
from local_account.console.visit import Answer, NotFoundError, Page, Visit

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.gateway.service import Service

log = logging.getLogger(__name__)

_NOUNS = (
    overview,
    pipelines,
    builds,
    repositories,
    images,
    training_jobs,
    tuning_jobs,
    batch_jobs,
    model_packages,
    endpoints,
    notebook_instances,
    stacks,
    buckets,
    functions,
    rules,
    logs,
    alarms,
    roles,
    quotas,
)
_MISSING = ("NotFound", "DoesNotExist", "NoSuch", "404")
_MISSING_WORDS = ("does not exist", "could not find", "not found", "recordnotfound")
_SIGNED = ("X-Amz-Signature", "X-Amz-Credential", "Signature")


class Console:
    """Answers browsers; see the module for which requests."""

    def __init__(self, account: Account, services: Mapping[str, Service]) -> None:
        self._account = account
        self._services = services
        rules = [
            Rule(f"{links.ROOT}{path}", endpoint=page) for noun in _NOUNS for path, page in noun.PAGES.items()
        ]
        rules.append(Rule(f"{links.ROOT}/fragment", endpoint=_fragment))
        self._map = Map(rules, strict_slashes=False, merge_slashes=False)

    def respond(self, request: Request) -> Response | None:
        """Return the answer to a request; None if it is one for an API."""
        if request.path == links.ROOT or request.path.startswith(f"{links.ROOT}/"):
            return self._answer(request)
        if not _is_browser(request):
            return None
        if request.path == "/":
            return _sent(links.overview())
        first = request.path.split("/")[1]
        if first in links.FIRST_PARTS and not self._is_bucket(first):
            query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
            return _sent(f"{links.ROOT}{quote(request.path, safe='/:@')}{query}")
        return None

    def _answer(self, request: Request) -> Response:
        refused = refusal(request.method, request.headers)
        if refused:
            status, sentence = refused
            response = Response(f"{sentence}\n", status, content_type="text/plain; charset=utf-8")
            if status == 405:
                response.headers["Allow"] = "GET, HEAD"
            rendering.secure(response)
            return response
        config = self._account.config
        visit = Visit(request, self._account.client, self._operation, config.region, config.account_id)
        answer = self._page(visit)
        return rendering.respond(answer, visit) if isinstance(answer, Page) else answer

    def _page(self, visit: Visit) -> Answer:
        """Return what is at an address, or the page that says why there is nothing."""
        adapter = self._map.bind_to_environ(visit.request.environ)
        answer: Answer
        try:
            page, arguments = adapter.match()
            answer = page(visit, **arguments)
        except RequestRedirect as moved:
            answer = _sent(moved.new_url)
        except NotFound:
            answer = _message(404, "Not found", "The console has no page at this address.")
        except NotFoundError as error:
            answer = _message(404, "Not found", str(error))
        except ClientError as error:
            answer = _of_error(error, unquote(visit.request.full_path.removeprefix(links.ROOT)))
        except Exception:
            log.exception("the page %s failed", visit.request.path)
            answer = _message(500, "Failed", "The page could not be made; the account's log says why.")
        return answer

    def _operation(self, service: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = getattr(self._services[service], operation)(params)
        return answer

    def _is_bucket(self, name: str) -> bool:
        """Return whether there is a bucket of a name that is a part of the console's paths."""
        try:
            self._account.client("s3").head_bucket(Bucket=name)
        except Exception:
            return False
        return True


def _is_browser(request: Request) -> bool:
    """Return whether a browser asks for a page by the account's own name, with nothing that signs it."""
    return (
        request.method in ("GET", "HEAD")
        and "Authorization" not in request.headers
        and not any(name in request.args for name in _SIGNED)
        and "text/html" in request.headers.get("Accept", "")
        and is_own(request.headers.get("Host", ""))
    )


def _fragment(visit: Visit) -> Answer:
    """Lead to the page of a fragment of an address of AWS's console."""
    found = fragments.page_of(visit.argument("service"), visit.argument("fragment"))
    if found is None:
        raise NotFoundError(f"The console has no page for #{visit.argument('fragment')}.")
    return _sent(found)


def _sent(address: str) -> Response:
    response = redirect(address)
    rendering.secure(response)
    return response


def _message(status: int, title: str, text: str) -> Page:
    return Page("message.html", title, "", {"message": text}, status=status)


def _of_error(error: ClientError, path: str) -> Page:
    """Return the page that says why an API refused."""
    details: Any = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    missing = any(one in code for one in _MISSING) or any(one in message.lower() for one in _MISSING_WORDS)
    text = f"{message} ({code}, for {path})"
    return _message(404, "Not found", text) if missing else _message(502, "Refused", text)
