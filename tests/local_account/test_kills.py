"""A hundred kills at random points, under concurrent writes: what was acknowledged is there, nothing is torn.

Each writer remembers what was answered, and the one write that was not. After each restart every acknowledged
write is looked for; what was in flight is there as a whole, or not at all. KILLS says how many (100), and
KILL_SEED at which points.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.preloaded_account import PreloadedAccount
from tests.local_account.services.sts.test_sts import with_session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

KILLS = int(os.environ.get("KILLS", "100"))
SEED = int(os.environ.get("KILL_SEED", "0"))
GROUP = "kept"
"""The log group and the bucket."""


class Writer(ABC):
    """Writes until the account is gone, once for each life of the account."""

    def __init__(self, account: AccountProcess, label: str) -> None:
        self.account = account
        self.label = label
        self.chance = random.Random(f"{SEED} {label}")
        self.number = 0
        """Of writes, over all lives; each has content of its own."""
        self.acknowledged = 0
        self.problems: list[str] = []

    def live(self) -> None:
        """Write until a call finds the account gone."""
        try:
            while True:
                self.number += 1
                self.write()
                self.acknowledged += 1
        except BotoCoreError:
            return  # killed
        except ClientError as error:
            self.problems.append(f"{self.label}: {error}")

    @abstractmethod
    def connect(self) -> None:
        """Make the clients; the account keeps its ports."""

    @abstractmethod
    def write(self) -> None:
        """Make one write, and remember it once it is answered."""

    @abstractmethod
    def check(self) -> None:
        """Look for everything that was acknowledged; settle what was in flight."""


class Events(Writer):
    """Batches of log events in a stream of their own, deleted and created again from time to time."""

    def connect(self) -> None:
        self.logs = self.account.client("logs")

    def __init__(self, account: AccountProcess, label: str) -> None:
        super().__init__(account, label)
        self.kept: list[str] = []
        self.unsure: list[str] = []
        self.exists = False
        self.changing = False

    def write(self) -> None:
        names = {"logGroupName": GROUP, "logStreamName": self.label}
        if not self.exists or self.chance.random() < 0.02:
            self.changing = True
            if self.exists:
                self.logs.delete_log_stream(**names)
                self.exists, self.kept = False, []
            self.logs.create_log_stream(**names)
            self.exists, self.changing = True, False
            return
        size = self.chance.choice((1, 1, 3, 200))
        padding = "x" * self.chance.choice((0, 10, 2_000))
        self.unsure = [f"{self.number}/{index}/{size} {padding}" for index in range(size)]
        now = int(time.time() * 1000)
        self.logs.put_log_events(
            **names, logEvents=[{"timestamp": now, "message": message} for message in self.unsure]
        )
        self.kept += self.unsure
        self.unsure = []

    def check(self) -> None:
        streams = self.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=self.label)[
            "logStreams"
        ]
        there = any(one["logStreamName"] == self.label for one in streams)
        if self.changing:  # deleted, and perhaps created again, or neither
            found = self._read() if there else []
            assert found in ([], self.kept), self.label
        else:
            assert there is self.exists, self.label
            found = self._read() if there else []
            assert found in (self.kept, self.kept + self.unsure), self.label
        self.kept, self.unsure, self.exists, self.changing = found, [], there, False

    def _read(self) -> list[str]:
        found: list[str] = []
        token: dict[str, Any] = {"startFromHead": True}
        while True:
            page = self.logs.get_log_events(logGroupName=GROUP, logStreamName=self.label, **token)
            if not page["events"]:
                return found
            found += [one["message"] for one in page["events"]]
            token = {"nextToken": page["nextForwardToken"]}


class Objects(Writer):
    """Objects of all sizes, overwritten and deleted."""

    def __init__(self, account: AccountProcess, label: str) -> None:
        super().__init__(account, label)
        self.kept: dict[str, bytes] = {}
        self.unsure: tuple[str, bytes | None] | None = None

    def connect(self) -> None:
        self.s3 = self.account.client("s3")

    def write(self) -> None:
        key = f"{self.label}/{self.chance.randrange(16)}"
        if self.chance.random() < 0.2:
            self.unsure = (key, None)
            self.s3.delete_object(Bucket=GROUP, Key=key)
            self.kept.pop(key, None)
        else:
            body = f"{self.number} ".encode() * self.chance.choice((1, 100, 50_000))
            self.unsure = (key, body)
            self.s3.put_object(Bucket=GROUP, Key=key, Body=body)
            self.kept[key] = body
        self.unsure = None

    def check(self) -> None:
        listed = self.s3.list_objects_v2(Bucket=GROUP, Prefix=f"{self.label}/").get("Contents", [])
        found = {
            one["Key"]: self.s3.get_object(Bucket=GROUP, Key=one["Key"])["Body"].read() for one in listed
        }
        expected = [self.kept]
        if self.unsure:
            key, body = self.unsure
            others = {name: value for name, value in self.kept.items() if name != key}
            expected.append(others if body is None else {**others, key: body})
        assert found in expected, self.label
        self.kept, self.unsure = found, None


class Roles(Writer):
    """A role of its own: its policies, tags, attachments, and sessions."""

    def __init__(self, account: AccountProcess, label: str) -> None:
        super().__init__(account, label)
        self.policies: dict[str, int] = {}
        self.attached: set[str] = set()
        self.sessions: list[Any] = []
        """Clients that act in them."""
        self.unsure: tuple[str, str, int | None] | None = None
        self.role = ""

    def connect(self) -> None:
        self.iam, self.sts = self.account.client("iam"), self.account.client("sts")

    def write(self) -> None:
        if not self.role:
            trust = {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            try:
                self.iam.create_role(RoleName=self.label, AssumeRolePolicyDocument=document)
            except self.iam.exceptions.EntityAlreadyExistsException:
                assert self.unsure == ("role", "", None)
            self.unsure = ("role", "", None)
            self.role = self.iam.get_role(RoleName=self.label)["Role"]["Arn"]
            self.unsure = None
            return
        name = f"{self.label}-{self.chance.randrange(8)}"
        what = self.chance.choice(("put", "put", "delete", "attach", "detach", "session"))
        document = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": f"n{self.number}", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
                ],
            }
        )
        if what == "put":
            self.unsure = ("policy", name, self.number)
            self.iam.put_role_policy(RoleName=self.label, PolicyName=name, PolicyDocument=document)
            self.policies[name] = self.number
        elif what == "delete" and name in self.policies:
            self.unsure = ("policy", name, None)
            self.iam.delete_role_policy(RoleName=self.label, PolicyName=name)
            del self.policies[name]
        elif what == "attach" and len(self.attached) < 8:  # a role can have ten
            self.unsure = ("attached", name, 1)
            arn = self.iam.create_policy(PolicyName=f"{name}-{self.number}", PolicyDocument=document)[
                "Policy"
            ]["Arn"]
            self.iam.attach_role_policy(RoleName=self.label, PolicyArn=arn)
            self.attached.add(arn)
        elif what == "detach" and self.attached:
            arn = self.chance.choice(sorted(self.attached))
            self.unsure = ("attached", arn, None)
            self.iam.detach_role_policy(RoleName=self.label, PolicyArn=arn)
            self.attached.remove(arn)
        elif what == "session":
            self.unsure = None
            name = f"session-{self.number}"
            answer = self.sts.assume_role(RoleArn=self.role, RoleSessionName=name)
            acting = with_session(self.account, answer["Credentials"], "sts")
            self.sessions = [*self.sessions[-20:], acting]
        self.unsure = None

    def check(self) -> None:
        if not self.role:
            return
        names = self.iam.list_role_policies(RoleName=self.label)["PolicyNames"]
        found = {name: self._number(name) for name in names}
        kind, name, number = self.unsure or ("", "", None)
        expected = [self.policies]
        if kind == "policy":
            changed = {**self.policies, name: number}
            expected.append({key: value for key, value in changed.items() if value is not None})
        assert found in expected, self.label
        self.policies = found
        listed = self.iam.list_attached_role_policies(RoleName=self.label)["AttachedPolicies"]
        attached = {one["PolicyArn"] for one in listed}
        assert len(attached ^ self.attached) <= (kind == "attached"), self.label
        self.attached = attached
        for arn in attached:
            assert self.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1, arn
        for session in self.sessions:
            who = session.get_caller_identity()["Arn"]
            assert f"/{self.label}/" in who
        self.unsure = None

    def _number(self, name: str) -> int:
        found = self.iam.get_role_policy(RoleName=self.label, PolicyName=name)["PolicyDocument"]
        return int(found["Statement"][0]["Sid"][1:])


@pytest.fixture
def account(tmp_path: Path) -> Iterator[AccountProcess]:
    account = PreloadedAccount(tmp_path / "state")
    yield account.start()
    account.close()


def test_every_acknowledged_write_survives_a_hundred_kills_and_none_is_torn(account: AccountProcess) -> None:
    account.client("logs").create_log_group(logGroupName=GROUP)
    account.client("s3").create_bucket(Bucket=GROUP)
    chance = random.Random(SEED)
    writers: list[Writer] = [
        *(Events(account, f"events-{number}") for number in range(3)),
        *(Objects(account, f"objects-{number}") for number in range(2)),
        *(Roles(account, f"role-{number}") for number in range(2)),
    ]
    for writer in writers:
        writer.connect()
    for kill in range(KILLS):
        threads = [threading.Thread(target=writer.live, daemon=True) for writer in writers]
        enough = sum(writer.acknowledged for writer in writers) + chance.randrange(100)
        for thread in threads:
            thread.start()
        while sum(writer.acknowledged for writer in writers) < enough and any(t.is_alive() for t in threads):
            time.sleep(chance.random() * 0.002)
        account.stop(signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        assert not [problem for writer in writers for problem in writer.problems], (
            f"kill {kill} of seed {SEED}"
        )
        account.start()
        with ThreadPoolExecutor(len(writers)) as pool:
            list(pool.map(lambda writer: writer.check(), writers))
    assert all(writer.acknowledged > KILLS / 2 for writer in writers)
