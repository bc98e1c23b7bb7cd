"""Many threads at once: each sees its own writes, none sees half of one, few connections serve them all."""

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from local_account.services.s3.storage import NoSuchKey, Storage
from tests.local_account.services.s3.storage.objects import (
    LARGE,
    NOW,
    assert_files_are_those_of_the_index,
    keys,
    put,
    read,
)

THREADS = 16
TURNS = 60


def test_threads_on_the_same_keys_read_whole_objects_only(storage: Storage, directory: Path) -> None:
    def use(seed: int) -> None:
        random_ = random.Random(seed)
        for turn in range(TURNS):
            key = f"k{random_.randrange(3)}"
            what = random_.randrange(5)
            if what == 0:
                put(storage, key, f"{seed}-{turn}".encode() * random_.choice([1, LARGE // 4]))
            elif what == 1:
                storage.delete("b", key, NOW)
            elif what == 2:
                storage.list_objects("b", "", "", "", 10)
            elif what == 3:
                storage.trim()
            else:
                try:
                    with storage.get("b", key) as content:
                        data = b"".join(content)
                        assert hashlib.md5(data).hexdigest() == content.version.etag
                except NoSuchKey:
                    pass

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(use, seed) for seed in range(THREADS)]:
            done.result()
    for key in keys(storage):
        storage.delete("b", key, NOW)
    assert storage.list_versions("b", "", "", "", "", limit=10).versions == []
    storage.close()
    assert_files_are_those_of_the_index(directory)


def test_threads_see_what_they_wrote_and_versions_are_in_order(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")

    def use(seed: int) -> list[str]:
        mine = []
        for turn in range(TURNS // 4):
            data = f"{seed}-{turn}".encode()
            version = put(storage, "k", data)
            assert read(storage, "k", version.version_id) == data
            mine.append(version.version_id)
        return mine

    with ThreadPoolExecutor(THREADS) as pool:
        each = list(pool.map(use, range(THREADS)))
    listed = storage.list_versions("b", "", "", "", "", limit=1000).versions
    order = [version.version_id for version in reversed(listed)]
    assert sorted(order) == sorted(chain(*each))
    for mine in each:
        assert [version_id for version_id in order if version_id in mine] == mine
    assert [version.is_latest for version in listed] == [True] + [False] * (len(listed) - 1)


def test_only_one_of_many_conditional_writes_succeeds(storage: Storage) -> None:
    barrier = threading.Barrier(THREADS)

    def unless_there(current: object) -> None:
        if current is not None:
            raise FileExistsError

    def use(seed: int) -> bool:
        barrier.wait()
        try:
            put(storage, "k", str(seed).encode(), unless=unless_there)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        won = list(pool.map(use, range(THREADS)))
    assert sum(won) == 1
    assert read(storage, "k") == str(won.index(True)).encode()


def test_readers_that_are_left_open_do_not_keep_others_waiting(storage: Storage) -> None:
    put(storage, "k", b"x" * LARGE)
    contents = [storage.get("b", "k") for _ in range(100)]
    iterators = [iter(content) for content in contents]
    for iterator in iterators:
        next(iterator)
    put(storage, "k", b"y" * LARGE)
    assert read(storage, "k") == b"y" * LARGE
    for content in contents:
        content.close()
