"""A process to be killed: writers that change a storage, and say what they begin and what they have done.

``python crash_writer.py DIRECTORY SEED``. Each line is one JSON document, for the process that started it.
"""

import hashlib
import json
import random
import sys
import threading
from pathlib import Path

from local_account.services.s3.storage import Attributes, Storage, StorageError, index
from tests.local_account.services.s3.storage.objects import LARGE, NOW, put, put_part

WRITERS = 4
KEYS = 6


def body(name: str, size: int) -> bytes:
    """Return bytes that no other name has, of a size."""
    block = hashlib.sha256(name.encode()).digest()
    return (block * (size // 32 + 1))[:size]


def work(storage: Storage, writer: int, seed: int) -> None:
    """Change the writer's own keys for ever."""
    random_ = random.Random(f"{seed}-{writer}")
    turn = 0
    while True:
        turn += 1
        key = f"{writer}/{random_.randrange(KEYS)}"
        what = random_.choice(["put", "put", "put", "delete", "copy", "multipart"])
        name = f"{seed}-{writer}-{turn}"
        data = body(name, random_.choice([0, 10, 1000, LARGE, 3 * LARGE]))
        source = f"{writer}/{random_.randrange(KEYS)}"
        after: str | None = hashlib.md5(data).hexdigest()
        if what == "delete":
            after = None
        elif what == "copy":
            try:
                version = storage.latest("b", source)
            except StorageError:
                continue
            after = version.etag
        say(key=key, after=after, done=False)
        if what == "put":
            put(storage, key, data)
        elif what == "delete":
            storage.delete("b", key, NOW)
        elif what == "copy":
            with storage.copy_segments(version) as segments:
                storage.put("b", key, segments, version.etag, Attributes(), now=NOW)
        else:
            upload = storage.create_upload("b", key, Attributes(), NOW)
            put_part(storage, upload, 2, b"not wanted" * LARGE)
            part = put_part(storage, upload, 1, data)
            storage.complete(upload, [(1, part.etag)], part.etag, Attributes(), now=NOW)
        say(key=key, after=after, done=True)


_saying = threading.Lock()


def say(**line: object) -> None:
    """Write a line in one piece."""
    with _saying:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    index.LOG_BYTES = 200_000  # so that the log is written back now and then
    opened = Storage(Path(sys.argv[1]))
    for each in range(WRITERS):
        threading.Thread(target=work, args=(opened, each, int(sys.argv[2])), daemon=True).start()
    threading.Event().wait()
