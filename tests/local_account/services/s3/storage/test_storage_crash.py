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

from local_account.services.s3.storage import Attributes, InvalidVersionId, NoSuchKey, Storage, index
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


@pytest.mark.parametrize("step", ["open", "write", "close", "rename", "unlink", "execute"])
def test_a_kill_just_before_any_step_leaves_nothing_half_done(
    storage: Storage, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What a kill leaves is what the directory has at that moment: it is copied then, and opened after."""
    put(storage, "old", b"o" * LARGE)
    old_upload = storage.create_upload("b", "aborted", Attributes(), NOW)
    put_part(storage, old_upload, 1, b"p" * LARGE)
    copies: list[tuple[Path, int]] = []
    done = 0
    owner, name = (storage._index, "_execute") if step == "execute" else (os, step)
    original = getattr(owner, name)

    def snapshot(*arguments: object, **options: object) -> object:
        monkeypatch.undo()
        copies.append((tmp_path / f"copy{len(copies)}", done))
        shutil.copytree(directory, copies[-1][0])
        monkeypatch.setattr(owner, name, snapshot)
        return original(*arguments, **options)

    def copy() -> None:
        with storage.copy_segments(storage.latest("b", "new"), 1) as segments:
            storage.put("b", "copy", segments, "e", Attributes(), now=NOW)

    def multipart() -> None:
        upload = storage.create_upload("b", "parts", Attributes(), NOW)
        part = put_part(storage, upload, 1, b"p" * LARGE)
        put_part(storage, upload, 2, b"q")
        storage.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW)

    # what is done, the key that it changes, and what the key has then
    steps: list[tuple[Callable[[], object], str, bytes | None]] = [
        (lambda: put(storage, "new", b"n" * LARGE), "new", b"n" * LARGE),
        (lambda: put(storage, "small", b"s" * 100), "small", b"s" * 100),
        (lambda: put(storage, "old", b"O" * LARGE), "old", b"O" * LARGE),
        (copy, "copy", b"n" * (LARGE - 1)),
        (multipart, "parts", b"p" * LARGE),
        (lambda: storage.abort(old_upload), "", None),
        (lambda: storage.delete("b", "old", NOW), "old", None),
        (lambda: storage.delete("b", "small", NOW), "small", None),
    ]
    monkeypatch.setattr(owner, name, snapshot)
    for act, _, _ in steps:
        act()
        done += 1
    monkeypatch.undo()
    assert copies
    for copied, before in copies:
        expected: dict[str, bytes | None] = {"old": b"o" * LARGE}
        for _, key, data in steps[:before]:
            expected[key] = data
        _, key, data = steps[before]
        allowed = {**expected, key: data}
        again = Storage(copied)
        found: dict[str, bytes | None] = dict.fromkeys({*expected, *allowed})
        found |= {key: read(again, key) for key in keys(again)}
        for each, value in found.items():
            assert value == expected.get(each) or value == allowed.get(each), each
        again.close()
        assert_files_are_those_of_the_index(copied)
        assert list((copied / "incoming").iterdir()) == []


def test_numbers_of_files_and_versions_are_never_given_out_again(
    storage: Storage, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "BLOCK", 3)
    storage.set_versioning("b", "Enabled")
    for turn in range(8):
        for _ in range(turn % 3):
            with pytest.raises(InvalidVersionId):  # after a number was given to the marker
                storage.delete_many("b", [("k", None), ("k", "bad")], NOW)
        last = put(storage, "k", b"%d" % turn * LARGE)
        copied = tmp_path / f"copy{turn}"
        shutil.copytree(directory, copied)
        again = Storage(copied)
        after = put(again, "k", b"after" * LARGE)
        assert after.sequence > last.sequence
        assert read(again, "k", last.version_id) == b"%d" % turn * LARGE
        assert read(again, "k") == b"after" * LARGE
        again.close()
        assert_files_are_those_of_the_index(copied)
