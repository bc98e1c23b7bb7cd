"""Git over smart HTTP, as CodeCommit serves it: ``/v1/repos/NAME``, answered by ``git http-backend``.

Contract: git's ``http-protocol`` and ``git-http-backend`` pages; "CodeCommit Repository State Change" on
the page "Monitoring CodeCommit events in Amazon EventBridge" of the AWS CodeCommit User Guide.

Differs from AWS: git speaks HTTP to the account's git port without credentials, and IAM does not judge it.
Programs that the account starts reach it by AWS's URL, which git rewrites (`insteadOf`), and where
git-remote-codecommit is installed by `codecommit::REGION://NAME`. There is no SSH.
"""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from local_account.foundation.errors import Params, log_loss
from local_account.foundation.patience import is_disk_full
from local_account.services.codecommit.git_repository import ZERO_ID, GitRepository, Move, git_environment

if TYPE_CHECKING:
    from datetime import datetime

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

REPOSITORIES = "codecommit-repositories"
_ANNOUNCED = "codecommit-announced"
"""Pushes whose events are published, and whose record is still to be removed."""
PROCESSES = "git-http-backend"
_CHUNK = 1 << 17
_PATH = re.compile(r"/v1/repos/(?P<name>[\w.-]+?)(?:\.git)?(?P<rest>/info/refs|/git-(?:upload|receive)-pack)")
_REFERENCE_TYPES = {"heads": "branch", "tags": "tag"}


class Repository(TypedDict):
    """What is kept of a repository beside git's own data, under the names of ``RepositoryMetadata``."""

    repositoryName: str
    repositoryId: str
    repositoryDescription: str | None
    creationDate: datetime
    lastModifiedDate: datetime
    defaultBranch: NotRequired[str | None]
    """Read from git for every answer."""
    tags: dict[str, str]
    renamedFrom: NotRequired[str]
    """The old name, until a change of the name is complete."""


def repository_path(account: Account, name: str) -> Path:
    """Return the path of the bare git repository of a CodeCommit repository (which may not exist)."""
    return account.config.state_dir / "codecommit" / f"{name}.git"


def announce_push(account: Account, name: str, push: str) -> None:
    """Announce the references that a push moved: exactly once, whenever the account is killed."""
    announced = account.store.table(_ANNOUNCED)
    repository = GitRepository(repository_path(account, name))
    if announced.get(push) is None:
        _announce(account, name, push, repository.take_moves(push))
    repository.forget_moves(push)
    announced.delete(push)


def announce_made_push(account: Account, name: str, push: str) -> None:
    """Announce a push to a caller that has to learn that it succeeded: once there is room on the disk."""
    try:
        announce_push(account, name, push)
    except Exception as error:
        log_loss(log, error, "a push to %s is not announced yet", name)
        if is_disk_full(error):
            account.tasks.spawn(f"codecommit-push-{push}", announce_push, account, name, push)


def _announce(account: Account, name: str, push: str, moves: Sequence[Move]) -> None:
    """Publish one event per reference that moved, and record what CodeCommit remembers of a push.

    The first branch ever pushed to a repository becomes its default branch.
    """
    repositories = account.store.table(REPOSITORIES, Repository)
    document = repositories.get(name)
    if document is None or not moves:
        return
    repository = GitRepository(repository_path(account, name))
    created = [move for move in moves if move.reference.startswith("refs/heads/") and move.new != ZERO_ID]
    if created and repository.default_branch() is None:
        repository.set_default_branch(created[0].reference.removeprefix("refs/heads/"))
    arn = account.arn("codecommit", name)
    with repositories.lock, account.store.together():
        for move in moves:
            detail = _event_detail(account, document, move)
            account.bus.publish("aws.codecommit", "CodeCommit Repository State Change", detail, [arn])
        account.store.table(_ANNOUNCED).put(push, {})
        with suppress(KeyError), repositories.update(name) as document:  # deleted in the meantime
            document["lastModifiedDate"] = account.now()


def _event_detail(account: Account, document: Repository, move: Move) -> Params:
    _, kind, short = move.reference.split("/", 2)
    event = (
        "referenceCreated"
        if move.old == ZERO_ID
        else "referenceDeleted"
        if move.new == ZERO_ID
        else "referenceUpdated"
    )
    return {
        "event": event,
        "repositoryName": document["repositoryName"],
        "repositoryId": document["repositoryId"],
        "referenceType": _REFERENCE_TYPES.get(kind, kind),
        "referenceName": short,
        "referenceFullName": move.reference,
        **({} if move.new == ZERO_ID else {"commitId": move.new}),
        **({} if move.old == ZERO_ID else {"oldCommitId": move.old}),
        # git sends no identity here: the loopback port belongs to the account's owner.
        "callerUserArn": f"arn:aws:iam::{account.config.account_id}:root",
    }


