"""What S3 documents about versions and lists, as simply as it can be written: lists, looked through."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

KEYS = st.text(
    alphabet=["a", "b", "/", "\x01", "é", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"],
    min_size=1,
    max_size=4,
)
"""Keys on which UTF-8 order, UTF-16 order, and the neighbors of the surrogates differ."""


@dataclass
class Version:
    id: str
    is_delete_marker: bool


@dataclass
class Entries:
    """A page: ("" and the key and the version id), or a common prefix."""

    entries: list[tuple[str, str, str]] = field(default_factory=list)
    truncated: bool = False


@dataclass
class Model:
    """A bucket; the versions of a key from the newest to the oldest."""

    keys: dict[str, list[Version]] = field(default_factory=dict)
    versioning: str = ""

    def put(self, key: str, version_id: str, *, marker: bool = False) -> None:
        versions = self.keys.setdefault(key, [])
        if self.versioning != "Enabled":
            assert version_id == "null"
            versions[:] = [version for version in versions if version.id != "null"]
        versions.insert(0, Version(version_id, marker))

    def delete(self, key: str, version_id: str | None) -> None:
        if self.versioning:
            assert version_id is not None
            self.put(key, version_id, marker=True)
        else:
            self.keys.pop(key, None)

    def delete_version(self, key: str, version_id: str) -> None:
        versions = self.keys.get(key, [])
        versions[:] = [version for version in versions if version.id != version_id]
        if not versions:
            self.keys.pop(key, None)

    def _page(
        self,
        all_: list[tuple[str, str, int]],
        prefix: str,
        delimiter: str,
        *,
        key_marker: str,
        older: int,
        limit: int,
    ) -> Entries:
        page = Entries()
        for key, version_id, position in all_:
            if not key.startswith(prefix):
                continue
            rolled = ""
            if delimiter and delimiter in key[len(prefix) :]:
                rolled = prefix + key[len(prefix) :].split(delimiter)[0] + delimiter
                if key_marker.startswith(rolled) or (rolled, "", "") in page.entries:
                    continue
            before = key.encode() < key_marker.encode()
            if before or (key == key_marker and (older < 0 or position <= older)):
                continue
            if len(page.entries) == limit:
                page.truncated = limit > 0
                break
            page.entries.append((rolled, "", "") if rolled else ("", key, version_id))
        return page

    def objects(self, prefix: str, delimiter: str, after: str, limit: int) -> Entries:
        current = [
            (key, versions[0].id, 0)
            for key, versions in sorted(self.keys.items(), key=lambda item: item[0].encode())
            if not versions[0].is_delete_marker
        ]
        return self._page(current, prefix, delimiter, key_marker=after, older=-1, limit=limit)

    def versions(self, prefix: str, delimiter: str, key_marker: str, id_marker: str, limit: int) -> Entries:
        everything = [
            (key, version.id, position)
            for key, versions in sorted(self.keys.items(), key=lambda item: item[0].encode())
            for position, version in enumerate(versions)
        ]
        ids = [version.id for version in self.keys.get(key_marker, [])]
        older = ids.index(id_marker) if id_marker else -1
        return self._page(everything, prefix, delimiter, key_marker=key_marker, older=older, limit=limit)
