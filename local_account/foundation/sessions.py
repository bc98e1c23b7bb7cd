"""Sessions of roles: temporary credentials, whose they are, and how long they are valid.

Contract: *AssumeRole* of the STS API Reference; IAM User Guide, "Temporary security credentials in IAM".
"""

from __future__ import annotations

import base64
import heapq
import secrets
import string
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from local_account.foundation.store import Store

_ALPHABET = string.ascii_uppercase + "234567"
_REMEMBERED = timedelta(hours=1)
"""How long an expired session is still known, so that its credentials are refused as expired."""


@dataclass(frozen=True, slots=True)
class Session:
    """A role's session and its credentials."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    arn: str
    """``arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION``."""
    role_arn: str
    user_id: str
    """AssumedRoleId: the role's id and the session's name."""
    expiration: datetime | None
    """None for the account's own processes: they end when the account does."""

    @property
    def role_id(self) -> str:
        """The id of the role; "" for the account's own processes, which go on if the role is replaced."""
        return self.user_id.partition(":")[0] if self.expiration else ""


class _Document(TypedDict):
    """A session in the store; the members are those of `Session`."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    arn: str
    role_arn: str
    user_id: str
    expiration: datetime


class Sessions:
    """The sessions of one account. Finding one costs the same however many there are."""

    def __init__(self, store: Store, account_id: str) -> None:
        self._account_id = account_id
        self._table = store.table("sts.sessions", _Document)
        self._lock = threading.Lock()
        self._sessions = {key: Session(**document) for key, document in self._table.items()}
        self._ends = [(one["expiration"], key) for key, one in self._table.items()]
        heapq.heapify(self._ends)
        self._processes: dict[tuple[str, str], Session] = {}

    def find(self, access_key_id: str) -> Session | None:
        """Return a session, valid or expired within the last hour; None if there is none."""
        return self._sessions.get(access_key_id)

    def open(self, role_arn: str, name: str, role_id: str, now: datetime, seconds: int) -> Session:
        """Begin a session of a role; it is in the store when this returns. Forgets those long expired."""
        session = self._made(role_arn, name, role_id, now + timedelta(seconds=seconds))
        with self._lock:
            self._forget(now - _REMEMBERED)
            self._table.put(session.access_key_id, _Document(**asdict(session)))  # type: ignore[typeddict-item]
            self._sessions[session.access_key_id] = session
            heapq.heappush(self._ends, (now + timedelta(seconds=seconds), session.access_key_id))
        return session

    def of_process(self, role_arn: str, name: str = "local-account") -> Session:
        """Return the session that processes of the account share which work with a role under one name.

        It lasts until the account ends, as its processes do: on AWS, their credentials are renewed.
        """
        with self._lock:
            if (role_arn, name) not in self._processes:
                session = self._made(role_arn, name, "AROALOCALACCOUNT", None)
                self._processes[role_arn, name] = self._sessions[session.access_key_id] = session
            return self._processes[role_arn, name]

    def _made(self, role_arn: str, name: str, role_id: str, expiration: datetime | None) -> Session:
        return Session(
            access_key_id="ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            secret_access_key=base64.b64encode(secrets.token_bytes(30)).decode(),
            session_token=base64.b64encode(secrets.token_bytes(180)).decode(),
            arn=f"arn:aws:sts::{self._account_id}:assumed-role/{role_arn.rpartition('/')[2]}/{name}",
            role_arn=role_arn,
            user_id=f"{role_id}:{name}",
            expiration=expiration,
        )

    def _forget(self, before: datetime) -> None:
        while self._ends and self._ends[0][0] < before:
            _, key = heapq.heappop(self._ends)
            self._table.delete(key)
            self._sessions.pop(key, None)
