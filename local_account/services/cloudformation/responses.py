"""The addresses at which the functions of custom resources answer, and what they answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.foundation.store import Table

PATH = "/_cloudformation/responses/"
_MAXIMUM_BYTES = 4096
"""*Custom resource response objects*: "The total size of the response body can't exceed 4096 bytes"."""


class Answer(TypedDict):
    """What a function answered; empty while it has not."""

    Body: str


class Responses:
    """Answers by the id of the request that they answer."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @contextmanager
    def expected(self, request_id: str) -> Iterator[str]:
        """Take one answer at the address that this gives, until the end of the block."""
        self._table.put(request_id, {"Body": ""})
        try:
            yield f"{self._account.config.endpoint_url}{PATH}{request_id}"
        finally:
            self._table.delete(request_id)

    def ask(self, client: Any, function: str, event: Mapping[str, Any]) -> None:
        """Invoke a function asynchronously."""
        client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event))

    def received(self, request_id: str) -> dict[str, Any] | None:
        """Return the answer; None while there is none. An answer that is not JSON has the Status FAILED."""
        found = self._table.get(request_id)
        if found is None or not found["Body"]:
            return None
        if len(found["Body"].encode()) > _MAXIMUM_BYTES:
            return {"Status": "FAILED", "Reason": "Response object is too long."}
        try:
            answer = json.loads(found["Body"])
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            return {"Status": "FAILED", "Reason": "Response is not valid JSON"}
        return answer

    def respond(self, request: Request) -> Response:
        """Take the answer that a function puts to an address."""
        request_id = request.path.removeprefix(PATH)
        if request.method != "PUT" or self._table.get(request_id) is None:
            return Response("This address takes one answer, with PUT, while a stack waits for it.", 403)
        self._table.put(request_id, {"Body": request.get_data(as_text=True)})
        return Response()

    @property
    def _table(self) -> Table[Answer]:
        return self._account.store.table("cloudformation.responses", Answer)
