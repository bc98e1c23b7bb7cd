"""Zip files of a few small members."""

import io
import zipfile
from collections.abc import Mapping


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """Return a zip file; the same members give the same bytes, whenever it is made."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, member)
    return content.getvalue()
