"""A process that is killed loses nothing that it acknowledged, and leaves neither half a write nor a file."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_account.services.s3.storage import Attributes, NoSuchKey, Storage
from tests.local_account.services.s3.storage import crash_writer
from tests.local_account.services.s3.storage.objects import (
    LARGE,
    NOW,
    assert_files_are_those_of_the_index,
    keys,
    put,
    put_part,
    read,
)

ROOT = Path(__file__).parents[5]
KILLS = 20


@pytest.mark.slow
def test_acknowledged_writes_survive_kills_at_random_moments(directory: Path) -> None:
    storage = Storage(directory)
    storage.create_bucket("b", "us-east-1", NOW)
    storage.close()
    random_ = random.Random(1)
    state: dict[str, str | None] = {}  # the MD5 of what each key has
    acknowledged = 0
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, crash_writer.__file__, str(directory), str(kill)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            assert process.stdout is not None
            begun: dict[str, str | None] = {}
            left = random_.randrange(1, 400)
            for line in process.stdout:
                if not line.endswith(b"\n"):
                    break  # cut off by the kill
                said = json.loads(line)
                if said["done"]:
                    state[said["key"]] = said["after"]
                    del begun[said["key"]]
                    acknowledged += 1
                else:
                    begun[said["key"]] = said["after"]
                left -= 1
                if left == 0:
                    process.kill()
        storage = Storage(directory)
        for key in {*state, *begun}:
            try:
                found: str | None = hashlib.md5(read(storage, key)).hexdigest()
                assert storage.latest("b", key).etag == found
            except NoSuchKey:
                found = None
            assert found == state.get(key) or (key in begun and found == begun[key])
            state[key] = found
        assert set(keys(storage)) == {key for key, md5 in state.items() if md5 is not None}
        for upload in storage.uploads("b", "", "", "", "", limit=100).uploads:
            storage.abort(upload)
        storage.close()
        assert_files_are_those_of_the_index(directory)
        assert list((directory / "incoming").iterdir()) == []
    assert acknowledged > 10 * KILLS


@pytest.mark.parametrize("step", ["open", "write", "close", "rename", "unlink"])
def test_a_kill_just_before_any_step_on_a_file_leaves_no_file_behind(
    storage: Storage, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What a kill leaves is what the directory has at that moment: it is copied then, and opened after."""
    put(storage, "old", b"o" * LARGE)
    copies: list[tuple[Path, str]] = []
    before = getattr(os, step)
    doing = ""

    def snapshot(*arguments: object, **options: object) -> object:
        monkeypatch.undo()
        copies.append((tmp_path / f"copy{len(copies)}", doing))
        shutil.copytree(directory, copies[-1][0])
        monkeypatch.setattr(os, step, snapshot)
        return before(*arguments, **options)

    def multipart() -> None:
        upload = storage.create_upload("b", "parts", Attributes(), NOW)
        part = put_part(storage, upload, 1, b"p" * LARGE)
        put_part(storage, upload, 2, b"q")
        storage.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW)

    steps: list[tuple[str, Callable[[], object]]] = [
        ("put", lambda: put(storage, "new", b"n" * LARGE)),
        ("overwrite", lambda: put(storage, "old", b"O" * LARGE)),
        ("multipart", multipart),
        ("delete", lambda: storage.delete("b", "old", NOW)),
    ]
    monkeypatch.setattr(os, step, snapshot)
    for doing, act in steps:  # noqa: B007
        act()
    monkeypatch.undo()
    assert copies
    for copy, during in copies:
        again = Storage(copy)
        order = [name for name, _ in steps]
        done = order.index(during)
        new = keys(again)
        assert ("new" in new) == (done > 0 or step in ("rename", "unlink"))
        if "new" in new:
            assert read(again, "new") == b"n" * LARGE
        if "old" in new:
            assert read(again, "old") in (b"o" * LARGE, b"O" * LARGE)
        if "parts" in new:
            assert read(again, "parts") == b"p" * LARGE
        again.close()
        assert_files_are_those_of_the_index(copy)
        assert list((copy / "incoming").iterdir()) == []