def git_app(account: Account) -> WSGIApplication:
    """Return the WSGI application that serves every CodeCommit repository of the account."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match = _PATH.fullmatch(environ["PATH_INFO"])
        name = match["name"] if match else ""
        if match is None or account.store.table(REPOSITORIES, Repository).get(name) is None:
            asked = environ["PATH_INFO"].removeprefix("/v1/repos/").partition("/")[0]
            return _refuse(
                start_response,
                HTTPStatus.NOT_FOUND,
                f"CodeCommit has no repository {asked} in {account.config.region}: check its name with "
                "'aws codecommit list-repositories', or create it with 'aws codecommit create-repository'.",
            )
        return _Exchange(account, name, match["rest"], environ).answer(start_response)

    return app


class _Exchange:
    """One request, passed to one ``git http-backend`` process."""

    def __init__(self, account: Account, name: str, rest: str, environ: WSGIEnvironment) -> None:
        self._account = account
        self._name = name
        self._environ = environ
        self._push = uuid.uuid4().hex if rest == "/git-receive-pack" else None
        connection = environ.get("werkzeug.socket")
        if connection is not None:  # the last small packet must not wait for a delayed ACK
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._process = account.processes.spawn(
            PROCESSES,
            ["git", "http-backend"],
            env=self._cgi(rest),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._feeder = threading.Thread(target=self._feed, name="git-request-body", daemon=True)

    def answer(self, start_response: StartResponse) -> Iterable[bytes]:
        """Start the response from the CGI headers; the body follows as git writes it."""
        self._feeder.start()
        try:
            status, headers = self._headers()
        except ValueError:
            self._finish()
            return _refuse(
                start_response, HTTPStatus.INTERNAL_SERVER_ERROR, "git http-backend did not answer"
            )
        start_response(status, headers)
        return self._body()

    def _cgi(self, rest: str) -> dict[str, str]:
        environ = self._environ
        taken = {
            "REQUEST_METHOD": environ["REQUEST_METHOD"],
            "QUERY_STRING": environ.get("QUERY_STRING", ""),
            "CONTENT_TYPE": environ.get("CONTENT_TYPE", ""),
            "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
            "GIT_PROTOCOL": environ.get("HTTP_GIT_PROTOCOL", ""),
            "REMOTE_ADDR": environ.get("REMOTE_ADDR", ""),
        }
        if environ.get("CONTENT_LENGTH"):  # without it, git reads to the end of its standard input
            taken["CONTENT_LENGTH"] = environ["CONTENT_LENGTH"]
        return {
            **git_environment(),
            **taken,
            "GIT_PROJECT_ROOT": str(repository_path(self._account, self._name)),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": rest,
            "REMOTE_USER": "codecommit",  # http-backend only lets a named user push
            "CODECOMMIT_PUSH": self._push or "",
        }

    def _feed(self) -> None:
        source, target = get_input_stream(self._environ), self._process.stdin
        assert target is not None  # noqa: S101 - asked for with PIPE
        # A client that disconnects, or a git that has read enough, ends the request; git reports the rest.
        with suppress(OSError, ClientDisconnected), target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)

    @property
    def _output(self) -> Any:
        return self._process.stdout

    def _headers(self) -> tuple[str, list[tuple[str, str]]]:
        status, headers = "200 OK", []
        while (line := self._output.readline().decode("latin-1").rstrip("\r\n")) != "":
            key, _, value = line.partition(": ")
            if key.lower() == "status":
                status = value
            else:
                headers.append((key, value))
        if not headers:
            raise ValueError("no CGI headers")
        return status, headers

    def _body(self) -> Iterator[bytes]:
        try:
            while chunk := self._output.read1(_CHUNK):
                yield chunk
        finally:
            self._finish()

    def _finish(self) -> None:
        if self._push is None:
            self._process.kill()
        else:
            while self._output.read1(_CHUNK):  # a client that disconnects does not stop its push halfway
                pass
        self._process.wait()
        self._output.close()
        self._feeder.join(timeout=1)
        if self._push is None:
            return
        announce_made_push(self._account, self._name, self._push)


def _refuse(start_response: StartResponse, status: HTTPStatus, message: str) -> Iterable[bytes]:
    # git prints the body of a refusal after "remote:" when it is plain text.
    body = f"{message}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
