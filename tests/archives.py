"""Archives as SageMaker takes and leaves them."""

import io
import tarfile


def archive_of(name: str, content: bytes) -> bytes:
    """Return a tar.gz with one file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()
